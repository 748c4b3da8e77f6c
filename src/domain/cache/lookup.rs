//! An action that asks GitHub's cache says once how its look-up went; what else it prints, saving included, is no request.

use super::actions::{Action, Reading};
use super::{CacheEvent, CacheResult, CacheType};

/// Keys a step has been told of that are kept; it asks for two or three things at most.
const KEYS: usize = 4;

/// A step that asks GitHub's cache.
#[derive(Debug)]
pub(super) struct Lookup {
    action: &'static Action,
    /// The `key` input, where the action's is the key it asks for.
    key: Option<Vec<u8>>,
    /// The library has found these.
    found: Vec<Vec<u8>>,
    by_restore_key: bool,
    /// Something went wrong: a miss, unless the step says otherwise.
    failed: bool,
    answered: bool,
}

impl Lookup {
    pub(super) fn new(action: &'static Action, key: Option<Vec<u8>>) -> Lookup {
        let key = key.filter(|_| action.keyed).map(|key| key.trim_ascii().to_vec());
        Lookup { action, key, found: Vec::new(), by_restore_key: false, failed: false, answered: false }
    }

    pub(super) fn hear(&mut self, text: &[u8]) -> Option<CacheEvent> {
        if self.answered {
            return None;
        }
        let (reading, rest) = self.action.reads(text)?;
        let result = match reading {
            Reading::NotTheAnswer => return None,
            Reading::Found => {
                if self.found.len() < KEYS {
                    self.found.push(rest.to_vec());
                }
                return None;
            }
            Reading::FoundByRestoreKey => {
                self.by_restore_key = true;
                return None;
            }
            Reading::Failed => {
                self.failed = true;
                return None;
            }
            Reading::NotAsked => {
                self.answered = true;
                return None;
            }
            Reading::Restored => self.restored(Some(rest)),
            Reading::RestoredSomething => self.restored(None),
            Reading::Full => CacheResult::Hit,
            Reading::Partial => CacheResult::Partial,
            Reading::Missed => CacheResult::Miss,
        };
        self.answered = true;
        Some(CacheEvent::one(CacheType::Actions, result))
    }

    /// The step is over.
    pub(super) fn end(&mut self) -> Option<CacheEvent> {
        let is_miss = self.failed && !self.answered;
        is_miss.then(|| CacheEvent::one(CacheType::Actions, CacheResult::Miss))
    }

    /// The library says of a restore key that it is one from the cache service's second version on, but its versions 4.0.0 to
    /// 4.0.3 name the key that was asked for all the same: then the two keys differ.
    fn restored(&self, key: Option<&[u8]>) -> CacheResult {
        let is_full = match (&self.key, key) {
            (Some(wanted), Some(key)) => wanted.eq_ignore_ascii_case(key),
            (None, Some(key)) if !self.found.is_empty() => {
                self.found.iter().any(|found| found.eq_ignore_ascii_case(key))
            }
            (_, _) => !self.by_restore_key,
        };
        if is_full { CacheResult::Hit } else { CacheResult::Partial }
    }
}
