//! What registering and removing can come to: data only.

use serde::{Deserialize, Serialize};

/// A runner that the server may know as ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// There is none.
    #[default]
    None,
    /// A registration was cut off, or has failed at nobody knows what point: it would have our name.
    Named,
    /// `config.sh` has registered it by our name; GitHub has not yet been asked for its id.
    Enrolled,
    /// GitHub has told us its id.
    Made {
        /// The id.
        id: u64,
        /// The name it was registered by.
        name: String,
    },
}

/// What the next supervisor must know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Where it is registered.
    pub url: String,
    /// As whom.
    pub trace: Trace,
}

impl Remembered {
    /// What is left of it for a runner of this target. Where jobs could have written it, what it says of the name is worth
    /// nothing: then only a runner of the name we were given can be ours.
    pub fn heeded(self, url: &str, name: &str, jobs_can_write: bool) -> Trace {
        match self.trace {
            _ if self.url != url => Trace::None,
            Trace::Made { id, .. } if jobs_can_write => Trace::Made { id, name: name.to_owned() },
            trace => trace,
        }
    }
}

/// What a start found in the runner's directory, for the next one in the same container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which container, as far as that directory tells.
    pub place: String,
    /// A job has been here.
    pub worked: bool,
    /// What tells the programs, before any job, from others; `None` if nobody can say.
    pub print: Option<String>,
}

/// How the runner came to be known to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// `.runner` was there, for the same target.
    Kept,
    /// The same, but GitHub has not confirmed that the runner it names is ours: it is used and otherwise left alone.
    KeptUnproven,
    /// `config.sh` has just registered it.
    New,
}

impl Registered {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Registered::Kept => "kept",
            Registered::KeptUnproven => "kept_unproven",
            Registered::New => "new",
        }
    }
}

/// Why a registration failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationFault {
    /// It may succeed later: the network, the server, a limit. Otherwise an operator must change something first.
    pub retry: bool,
    /// One line: what was wanted, what was said, what to check. No secret.
    pub says: String,
}

/// A runner that has our name at GitHub, looked at before it is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// Its id.
    pub id: u64,
    /// Somebody listens for it.
    pub online: bool,
    /// It runs a job.
    pub busy: bool,
}

impl Namesake {
    /// Its id is the one GitHub has told us of ours, or nobody is there any more: then its place may be taken. Whoever lives is
    /// waited for; GitHub notices within minutes that a runner is gone, and a lost job's end within a quarter of an hour.
    ///
    /// # Errors
    /// It lives, and is not ours.
    pub fn may_be_replaced(self, ours: &Trace, name: &str) -> Result<(), RegistrationFault> {
        let is_ours = matches!(ours, Trace::Made { id, .. } if *id == self.id);
        let what = match self {
            _ if is_ours => return Ok(()),
            Namesake { busy: true, .. } => "runs a job",
            Namesake { online: true, .. } => "is online",
            Namesake { online: false, busy: false, .. } => return Ok(()),
        };
        let says = format!(
            "runner {name} (id {}) is somebody else's and {what}, so it is not replaced: wait until it has left, or give each \
             runner a RUNNER_NAME of its own",
            self.id
        );
        Err(RegistrationFault { retry: true, says })
    }

    /// A registration that was cut off before it was known has never had a session.
    pub fn has_lived(self) -> bool {
        self.online || self.busy
    }
}

/// What GitHub says of our own runner when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerStatus {
    /// It is online there.
    Online,
    /// It is known and offline.
    Offline,
    /// There is no such runner.
    Unknown,
}

impl RunnerStatus {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            RunnerStatus::Online => "online",
            RunnerStatus::Offline => "offline",
            RunnerStatus::Unknown => "unknown",
        }
    }
}

/// How it was found that a listener has GitHub again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It said so.
    Listener,
    /// It was handed a job.
    Job,
    /// Its own trace tells that a poll is held.
    Trace,
    /// It lives on after the time in which it would have given up.
    Outlived,
    /// GitHub said so.
    Github,
}

impl Recovery {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Recovery::Listener => "listener",
            Recovery::Job => "job",
            Recovery::Trace => "trace",
            Recovery::Outlived => "outlived",
            Recovery::Github => "github",
        }
    }
}

/// What became of the registration at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// `config.sh remove` has done it.
    Removed,
    /// Deleted by its id through the API.
    Deleted,
    /// GitHub says that it has no such runner.
    NothingLeft,
    /// Nothing was registered: there is nobody to remove.
    NeverMade,
    /// It is still there; one line on why, and what will become of it.
    LeftBehind(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lives_and_is_not_ours_is_waited_for() {
        let made = |id| Trace::Made { id, name: "n".into() };
        for (online, busy, traces) in [
            (false, false, [true, true, true, true]),
            (true, false, [false, false, false, true]),
            (true, true, [false, false, false, true]),
            // Its connection is lost, and its job may go on.
            (false, true, [false, false, false, true]),
        ] {
            let other = Namesake { id: 7, online, busy };
            let ours = [Trace::None, Trace::Named, made(8), made(7)];
            for (ours, may) in ours.iter().zip(traces) {
                let answer = other.may_be_replaced(ours, "n");
                assert_eq!(answer.is_ok(), may, "{other:?} {ours:?}");
                assert!(answer.err().is_none_or(|fault| fault.retry && fault.says.contains("(id 7)")));
            }
        }
    }
}
