//! In a script the tools speak for themselves: `BuildKit` by its vertices, apt once per run, npm once per fetch.

use super::buildkit::Buildkit;
use super::{CacheEvent, CacheResult, CacheType};

/// What is kept of a line with colours.
const COLOURED: usize = 1024;

/// The tools of a step.
#[derive(Debug, Default)]
pub(super) struct Tools {
    buildkit: Buildkit,
    /// What apt's archives will have been once one is fetched.
    apt: Option<CacheResult>,
    is_script: bool,
}

impl Tools {
    /// All tools.
    pub(super) fn of_script() -> Tools {
        Tools { is_script: true, ..Tools::default() }
    }

    /// `BuildKit` alone.
    pub(super) fn of_build() -> Tools {
        Tools::default()
    }

    pub(super) fn hear(&mut self, text: &[u8]) -> Option<CacheEvent> {
        match text {
            [b'#', text @ ..] => self.buildkit.hear(text),
            _ if !self.is_script => None,
            [b'N' | b'G' | b'F', ..] => {
                let result = self.apt(text)?;
                Some(CacheEvent { kind: CacheType::Apt, result })
            }
            [b'\x1b', ..] => npm(&without_colours(text)),
            _ => npm(text),
        }
    }

    /// apt says how much it needs before it asks; `A/B` is what is missing of all (apt `apt-private/private-install.cc`).
    fn apt(&mut self, text: &[u8]) -> Option<CacheResult> {
        if text.first() != Some(&b'N') {
            // There is much of it, and little is waited for.
            self.apt?;
            let fetched = text.starts_with(b"Get:") || text.starts_with(b"Fetched ");
            return if fetched { self.apt.take() } else { None };
        }
        let size = text.strip_prefix(b"Need to get ")?.strip_suffix(b" of archives.")?;
        self.apt = None;
        if size == b"0 B" || size.starts_with(b"0 B/") {
            return Some(CacheResult::Hit);
        }
        let partly = memchr::memchr(b'/', size).is_some();
        self.apt = Some(if partly { CacheResult::Partial } else { CacheResult::Miss });
        None
    }
}

/// `npm http fetch GET 200 URL 12ms (cache hit)`, printed with `--loglevel http` (npm-registry-fetch `check-response.js`,
/// the words of make-fetch-happen). What the registry has confirmed comes from the cache.
fn npm(text: &[u8]) -> Option<CacheEvent> {
    let rest = text.strip_suffix(b")")?.strip_prefix(b"npm http fetch ")?;
    let open = memchr::memrchr(b'(', rest)?;
    let result = match &rest[open + 1..] {
        b"cache hit" | b"cache revalidated" | b"cache stale" => CacheResult::Hit,
        b"cache miss" | b"cache updated" => CacheResult::Miss,
        _ => return None,
    };
    Some(CacheEvent { kind: CacheType::Npm, result })
}

/// Without `ESC [ … m`; nothing if the first thing after the colours is not npm's name.
fn without_colours(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = &text[..text.len().min(COLOURED)];
    while let Some((first, after)) = rest.split_first() {
        let end = after.starts_with(b"[").then(|| memchr::memchr(b'm', after)).flatten();
        rest = match (*first == b'\x1b', end) {
            (true, Some(end)) => &after[end + 1..],
            (_, _) if plain.is_empty() && !rest.starts_with(b"npm") => return plain,
            (_, _) => {
                plain.push(*first);
                after
            }
        };
    }
    plain
}
