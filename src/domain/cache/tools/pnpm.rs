//! pnpm ends its progress with one line per run: what the store had and what was downloaded.
//!
//! `Progress: resolved 4, reused 3, downloaded 1, added 4, done` (pnpm `cli/default-reporter`, the same in 10 and 12). A run
//! that only resolves, and the later projects of a workspace, reuse nothing and download nothing: no request.

use super::super::{CacheResult, Tally};
use super::{Reader, words};

pub(super) const OPENS: &[[u8; 4]] = &[*b"Prog"];

/// It has nothing to remember.
#[derive(Debug, Default)]
pub(super) struct Pnpm;

impl Reader for Pnpm {
    fn hear(&mut self, text: &[u8]) -> Tally {
        match done(text) {
            None | Some((0, 0)) => Tally::default(),
            Some((0, _)) => Tally::one(CacheResult::Miss),
            Some((_, 0)) => Tally::one(CacheResult::Hit),
            Some(_) => Tally::one(CacheResult::Partial),
        }
    }
}

/// Reused and downloaded.
fn done(text: &[u8]) -> Option<(u32, u32)> {
    let rest = text.strip_prefix(b"Progress: resolved ")?.strip_suffix(b", done")?;
    let (_, rest) = words::number(rest)?;
    let (reused, rest) = words::number(rest.strip_prefix(b", reused ")?)?;
    let (downloaded, rest) = words::number(rest.strip_prefix(b", downloaded ")?)?;
    rest.starts_with(b", added ").then_some((reused, downloaded))
}
