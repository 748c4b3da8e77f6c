//! The vocabulary: what the runner can say, how a process can end, what time it is. Data only.
//!
//! The words are the runner's own (`actions/runner`: `TaskResult.cs`, `Constants.cs`, `JobDispatcher.cs`).

use chrono::{DateTime, Utc};
use std::time::Duration;

/// One reading of both clocks. `up` orders and measures; `utc` is only ever written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since the supervisor started.
    pub up: Duration,
    /// Wall-clock time.
    pub utc: DateTime<Utc>,
}

/// Which of the listener's two pipes a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output: session, job start and job completion.
    Stdout,
    /// Standard error: connection loss, session conflict, deletion.
    Stderr,
}

impl Stream {
    /// Both streams, in descriptor order.
    pub const ALL: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

    /// The label value: `stdout` or `stderr`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// A job's result in the runner's own words (`TaskResult.cs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskResult {
    /// 0
    Succeeded,
    /// 1
    SucceededWithIssues,
    /// 2
    Failed,
    /// 3; also what the console says when the runner itself was shut down
    Canceled,
    /// 4
    Skipped,
    /// 5; the job's lock could not be renewed
    Abandoned,
}

impl TaskResult {
    /// Every value, in the runner's numeric order.
    pub const ALL: [TaskResult; 6] = [
        TaskResult::Succeeded,
        TaskResult::SucceededWithIssues,
        TaskResult::Failed,
        TaskResult::Canceled,
        TaskResult::Skipped,
        TaskResult::Abandoned,
    ];

    /// The word the runner prints.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskResult::Succeeded => "Succeeded",
            TaskResult::SucceededWithIssues => "SucceededWithIssues",
            TaskResult::Failed => "Failed",
            TaskResult::Canceled => "Canceled",
            TaskResult::Skipped => "Skipped",
            TaskResult::Abandoned => "Abandoned",
        }
    }

    /// Reads the runner's word; accepts the double-l spelling of old versions. `None` for anything else.
    pub fn parse(word: &str) -> Option<TaskResult> {
        if word == "Cancelled" {
            return Some(TaskResult::Canceled);
        }
        TaskResult::ALL.into_iter().find(|r| r.as_str() == word)
    }
}

/// How a process ended, as `waitpid` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code, 0–255.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Exit {
    /// The code a shell would report: the code itself, or 128 + the signal's number.
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}
