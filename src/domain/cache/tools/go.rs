//! `go test` says of every package whether its result was cached; what failed was not.
//!
//! `ok  \tPKG\t(cached)`, `ok  \tPKG\t0.002s`, `FAIL\tPKG\t0.002s` (cmd/go `internal/test/test.go`). A module that was there is
//! not told of: modules cannot be counted.

use super::super::{CacheResult, Tally};
use super::Reader;

pub(super) const OPENS: &[[u8; 4]] = &[*b"ok  ", *b"FAIL"];

/// It has nothing to remember.
#[derive(Debug, Default)]
pub(super) struct Go;

impl Reader for Go {
    fn hear(&mut self, text: &[u8]) -> Tally {
        result(text).map_or(Tally::default(), Tally::one)
    }
}

fn result(text: &[u8]) -> Option<CacheResult> {
    let mut columns = text.split(|byte| *byte == b'\t');
    let verdict = columns.next()?;
    let package = columns.next().filter(|package| !package.is_empty() && !package.contains(&b' '))?;
    let took = columns.next()?;
    let cached = took == b"(cached)" || took.starts_with(b"(cached) ");
    match (verdict, package) {
        (b"ok  ", _) if cached => Some(CacheResult::Hit),
        (b"ok  " | b"FAIL", _) if is_seconds(took) => Some(CacheResult::Miss),
        _ => None,
    }
}

/// `0.002s`, and what may follow it.
fn is_seconds(took: &[u8]) -> bool {
    let word = took.split(|byte| *byte == b' ').next().unwrap_or_default();
    let number = word.strip_suffix(b"s").unwrap_or_default();
    !number.is_empty() && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}
