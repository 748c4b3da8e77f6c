//! ccache tells sums since they were zeroed, once asked for them: what they have grown by in a job is counted.
//!
//! `Cacheable calls: …`, then `  Hits: 1 / 3 (33.33%)` and `  Misses: …`; the same words come once more under `Local storage:`
//! for reads of a storage, which are no requests (ccache `core/Statistics.cpp`, 4.x). `--print-stats` has a tab between a
//! name and its number.

use super::super::Tally;
use super::sums::Sums;
use super::{Reader, words};

pub(super) const OPENS: &[[u8; 4]] = &[*b"Cach", *b"cach", *b"dire", *b"prep"];
pub(super) const FOLLOWS: &[[u8; 4]] = &[*b"  Hi", *b"  Mi", *b"Loca", *b"Remo"];

/// The sums of a job, and how much of a report has been read.
#[derive(Debug, Default)]
pub(super) struct Ccache {
    /// `Cacheable calls` has come, and no storage yet.
    calls: bool,
    hits: Option<u32>,
    /// `cache_miss`, `direct_cache_hit`, `preprocessed_cache_hit`.
    raw: [Option<u32>; 3],
    sums: Sums,
}

impl Reader for Ccache {
    fn hear(&mut self, text: &[u8]) -> Tally {
        let rest = |start: &[u8]| text.strip_prefix(start);
        let share = |start: &[u8]| {
            let (count, rest) = words::number(rest(start)?.trim_ascii_start())?;
            rest.starts_with(b" /").then_some(count)
        };
        if rest(b"Cacheable calls:").is_some() {
            (self.calls, self.hits) = (true, None);
        } else if rest(b"Local storage:").is_some() || rest(b"Remote storage:").is_some() {
            self.calls = false;
        } else if let (true, Some(hits)) = (self.calls, share(b"  Hits:")) {
            self.hits = Some(hits);
        } else if let (true, Some(hits), Some(misses)) = (self.calls, self.hits, share(b"  Misses:")) {
            self.calls = false;
            return self.sums.now(hits, misses);
        } else {
            return self.raw(text);
        }
        Tally::default()
    }

    fn goes_on(&self) -> bool {
        self.calls
    }

    fn end_step(&mut self) -> Tally {
        (self.calls, self.raw) = (false, [None; 3]);
        Tally::default()
    }
}

impl Ccache {
    /// A line of `--print-stats`; they come in the order of their names, other versions may have another.
    fn raw(&mut self, text: &[u8]) -> Tally {
        const NAMES: [&[u8]; 3] = [b"cache_miss\t", b"direct_cache_hit\t", b"preprocessed_cache_hit\t"];
        for (name, value) in NAMES.iter().zip(&mut self.raw) {
            if let Some(number) = text.strip_prefix(*name).and_then(words::only_number) {
                *value = Some(number);
            }
        }
        let [Some(misses), Some(direct), Some(preprocessed)] = self.raw else { return Tally::default() };
        self.raw = [None; 3];
        self.sums.now(direct + preprocessed, misses)
    }
}
