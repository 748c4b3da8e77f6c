//! uv prepares what it has to fetch or build, then installs: a run that installs without preparing had all of it.
//!
//! `Prepared 2 packages in 10ms`, `Installed 3 packages in 4ms` (uv `commands/pip/operations.rs`). A project's own package is
//! built each time, so a run with one is a partial hit at best.

use super::super::{CacheResult, Tally};
use super::{Reader, words};

pub(super) const OPENS: &[[u8; 4]] = &[*b"Reso", *b"Prep", *b"Inst"];

/// What the run at hand has prepared.
#[derive(Debug, Default)]
pub(super) struct Uv {
    prepared: u32,
}

impl Reader for Uv {
    fn hear(&mut self, text: &[u8]) -> Tally {
        let said = |verb: &[u8]| text.strip_prefix(verb).and_then(words::packages);
        if said(b"Resolved ").is_some() {
            self.prepared = 0;
        } else if let Some(count) = said(b"Prepared ") {
            self.prepared = count;
        } else if let Some(installed) = said(b"Installed ") {
            return Tally::one(match std::mem::take(&mut self.prepared) {
                0 => CacheResult::Hit,
                prepared if prepared >= installed => CacheResult::Miss,
                _ => CacheResult::Partial,
            });
        }
        Tally::default()
    }

    fn end_step(&mut self) -> Tally {
        self.prepared = 0;
        Tally::default()
    }
}
