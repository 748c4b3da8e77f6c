//! A histogram in whole ticks: its counts and sums are exact, under whatever bounds and in whatever order.

use super::stored;
use crate::domain::record::LONGEST;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ticks in a second.
pub const TICKS_PER_SECOND: u32 = 1024;

/// Whole numbers below this are exact in an `f64`.
const EXACT: u64 = 1 << 53;

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

    /// Adds the observations of another histogram of the same bounds.
    pub(super) fn merge(&mut self, other: &Buckets) {
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            mine.count += theirs.count;
            mine.ticks += theirs.ticks;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
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

    fn observed(durations: &[Duration]) -> Buckets {
        let mut buckets = Buckets::new(BOUNDS.to_vec());
        for duration in durations {
            buckets.observe(*duration);
        }
        buckets
    }

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
    }
}
