//! One job is one row: [`JobRecord`] and nothing else is what the job log holds.

use chrono::{DateTime, Utc};
use std::time::Duration;

/// How a job ended, as the metrics say it. The order is the order of the label values everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// `Succeeded` and `SucceededWithIssues`.
    Success,
    /// `Failed`.
    Failed,
    /// `Canceled`.
    Cancelled,
    /// `Skipped`.
    Skipped,
    /// `Abandoned`, or no word of its end: the listener died, or took another job.
    Abandoned,
}

impl JobStatus {
    /// Every status, in label order.
    pub const ALL: [JobStatus; 5] = [
        JobStatus::Success,
        JobStatus::Failed,
        JobStatus::Cancelled,
        JobStatus::Skipped,
        JobStatus::Abandoned,
    ];

    /// The label value and the job log's word.
    pub fn as_str(self) -> &'static str {
        match self {
            JobStatus::Success => "success",
            JobStatus::Failed => "failed",
            JobStatus::Cancelled => "cancelled",
            JobStatus::Skipped => "skipped",
            JobStatus::Abandoned => "abandoned",
        }
    }

    /// What GitHub calls it; empty where it has no word of it.
    pub fn conclusion(self) -> &'static str {
        match self {
            JobStatus::Success => "success",
            JobStatus::Failed => "failure",
            JobStatus::Cancelled => "cancelled",
            JobStatus::Skipped => "skipped",
            JobStatus::Abandoned => "",
        }
    }
}

/// What a row says of its job: it began, or it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStatus {
    /// The job was open when the row was written; a later row with the same `started_at` closes it.
    Running,
    /// The job is over.
    Finished(JobStatus),
}

/// One row of the job log (DESIGN §2.5). Texts are empty and options `None` where the fact is unknown; never a made-up 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// When the row was true: the start for `Running`, else the end. Written as RFC 3339 UTC with milliseconds.
    pub timestamp: DateTime<Utc>,
    /// `RUNID_JOBKEY`, unique with `run_attempt`; ours until the run's own id is known.
    pub job_id: String,
    /// Open or over.
    pub status: RowStatus,
    /// From start to end, milliseconds kept; `None` if the end was not witnessed.
    pub duration: Option<Duration>,
    /// From created to started as GitHub says.
    pub queue_time: Option<Duration>,
    /// The display name the runner printed, without control characters, at most 1,024 characters.
    pub job_name: String,
    /// Workflow name.
    pub workflow: String,
    /// `owner/name`.
    pub repository: String,
    /// GitHub's run id.
    pub run_id: String,
    /// GitHub's attempt number.
    pub run_attempt: String,
    /// Event that triggered the run.
    pub event: String,
    /// Git ref.
    pub git_ref: String,
    /// Commit.
    pub sha: String,
    /// When the job began.
    pub started_at: Option<DateTime<Utc>>,
    /// From commit to deployed.
    pub lead_time: Option<Duration>,
    /// Whether the job was a deployment; `None` if not known.
    pub deployment: Option<bool>,
    /// Why it was abandoned, or what the system saw when it failed: [`super::death::Cause`] in words.
    pub cause: String,
    /// What GitHub shows as the job's conclusion: differs from `status` where the runner tells GitHub another word than it prints.
    pub conclusion: String,
    /// GitHub's number of the run within its workflow.
    pub run_number: String,
    /// Who triggered the run.
    pub actor: String,
    /// When the commit was made, as the triggering event says.
    pub committed_at: Option<DateTime<Utc>>,
    /// CPU time the container used while the job ran.
    pub cpu_time: Option<Duration>,
    /// Most memory the container used while the job ran, bytes.
    pub peak_memory: Option<u64>,
}

#[cfg(test)]
pub(crate) mod arbitrary;
mod fields;
mod row;

pub use fields::LONGEST;
pub use row::{HEADER, MAX_ROW, MAX_TEXT, RowReader, known_header};

/// Why a row of the job log could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowFaultKind {
    /// Neither the twenty-three columns of ours nor the five of the predecessor.
    Columns,
    /// A quoted field is not closed on its line.
    Quoting,
    /// A field is not UTF-8 or holds control characters.
    Text,
    /// `timestamp` is not a time of the years 0–9999.
    Timestamp,
    /// `status` is not a status.
    Status,
    /// `duration_seconds` is not a duration of 0 to 10 years.
    Duration,
    /// `queue_time_seconds` is not a duration of 0 to 10 years.
    QueueTime,
    /// `started_at` is not a time.
    StartedAt,
    /// `lead_time_seconds` is not a duration of 0 to 10 years.
    LeadTime,
    /// `committed_at` is not a time.
    CommittedAt,
    /// `cpu_seconds` is not a duration of 0 to 10 years.
    CpuTime,
    /// `peak_memory_bytes` is not a number of bytes.
    PeakMemory,
    /// `deployment` is neither `true` nor `false` nor empty.
    Deployment,
    /// The line is longer than [`MAX_ROW`].
    TooLong,
}

impl RowFaultKind {
    /// What was wrong, in words of ours only: nothing of the row is repeated.
    pub fn as_str(self) -> &'static str {
        match self {
            RowFaultKind::Columns => "neither 23 nor 5 columns",
            RowFaultKind::Quoting => "a quoted field is not closed",
            RowFaultKind::Text => "a field is not plain UTF-8 text",
            RowFaultKind::Timestamp => "timestamp is not a time",
            RowFaultKind::Status => "status is unknown",
            RowFaultKind::Duration => "duration_seconds is not a duration",
            RowFaultKind::QueueTime => "queue_time_seconds is not a duration",
            RowFaultKind::StartedAt => "started_at is not a time",
            RowFaultKind::LeadTime => "lead_time_seconds is not a duration",
            RowFaultKind::CommittedAt => "committed_at is not a time",
            RowFaultKind::CpuTime => "cpu_seconds is not a duration",
            RowFaultKind::PeakMemory => "peak_memory_bytes is not a number of bytes",
            RowFaultKind::Deployment => "deployment is neither true nor false",
            RowFaultKind::TooLong => "the line is too long",
        }
    }
}

/// A row that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .kind.as_str())]
pub struct RowFault {
    /// The first reason found.
    pub kind: RowFaultKind,
}

/// What can go wrong with the job log, as the label `kind` of `journal_faults_total` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The log ended inside a row; the fragment was kept aside and cut.
    TornTail,
    /// A line that is no row was kept aside and removed.
    ForeignRow,
    /// The snapshot could not be read; it was kept aside and its totals are lost.
    SnapshotDamaged,
    /// A row, a repair or a compaction could not be written.
    WriteFailed,
    /// The log could not be opened at all.
    Unusable,
}

impl FaultKind {
    /// Every kind, in label order.
    pub const ALL: [FaultKind; 5] = [
        FaultKind::TornTail,
        FaultKind::ForeignRow,
        FaultKind::SnapshotDamaged,
        FaultKind::WriteFailed,
        FaultKind::Unusable,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::TornTail => "torn_tail",
            FaultKind::ForeignRow => "foreign_row",
            FaultKind::SnapshotDamaged => "snapshot_damaged",
            FaultKind::WriteFailed => "write_failed",
            FaultKind::Unusable => "unusable",
        }
    }
}
