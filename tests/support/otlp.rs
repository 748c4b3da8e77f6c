//! What a strict receiver makes of a request: a message without one unknown field, and its series as a page would have them.
//!
//! Include it beside `receiver`: `#[path = "support/otlp.rs"] mod otlp;`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use super::receiver::Got;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, metric, number_data_point,
};
use prost::Message;
use std::collections::BTreeMap;

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub value: f64,
    /// `None` is a gauge.
    pub is_delta: Option<bool>,
    pub is_monotonic: bool,
    pub start: u64,
    pub end: u64,
    pub unit: String,
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub struct Request {
    pub resource: BTreeMap<String, String>,
    /// By `name{label="value",…}`, labels sorted; a histogram as the lines of a page, `le` included.
    pub series: BTreeMap<String, Series>,
}

impl Request {
    /// Reads it; refuses what the protocol does not know, and what is there twice.
    pub fn read(got: &Got) -> Request {
        assert_eq!(got.header("content-type"), Some("application/x-protobuf"));
        let body = got.content();
        let request = ExportMetricsServiceRequest::decode(body.as_slice()).expect("a message");
        assert_eq!(request.encode_to_vec(), body, "fields that nobody knows");
        let [resource] = <[_; 1]>::try_from(request.resource_metrics).expect("one resource");
        let attributes = pairs(&resource.resource.expect("a resource").attributes);
        let [scope] = <[_; 1]>::try_from(resource.scope_metrics).expect("one scope");
        assert_eq!(scope.scope.expect("a scope").name, "runner-init");
        let mut series = BTreeMap::new();
        let mut names = std::collections::BTreeSet::new();
        for metric in scope.metrics {
            assert!(names.insert(metric.name.clone()), "{} twice", metric.name);
            let mut add = |suffix: &str, labels: &BTreeMap<String, String>, one: Series| {
                let name = spelt(&format!("{}{suffix}", metric.name), labels);
                let one = Series { unit: metric.unit.clone(), ..one };
                assert_eq!(series.insert(name.clone(), one), None, "{name} twice");
            };
            let delta = |temporality: i32| Some(temporality == i32::from(AggregationTemporality::Delta));
            let (points, is_delta, is_monotonic) = match metric.data.expect("data") {
                metric::Data::Gauge(gauge) => (gauge.data_points, None, false),
                metric::Data::Sum(sum) => {
                    (sum.data_points, delta(sum.aggregation_temporality), sum.is_monotonic)
                }
                metric::Data::Histogram(histogram) => {
                    let is_delta = delta(histogram.aggregation_temporality);
                    for point in histogram.data_points {
                        lines(&point, is_delta, &mut add);
                    }
                    continue;
                }
                other => panic!("{other:?}"),
            };
            for point in points {
                let value = match point.value.expect("a value") {
                    number_data_point::Value::AsInt(value) => value as f64,
                    number_data_point::Value::AsDouble(value) => value,
                };
                let (start, end) = (point.start_time_unix_nano, point.time_unix_nano);
                let one = Series { value, is_delta, is_monotonic, start, end, unit: String::new() };
                add("", &pairs(&point.attributes), one);
            }
        }
        Request { resource: attributes, series }
    }

    /// The one series of this name that has all these labels.
    pub fn one(&self, name: &str, labels: &[&str]) -> Option<&Series> {
        let mut found = self.series.iter().filter(|(series, _)| {
            series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
        });
        let one = found.next()?;
        assert!(found.next().is_none(), "several {name} {labels:?}");
        Some(one.1)
    }
}

/// A point of a histogram, as the lines of a page.
fn lines(
    point: &HistogramDataPoint,
    is_delta: Option<bool>,
    add: &mut impl FnMut(&str, &BTreeMap<String, String>, Series),
) {
    let labels = pairs(&point.attributes);
    let (start, end) = (point.start_time_unix_nano, point.time_unix_nano);
    let one = |value| Series { value, is_delta, is_monotonic: true, start, end, unit: String::new() };
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    let bounds = point.explicit_bounds.iter().map(f64::to_string);
    let mut upto = 0;
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&point.bucket_counts) {
        upto += count;
        let mut labels = labels.clone();
        labels.insert("le".into(), bound);
        add("_bucket", &labels, one(upto as f64));
    }
    add("_sum", &labels, one(point.sum.expect("a sum")));
    add("_count", &labels, one(point.count as f64));
}

fn pairs(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("no text: {other:?}"),
    };
    let pairs: BTreeMap<_, _> = attributes.iter().map(|each| (each.key.clone(), text(each))).collect();
    assert_eq!(pairs.len(), attributes.len(), "a key twice: {attributes:?}");
    pairs
}

fn spelt(name: &str, labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// The same of a page in text format: each series and its value.
pub fn of_page(page: &str) -> BTreeMap<String, f64> {
    let series = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, mut rest) = series.split_once('{').unwrap_or((series, ""));
        let mut labels = BTreeMap::new();
        while let Some((key, quoted)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next().expect("an end") {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().expect("an escape").1 {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    (_, other) => value.push(other),
                }
            };
            labels.insert(key.trim_start_matches(',').to_owned(), value);
            rest = &quoted[end + 1..];
        }
        (spelt(name, &labels), value.parse().expect("a number"))
    };
    page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(series).collect()
}
