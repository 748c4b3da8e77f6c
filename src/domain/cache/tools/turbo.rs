//! Turborepo says of every task whether it was cached, and at a run's end of how many: what the tasks have not said is in the sum.
//!
//! `cache hit, replaying logs HASH`, `cache hit, suppressing logs HASH`, `cache miss, executing HASH`; `cache bypass, force
//! executing HASH` asks for nothing. Outside of a group the task's name stands before it. `Cached:    1 cached, 2 total` comes
//! in every run, also where tasks are silent (turbo `task_cache`, `run/summary/execution.rs`; 2.x).

use super::super::{CacheResult, Tally};
use super::{Reader, words};

pub(super) const OPENS: &[[u8; 4]] = &[*b"cach", *b"Cach", *b"   \xE2", *b"\xE2\x80\xA2 "];

/// What a task has said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Its output of an earlier run follows.
    Replayed,
    Silent,
    Missed,
    Forced,
}

/// The run at hand.
#[derive(Debug, Default)]
pub(super) struct Turbo {
    hits: u32,
    misses: u32,
    forced: u32,
}

impl Reader for Turbo {
    fn hear(&mut self, text: &[u8]) -> Tally {
        if is_start(text) {
            *self = Turbo::default();
        } else if let Some((hits, all)) = sum(text) {
            let Turbo { hits: told, misses, forced } = std::mem::take(self);
            let missed = all.saturating_sub(hits).saturating_sub(forced);
            return Tally {
                hits: hits.saturating_sub(told),
                misses: missed.saturating_sub(misses),
                ..Tally::default()
            };
        } else {
            match task(text) {
                Some(Task::Replayed | Task::Silent) => {
                    self.hits = self.hits.saturating_add(1);
                    return Tally::one(CacheResult::Hit);
                }
                Some(Task::Missed) => {
                    self.misses = self.misses.saturating_add(1);
                    return Tally::one(CacheResult::Miss);
                }
                Some(Task::Forced) => self.forced = self.forced.saturating_add(1),
                None => {}
            }
        }
        Tally::default()
    }

    fn end_step(&mut self) -> Tally {
        *self = Turbo::default();
        Tally::default()
    }
}

/// What a line of a task says, be it with the task's name before it.
pub(super) fn task(text: &[u8]) -> Option<Task> {
    const SAYS: [(&[u8], Task); 4] = [
        (b"cache hit, replaying logs ", Task::Replayed),
        (b"cache hit, suppressing logs ", Task::Silent),
        (b"cache miss, executing ", Task::Missed),
        (b"cache bypass, force executing ", Task::Forced),
    ];
    SAYS.into_iter()
        .find_map(|(words, task)| text.strip_prefix(words).filter(|hash| is_hash(hash)).map(|_| task))
}

/// `   • Running build in 2 packages`.
pub(super) fn is_start(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with("• Running ".as_bytes())
}

/// `Cached:    1 cached, 2 total`.
pub(super) fn sum(text: &[u8]) -> Option<(u32, u32)> {
    let (hits, rest) = words::number(text.strip_prefix(b"Cached: ")?.trim_ascii_start())?;
    let (all, rest) = words::number(rest.strip_prefix(b" cached, ")?)?;
    (rest == b" total").then_some((hits, all))
}

/// What a task says behind its name, as in `web:build: cache miss, executing HASH`.
pub(super) fn without_name(text: &[u8]) -> Option<&[u8]> {
    let says = memchr::memmem::find(text, b": cache ").map(|at| &text[at + 2..])?;
    task(says).map(|_| says)
}

/// Whether a line ends as one of a task does, whatever stands before.
#[inline]
pub(in super::super) fn may_be_task(text: &[u8]) -> bool {
    matches!(text.len().checked_sub(18).map(|at| &text[at..at + 2]), Some(b"s " | b"g "))
}

fn is_hash(text: &[u8]) -> bool {
    text.len() >= 8 && text.iter().all(u8::is_ascii_hexdigit)
}
