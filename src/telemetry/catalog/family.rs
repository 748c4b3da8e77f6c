//! What the catalogue says of a family: its kind, its labels and how they are bounded, what to ask of it.

/// How a family behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; falls only when the process starts anew.
    Counter,
    /// Grows like a counter but in fractions, which the recorder only stores as a gauge.
    FloatCounter,
    /// A counter of somebody else's, read now and then and absent where it cannot be; stored as a gauge too.
    SampledCounter,
    /// Goes up and down; NaN inside is absent outside.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
}

impl MetricKind {
    /// The word in a `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter | MetricKind::FloatCounter | MetricKind::SampledCounter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// One metric family.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Labels besides `runner_name` and `runner_type`; empty if none.
    pub labels: &'static [MetricLabel],
    /// What it says and, where that is not plain, when it is absent.
    pub help: &'static str,
    /// What to ask of it; a test runs every expression against a real Prometheus.
    pub examples: &'static [Example],
}

/// A question about a fleet and the expression that answers it.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The question, or the name of what the expression gives.
    pub asks: &'static str,
    /// One line of `PromQL`.
    pub promql: &'static str,
}

/// One label and how its values are bounded.
#[derive(Clone, Copy, Debug)]
pub struct MetricLabel {
    /// The label's name.
    pub name: &'static str,
    /// Its possible values; empty where configuration or build decide (never a job's text).
    pub values: &'static [&'static str],
}
