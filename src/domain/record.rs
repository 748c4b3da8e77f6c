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
    /// Unique with `run_attempt`; ours until the run's own id is known.
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
}
