//! The actions that are believed, each with its sentences and what they mean; what another action prints counts nothing.
//!
//! All of them ask by the library of actions/toolkit (`packages/cache/src/cache.ts`), whose sentences come first; what they say
//! themselves after it is the answer.

/// What a sentence tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The library has found the entry of this key.
    Found,
    /// The library has found an entry by a restore key.
    FoundByRestoreKey,
    /// The entry of this key was restored.
    Restored,
    /// An entry was restored; which, the library has said.
    RestoredSomething,
    /// The entry asked for was restored.
    Full,
    /// Another entry was restored.
    Partial,
    /// There was none.
    Missed,
    /// It could not be fetched: mostly `Missed` follows.
    Failed,
    /// The step may not read: whatever follows, nothing was asked.
    NotAsked,
    /// Of another cache than the one the step is counted by.
    NotTheAnswer,
}

/// How a line begins and ends, and what it tells.
#[derive(Debug)]
struct Sentence(&'static str, &'static str, Reading);

/// One action, or several of a kind.
#[derive(Debug)]
pub(super) struct Action {
    /// In lower case; one that ends in `-` stands for all that begin so, as for `actions/setup-node`.
    names: &'static [&'static str],
    /// Its input `key` is the key it asks for.
    pub(super) keyed: bool,
    /// Looked at before those of the library.
    says: &'static [Sentence],
}

use Reading as R;

const LIBRARY: [Sentence; 6] = [
    Sentence("Cache hit for: ", "", R::Found),
    Sentence("Cache hit for restore-key: ", "", R::FoundByRestoreKey),
    Sentence("Cache restore skipped: ", "", R::NotAsked),
    Sentence("Cache not found for input keys: ", "", R::Missed),
    Sentence("##[warning]Failed to restore", "", R::Failed),
    Sentence("##[error]Failed to restore", "", R::Failed),
];
const SETUP: [Sentence; 4] = [
    Sentence("Cache restored from key: ", "", R::Restored),
    Sentence("Cache found and can be restored from key: ", "", R::Restored),
    Sentence("Cache is not found", "", R::Missed),
    Sentence("", " cache is not found", R::Missed),
];
/// It restores up to three caches at once; the dependencies' is the one that is counted.
const SETUP_JAVA: [Sentence; 8] = [
    Sentence("JDK cache ", "", R::NotTheAnswer),
    Sentence("##[warning]Failed to restore JDK cache", "", R::NotTheAnswer),
    Sentence("", "-wrapper cache is not found", R::NotTheAnswer),
    Sentence("##[warning]Failed to restore", "", R::Failed),
    Sentence("Cache restored from key: ", "", R::Restored),
    Sentence("Cache found and can be restored from key: ", "", R::Restored),
    Sentence("Cache is not found", "", R::Missed),
    Sentence("", " cache is not found", R::Missed),
];

/// The table. Where an action has a row of its own it must stand before those of its kind.
static ACTIONS: [Action; 10] = [
    Action {
        names: &["actions/cache", "actions/cache/restore", "runs-on/cache", "runs-on/cache/restore"],
        keyed: true,
        says: &SETUP,
    },
    Action { names: &["actions/setup-java"], keyed: false, says: &SETUP_JAVA },
    Action { names: &["actions/setup-"], keyed: false, says: &SETUP },
    Action { names: &["pnpm/action-setup"], keyed: false, says: &SETUP },
    Action {
        names: &["swatinem/rust-cache"],
        keyed: false,
        says: &[
            Sentence("Restored from cache key \"", " full match: true.", R::Full),
            Sentence("Restored from cache key \"", " full match: false.", R::Partial),
            Sentence("Found cache key \"", " full match: true.", R::Full),
            Sentence("Found cache key \"", " full match: false.", R::Partial),
            Sentence("No cache found.", "", R::Missed),
        ],
    },
    Action {
        names: &["astral-sh/setup-uv"],
        keyed: false,
        says: &[
            Sentence("cache restored from GitHub Actions cache with key: ", "", R::Restored),
            Sentence("No GitHub Actions cache found for key: ", "", R::Missed),
        ],
    },
    Action {
        names: &["golangci/golangci-lint-action"],
        keyed: false,
        // The key it names is the one it asked for, whatever it got.
        says: &[Sentence("Restored cache for golangci-lint from key ", "", R::RestoredSomething)],
    },
    Action {
        names: &["jdx/mise-action"],
        keyed: false,
        says: &[
            Sentence("mise cache restored from key: ", "", R::Restored),
            Sentence("mise cache not found for ", "", R::Missed),
        ],
    },
    Action {
        names: &["hendrikmuhs/ccache-action"],
        keyed: false,
        says: &[
            Sentence("Restored from cache key \"", "\".", R::Restored),
            Sentence("No cache found.", "", R::Missed),
        ],
    },
    Action {
        names: &["gradle/actions/setup-gradle", "gradle/actions", "gradle/actions/dependency-submission"],
        keyed: false,
        says: &[
            Sentence("Basic caching restored from cache key: ", "", R::Restored),
            Sentence("Basic caching did not find an entry to restore.", "", R::Missed),
        ],
    },
];

impl Action {
    /// The action of this name; GitHub heeds no case in names.
    pub(super) fn named(name: &[u8]) -> Option<&'static Action> {
        let is = |known: &&str| {
            let known = known.as_bytes();
            if known.ends_with(b"-") { name.starts_with(known) } else { name == known }
        };
        ACTIONS.iter().find(|action| action.names.iter().any(is))
    }

    /// What a line tells, and what stands between a sentence's beginning and its end.
    pub(super) fn reads<'a>(&self, text: &'a [u8]) -> Option<(Reading, &'a [u8])> {
        let read = |Sentence(begins, ends, reading): &Sentence| {
            let rest = text.strip_prefix(begins.as_bytes())?.strip_suffix(ends.as_bytes())?;
            Some((*reading, rest))
        };
        self.says.iter().chain(&LIBRARY).find_map(read)
    }
}
