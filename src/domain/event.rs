//! The vocabulary: what the runner can say, how a process can end, what time it is. Data only.
//!
//! The words are the runner's own (`actions/runner`: `TaskResult.cs`, `Constants.cs`, `JobDispatcher.cs`).

use crate::domain::words::words;
use crate::exit_code::ExitCode;
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

words! {
    /// The label value: `stdout` or `stderr`.
    Stream {
        Stdout = "stdout",
        Stderr = "stderr",
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

words! {
    /// The word the runner prints.
    TaskResult {
        Succeeded = "Succeeded",
        SucceededWithIssues = "SucceededWithIssues",
        Failed = "Failed",
        Canceled = "Canceled",
        Skipped = "Skipped",
        Abandoned = "Abandoned",
    }
}

impl TaskResult {
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
            Exit::Signal(signal) => ExitCode::of_signal(signal),
        }
    }
}

/// Why the server no longer knows this runner, told from its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GhostCause {
    /// `Failed to create a session. The runner registration has been deleted from the server…`
    RegistrationDeleted,
    /// `The runner no longer exists on the server. Please reconfigure the runner.`, `Runner not found`
    NotOnServer,
    /// `The runner no longer exists on the server. Cleaning up local configuration.`; the listener exits with 0
    RemovedByServer,
    /// `Registration … was not found`: the cause of a connect error, or in the trace where that is printed
    RegistrationNotFound,
}

words! {
    /// The word for log lines and status.
    GhostCause {
        RegistrationDeleted = "registration_deleted",
        NotOnServer = "not_on_server",
        RemovedByServer = "removed_by_server",
        RegistrationNotFound = "registration_not_found",
    }
}

/// One step of the runner's self-update, in the order it prints them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpdateStep {
    /// `Runner update in progress, do not shutdown runner.`
    InProgress,
    /// `Downloading 2.337.0 runner`
    Downloading(String),
    /// `Waiting for current job finish running.`
    WaitingForJob,
    /// `Generate and execute update script.`
    Generating,
    /// `Runner will exit shortly for update, should be back online within 10 seconds.`
    ExitingSoon,
    /// `Runner update process finished.`
    Finished,
    /// `Runner update failed: …` on stderr; the listener keeps listening
    Failed(String),
}

/// What one line of the listener means. Names and messages are the runner's bytes made UTF-8: untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RunnerEvent {
    /// `Current runner version: '2.336.0'`
    Version(String),
    /// `TS: Listening for Jobs`: once per session, not after each job
    Listening,
    /// `TS: Running job: NAME`
    JobStarted {
        /// Display name, or its first line if it holds a newline.
        name: String,
    },
    /// `TS: Job NAME completed with result: RESULT`
    JobCompleted {
        /// Display name as printed.
        name: String,
        /// The runner's word.
        result: TaskResult,
    },
    /// `TS: Job NAME` with no result on the same line: the name holds a newline
    CompletionHead {
        /// First line of the display name.
        name: String,
    },
    /// `… completed with result: RESULT` at the end of any other line: the last line of a name that holds a newline
    CompletionTail {
        /// Last line of the display name.
        name: String,
        /// The runner's word.
        result: TaskResult,
    },
    /// In the trace on stdout: not the first line of a sentence. Only a name with newlines has further lines; this is what the
    /// line would mean by itself
    NameLine(Box<RunnerEvent>),
    /// `TS: Runner reconnected.`
    Reconnected,
    /// `TS: Runner connect error: …. Retrying until reconnected.`
    ConnectionError {
        /// What the listener said.
        message: String,
    },
    /// `Exiting...`: it has taken a SIGINT
    Exiting,
    /// `A session for this runner already exists.`
    SessionConflict,
    /// `Stop retry on SessionConflictException…`: exit 5 follows
    SessionConflictGaveUp,
    /// The server no longer knows this runner.
    Ghost(GhostCause),
    /// `√ Removed .runner`: the local registration is gone
    ConfigRemoved,
    /// Self-update.
    Update(UpdateStep),
    /// `The local machine's clock may be out of sync…`
    ClockSkew,
    /// `Runner version v… is deprecated and cannot receive messages.`
    VersionDeprecated,
    /// `Get next message failed with non-retryable error.`: exit 1 follows, though a new session may well be given
    PollRefused,
    /// `An error occurred: …`, `Failed to create session. …`, a work directory that cannot be used, a crash of the runtime
    Fatal {
        /// What the listener said.
        message: String,
    },
}

/// What the process table and `_diag` say of the open job's `Runner.Worker`, gathered when a line claims a change.
///
/// Job names are free text: a newline in one can forge any line. The worker cannot be forged by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// No worker runs and none has left a `_diag/Worker_*.log` since the job began.
    NotSeen,
    /// One runs now.
    Alive,
    /// One has run since the job began and is no more.
    Gone,
    /// `/proc` or `_diag` could not be read.
    Unknown,
}

/// How an operator asks the supervisor to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// TERM or INT: leave, but let the job finish if the budget allows; asked again: insist.
    Graceful,
    /// QUIT: as if asked twice.
    Immediate,
    /// USR1: let the job finish however long it takes, then leave.
    DrainUnlimited,
}
