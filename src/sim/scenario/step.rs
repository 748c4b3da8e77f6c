//! What can happen to a listener that has a session, one step at a time.

use super::Job;
use serde::{Deserialize, Serialize};

/// One happening of the listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Nothing happens for so long.
    IdleMs(u64),
    /// A job is taken and played to its end. Inside a job it is ignored, as the real listener skips it.
    Job(Box<Job>),
    /// A poll fails, for a while or silently for good.
    Disconnect(Disconnect),
    /// Writes this text to stdout as it is.
    Stdout(String),
    /// Writes this text to stderr as it is.
    Stderr(String),
    /// Writes raw bytes.
    Bytes(Bytes),
    /// Two threads write lines to stdout and stderr at the same time.
    Race(Race),
    /// The session is created anew.
    Banner(Banner),
    /// Self-update.
    Update(Update),
    /// The server deleted the runner: local files are removed, exit 0.
    DeletedOnServer {},
    /// A grandchild holds stdout and stderr open for so long, whatever happens to the listener.
    HoldOutputMs(u64),
    /// The listener ends with this code and the text that goes with it. In a job, 2 cancels the job first; any other code
    /// leaves the Worker behind.
    Exit(i32),
    /// The listener ends with these words on stderr and this code.
    LastWords(LastWords),
    /// The listener's stdout goes nowhere from now on.
    CloseStdout {},
    /// The listener kills itself with this signal.
    Signal(i32),
    /// The running Worker gets this signal; nothing outside a job.
    KillWorker(i32),
}

impl Step {
    /// The job of this step, if it is one.
    pub fn as_job(&self) -> Option<&Job> {
        if let Step::Job(job) = self { Some(job) } else { None }
    }
}

/// A failed poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disconnect {
    /// The transport's text, without a full stop.
    pub message: String,
    /// How long it lasts.
    pub ms: u64,
    /// Whether the end of it is told.
    pub recovery: Recovery,
    /// Whether the beginning of it is told, as that of the first one since the last message.
    pub told: bool,
}

impl Default for Disconnect {
    fn default() -> Self {
        let message = "Connection refused (pipelines.actions.example:443)".into();
        Disconnect { message, ms: 3000, recovery: Recovery::Printed, told: true }
    }
}

/// Whether a reconnection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// `TS: Runner reconnected.` (V1 flow).
    Printed,
    /// Nothing is printed (V2 flow).
    Silent,
}

/// How the listener ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastWords {
    /// What it says.
    pub text: String,
    /// Its exit code.
    pub code: i32,
}

/// Raw output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bytes {
    /// The bytes in hexadecimal; white space is ignored.
    pub hex: String,
    /// Sizes of the successive writes; the rest goes in one.
    pub split: Vec<usize>,
    /// Pause between two writes.
    pub gap_ms: u64,
    /// To stderr instead of stdout.
    pub stderr: bool,
}

/// Concurrent output on both pipes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Race {
    /// The line for stdout, without its end.
    pub stdout: String,
    /// The line for stderr, without its end.
    pub stderr: String,
    /// How many of each.
    pub count: u32,
}

impl Default for Race {
    fn default() -> Self {
        Race { stdout: "out".into(), stderr: "err".into(), count: 50 }
    }
}

/// A session created anew inside the same process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Banner {
    /// Also the version and `Listening for Jobs`, as after a refreshed configuration.
    pub listening: bool,
}

impl Default for Banner {
    fn default() -> Self {
        Banner { listening: true }
    }
}

/// A self-update (runner-facts §2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Update {
    /// The version after it.
    pub version: String,
    /// How long the download takes.
    pub download_ms: u64,
    /// How it goes.
    pub outcome: UpdateOutcome,
}

impl Default for Update {
    fn default() -> Self {
        Update { version: "2.337.0".into(), download_ms: 1000, outcome: UpdateOutcome::Ok }
    }
}

/// How a self-update goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateOutcome {
    /// Exit 3 (4 for a run-once runner); the script waits for the exit, swaps `bin` and touches `update.finished`.
    Ok,
    /// The same, but the script fails: no flag file.
    NoFlag,
    /// `Runner update failed: <text>` on stderr; the listener goes on.
    Failed(String),
    /// The lines are printed, and nothing else happens.
    LinesOnly,
}
