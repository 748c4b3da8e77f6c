//! What a request says of its series: start, end, temporality, value.

use super::*;
use crate::domain::otlp::Distribution;
use chrono::TimeDelta;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn export(temporality: Temporality) -> MetricsExport {
    let resource = vec![("service.name".to_owned(), "github-runners".to_owned())];
    MetricsExport::new(ExportSetup { resource, version: "1.2.3", temporality, started_at: at(0) })
}

fn instrument(name: &str, kind: InstrumentKind, since: Since, value: PointValue) -> Instrument {
    let attributes = vec![("status".to_owned(), "success".to_owned())];
    Instrument {
        name: name.into(),
        description: "Says it.".into(),
        unit: "s",
        kind,
        points: vec![Point { attributes, since, value }],
    }
}

fn jobs(count: u64) -> Instrument {
    instrument("jobs", InstrumentKind::Counter, Since::JobLog, PointValue::Int(count))
}

fn durations(counts: [u64; 2], sum: f64) -> Instrument {
    let value = PointValue::Buckets(Distribution { bounds: vec![1.0], counts: counts.into(), sum });
    instrument("durations", InstrumentKind::Histogram, Since::JobLog, value)
}

fn kernel(count: f64) -> Instrument {
    instrument("kernel", InstrumentKind::ObservedCounter, Since::Unknown, PointValue::Float(count))
}

/// The request, read as strictly as can be: what is not known would not be written again.
fn decode(body: &[u8]) -> Vec<Metric> {
    let request = ExportMetricsServiceRequest::decode(body).expect("a message");
    assert_eq!(request.encode_to_vec(), body, "nothing is left out");
    let [resource] = <[_; 1]>::try_from(request.resource_metrics).expect("one resource");
    let [scope] = <[_; 1]>::try_from(resource.scope_metrics).expect("one scope");
    let who = scope.scope.expect("a scope");
    assert_eq!((who.name.as_str(), who.version.as_str()), ("runner-init", "1.2.3"));
    scope.metrics
}

/// Temporality, start, end in seconds since the supervisor began, and the value, of the one point of a metric.
fn point(metrics: &[Metric], name: &str) -> Option<(bool, Option<i64>, i64, String)> {
    let metric = metrics.iter().find(|metric| metric.name == name)?;
    let seconds = |nanos: u64| i64::try_from(nanos / 1_000_000_000).expect("a time") - 1_800_000_000;
    let start = |nanos: u64| (nanos > 0).then(|| seconds(nanos));
    let is_delta = |temporality: i32| temporality == i32::from(AggregationTemporality::Delta);
    Some(match metric.data.as_ref().expect("data") {
        metric::Data::Sum(sum) => {
            let point = &sum.data_points[0];
            let value = match point.value.expect("a value") {
                Value::AsInt(value) => value.to_string(),
                Value::AsDouble(value) => value.to_string(),
            };
            let times = (start(point.start_time_unix_nano), seconds(point.time_unix_nano));
            (is_delta(sum.aggregation_temporality), times.0, times.1, value)
        }
        metric::Data::Histogram(histogram) => {
            let point = &histogram.data_points[0];
            let value = format!("{:?} {} {:?}", point.bucket_counts, point.count, point.sum);
            let times = (start(point.start_time_unix_nano), seconds(point.time_unix_nano));
            (is_delta(histogram.aggregation_temporality), times.0, times.1, value)
        }
        other => panic!("{other:?}"),
    })
}

#[test]
fn cumulative_counts_begin_where_they_began() {
    let mut export = export(Temporality::Cumulative);
    export.restored(&[jobs(0)], &[jobs(7)], Some(at(-500)));
    for second in [60, 120] {
        let process = instrument("errors", InstrumentKind::Counter, Since::Process, PointValue::Int(1));
        let reading = vec![jobs(8), process, kernel(3.5), durations([1, 2], 9.5)];
        let metrics = decode(&export.request(reading, at(second)));
        export.taken();
        assert_eq!(point(&metrics, "jobs"), Some((false, Some(-500), second, "8".into())));
        assert_eq!(point(&metrics, "errors"), Some((false, Some(0), second, "1".into())));
        assert_eq!(point(&metrics, "kernel"), Some((false, None, second, "3.5".into())));
        let buckets = "[1, 2] 3 Some(9.5)".to_owned();
        assert_eq!(point(&metrics, "durations"), Some((false, Some(-500), second, buckets)));
    }
}

#[test]
fn what_a_copied_log_counts_has_no_beginning() {
    let mut export = export(Temporality::Cumulative);
    export.restored(&[jobs(0)], &[jobs(7)], None);
    let metrics = decode(&export.request(vec![jobs(8)], at(60)));
    assert_eq!(point(&metrics, "jobs"), Some((false, None, 60, "8".into())));
}

#[test]
fn a_delta_is_what_is_new_since_the_last_request_that_was_taken() {
    let mut export = export(Temporality::Delta);
    export.restored(&[jobs(0), durations([0, 0], 0.0)], &[jobs(7), durations([7, 0], 3.5)], Some(at(-500)));
    let reading = |count: u32| {
        vec![jobs(count.into()), durations([count.into(), 1], 5.5), kernel(100.0 + f64::from(count))]
    };
    let metrics = decode(&export.request(reading(8), at(60)));
    assert_eq!(
        point(&metrics, "jobs"),
        Some((true, Some(0), 60, "1".into())),
        "what was restored is no news"
    );
    let buckets = "[1, 1] 2 Some(2.0)".to_owned();
    assert_eq!(point(&metrics, "durations"), Some((true, Some(0), 60, buckets)));
    assert_eq!(point(&metrics, "kernel"), None, "what the kernel had counted before is not ours to tell");
    // That one was lost: the next one tells it too.
    let metrics = decode(&export.request(reading(10), at(120)));
    assert_eq!(point(&metrics, "jobs"), Some((true, Some(0), 120, "3".into())));
    export.taken();
    let metrics = decode(&export.request(reading(15), at(180)));
    assert_eq!(point(&metrics, "jobs"), Some((true, Some(120), 180, "5".into())));
    assert_eq!(point(&metrics, "kernel"), Some((true, Some(120), 180, "5".into())));
    export.taken();
    let metrics = decode(&export.request(reading(15), at(240)));
    assert_eq!(point(&metrics, "durations"), Some((true, Some(180), 240, "[0, 0] 0 Some(0.0)".into())));
}

#[test]
fn low_memory_has_deltas_of_what_is_counted_here() {
    let mut export = export(Temporality::LowMemory);
    let metrics = decode(&export.request(vec![jobs(1), kernel(2.0)], at(60)));
    assert_eq!(point(&metrics, "jobs"), Some((true, Some(0), 60, "1".into())));
    assert_eq!(point(&metrics, "kernel"), Some((false, None, 60, "2".into())));
}

/// The log could not be opened at first: jobs were counted from 0, then the log was there.
#[test]
fn a_log_that_is_replayed_late_is_no_news_either() {
    let mut export = export(Temporality::Delta);
    export.request(vec![jobs(2)], at(60));
    export.taken();
    export.restored(&[jobs(3)], &[jobs(103)], Some(at(-500)));
    let metrics = decode(&export.request(vec![jobs(103)], at(120)));
    assert_eq!(point(&metrics, "jobs"), Some((true, Some(60), 120, "1".into())));
}

#[test]
fn up_and_down_and_gauges_are_what_they_are_and_no_time_runs_back() {
    let mut export = export(Temporality::Delta);
    let gauge = instrument("online", InstrumentKind::Gauge, Since::Process, PointValue::Float(1.0));
    let active = instrument("active", InstrumentKind::UpDownCounter, Since::Process, PointValue::Int(1));
    let nothing = Instrument { points: Vec::new(), ..gauge.clone() };
    // The clock was set back.
    let metrics = decode(&export.request(vec![gauge, active, nothing], at(0) - TimeDelta::seconds(30)));
    assert_eq!(metrics.len(), 2, "a family without a series is not there");
    assert_eq!(point(&metrics, "active"), Some((false, Some(0), 0, "1".into())));
    let metric::Data::Sum(sum) = metrics[1].data.as_ref().unwrap() else { panic!("a sum") };
    assert!(!sum.is_monotonic);
    let metric::Data::Gauge(gauge) = metrics[0].data.as_ref().unwrap() else { panic!("a gauge") };
    assert_eq!(gauge.data_points[0].start_time_unix_nano, 0);
    assert_eq!((metrics[0].unit.as_str(), metrics[0].description.as_str()), ("s", "Says it."));
}
