//! Readings become requests: which start a count has, and with delta temporality what is new in it, is decided here.

use super::instrument::{Instrument, InstrumentKind, Point, PointValue, Since};
use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use std::collections::HashMap;

/// Which counts are told as what is new since the last time: `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// None.
    Cumulative,
    /// All that only grow.
    Delta,
    /// Those of them that are counted here, for which that needs no memory.
    LowMemory,
}

impl Temporality {
    fn is_delta(self, kind: InstrumentKind) -> bool {
        match kind {
            InstrumentKind::Gauge | InstrumentKind::UpDownCounter => false,
            InstrumentKind::Counter | InstrumentKind::Histogram => self != Temporality::Cumulative,
            InstrumentKind::ObservedCounter => self == Temporality::Delta,
        }
    }
}

/// What holds for a whole life.
#[derive(Clone, Debug)]
pub struct ExportSetup {
    /// Who tells.
    pub resource: Vec<(String, String)>,
    /// Version of runner-init.
    pub version: &'static str,
    /// Which counts are deltas.
    pub temporality: Temporality,
    /// When the supervisor started.
    pub started_at: DateTime<Utc>,
}

/// One series, by name and attributes.
type SeriesKey = (String, Vec<(String, String)>);
type Values = HashMap<SeriesKey, PointValue>;

/// Makes requests, and remembers what the other side has been told.
pub struct MetricsExport {
    setup: ExportSetup,
    /// Since when the job log counts; not known of one that was copied.
    job_log: Option<DateTime<Utc>>,
    /// What is known already of each series of a delta, and since when.
    told: Values,
    told_at: DateTime<Utc>,
    /// The same, once the request that is under way is taken.
    under_way: Option<(Values, DateTime<Utc>)>,
}

impl MetricsExport {
    /// Nothing has been told.
    pub fn new(setup: ExportSetup) -> MetricsExport {
        let (job_log, told_at) = (Some(setup.started_at), setup.started_at);
        MetricsExport { setup, job_log, told: HashMap::new(), told_at, under_way: None }
    }

    /// What a replayed log has added to the counters is no news, and was counted since the log was begun.
    pub fn restored(&mut self, before: &[Instrument], after: &[Instrument], begun: Option<DateTime<Utc>>) {
        self.job_log = begun;
        let before = values(before);
        for (key, now) in values(after) {
            let added = before.get(&key).map_or_else(|| now.clone(), |then| now.since(then));
            let known = self.told.get(&key).map(|known| known.and(&added));
            self.told.insert(key, known.unwrap_or(added));
        }
    }

    /// The request's body.
    pub fn request(&mut self, reading: Vec<Instrument>, now: DateTime<Utc>) -> Vec<u8> {
        let seen = values(&reading);
        let metrics = reading.into_iter().filter_map(|instrument| self.metric(instrument, now)).collect();
        self.under_way = Some((seen, now));
        let scope = InstrumentationScope {
            name: "runner-init".into(),
            version: self.setup.version.into(),
            ..InstrumentationScope::default()
        };
        let resource = Resource { attributes: attributes(&self.setup.resource), ..Resource::default() };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(resource),
                scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
                ..ResourceMetrics::default()
            }],
        };
        request.encode_to_vec()
    }

    /// The other side has the request that was under way. Of one that it has not, the next one tells as well.
    pub fn taken(&mut self) {
        if let Some((told, at)) = self.under_way.take() {
            self.told.extend(told);
            self.told_at = at;
        }
    }

    fn metric(&self, instrument: Instrument, now: DateTime<Utc>) -> Option<Metric> {
        let Instrument { name, description, unit, kind, points } = instrument;
        let is_delta = self.setup.temporality.is_delta(kind);
        let times = |point: &Point| {
            let start = if is_delta { Some(self.told_at) } else { self.start(point.since) };
            (start.map_or(0, nanos), nanos(start.map_or(now, |start| start.max(now))))
        };
        let told = |point: &Point| self.told.get(&(name.clone(), point.attributes.clone()));
        let points = points.into_iter().filter_map(|mut point| {
            if is_delta {
                match told(&point) {
                    Some(told) => point.value = point.value.since(told),
                    // What somebody else has counted before we looked is not ours to tell as new.
                    None if point.since == Since::Unknown => return None,
                    None => {}
                }
            }
            Some((times(&point), point))
        });
        let temporality =
            if is_delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative };
        let data = match kind {
            InstrumentKind::Histogram => {
                let data_points: Vec<_> = points.filter_map(histogram).collect();
                (!data_points.is_empty()).then(|| {
                    metric::Data::Histogram(Histogram {
                        data_points,
                        aggregation_temporality: temporality.into(),
                    })
                })
            }
            InstrumentKind::Gauge
            | InstrumentKind::UpDownCounter
            | InstrumentKind::Counter
            | InstrumentKind::ObservedCounter => {
                let is_gauge = kind == InstrumentKind::Gauge;
                let points =
                    points.map(|((start, now), point)| ((if is_gauge { 0 } else { start }, now), point));
                let data_points: Vec<_> = points.filter_map(number).collect();
                (!data_points.is_empty()).then(|| {
                    if is_gauge {
                        metric::Data::Gauge(Gauge { data_points })
                    } else {
                        metric::Data::Sum(Sum {
                            data_points,
                            aggregation_temporality: temporality.into(),
                            is_monotonic: kind != InstrumentKind::UpDownCounter,
                        })
                    }
                })
            }
        };
        let data = Some(data?);
        Some(Metric { name, description, unit: unit.into(), data, ..Metric::default() })
    }

    fn start(&self, since: Since) -> Option<DateTime<Utc>> {
        match since {
            Since::Process => Some(self.setup.started_at),
            Since::JobLog => self.job_log,
            Since::Unknown => None,
        }
    }
}

fn values(reading: &[Instrument]) -> Values {
    let of = |instrument: &Instrument| {
        let name = instrument.name.clone();
        let points = instrument.points.iter().cloned();
        points.map(move |point| ((name.clone(), point.attributes), point.value)).collect::<Vec<_>>()
    };
    reading.iter().flat_map(of).collect()
}

/// A point and its times: start and now, in nanoseconds.
type Timed = ((u64, u64), Point);

fn number(((start_time_unix_nano, time_unix_nano), point): Timed) -> Option<NumberDataPoint> {
    let value = match point.value {
        PointValue::Int(value) => number_data_point::Value::AsInt(value.try_into().unwrap_or(i64::MAX)),
        PointValue::Float(value) => number_data_point::Value::AsDouble(value),
        PointValue::Buckets(_) => return None,
    };
    let attributes = attributes(&point.attributes);
    let value = Some(value);
    Some(NumberDataPoint {
        attributes,
        start_time_unix_nano,
        time_unix_nano,
        value,
        ..NumberDataPoint::default()
    })
}

fn histogram(((start_time_unix_nano, time_unix_nano), point): Timed) -> Option<HistogramDataPoint> {
    let PointValue::Buckets(buckets) = point.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(&point.attributes),
        start_time_unix_nano,
        time_unix_nano,
        count: buckets.count(),
        sum: Some(buckets.sum),
        bucket_counts: buckets.counts,
        explicit_bounds: buckets.bounds,
        ..HistogramDataPoint::default()
    })
}

fn attributes(pairs: &[(String, String)]) -> Vec<KeyValue> {
    let attribute = |(key, value): &(String, String)| KeyValue {
        key: key.clone(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
        ..KeyValue::default()
    };
    pairs.iter().map(attribute).collect()
}

/// 0, which means unknown, where a clock is out of all range.
fn nanos(at: DateTime<Utc>) -> u64 {
    at.timestamp_nanos_opt().and_then(|nanos| nanos.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
