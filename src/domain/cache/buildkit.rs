//! `BuildKit` with plain progress: a step of a Dockerfile that was `CACHED` is a hit, one that ran is a miss, each once per build.
//!
//! Vertices are numbered per build: `#7 [build 2/5] RUN make`, later `#7 CACHED`, `#7 DONE 1.2s` or `#7 ERROR: …`
//! (moby/buildkit `util/progress/progressui/printer.go`). Only those whose bracket ends in `k/n` are steps: `[internal]`,
//! `[auth]`, exporting and importing are the builder's own doing.

use super::{CacheEvent, CacheResult, CacheType};

/// Vertices of a build; what is numbered higher is not counted.
const VERTICES: usize = 1024;
const WORDS: usize = VERTICES / 64;

/// One build after the other.
#[derive(Debug, Default)]
pub(super) struct Buildkit {
    steps: Set,
    over: Set,
}

#[derive(Debug, Default)]
struct Set([u64; WORDS]);

impl Set {
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn add(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }
}

impl Buildkit {
    /// A line's text after its `#`.
    pub(super) fn hear(&mut self, text: &[u8]) -> Option<CacheEvent> {
        let (vertex, says) = numbered(text)?;
        // What a command prints begins with its time, and there is much of it.
        if says.first().is_none_or(u8::is_ascii_digit) {
            return None;
        }
        let is_over = self.over.has(vertex);
        if says.starts_with(b"[") {
            // A name is told again whenever the output returns to its vertex, but not that of the first after its end.
            if vertex == 1 && is_over {
                *self = Buildkit::default();
            }
            if is_step(says) {
                self.steps.add(vertex);
            }
            return None;
        }
        if vertex == 0 && says.starts_with(b"building with ") {
            *self = Buildkit::default();
            return None;
        }
        let (ends, result) = match says {
            b"CACHED" => (true, Some(CacheResult::Hit)),
            b"DONE" => (true, Some(CacheResult::Miss)),
            _ if says.starts_with(b"DONE ") => (true, Some(CacheResult::Miss)),
            // Its command ran and failed; any other error may have come before the cache was asked.
            _ if says.starts_with(b"ERROR: process ") => (true, Some(CacheResult::Miss)),
            _ => (says == b"CANCELED" || says.starts_with(b"ERROR: "), None),
        };
        if ends {
            self.over.add(vertex);
        }
        let result = result.filter(|_| self.steps.has(vertex) && !is_over)?;
        Some(CacheEvent { kind: CacheType::Buildkit, result })
    }
}

fn numbered(text: &[u8]) -> Option<(usize, &[u8])> {
    let digits = text.iter().take(5).take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let number = number.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    let says = rest.strip_prefix(b" ")?;
    (digits > 0 && number < VERTICES).then_some((number, says))
}

/// `[2/5] …`, `[build 2/5] …`, `[linux/amd64 build 2/5] …`.
fn is_step(name: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b']', name) else { return false };
    let last = name[1..end].rsplit(|b| *b == b' ').next().unwrap_or_default();
    let mut parts = last.split(|b| *b == b'/');
    let is_number =
        |part: Option<&[u8]>| part.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none()
}
