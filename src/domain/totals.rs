//! What the counters say is a left fold over rows, and its sums are exact: the same after a restart or a compaction.
//!
//! A Prometheus sum is an `f64`, and adding decimals in another order gives another sum. A duration therefore enters
//! the metrics as a whole number of ticks of 1/1024 s: such numbers, and every sum of them below 2⁵³ ticks, are exact.

use super::record::{JobRecord, JobStatus, LONGEST, RowReader, RowStatus};
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
    #[serde(with = "exact")]
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
    /// `Running` rows without a final one, oldest first, at most [`MAX_OPEN`].
    #[serde(with = "rows")]
    pub open: Vec<JobRecord>,
}

impl Totals {
    /// Zero.
    pub fn new(duration_bounds: Vec<f64>, queue_bounds: Vec<f64>) -> Totals {
        Totals {
            started: 0,
            finished: [0; 5],
            duration: Buckets::new(duration_bounds),
            queue_time: Buckets::new(queue_bounds),
            open: Vec::new(),
        }
    }

    /// Adds one row. A job counts as started once: by its `Running` row, or by a final row that has none. The two are
    /// the same job if `started_at` is the same, or, where one has none, `job_id`.
    pub fn fold(&mut self, record: &JobRecord) {
        match record.status {
            RowStatus::Running => self.start(record),
            RowStatus::Finished(status) => self.finish(record, status),
        }
    }

    fn start(&mut self, record: &JobRecord) {
        self.started += 1;
        if self.open.len() == MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(record.clone());
    }

    fn finish(&mut self, record: &JobRecord, status: JobStatus) {
        match self.open.iter().rposition(|open| same_job(open, record)) {
            Some(at) => drop(self.open.remove(at)),
            None => self.started += 1,
        }
        self.finished[status as usize] += 1;
        // Over ten years is written as unknown; the counters of the running process must not know more.
        let known = |duration: Option<Duration>| duration.filter(|d| *d <= LONGEST);
        if let Some(duration) = known(record.duration) {
            self.duration.observe(duration);
        }
        if let Some(queue_time) = known(record.queue_time) {
            self.queue_time.observe(queue_time);
        }
    }
}

fn same_job(open: &JobRecord, end: &JobRecord) -> bool {
    match (open.started_at, end.started_at) {
        // Milliseconds, as the log keeps them: one of the two may come from there.
        (Some(open), Some(end)) => open.timestamp_millis() == end.timestamp_millis(),
        (None, _) | (_, None) => open.job_id == end.job_id,
    }
}

/// Bounds as text: every `f64` reads back as the very same one.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bounds: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(bounds.iter().map(f64::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// Records as rows of the job log.
mod rows {
    use super::{JobRecord, RowReader};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(records: &[JobRecord], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            records.iter().map(|record| String::from_utf8_lossy(&record.to_csv_row()).into_owned()),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<JobRecord>, D::Error> {
        let mut reader = RowReader::new();
        let read = |row: &String| {
            let mut record = JobRecord::blank();
            reader.read(row.trim_end_matches('\n').as_bytes(), &mut record).map_err(D::Error::custom)?;
            Ok(record)
        };
        Vec::<String>::deserialize(from)?.iter().map(read).collect()
    }
}
