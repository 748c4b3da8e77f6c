//! What the counters say is a left fold over rows, and its sums are exact: the same after a restart or a compaction.
//!
//! A Prometheus sum is an `f64`, and adding decimals in another order gives another sum. A duration therefore enters
//! the metrics as a whole number of ticks of 1/1024 s: such numbers, and every sum of them below 2⁵³ ticks, are exact.

mod buckets;
mod ledger;
mod stored;

pub use ledger::Ledger;

pub use buckets::{Bounds, Buckets, Cell, TICKS_PER_SECOND, to_seconds, to_ticks};

use super::dora::{Deployment, Dora, StreamRule};
use super::record::{JobRecord, JobStatus, LONGEST, RowStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Open jobs remembered; a runner has one. Beyond this the oldest is forgotten: its end will count as one more start.
pub const MAX_OPEN: usize = 64;

/// What a row of the job log is to the rows before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// The first of its job, which runs.
    Started,
    /// It says more of a job that runs.
    Identified,
    /// Its job is over.
    Finished,
    /// It says more of a job that is over.
    Amended,
}

/// What one row adds to the counters and histograms; the same whether it was just written or is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// What the row is.
    pub row: Row,
    /// A job has begun.
    pub started: bool,
    /// A job is over.
    pub finished: Option<JobStatus>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// How long it had waited.
    pub queue_time: Option<Duration>,
    /// It was a deployment with a result.
    pub deployment: Option<Deployment>,
}

impl Delta {
    /// Such a row, which adds nothing.
    fn of(row: Row) -> Delta {
        Delta { row, started: false, finished: None, duration: None, queue_time: None, deployment: None }
    }
}

/// Everything the job counters need, as a left fold over the rows of the job log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Jobs begun.
    pub started: u64,
    /// Jobs over, in the order of [`JobStatus::ALL`].
    pub finished: [u64; 5],
    /// Durations of jobs that are over, where known.
    pub duration: Buckets,
    /// Queue times of jobs that are over, where known.
    pub queue_time: Buckets,
    /// Jobs that were deployments.
    pub dora: Dora,
    /// Lead times of successful deployments, where known.
    pub lead_time: Buckets,
    /// How long deployments had failed when one succeeded again.
    pub recovery_time: Buckets,
    /// `Running` rows without a final one, oldest first, at most [`MAX_OPEN`].
    #[serde(with = "stored::rows")]
    pub open: Vec<JobRecord>,
    /// The job that ended last, at most one: a further final row of it ends no further job.
    #[serde(with = "stored::rows")]
    ended: Vec<JobRecord>,
    #[serde(skip)]
    spare: Spare,
}

/// The memory of an open job's record that is no longer needed, for the next one's; it says nothing.
#[derive(Debug, Default)]
struct Spare(JobRecord);

impl Clone for Spare {
    fn clone(&self) -> Spare {
        Spare::default()
    }
}

impl PartialEq for Spare {
    fn eq(&self, _: &Spare) -> bool {
        true
    }
}

impl Totals {
    /// Zero.
    pub fn new(bounds: &Bounds) -> Totals {
        Totals {
            started: 0,
            finished: [0; 5],
            duration: Buckets::new(bounds.duration.clone()),
            queue_time: Buckets::new(bounds.queue_time.clone()),
            dora: Dora::default(),
            lead_time: Buckets::new(bounds.lead_time.clone()),
            recovery_time: Buckets::new(bounds.recovery_time.clone()),
            open: Vec::new(),
            ended: Vec::new(),
            spare: Spare::default(),
        }
    }

    /// The same under other bounds; see [`Buckets::rebucket`].
    #[must_use]
    pub fn rebucket(self, bounds: &Bounds) -> Totals {
        Totals {
            duration: self.duration.rebucket(bounds.duration.clone()),
            queue_time: self.queue_time.rebucket(bounds.queue_time.clone()),
            lead_time: self.lead_time.rebucket(bounds.lead_time.clone()),
            recovery_time: self.recovery_time.rebucket(bounds.recovery_time.clone()),
            ..self
        }
    }

    /// The same; deployments from now on follow one another by this rule.
    #[must_use]
    pub fn told_apart_by(self, rule: &StreamRule) -> Totals {
        Totals { dora: self.dora.told_apart_by(rule), ..self }
    }

    /// Whether every histogram is one; see [`Buckets::is_sound`].
    pub fn is_sound(&self) -> bool {
        [&self.duration, &self.queue_time, &self.lead_time, &self.recovery_time]
            .into_iter()
            .all(Buckets::is_sound)
    }

    /// Adds one row; what it has added. A job counts as started once: by its `Running` row, or by a final row that has none
    /// (see [`JobRecord::closes`]); a row that only says more of it ([`JobRecord::amends`]) counts what was not known before.
    pub fn fold(&mut self, record: &JobRecord) -> Delta {
        let delta = match record.status {
            RowStatus::Running => self.start(record),
            RowStatus::Finished(status) => self.finish(record, status),
        };
        self.apply(&delta);
        delta
    }

    /// Counts what a row has added: all there is to the counters.
    pub fn apply(&mut self, delta: &Delta) {
        let Delta { row: _, started, finished, duration, queue_time, deployment } = delta;
        self.started += u64::from(*started);
        if let Some(status) = finished {
            self.finished[*status as usize] += 1;
        }
        let observe = |histogram: &mut Buckets, time: &Option<Duration>| {
            if let Some(time) = time {
                histogram.observe(*time);
            }
        };
        observe(&mut self.duration, duration);
        observe(&mut self.queue_time, queue_time);
        if let Some(deployment) = deployment {
            self.dora.count(deployment);
            observe(&mut self.lead_time, &deployment.lead_time);
            observe(&mut self.recovery_time, &deployment.recovery_time);
        }
    }

    /// Takes over what an older log says, which is read only now: all it has counted, and what it knows of jobs and
    /// deployments that have not been seen since. Both are of the same bounds.
    pub fn precede(&mut self, older: &Totals) {
        self.started += older.started;
        for (mine, theirs) in self.finished.iter_mut().zip(older.finished) {
            *mine += theirs;
        }
        self.duration.merge(&older.duration);
        self.queue_time.merge(&older.queue_time);
        self.lead_time.merge(&older.lead_time);
        self.recovery_time.merge(&older.recovery_time);
        for (mine, theirs) in self.dora.deployments.iter_mut().zip(older.dora.deployments) {
            *mine += theirs;
        }
        self.dora.precede(&older.dora);
        let newer = std::mem::replace(&mut self.open, older.open.clone());
        self.open.extend(newer);
        self.open.drain(..self.open.len().saturating_sub(MAX_OPEN));
        if self.ended.is_empty() {
            self.ended.clone_from(&older.ended);
        }
    }

    fn start(&mut self, record: &JobRecord) -> Delta {
        if let Some(open) = self.open.iter_mut().rfind(|open| record.amends(open)) {
            open.set_as_written(record);
            return Delta::of(Row::Identified);
        }
        if self.open.len() == MAX_OPEN {
            self.open.remove(0);
        }
        let mut open = std::mem::take(&mut self.spare.0);
        open.set_as_written(record);
        self.open.push(open);
        Delta { started: true, ..Delta::of(Row::Started) }
    }

    fn finish(&mut self, record: &JobRecord, status: JobStatus) -> Delta {
        let queue_time = known(record.queue_time);
        if let Some(earlier) = self.ended.iter_mut().rfind(|ended| record.amends(ended)) {
            let queue_time = queue_time.filter(|_| earlier.queue_time.is_none());
            if queue_time.is_some() {
                earlier.queue_time = record.as_written().queue_time;
            }
            return Delta { queue_time, ..Delta::of(Row::Amended) };
        }
        let open = self.open.iter().rposition(|open| record.closes(open));
        if let Some(at) = open {
            self.spare.0 = self.open.remove(at);
        }
        if record.started_at.is_some() {
            self.remember(record);
        }
        Delta { started: open.is_none(), ..self.end(record, status) }
    }

    /// What the end of a job adds that is no other row's.
    fn end(&mut self, record: &JobRecord, status: JobStatus) -> Delta {
        Delta {
            row: Row::Finished,
            started: true,
            finished: Some(status),
            duration: known(record.duration),
            queue_time: known(record.queue_time),
            deployment: self.dora.judge(record),
        }
    }

    /// Counts a job that is over, which no other row is about: rows of many runners tell nothing by their neighbours.
    pub fn finish_alone(&mut self, record: &JobRecord) {
        if let RowStatus::Finished(status) = record.status {
            let delta = self.end(record, status);
            self.apply(&delta);
        }
    }

    /// Counts what a further row says of such a job.
    pub fn amend(&mut self, record: &JobRecord) {
        self.apply(&Delta { queue_time: known(record.queue_time), ..Delta::of(Row::Amended) });
    }

    /// Only what tells an amendment is kept.
    fn remember(&mut self, record: &JobRecord) {
        let mut ended = self.ended.pop().unwrap_or_default();
        ended.set_identity(record);
        self.ended.push(ended);
    }
}

/// Over ten years is written as unknown; the counters of the running process must not know more.
fn known(duration: Option<Duration>) -> Option<Duration> {
    duration.filter(|d| *d <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::super::record::arbitrary;
    use super::*;
    use chrono::DateTime;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn bounds(bounds: &[f64]) -> Bounds {
        let bounds = bounds.to_vec();
        Bounds { queue_time: bounds.clone(), ..Bounds::with_duration(bounds) }
    }

    fn row(id: &str, status: RowStatus, started: Option<i64>) -> JobRecord {
        let started_at = started.and_then(DateTime::from_timestamp_millis);
        JobRecord { job_id: id.into(), status, started_at, ..JobRecord::blank() }
    }

    const RUNNING: RowStatus = RowStatus::Running;
    const FAILED: RowStatus = RowStatus::Finished(JobStatus::Failed);

    #[test]
    fn a_job_is_started_once() {
        for (rows, started, open) in [
            (vec![row("a", RUNNING, Some(1)), row("b", FAILED, Some(1))], 1, 0),
            (vec![row("a", RUNNING, Some(1)), row("a", FAILED, Some(2))], 2, 1),
            (vec![row("a", RUNNING, Some(1)), row("a", FAILED, None)], 1, 0),
            (vec![row("a", RUNNING, None), row("a", FAILED, Some(1))], 1, 0),
            (vec![row("a", RUNNING, None), row("b", FAILED, None)], 2, 1),
            (vec![row("a", FAILED, Some(1))], 1, 0),
            (vec![row("a", FAILED, Some(1)), row("a", RUNNING, Some(1))], 2, 1),
            (vec![row("a", RUNNING, Some(1)), row("b", RUNNING, Some(1)), row("b", FAILED, Some(1))], 1, 0),
            (vec![row("a", RUNNING, Some(1)), row("a", FAILED, Some(1)), row("a", FAILED, Some(1))], 1, 0),
            (vec![row("a", RUNNING, Some(1)), row("a", FAILED, Some(1)), row("b", FAILED, Some(1))], 2, 0),
            (vec![row("a", FAILED, None), row("a", FAILED, None)], 2, 0),
        ] {
            let mut totals = Totals::new(&bounds(&[]));
            for row in &rows {
                totals.fold(row);
            }
            assert_eq!((totals.started, totals.open.len()), (started, open), "{rows:?}");
        }
    }

    #[test]
    fn open_jobs_are_bounded() {
        let mut totals = Totals::new(&bounds(&[]));
        for n in 0..=MAX_OPEN {
            totals.fold(&row(&n.to_string(), RUNNING, i64::try_from(n).ok()));
        }
        assert_eq!((totals.open.len(), totals.open[0].job_id.as_str()), (MAX_OPEN, "1"));
    }

    #[test]
    fn statuses_are_counted_in_label_order_and_unknown_is_no_observation() {
        let mut totals = Totals::new(&bounds(&[1.0]));
        for (n, status) in JobStatus::ALL.into_iter().enumerate() {
            let before = totals.finished[n];
            totals.fold(&row("", RowStatus::Finished(status), None));
            assert_eq!(totals.finished[n], before + 1, "{status:?}");
        }
        assert_eq!((totals.duration.count(), totals.queue_time.count()), (0, 0));
        let long = JobRecord { duration: Some(LONGEST + Duration::from_secs(1)), ..row("", FAILED, None) };
        totals.fold(&long);
        totals.fold(&JobRecord { queue_time: Some(Duration::ZERO), ..row("", FAILED, None) });
        assert_eq!((totals.duration.count(), totals.queue_time.count()), (0, 1));
    }

    proptest! {
        #[test]
        fn a_replay_is_the_sum_of_its_deltas(rows in vec(arbitrary::record(), 0..12), cut in 0..12_usize) {
            let bounds = bounds(&[0.1 + 0.2, 10.0, 1e300]);
            let (mut replayed, mut summed) = (Totals::new(&bounds), Totals::new(&bounds));
            let mut deltas: Vec<Delta> = rows.iter().map(|row| replayed.fold(row)).collect();
            // A sum has no order; the state that tells one row from another is not the counters'.
            deltas.rotate_left(cut.min(rows.len()));
            for delta in &deltas {
                summed.apply(delta);
            }
            prop_assert_eq!((summed.started, summed.finished), (replayed.started, replayed.finished));
            prop_assert_eq!((&summed.duration, &summed.queue_time), (&replayed.duration, &replayed.queue_time));
            prop_assert_eq!((&summed.lead_time, &summed.recovery_time), (&replayed.lead_time, &replayed.recovery_time));
            prop_assert_eq!(summed.dora.deployments, replayed.dora.deployments);
            prop_assert_eq!(summed.dora.newest, replayed.dora.newest);
        }

        #[test]
        fn an_older_log_that_is_read_late_counts_as_much(rows in vec(arbitrary::record(), 0..12), cut in 0..12_usize) {
            let bounds = bounds(&[0.1 + 0.2, 10.0, 1e300]);
            let (older, newer) = rows.split_at(cut.min(rows.len()));
            let fold = |rows: &[JobRecord]| {
                let mut totals = Totals::new(&bounds);
                let deltas: Vec<Delta> = rows.iter().map(|row| totals.fold(row)).collect();
                (totals, deltas)
            };
            let ((before, mut deltas), (mut both, more)) = (fold(older), fold(newer));
            both.precede(&before);
            deltas.extend(more);
            let mut summed = Totals::new(&bounds);
            for delta in &deltas {
                summed.apply(delta);
            }
            prop_assert_eq!((summed.started, summed.finished), (both.started, both.finished));
            prop_assert_eq!((&summed.duration, &summed.queue_time), (&both.duration, &both.queue_time));
            prop_assert_eq!((&summed.lead_time, &summed.recovery_time), (&both.lead_time, &both.recovery_time));
            prop_assert_eq!(summed.dora.newest, both.dora.newest);
            prop_assert!(both.open.len() <= MAX_OPEN);
        }

        #[test]
        fn totals_do_not_change_in_json_or_by_writing_the_rows(rows in vec(arbitrary::record(), 0..12)) {
            let mut totals = Totals::new(&bounds(&[0.1 + 0.2, 10.0, 1e300]));
            let mut as_written = totals.clone();
            for row in &rows {
                totals.fold(row);
                as_written.fold(&row.as_written());
            }
            prop_assert_eq!(&totals, &as_written);
            let json = serde_json::to_string(&totals).unwrap();
            prop_assert_eq!(serde_json::from_str::<Totals>(&json).unwrap(), totals);
        }
    }
}
