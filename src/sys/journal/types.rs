//! What the journal takes and gives: data only.

use crate::child_setup::Ids;
use crate::domain::dora::StreamRule;
use crate::domain::record::{FaultKind, JobRecord};
use crate::domain::totals::{Bounds, Totals};
use chrono::{DateTime, Utc};
use std::io;
use std::path::PathBuf;

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The job log. Its directory is made if missing.
    pub path: PathBuf,
    /// More rows than this are compacted; at least 1.
    pub max_records: usize,
    /// Of its histograms.
    pub bounds: Bounds,
    /// Which deployments follow one another.
    pub streams: StreamRule,
    /// The user of the jobs, if it is another one than ours: it must not be able to write there.
    pub jobs: Option<Ids>,
}

impl JournalSettings {
    /// How many of so many rows a compaction folds; `None` if it is not due. `recent`: jobs that are remembered with all they say.
    pub(super) fn fold_after(&self, rows: u64, recent: usize) -> Option<u64> {
        let max = (self.max_records as u64).max(1);
        // Even if they are more than half: the recent jobs, of up to four rows each, and the open one's. But never all, or each
        // row after them would be compacted.
        let recent = 4 * recent as u64 + 2;
        let keep = (max / 2).max(recent.min(max - max / 4));
        (rows > max).then(|| rows - keep)
    }
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another supervisor writes this log: a fault of the configuration.
    #[error("job log {path} is in use by another supervisor", path = .path.display())]
    Locked {
        /// The job log.
        path: PathBuf,
    },
    /// The log cannot be read or written at all; the runner goes on without it.
    #[error("cannot use the job log {path}", path = .path.display())]
    Unusable {
        /// The job log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a row is not on disk, or a compaction not done. Nothing acknowledged is lost, and the call may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The row is not in the log.
    #[error("cannot append to the job log {path}", path = .path.display())]
    Append {
        /// The job log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log stays as long as it is.
    #[error("cannot compact the job log {path}", path = .path.display())]
    Compact {
        /// The job log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Something wrong with the files, dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The label of its counter.
    pub kind: FaultKind,
    /// How often.
    pub count: u64,
    /// For the log line; repeats nothing of what the files hold.
    pub detail: String,
}

/// What the log said when it was opened.
#[derive(Clone, Debug)]
pub struct JournalReplay<T = Totals> {
    /// Snapshot and rows.
    pub totals: T,
    /// The newest finished jobs, newest last.
    pub recent: Vec<JobRecord>,
    /// `Running` rows never closed: the caller appends an abandoned row for each.
    pub unclosed: Vec<JobRecord>,
    /// What was wrong, one entry a kind and cause.
    pub faults: Vec<Fault>,
    /// Rows read from the log; those a snapshot stands for are not among them.
    pub rows: u64,
    /// The log held rows of the shell predecessor, now converted.
    pub predecessor: bool,
    /// When the log was begun, if that is known: it is not of one that was copied here. The counts of its rows were 0 then.
    pub begun: Option<DateTime<Utc>>,
}

/// A compaction done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Rows that moved into the snapshot.
    pub folded: u64,
    /// Rows still in the log.
    pub kept: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compaction_keeps_what_is_shown_and_is_not_due_with_the_next_row() {
        let kept = |max_records: usize| {
            let settings = JournalSettings {
                path: "jobs.log".into(),
                max_records,
                bounds: Bounds::with_duration(vec![10.0]),
                streams: StreamRule::default(),
                jobs: None,
            };
            let due = max_records as u64 + 1;
            assert_eq!(settings.fold_after(due - 1, 50), None, "{max_records}");
            settings.fold_after(due, 50).map(|folded| due - folded)
        };
        assert_eq!([1, 9, 100, 250, 300, 10_000].map(kept), [1, 7, 75, 188, 202, 5000].map(Some));
    }
}
