//! One job is one row: [`JobRecord`] and nothing else is what the job log holds.

use super::context::Context;
use super::job::usage::Usage;
use crate::domain::words::words;
use chrono::{DateTime, Utc};
use std::fmt;
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

words! {
    /// The label value and the job log's word.
    JobStatus {
        Success = "success",
        Failed = "failed",
        Cancelled = "cancelled",
        Skipped = "skipped",
        Abandoned = "abandoned",
    }
}

impl JobStatus {
    /// What GitHub calls it; `None` where it has no word of it.
    pub fn conclusion(self) -> Option<&'static str> {
        match self {
            JobStatus::Success => Some("success"),
            JobStatus::Failed => Some("failure"),
            JobStatus::Cancelled => Some("cancelled"),
            JobStatus::Skipped => Some("skipped"),
            JobStatus::Abandoned => None,
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

impl Default for RowStatus {
    /// Of a row that says nothing: over, and nobody saw how.
    fn default() -> RowStatus {
        RowStatus::Finished(JobStatus::Abandoned)
    }
}

/// One row of the job log (DESIGN §2.5), and what else is known of its job. `None` where a fact is unknown; never a made-up 0
/// or an empty text. Which column holds what is said in one table: `record/columns.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRecord {
    /// `RUNID_JOBKEY`, unique with `run_attempt`; ours until the run's own id is known. Empty in a row that has none.
    pub job_id: String,
    /// The display name the runner printed, without control characters, at most 1,024 characters.
    pub job_name: Option<String>,
    /// When the row was true: the start for `Running`, else the end. Written as RFC 3339 UTC with milliseconds.
    pub timestamp: DateTime<Utc>,
    /// When the job began.
    pub started_at: Option<DateTime<Utc>>,
    /// From start to end, milliseconds kept; `None` if the end was not witnessed.
    pub duration: Option<Duration>,
    /// From created to started as GitHub says.
    pub queue_time: Option<Duration>,
    /// GitHub's id of its check run, which it calls the job's; known here only, the log has no column for it.
    pub check_run_id: Option<u64>,
    /// From commit to deployed.
    pub lead_time: Option<Duration>,
    /// Open or over.
    pub status: RowStatus,
    /// Why it was abandoned, or what the system saw when it failed: [`super::failure::Cause`] in words.
    pub cause: Option<String>,
    /// What GitHub shows as the job's conclusion: differs from `status` where the runner tells GitHub another word than it prints.
    pub conclusion: Option<String>,
    /// Whether the job was a deployment; `None` if not known.
    pub deployment: Option<bool>,
    /// Where it comes from, as its hook says.
    pub context: Context,
    /// What it used.
    pub usage: Usage,
    /// Whose row it is, where rows of several runners are together.
    pub origin: Origin,
}

/// Whose a row is. Nothing of it stands in a runner's own log, all of whose rows are its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// `RUNNER_NAME` of the runner that had the job; a row that has one is written with all columns.
    pub runner_name: Option<String>,
    /// Its `RUNNER_TYPE`.
    pub runner_type: Option<String>,
    /// The job was told before, and this only says more of it.
    pub amendment: Option<bool>,
}

#[cfg(test)]
pub(crate) mod arbitrary;
mod cell;
mod columns;
mod fields;
mod json;
mod row;

use cell::Cell;
use columns::OWN;
use row::PREDECESSOR_COLUMNS;

pub use columns::{FLEET_HEADER, HEADER};
pub use fields::LONGEST;
pub use json::{EVENT_ID, event_id, from_json, to_json};
pub use row::{MAX_ROW, MAX_TEXT, RowReader, known_header};

/// Why a row of the job log could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowFaultKind {
    /// Neither all columns of ours nor the five of the predecessor.
    Columns,
    /// A quoted field is not closed on its line.
    Quoting,
    /// A field is not UTF-8 or holds control characters.
    Text,
    /// This column is not a time of the years 0–9999.
    Time(&'static str),
    /// `status` is not a status.
    Status,
    /// This column is not a duration of 0 to 10 years.
    Duration(&'static str),
    /// This column is not a number of bytes.
    Bytes(&'static str),
    /// This column is neither `true` nor `false` nor empty.
    Boolean(&'static str),
    /// The line is longer than [`MAX_ROW`].
    TooLong,
}

impl fmt::Display for RowFaultKind {
    /// What was wrong, in words of ours only: nothing of the row is repeated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowFaultKind::Columns => write!(f, "neither {OWN} nor {PREDECESSOR_COLUMNS} columns"),
            RowFaultKind::Quoting => f.write_str("a quoted field is not closed"),
            RowFaultKind::Text => f.write_str("a field is not plain UTF-8 text"),
            RowFaultKind::Time(column) => write!(f, "{column} is not a time"),
            RowFaultKind::Status => f.write_str("status is unknown"),
            RowFaultKind::Duration(column) => write!(f, "{column} is not a duration"),
            RowFaultKind::Bytes(column) => write!(f, "{column} is not a number of bytes"),
            RowFaultKind::Boolean(column) => write!(f, "{column} is neither true nor false"),
            RowFaultKind::TooLong => f.write_str("the line is too long"),
        }
    }
}

/// A row that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
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

words! {
    /// The label value.
    FaultKind {
        TornTail = "torn_tail",
        ForeignRow = "foreign_row",
        SnapshotDamaged = "snapshot_damaged",
        WriteFailed = "write_failed",
        Unusable = "unusable",
    }
}
