//! What the counters say is a left fold over rows, and its sums are exact: the same after a restart or a compaction.
//!
//! A Prometheus sum is an `f64`, and adding decimals in another order gives another sum. A duration therefore enters
//! the metrics as a whole number of ticks of 1/1024 s: such numbers, and every sum of them below 2⁵³ ticks, are exact.

mod stored;

use super::dora::{Dora, StreamRule};
use super::record::{JobRecord, JobStatus, LONGEST, RowStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ticks in a second.
pub const TICKS_PER_SECOND: u32 = 1024;

/// Whole numbers below this are exact in an `f64`.
const EXACT: u64 = 1 << 53;

/// Open jobs remembered; a runner has one. Beyond this the oldest is forgotten: its end will count as one more start.
pub const MAX_OPEN: usize = 64;

/// A duration in ticks, rounded from the whole milliseconds the job log keeps, [`LONGEST`] at most. Whole seconds stay
/// whole, so a value on a bucket's bound stays there.
pub fn to_ticks(duration: Duration) -> u64 {
    let duration = duration.min(LONGEST);
    let fraction = (u64::from(duration.subsec_millis()) * u64::from(TICKS_PER_SECOND) + 500) / 1000;
    duration.as_secs() * u64::from(TICKS_PER_SECOND) + fraction
}

/// Ticks in seconds; exact below 2⁵³ ticks.
pub fn to_seconds(ticks: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ticks, which is 278,000 years")]
    let ticks = ticks as f64;
    ticks / f64::from(TICKS_PER_SECOND)
}

/// Bounds of the queue-time histogram, seconds.
const QUEUE_BOUNDS: [f64; 8] = [5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0];

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// Bounds of the lead-time histogram, seconds: from an hour to a month.
const LEAD_BOUNDS: [f64; 7] = [HOUR, 4.0 * HOUR, DAY, 3.0 * DAY, 7.0 * DAY, 14.0 * DAY, 30.0 * DAY];

/// Bounds of the recovery-time histogram, seconds: from ten minutes to a month.
const RECOVERY_BOUNDS: [f64; 7] = [600.0, HOUR, 4.0 * HOUR, DAY, 3.0 * DAY, 7.0 * DAY, 30.0 * DAY];

/// Upper bounds, in seconds, of every histogram that the job log restores.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Of job durations: configured.
    pub duration: Vec<f64>,
    /// Of queue times.
    pub queue_time: Vec<f64>,
    /// Of lead times.
    pub lead_time: Vec<f64>,
    /// Of recovery times.
    pub recovery_time: Vec<f64>,
}

impl Bounds {
    /// The fixed ones, and these for durations.
    pub fn with_duration(duration: Vec<f64>) -> Bounds {
        Bounds {
            duration,
            queue_time: QUEUE_BOUNDS.to_vec(),
            lead_time: LEAD_BOUNDS.to_vec(),
            recovery_time: RECOVERY_BOUNDS.to_vec(),
        }
    }
}

/// The observations of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// How many.
    pub count: u64,
    /// Their sum, in ticks.
    pub ticks: u64,
}

/// A histogram: per bucket how many observations and their exact sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    /// Upper bounds in seconds, inclusive, finite and strictly rising.
    #[serde(with = "stored::exact")]
    pub bounds: Vec<f64>,
    /// One cell per bound and a last one for everything above.
    pub cells: Vec<Cell>,
}

impl Buckets {
    /// Empty buckets. Bounds are sorted; doubles and those that are not finite are left out.
    pub fn new(mut bounds: Vec<f64>) -> Buckets {
        bounds.retain(|bound| bound.is_finite());
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let cells = vec![Cell::default(); bounds.len() + 1];
        Buckets { bounds, cells }
    }

    /// Adds one observation.
    pub fn observe(&mut self, duration: Duration) {
        self.add(to_ticks(duration), 1);
    }

    /// All observations as values in seconds and how often each occurs: at most two values a bucket, one tick apart,
    /// inside the bucket, whose count and sum are exactly the cell's.
    pub fn samples(&self) -> impl Iterator<Item = (f64, u64)> {
        self.ticks().map(|(ticks, count)| (to_seconds(ticks), count))
    }

    /// The same observations under other bounds: the total count and sum stay exact; a value is known only as the
    /// mean of its old bucket.
    #[must_use]
    pub fn rebucket(&self, bounds: Vec<f64>) -> Buckets {
        let mut buckets = Buckets::new(bounds);
        if buckets.bounds == self.bounds {
            return self.clone();
        }
        self.ticks().for_each(|(ticks, count)| buckets.add(ticks, count));
        buckets
    }

    /// Whether this is a histogram at all; anything may stand in a file.
    pub fn is_sound(&self) -> bool {
        self.cells.len() == self.bounds.len() + 1
            && self.bounds.iter().all(|bound| bound.is_finite())
            && self.bounds.is_sorted_by(|a, b| a < b)
            && self.cells.iter().all(|cell| cell.count > 0 || cell.ticks == 0)
            && self.cells.iter().all(|cell| cell.count < EXACT && cell.ticks < EXACT)
    }

    /// Observations in all.
    pub fn count(&self) -> u64 {
        self.cells.iter().map(|cell| cell.count).sum()
    }

    /// The sum of all observations in seconds, exact.
    pub fn sum(&self) -> f64 {
        to_seconds(self.cells.iter().map(|cell| cell.ticks).sum())
    }

    fn add(&mut self, ticks: u64, count: u64) {
        let seconds = to_seconds(ticks);
        let cell = &mut self.cells[self.bounds.partition_point(|bound| *bound < seconds)];
        cell.count += count;
        cell.ticks += ticks * count;
    }

    fn ticks(&self) -> impl Iterator<Item = (u64, u64)> {
        self.cells.iter().filter(|cell| cell.count > 0).flat_map(|cell| {
            // The floor of a mean of whole numbers is not below the smallest of them; if there is a rest, the next
            // number is not above the largest: both lie in the bucket.
            let (low, rest) = (cell.ticks / cell.count, cell.ticks % cell.count);
            [(low, cell.count - rest), (low + 1, rest)].into_iter().filter(|(_, count)| *count > 0)
        })
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

    /// Adds one row. A job counts as started once: by its `Running` row, or by a final row that has none (see
    /// [`JobRecord::closes`]); a row that only says more of it ([`JobRecord::amends`]) counts what was not known before.
    pub fn fold(&mut self, record: &JobRecord) {
        match record.status {
            RowStatus::Running => self.start(record),
            RowStatus::Finished(status) => self.finish(record, status),
        }
    }

    fn start(&mut self, record: &JobRecord) {
        if let Some(open) = self.open.iter_mut().rfind(|open| record.amends(open)) {
            *open = record.as_written();
            return;
        }
        self.started += 1;
        if self.open.len() == MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(record.as_written());
    }

    fn finish(&mut self, record: &JobRecord, status: JobStatus) {
        // Over ten years is written as unknown; the counters of the running process must not know more.
        let known = |duration: Option<Duration>| duration.filter(|d| *d <= LONGEST);
        let queue_time = known(record.queue_time);
        if let Some(earlier) = self.ended.iter_mut().rfind(|ended| record.amends(ended)) {
            if let (Some(queue_time), None) = (queue_time, earlier.queue_time) {
                self.queue_time.observe(queue_time);
                earlier.queue_time = record.as_written().queue_time;
            }
            return;
        }
        match self.open.iter().rposition(|open| record.closes(open)) {
            Some(at) => drop(self.open.remove(at)),
            None => self.started += 1,
        }
        self.finished[status as usize] += 1;
        if let Some(duration) = known(record.duration) {
            self.duration.observe(duration);
        }
        if let Some(queue_time) = queue_time {
            self.queue_time.observe(queue_time);
        }
        if let Some(deployment) = self.dora.fold(record) {
            deployment.lead_time.into_iter().for_each(|time| self.lead_time.observe(time));
            deployment.recovery_time.into_iter().for_each(|time| self.recovery_time.observe(time));
        }
        if record.started_at.is_some() {
            self.remember(record);
        }
    }

    /// Only what tells an amendment is kept.
    fn remember(&mut self, record: &JobRecord) {
        self.ended.clear();
        let (status, started_at, queue_time) = (record.status, record.started_at, record.queue_time);
        let ended =
            JobRecord { job_id: record.job_id.clone(), status, started_at, queue_time, ..JobRecord::blank() };
        self.ended.push(ended.as_written());
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::arbitrary;
    use super::*;
    use chrono::DateTime;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const BOUNDS: [f64; 5] = [0.1, 10.0, 60.0, 300.5, 3600.0];

    fn durations() -> impl Strategy<Value = Vec<Duration>> {
        vec(
            prop_oneof![
                (0..5_000_000_u64).prop_map(Duration::from_millis),
                (0..100_u64).prop_map(|n| Duration::from_secs(n * 30)),
            ],
            0..60,
        )
    }

    fn bounds(bounds: &[f64]) -> Bounds {
        let bounds = bounds.to_vec();
        Bounds { queue_time: bounds.clone(), ..Bounds::with_duration(bounds) }
    }

    fn observed(durations: &[Duration]) -> Buckets {
        let mut buckets = Buckets::new(BOUNDS.to_vec());
        for duration in durations {
            buckets.observe(*duration);
        }
        buckets
    }

    fn row(id: &str, status: RowStatus, started: Option<i64>) -> JobRecord {
        let started_at = started.and_then(DateTime::from_timestamp_millis);
        JobRecord { job_id: id.into(), status, started_at, ..JobRecord::blank() }
    }

    const RUNNING: RowStatus = RowStatus::Running;
    const FAILED: RowStatus = RowStatus::Finished(JobStatus::Failed);

    #[test]
    fn ticks_keep_whole_seconds_and_bounds() {
        assert_eq!(to_ticks(Duration::from_secs(60)), 60 * 1024);
        assert_eq!(to_ticks(Duration::from_millis(500)), 512);
        assert_eq!(to_ticks(Duration::from_millis(1)), 1);
        assert_eq!(to_ticks(Duration::from_micros(1999)), 1, "the log keeps milliseconds");
        assert_eq!(to_ticks(Duration::MAX), to_ticks(LONGEST));
        let buckets =
            observed(&[Duration::from_secs(10), Duration::from_millis(10_001), Duration::from_secs(9999)]);
        assert_eq!(buckets.cells.iter().map(|cell| cell.count).collect::<Vec<_>>(), [0, 1, 1, 0, 0, 1]);
    }

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

    #[test]
    fn bounds_are_put_in_order() {
        assert_eq!(Buckets::new(vec![5.0, f64::INFINITY, 1.0, f64::NAN, 5.0]), Buckets::new(vec![1.0, 5.0]));
    }

    #[test]
    fn a_histogram_that_does_not_add_up_is_not_sound() {
        let cell = |count, ticks| Cell { count, ticks };
        let buckets =
            |bounds: &[f64], cells: &[Cell]| Buckets { bounds: bounds.to_vec(), cells: cells.to_vec() };
        assert!(buckets(&[1.0], &[cell(1, 5), cell(0, 0)]).is_sound());
        assert!(!buckets(&[1.0], &[cell(1, 5)]).is_sound());
        assert!(!buckets(&[1.0], &[cell(0, 5), cell(0, 0)]).is_sound());
        assert!(!buckets(&[2.0, 1.0], &[cell(0, 0); 3]).is_sound());
        assert!(!buckets(&[f64::NAN], &[cell(0, 0); 2]).is_sound());
        assert!(!buckets(&[1.0], &[cell(1, u64::MAX), cell(0, 0)]).is_sound());
    }

    proptest! {
        #[test]
        fn samples_stand_for_their_cell_exactly(durations in durations()) {
            let buckets = observed(&durations);
            let mut cells = vec![Cell::default(); buckets.cells.len()];
            let mut per_cell = vec![0; cells.len()];
            for (value, count) in buckets.samples() {
                let ticks = value * f64::from(TICKS_PER_SECOND);
                prop_assert!(ticks.fract() == 0.0);
                // The bucket Prometheus would choose for this value.
                let at = BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len());
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative")]
                let ticks = ticks as u64;
                cells[at].count += count;
                cells[at].ticks += ticks * count;
                per_cell[at] += 1;
            }
            prop_assert_eq!(cells, buckets.cells);
            prop_assert!(per_cell.into_iter().all(|values| values <= 2));
        }

        #[test]
        #[expect(clippy::float_cmp, reason = "exactness is what is tested")]
        fn sums_are_the_same_in_any_order(durations in durations()) {
            let value = |duration: &Duration| to_seconds(to_ticks(*duration));
            let forward: f64 = durations.iter().map(value).sum();
            let backward: f64 = durations.iter().rev().map(value).sum();
            let from_samples: f64 =
                observed(&durations).samples().flat_map(|(value, count)| (0..count).map(move |_| value)).sum();
            prop_assert_eq!(forward, backward);
            prop_assert_eq!(forward, from_samples);
            prop_assert_eq!(forward, observed(&durations).sum());
        }

        #[test]
        fn other_bounds_change_no_total(durations in durations(), bounds in vec(0.0..5000.0, 0..5)) {
            let buckets = observed(&durations);
            let moved = buckets.rebucket(bounds);
            prop_assert!(moved.is_sound());
            prop_assert_eq!((moved.count(), moved.sum()), (buckets.count(), buckets.sum()));
            prop_assert_eq!(buckets.rebucket(BOUNDS.to_vec()), buckets);
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
