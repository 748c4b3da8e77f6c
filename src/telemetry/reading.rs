//! The page read back as values: what is pushed elsewhere has one source with what is scraped, and cannot say otherwise.

use super::catalog::{self, Metric, MetricKind};
use crate::domain::otlp::{Distribution, Instrument, InstrumentKind, Point, PointValue, Since};

/// Families that are a view of the job log.
const OF_JOB_LOG: [&Metric; 7] = [
    &catalog::JOBS,
    &catalog::JOBS_STARTED,
    &catalog::JOB_DURATION,
    &catalog::QUEUE_TIME,
    &catalog::DEPLOYMENTS,
    &catalog::LEAD_TIME,
    &catalog::RECOVERY_TIME,
];

/// Every family of a page in text format 0.0.4, as this program writes it.
pub(super) fn read(page: &str) -> Vec<Instrument> {
    let mut instruments: Vec<Instrument> = Vec::new();
    let (mut help, mut since) = ("", Since::Process);
    for line in page.lines() {
        if let Some((_, rest)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = rest;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            instruments.push(family(name, kind, help));
            (help, since) = ("", begun(name));
        } else if let (Some(instrument), Some(sample)) = (instruments.last_mut(), Sample::read(line)) {
            sample.add_to(instrument, since);
        }
    }
    instruments
}

fn kind_of(name: &str) -> Option<MetricKind> {
    catalog::everywhere().find(|metric| metric.name == name).map(|metric| metric.kind)
}

fn family(name: &str, kind: &str, help: &str) -> Instrument {
    let kind = match kind_of(name) {
        Some(MetricKind::Counter) => InstrumentKind::Counter,
        Some(MetricKind::FloatCounter | MetricKind::SampledCounter) => InstrumentKind::ObservedCounter,
        Some(MetricKind::Histogram) => InstrumentKind::Histogram,
        Some(MetricKind::Gauge) => InstrumentKind::Gauge,
        // What a library tells of our own process.
        None if kind == "counter" => InstrumentKind::ObservedCounter,
        None => InstrumentKind::Gauge,
    };
    let (unit, name, description) = (unit(name), name.to_owned(), unescaped(help));
    Instrument { name, description, unit, kind, points: Vec::new() }
}

/// Since when the series of this family count.
fn begun(name: &str) -> Since {
    if OF_JOB_LOG.iter().any(|metric| metric.name == name) {
        Since::JobLog
    } else if kind_of(name) == Some(MetricKind::SampledCounter) {
        Since::Unknown
    } else {
        Since::Process
    }
}

/// As the name has it. What has none is without one: `1` would make `_ratio` of a name at a receiver.
fn unit(name: &str) -> &'static str {
    let bare = name.strip_suffix("_total").unwrap_or(name);
    if bare.ends_with("_seconds") {
        "s"
    } else if bare.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}

/// One line.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(String, String)>,
    value: &'a str,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Sample<'a>> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut rest = labels.strip_suffix('}').unwrap_or(labels);
        let mut labels = Vec::new();
        while let Some((key, quoted)) = rest.split_once("=\"") {
            let end = end_of(quoted)?;
            labels.push((key.to_owned(), unescaped(&quoted[..end])));
            rest = quoted[end + 1..].trim_start_matches(',');
        }
        Some(Sample { name, labels, value })
    }

    fn add_to(mut self, instrument: &mut Instrument, since: Since) {
        if instrument.kind != InstrumentKind::Histogram {
            let whole = || self.value.parse().ok().map(PointValue::Int);
            let any = || self.value.parse().ok().map(PointValue::Float);
            let value = if instrument.kind == InstrumentKind::Counter { whole() } else { any() };
            instrument.points.extend(value.map(|value| Point { attributes: self.labels, since, value }));
            return;
        }
        let part = self.name.strip_prefix(instrument.name.as_str()).unwrap_or_default();
        let bound = if part == "_bucket" { self.labels.pop().map(|(_, bound)| bound) } else { None };
        let known = instrument.points.iter().position(|point| point.attributes == self.labels);
        let index = known.unwrap_or_else(|| {
            let value = PointValue::Buckets(Distribution::default());
            instrument.points.push(Point { attributes: self.labels, since, value });
            instrument.points.len() - 1
        });
        let PointValue::Buckets(buckets) = &mut instrument.points[index].value else { return };
        match (part, bound) {
            ("_sum", _) => buckets.sum = self.value.parse().unwrap_or_default(),
            ("_bucket", Some(bound)) => {
                // On a page each holds those before it.
                let upto: u64 = self.value.parse().unwrap_or_default();
                buckets.counts.push(upto.saturating_sub(buckets.count()));
                buckets.bounds.extend(bound.parse().ok().filter(|bound: &f64| bound.is_finite()));
            }
            _ => {}
        }
    }
}

/// Where a label's value ends: at the first quote without a backslash.
fn end_of(quoted: &str) -> Option<usize> {
    let mut is_escaped = false;
    quoted.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_is_meant() {
        let lead = catalog::LEAD_TIME.name;
        let jobs = catalog::JOBS.name;
        let page = format!(
            "# HELP {jobs} Jobs, by \\\\ and\\nline.\n# TYPE {jobs} counter\n\
             {jobs}{{runner_name=\"a \\\"}} 7\\\\\",status=\"failed\"}} 18446744073709551615\n\
             # HELP {lead} Lead.\n# TYPE {lead} histogram\n\
             {lead}_bucket{{runner_name=\"a\",le=\"0.5\"}} 1\n{lead}_bucket{{runner_name=\"a\",le=\"10\"}} 3\n\
             {lead}_bucket{{runner_name=\"a\",le=\"+Inf\"}} 4\n{lead}_sum{{runner_name=\"a\"}} 30.25\n\
             {lead}_count{{runner_name=\"a\"}} 4\n\
             # TYPE process_threads gauge\nprocess_threads 3\n"
        );
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let attributes = vec![label("runner_name", "a \"} 7\\"), label("status", "failed")];
        let counts = Distribution { bounds: vec![0.5, 10.0], counts: vec![1, 2, 1], sum: 30.25 };
        let instrument = |name: &str, description: &str, kind, point| Instrument {
            name: name.into(),
            description: description.into(),
            unit: unit(name),
            kind,
            points: vec![point],
        };
        let point = |attributes, since, value| Point { attributes, since, value };
        assert_eq!(
            read(&page),
            [
                instrument(
                    jobs,
                    "Jobs, by \\ and\nline.",
                    InstrumentKind::Counter,
                    point(attributes, Since::JobLog, PointValue::Int(u64::MAX))
                ),
                instrument(
                    lead,
                    "Lead.",
                    InstrumentKind::Histogram,
                    point(vec![label("runner_name", "a")], Since::JobLog, PointValue::Buckets(counts))
                ),
                instrument(
                    "process_threads",
                    "",
                    InstrumentKind::Gauge,
                    point(Vec::new(), Since::Process, PointValue::Float(3.0))
                ),
            ]
        );
        assert_eq!((unit(lead), unit(jobs), unit("process_resident_memory_bytes")), ("s", "", "By"));
        assert_eq!(unit("process_cpu_seconds_total"), "s");
    }
}
