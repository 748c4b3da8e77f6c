//! `actions/cache` and `actions/setup-*` say once how their look-up went; what else they print, saving included, is no request.
//!
//! The sentences are those of actions/cache (`restoreImpl.ts`), of the setup actions, and of the library all of them use
//! (actions/toolkit `packages/cache/src/cache.ts`).

use super::{CacheEvent, CacheResult, CacheType};

/// A step that asks GitHub's cache.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// The `key` input; the setup actions have none and make up their own.
    key: Option<Vec<u8>>,
    by_restore_key: bool,
    answered: bool,
}

impl Lookup {
    pub(super) fn new(key: Option<Vec<u8>>) -> Lookup {
        Lookup { key, by_restore_key: false, answered: false }
    }

    pub(super) fn hear(&mut self, text: &[u8]) -> Option<CacheEvent> {
        if self.answered {
            return None;
        }
        // The library says so from the cache service's second version on: all there is to know where there is no `key`.
        self.by_restore_key |= text.starts_with(b"Cache hit for restore-key: ");
        let result = if let Some(restored) = restored_key(text) {
            let is_full = match &self.key {
                Some(key) => key.eq_ignore_ascii_case(restored),
                None => !self.by_restore_key,
            };
            if is_full { CacheResult::Hit } else { CacheResult::Partial }
        } else if is_miss(text) {
            CacheResult::Miss
        } else {
            return None;
        };
        self.answered = true;
        Some(CacheEvent { kind: CacheType::Actions, result })
    }
}

fn restored_key(text: &[u8]) -> Option<&[u8]> {
    let found = |start: &[u8]| text.strip_prefix(start);
    found(b"Cache restored from key: ").or_else(|| found(b"Cache found and can be restored from key: "))
}

fn is_miss(text: &[u8]) -> bool {
    // An entry that was found and could not be fetched is of no use; the action's "not found" follows it.
    let failed = [&b"##[warning]"[..], b"##[error]"].into_iter().find_map(|level| text.strip_prefix(level));
    failed.is_some_and(|text| text.starts_with(b"Failed to restore"))
        || text.starts_with(b"Cache not found for input keys: ")
        || text.ends_with(b" cache is not found")
        || text == b"Cache is not found"
}
