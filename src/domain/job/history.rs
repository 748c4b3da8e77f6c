//! The job history. The jobs of this runner that the log holds: each row is counted once, whether it was just written
//! or is read again.

use crate::domain::notice::Notice;
use crate::domain::record::{JobRecord, RowStatus};
use crate::domain::totals::{Row, Totals};
use std::collections::VecDeque;
use std::sync::Arc;

/// Finished jobs shown to the world.
const RECENT: usize = 50;

/// What all rows have said so far.
#[derive(Clone, Debug)]
pub struct JobHistory {
    totals: Totals,
    recent: VecDeque<JobRecord>,
}

impl JobHistory {
    /// No job is shown yet; `totals` are those of none.
    pub fn new(totals: Totals) -> JobHistory {
        JobHistory { totals, recent: VecDeque::new() }
    }

    /// What an older log says, which is read only now: as if its jobs had ended before all that was written since.
    pub fn precede(&mut self, totals: &Totals, recent: Vec<JobRecord>) {
        self.totals.precede(totals);
        let newer = std::mem::take(&mut self.recent);
        recent.into_iter().chain(newer).for_each(|row| self.remember(row));
    }

    /// A row is on disk. One that says more of a job that is over takes the place of its last one.
    pub fn written(&mut self, row: JobRecord) -> Notice {
        let delta = self.totals.fold(&row);
        if delta.row == Row::Amended && self.recent.back().is_some_and(|last| row.amends(last)) {
            self.recent.pop_back();
        }
        if let RowStatus::Finished(_) = row.status {
            self.remember(row.clone());
        }
        Notice::RowWritten { row: Box::new(row), delta }
    }

    /// All they add up to.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The last finished jobs, newest last.
    pub fn recent(&self) -> Arc<[JobRecord]> {
        self.recent.iter().cloned().collect()
    }

    fn remember(&mut self, row: JobRecord) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::JobStatus;
    use crate::domain::totals::{Bounds, Delta};
    use chrono::DateTime;
    use std::time::Duration;

    const RUNNING: RowStatus = RowStatus::Running;
    const FAILED: RowStatus = RowStatus::Finished(JobStatus::Failed);

    fn history() -> JobHistory {
        JobHistory::new(Totals::new(&Bounds::with_duration(vec![60.0])))
    }

    fn row(second: i64, status: RowStatus) -> JobRecord {
        let started_at = DateTime::from_timestamp(1_800_000_000 + second, 0);
        JobRecord { job_id: second.to_string(), started_at, status, ..JobRecord::blank() }
    }

    fn delta(notice: &Notice) -> Delta {
        let Notice::RowWritten { delta, .. } = notice else { panic!("{notice:?}") };
        *delta
    }

    #[test]
    fn a_row_is_told_as_what_it_is_to_the_rows_before_it() {
        let waited = JobRecord { queue_time: Some(Duration::from_secs(3)), ..row(1, FAILED) };
        let mut history = history();
        for (row, is, shown) in [
            (row(1, RUNNING), Row::Started, 0),
            (row(1, RUNNING), Row::Identified, 0),
            (row(1, FAILED), Row::Finished, 1),
            (waited.clone(), Row::Amended, 1),
            (row(2, FAILED), Row::Finished, 2),
        ] {
            assert_eq!(delta(&history.written(row.clone())).row, is, "{row:?}");
            assert_eq!(history.recent().len(), shown, "{row:?}");
        }
        assert_eq!(history.recent()[0], waited, "the last word on it is the one that is shown");
        assert_eq!((history.totals().started, history.totals().finished), (2, [0, 2, 0, 0, 0]));
    }

    #[test]
    fn an_older_log_comes_before_what_was_written_since() {
        let mut older = history();
        older.written(row(1, FAILED));
        older.written(row(2, RUNNING));
        let mut history = history();
        history.written(row(3, FAILED));
        history.precede(older.totals(), older.recent().to_vec());
        let ids: Vec<String> = history.recent().iter().map(|row| row.job_id.clone()).collect();
        assert_eq!(ids, ["1", "3"]);
        assert!(!delta(&history.written(row(2, FAILED))).started, "it had begun in the older log");
        assert_eq!((history.totals().started, history.totals().finished), (3, [0, 3, 0, 0, 0]));
    }

    #[test]
    fn no_more_than_the_newest_are_shown() {
        let mut history = history();
        for n in 0..=i64::try_from(RECENT).unwrap() {
            history.written(row(n, FAILED));
        }
        assert_eq!((history.recent().len(), history.recent()[0].job_id.as_str()), (RECENT, "1"));
    }
}
