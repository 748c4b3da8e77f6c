//! What registering and removing can come to: data only.

/// How the runner came to be known to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// `.runner` was there, for the same target.
    Kept,
    /// `config.sh` has just registered it.
    New,
}

impl Registered {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Registered::Kept => "kept",
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

/// What GitHub says of our own runner when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is online there.
    Online,
    /// It is known and offline.
    Offline,
    /// There is no such runner.
    Unknown,
}

impl Standing {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Online => "online",
            Standing::Offline => "offline",
            Standing::Unknown => "unknown",
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
    /// The server or an ephemeral job had removed it already.
    NothingLeft,
    /// It is still there; one line on why, and what will become of it.
    LeftBehind(String),
}
