//! pip says of every file whether it downloads it or has it: one request a file, what only describes one left out.
//!
//! `Using cached six-1.16.0-py2.py3-none-any.whl (11 kB)`, `Downloading …`, with or without two blanks before it and with a
//! whole URL where the index is not the usual one (pip `operations/prepare.py`, `network/download.py`).

use super::super::{CacheResult, Tally};
use super::Reader;

pub(super) const OPENS: &[[u8; 4]] = &[*b"Usin", *b"Down", *b"  Us", *b"  Do"];
const FILES: [&[u8]; 5] = [b".whl", b".tar.gz", b".zip", b".tar.bz2", b".tar.xz"];

/// It has nothing to remember.
#[derive(Debug, Default)]
pub(super) struct Pip;

impl Reader for Pip {
    fn hear(&mut self, text: &[u8]) -> Tally {
        requested(text).map_or(Tally::default(), Tally::one)
    }
}

fn requested(text: &[u8]) -> Option<CacheResult> {
    let text = text.strip_prefix(b"  ").unwrap_or(text);
    let (rest, result) = match (text.strip_prefix(b"Using cached "), text.strip_prefix(b"Downloading ")) {
        (Some(rest), _) => (rest, CacheResult::Hit),
        (None, rest) => (rest?, CacheResult::Miss),
    };
    let (name, size) = rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len()));
    // A wheel that pip has built itself has no size.
    let is_size =
        size.starts_with(b" (") && size.ends_with(b"B)") || size.is_empty() && result == CacheResult::Hit;
    (is_size && FILES.iter().any(|end| name.ends_with(end))).then_some(result)
}
