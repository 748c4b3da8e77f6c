//! A case is a credential and how long the runner stays; a row of the table is played for every one of them at once.

use crate::world::World;
use std::fmt;

/// What lets the runner in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    Pat,
    App,
    /// A registration token that somebody else fetched: it asks the API nothing, and an hour later it is worth nothing.
    Token,
    /// A just-in-time configuration that somebody else asked for: nothing is registered here, and nothing can be removed.
    Jit,
    /// A just-in-time configuration that we ask for with a PAT: the API makes the runner, `config.sh` has no part in it.
    AskedJit,
}

/// How long the runner stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    Persistent,
    /// One job, after which GitHub itself removes it.
    Ephemeral,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub credential: Credential,
    pub persistence: Persistence,
}

use Credential::{App, AskedJit, Jit, Pat, Token};
use Persistence::{Ephemeral, Persistent};

/// All there are. A just-in-time runner that stays is none: [`crate::edges`] shows what becomes of one that is asked for.
const CASES: [(Credential, Persistence); 8] = [
    (Pat, Persistent),
    (Pat, Ephemeral),
    (App, Persistent),
    (App, Ephemeral),
    (Token, Persistent),
    (Token, Ephemeral),
    (Jit, Ephemeral),
    (AskedJit, Ephemeral),
];

impl Case {
    pub fn is_ephemeral(self) -> bool {
        self.persistence == Ephemeral
    }

    /// It can ask the API, so it can also register anew and remove what `config.sh` cannot.
    pub fn asks(self) -> bool {
        matches!(self.credential, Pat | App | AskedJit)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}", self.credential, self.persistence)
    }
}

/// Plays a row for every case, side by side; a case that fails has its name on its thread's panic and in ours.
pub fn every(row: fn(&World)) {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads = CASES.map(|(credential, persistence)| {
            let case = Case { credential, persistence };
            let builder = std::thread::Builder::new().name(case.to_string());
            let thread = builder.spawn_scoped(scope, move || {
                let world = World::of(case);
                row(&world);
                assert_eq!(world.fake.violations(), [""; 0]);
            });
            (case, thread.unwrap())
        });
        let ended = threads.into_iter().map(|(case, thread)| (case, thread.join()));
        ended.filter(|(_, end)| end.is_err()).map(|(case, _)| case.to_string()).collect()
    });
    assert!(failed.is_empty(), "failed for {failed:?}");
}
