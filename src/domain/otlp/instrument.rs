//! One family as a value: its points carry what OTLP wants to know of them, and nothing of how they are written.

/// How a family behaves, in OTLP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentKind {
    /// A value at one moment.
    Gauge,
    /// A count of what is there now.
    UpDownCounter,
    /// A count of what has happened, moved as it happens.
    Counter,
    /// A count of somebody else's, read now and then.
    ObservedCounter,
    /// Values sorted into buckets.
    Histogram,
}

/// When a count was 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// As the supervisor started.
    Process,
    /// As the job log was begun: earlier supervisors have counted too.
    JobLog,
    /// Nobody has told.
    Unknown,
}

/// One family.
#[derive(Clone, Debug, PartialEq)]
pub struct Instrument {
    /// Its name.
    pub name: String,
    /// What it says.
    pub description: String,
    /// In UCUM; empty if it has none.
    pub unit: &'static str,
    /// How it behaves.
    pub kind: InstrumentKind,
    /// Its series.
    pub points: Vec<Point>,
}

/// One series, now.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What tells it from the others.
    pub attributes: Vec<(String, String)>,
    /// Since when it counts.
    pub since: Since,
    /// Its value.
    pub value: PointValue,
}

/// What a series says.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// A whole number.
    Int(u64),
    /// Any number.
    Float(f64),
    /// Of a histogram.
    Buckets(Distribution),
}

/// Values sorted by their size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Upper bounds, each of which belongs to its bucket; ascending, without infinity.
    pub bounds: Vec<f64>,
    /// How many in each bucket alone; one more than there are bounds.
    pub counts: Vec<u64>,
    /// Of all values.
    pub sum: f64,
}

impl Distribution {
    /// Of nothing yet.
    pub fn new(bounds: &[f64]) -> Distribution {
        Distribution { bounds: bounds.to_vec(), counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// One value more.
    pub fn record(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum += value;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl PointValue {
    /// What has come since `earlier`; all of it, if less is there than was: then somebody has begun anew.
    pub(super) fn since(&self, earlier: &PointValue) -> PointValue {
        self.by(earlier, u64::checked_sub, |now, then| now - then).unwrap_or_else(|| self.clone())
    }

    /// Both together.
    pub(super) fn and(&self, more: &PointValue) -> PointValue {
        self.by(more, u64::checked_add, |one, other| one + other).unwrap_or_else(|| self.clone())
    }

    fn by(
        &self,
        other: &PointValue,
        whole: fn(u64, u64) -> Option<u64>,
        any: fn(f64, f64) -> f64,
    ) -> Option<PointValue> {
        match (self, other) {
            (PointValue::Int(a), PointValue::Int(b)) => whole(*a, *b).map(PointValue::Int),
            (PointValue::Float(a), PointValue::Float(b)) => {
                Some(any(*a, *b)).filter(|value| *value >= 0.0).map(PointValue::Float)
            }
            (PointValue::Buckets(a), PointValue::Buckets(b)) if a.bounds == b.bounds => {
                let counts = a.counts.iter().zip(&b.counts).map(|(a, b)| whole(*a, *b));
                let counts = counts.collect::<Option<_>>()?;
                Some(PointValue::Buckets(Distribution {
                    bounds: a.bounds.clone(),
                    counts,
                    sum: any(a.sum, b.sum),
                }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        let mut distribution = Distribution::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.0, 2.5, 100.0] {
            distribution.record(value);
        }
        assert_eq!((distribution.counts.clone(), distribution.sum), (vec![2, 2, 2], 107.5));
        assert_eq!(distribution.count(), 6);
    }

    #[test]
    fn what_has_fallen_has_begun_anew() {
        let buckets = |counts: [u64; 2], sum| {
            PointValue::Buckets(Distribution { bounds: vec![1.0], counts: counts.into(), sum })
        };
        for (now, then, since) in [
            (PointValue::Int(5), PointValue::Int(3), PointValue::Int(2)),
            (PointValue::Int(2), PointValue::Int(3), PointValue::Int(2)),
            (PointValue::Float(5.5), PointValue::Float(3.0), PointValue::Float(2.5)),
            (PointValue::Float(1.0), PointValue::Float(3.0), PointValue::Float(1.0)),
            (buckets([3, 1], 4.0), buckets([1, 1], 1.5), buckets([2, 0], 2.5)),
            (buckets([0, 2], 4.0), buckets([1, 0], 0.5), buckets([0, 2], 4.0)),
        ] {
            assert_eq!(now.since(&then), since, "{now:?} after {then:?}");
        }
    }
}
