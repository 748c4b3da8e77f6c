//! sccache tells sums since its server began, once asked for them: what they have grown by in a job is counted.
//!
//! `Cache hits                            1`, `Cache misses                          2` of `--show-stats` and `--stop-server`
//! (sccache `server.rs`); those of one language have its name behind.

use super::super::Tally;
use super::sums::Sums;
use super::{Reader, words};

pub(super) const OPENS: &[[u8; 4]] = &[*b"Cach"];

/// The sums of a job.
#[derive(Debug, Default)]
pub(super) struct Sccache {
    hits: Option<u32>,
    sums: Sums,
}

impl Reader for Sccache {
    fn hear(&mut self, text: &[u8]) -> Tally {
        // Only the sum has two blanks or more behind its words, then a number.
        let sum = |start: &[u8]| text.strip_prefix(start).and_then(words::only_number);
        if let Some(hits) = sum(b"Cache hits  ") {
            self.hits = Some(hits);
        } else if let (Some(misses), Some(hits)) = (sum(b"Cache misses  "), self.hits) {
            self.hits = None;
            return self.sums.now(hits, misses);
        }
        Tally::default()
    }

    fn end_step(&mut self) -> Tally {
        self.hits = None;
        Tally::default()
    }
}
