//! What has happened, in the past tense: each notice becomes one log line and the metrics that go with it, together.

use super::cache::{CacheType, Tally};
use super::context::ReportFault;
use super::delivery::DeliveryNews;
use super::engine::EngineNews;
use super::event::{Exit, GhostCause, StopRequest, Stream};
use super::failure::Cause;
use super::job::{Rejection, Unborn};
use super::ladder::Rung;
use super::odd_file::OddFile;
use super::otlp::ExportNews;
use super::queue::QueueFault;
use super::record::{FaultKind, JobRecord};
use super::registration::{Recovery, Registered, RegistrationFault, Removal, RunnerStatus};
use super::restart::{RestartReason, StopReason};
use super::steps::StepsRow;
use super::sweep::Swept;
use super::totals::{Delta, Totals};
use super::trace::TraceNews;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A happening. Texts in it may be untrusted; the log escapes them.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The listener's process exists.
    ListenerStarted {
        /// Its process id.
        pid: u32,
        /// Why it was launched again; `None` the first time.
        restart: Option<RestartReason>,
    },
    /// The listener could not be started.
    ListenerNotStarted {
        /// What the operating system said.
        error: String,
    },
    /// The listener's process is gone.
    ListenerExited {
        /// How.
        exit: Exit,
        /// Why, as far as the system tells.
        cause: Cause,
    },
    /// The first launch waits for docker to answer.
    DockerAwaited {
        /// For how long at most.
        at_most: Duration,
    },
    /// Docker answers, or does not.
    DockerWaitEnded {
        /// What was wrong at the last attempt; `None` if docker answers.
        says: Option<String>,
    },
    /// The system's store of certificates was asked to be updated.
    CertificatesUpdated {
        /// Why it was not; `None` if it was.
        says: Option<String>,
    },
    /// `Current runner version`
    VersionSeen {
        /// As printed.
        version: String,
    },
    /// `Listening for Jobs`
    SessionCreated,
    /// The listener lives and has closed its output.
    ListenerMuted,
    /// The first error of a streak.
    ConnectionLost {
        /// What the listener said.
        message: String,
    },
    /// GitHub answers again; how that was found.
    Reconnected(Recovery),
    /// Another session for this runner is alive on the server.
    SessionConflicted,
    /// The server has disowned the runner.
    GhostDetected {
        /// In which words.
        cause: GhostCause,
    },
    /// The listener said something is wrong for good.
    RunnerComplained {
        /// Its words.
        message: String,
    },
    /// Self-update.
    UpdateAnnounced {
        /// What the listener said.
        step: String,
    },
    /// The listener has left for its updater.
    UpdateAwaited {
        /// For how long at most.
        at_most: Duration,
    },
    /// The updater's marker is there, or did not come in time.
    UpdateEnded {
        /// It came.
        finished: bool,
    },
    /// A launch is due after a wait.
    RestartScheduled {
        /// Why.
        reason: RestartReason,
        /// The wait.
        after: Duration,
        /// How many in a row, this one included.
        failures: u32,
    },
    /// A row of the job log is on disk.
    RowWritten {
        /// It.
        row: Box<JobRecord>,
        /// What it is, and adds to the counters.
        delta: Delta,
    },
    /// A report of a job's own was of no use.
    ReportRefused(ReportFault),
    /// How long a job had waited will not be known.
    QueueTimeUnknown(QueueFault),
    /// A line that looks like a job's start or end was not believed.
    LineDoubted(Rejection),
    /// What was said to begin never had a worker: it was no job.
    ClaimDropped(Unborn),
    /// An operator asked us to go.
    StopAsked(StopRequest),
    /// And asked again, which now means at once.
    StopAskedAgain,
    /// And asked again so soon that it counts as the same ask.
    StopRepeated,
    /// The runner is being registered.
    RegistrationStarted,
    /// It is known to the server.
    Registered(Registered),
    /// It is not.
    RegistrationFailed(RegistrationFault),
    /// The custom labels were taken away, so that no further job comes while draining; or why not.
    Unlabelled(Result<(), String>),
    /// We believe that we are idle and online; GitHub says otherwise.
    StandingDisagreed(RunnerStatus),
    /// Nobody gave a one-job runner its job in time.
    NoJobCame {
        /// How long it has waited.
        waited: Duration,
        /// Why it could not be removed for that, and waits on.
        put_off: Option<String>,
    },
    /// The registration is being removed.
    DeregistrationStarted,
    /// What became of it.
    Deregistered(Removal),
    /// The job may finish.
    DrainStarted {
        /// For how long at most; `None` is for as long as it takes.
        at_most: Option<Duration>,
        /// The job's display name.
        job: String,
    },
    /// Asked again: whoever works below the Worker is told to end from now on.
    StopHurried {
        /// KILL follows for the listener after this.
        at_most: Duration,
    },
    /// What was left of a job was told to end.
    BelowSignalled {
        /// By which signal.
        rung: Rung,
        /// How many processes.
        processes: u64,
    },
    /// The listener's process group was sent SIGINT.
    ListenerInterrupted {
        /// A job was open: the runner cancels it.
        cancels_job: bool,
        /// KILL follows after this.
        at_most: Duration,
    },
    /// The listener's process group was sent SIGKILL.
    ListenerKilled,
    /// The lifecycle is over.
    Finished {
        /// Why.
        reason: StopReason,
        /// The exit code of the container.
        code: i32,
    },
    /// The consumer of our output stood still and lines were let go.
    OutputDropped {
        /// Of which stream.
        stream: Stream,
        /// How many since the last notice.
        lines: u64,
    },
    /// A cache was asked, once or more often.
    CacheUsed {
        /// Which.
        kind: CacheType,
        /// How that went.
        tally: Tally,
        /// The share of full hits among the type's last requests, these included.
        hit_rate: f64,
    },
    /// All there is to know of the steps of a job that is over: once for each job, behind its last row; without any if nobody
    /// knows them.
    StepsKnown(Box<StepsRow>),
    /// The job log could not be read or written as it should.
    JournalFault {
        /// Which way.
        kind: FaultKind,
        /// Path and cause, fit to print.
        detail: String,
    },
    /// What an earlier supervisor's job log has counted, on top of what was counted since the start.
    JobsRestored {
        /// That.
        totals: Box<Totals>,
        /// The newest deployments of both.
        newest: [Option<DateTime<Utc>>; 2],
        /// When that log was begun, if that is known.
        begun: Option<DateTime<Utc>>,
    },
    /// The job log was replayed.
    JournalOpened {
        /// How many rows it holds.
        rows: u64,
        /// The shell predecessor wrote it.
        predecessor: bool,
    },
    /// Old rows were folded into the snapshot.
    JournalCompacted {
        /// How many.
        folded: u64,
        /// How many remain.
        kept: u64,
    },
    /// Rows that never reached the disk, at the end.
    RowsLost {
        /// How many.
        rows: u64,
    },
    /// What ended jobs had left behind was swept.
    Swept(Swept),
    /// Of the rows that are sent elsewhere.
    JobEvents(DeliveryNews),
    /// Something else stood where a file should be; it was let be.
    OddFile(OddFile),
    /// Of what jobs had left on the Docker Engine.
    Engine(EngineNews),
    /// Nothing that jobs tell reaches us any more.
    JobHooksLost {
        /// What the system said.
        error: String,
    },
    /// The listener's own trace cannot be followed.
    TraceNotFollowed {
        /// What the system said.
        error: String,
    },
    /// Of the metrics that are pushed.
    Export(ExportNews),
    /// Of the traces that are sent.
    Traces(TraceNews),
    /// A signal that means nothing to us.
    Ignored {
        /// Its name.
        signal: &'static str,
    },
}
