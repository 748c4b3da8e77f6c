//! npm says of every document and tarball where it came from, of a tarball too soon: that hit is one only if no miss follows.
//!
//! With `--loglevel http`. `npm http fetch GET 200 URL 80ms (cache miss)` is true, and so is any other word there; what the
//! registry has confirmed comes from the cache. Since npm 10.9.1 `npm http cache NAME@URL 0ms (cache hit)` is printed before
//! the cache was looked into (npm-registry-fetch `check-response.js`, pacote `remote.js`): it waits for a miss of its URL, for
//! an error, or for the end of the run.

use super::super::{CacheResult, Tally};
use super::{Reader, words};
use std::collections::BTreeMap;

pub(super) const OPENS: &[[u8; 4]] = &[*b"npm ", *b"npm\x1b"];
pub(super) const FOLLOWS: &[[u8; 4]] = &[*b"adde", *b"chan", *b"up t", *b"remo"];
/// URLs that may wait; of more only the number is kept.
const WAITING: usize = 8192;

/// Hits that may still turn out to be none.
#[derive(Debug, Default)]
pub(super) struct Npm {
    /// How often, by what stands for the URL.
    waiting: BTreeMap<u64, u32>,
    /// Those beyond.
    more: u32,
}

/// Whether this is a request that npm does not cache: there are as many as of the others. `text` is one of a script.
#[inline]
pub(in super::super) fn is_idle(text: &[u8]) -> bool {
    matches!(text, [b'n', b'p', b'm', b' ', b'h', .., b'm', b's'])
}

impl Reader for Npm {
    fn hear(&mut self, text: &[u8]) -> Tally {
        let Some(rest) = text.strip_prefix(b"npm ") else {
            return if is_end(text) { self.end_step() } else { Tally::default() };
        };
        if let Some(rest) = rest.strip_prefix(b"http ") {
            return self.request(rest).map_or(Tally::default(), Tally::one);
        }
        if rest.starts_with(b"error code ") || rest.starts_with(b"ERR! code ") {
            *self = Npm::default();
        }
        Tally::default()
    }

    fn goes_on(&self) -> bool {
        self.more > 0 || !self.waiting.is_empty()
    }

    fn end_step(&mut self) -> Tally {
        let Npm { waiting, more } = std::mem::take(self);
        Tally {
            hits: waiting.values().fold(more, |sum, count| sum.saturating_add(*count)),
            ..Tally::default()
        }
    }
}

impl Npm {
    fn request(&mut self, rest: &[u8]) -> Option<CacheResult> {
        let rest = rest.strip_suffix(b")")?;
        let open = memchr::memrchr(b'(', rest)?;
        let had = &rest[open + 1..];
        if let Some(name) = rest.strip_prefix(b"cache ") {
            if had == b"cache hit" {
                self.waits(key(name)?);
            }
            return None;
        }
        let asked = rest.strip_prefix(b"fetch ")?;
        match had {
            b"cache hit" | b"cache revalidated" | b"cache stale" => Some(CacheResult::Hit),
            b"cache miss" | b"cache updated" => {
                self.missed(key(asked));
                Some(CacheResult::Miss)
            }
            _ => None,
        }
    }

    fn waits(&mut self, key: u64) {
        if self.waiting.len() < WAITING || self.waiting.contains_key(&key) {
            let count = self.waiting.entry(key).or_default();
            *count = count.saturating_add(1);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn missed(&mut self, key: Option<u64>) {
        let Some((key, count)) = key.and_then(|key| Some((key, self.waiting.get_mut(&key)?))) else {
            self.more = self.more.saturating_sub(1);
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.waiting.remove(&key);
        }
    }
}

/// The URL in `GET 200 URL 12ms` or `NAME@URL 0ms`, as FNV-1a.
fn key(text: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(text, b"http://").or_else(|| memchr::memmem::find(text, b"https://"))?;
    let url = text[at..].split(|byte| *byte == b' ').next()?;
    Some(url.iter().fold(0xCBF2_9CE4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    }))
}

/// `added 3 packages in 2s`, `changed 1 package`, `removed …`, `up to date`.
fn is_end(text: &[u8]) -> bool {
    let count = [&b"added "[..], b"changed ", b"removed "].iter().find_map(|verb| text.strip_prefix(*verb));
    let is_packages = |rest| words::number(rest).is_some_and(|(_, rest)| rest.starts_with(b" package"));
    count.is_some_and(is_packages) || text.starts_with(b"up to date")
}
