//! A trace as OTLP's protobuf has it: one resource, one scope, the spans in their order.

use super::span::{Attributes, Span, SpanStatus, SpanValue, Trace};
use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Told, Status, span, status};
use prost::Message as _;

/// Who tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceSource {
    /// Attributes of the resource.
    pub resource: Vec<(String, String)>,
    /// Version of runner-init.
    pub version: &'static str,
}

/// The name of our scope.
pub(super) const SCOPE: &str = "runner-init";
/// Its parent is told by somebody else, as far as is known: the flag that is known, and the one that it is remote.
pub(super) const REMOTE_PARENT: u32 = 0x300;
/// The parent is one of ours.
pub(super) const OWN_PARENT: u32 = 0x100;

/// The request's body.
pub fn to_protobuf(source: &TraceSource, trace: &Trace) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: SCOPE.into(),
        version: source.version.into(),
        ..InstrumentationScope::default()
    };
    let of_resource = source.resource.iter().map(|(key, value)| pair(key, text(value))).collect();
    let spans = trace.spans.iter().map(|span| told(trace, span)).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: of_resource, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec()
}

/// Whether the span's parent is one of these, or told by somebody else; sampled in any case.
pub(super) fn flags(trace: &Trace, span: &Span) -> u32 {
    let is_own = |parent| trace.spans.iter().any(|other| other.id == parent);
    let parent = match span.parent {
        Some(parent) if is_own(parent) => OWN_PARENT,
        Some(_) => REMOTE_PARENT,
        None => 0,
    };
    parent | 1
}

fn told(trace: &Trace, span: &Span) -> Told {
    let code = match span.status {
        SpanStatus::Unset => status::StatusCode::Unset,
        SpanStatus::Ok => status::StatusCode::Ok,
        SpanStatus::Error => status::StatusCode::Error,
    };
    let event = |event: &super::span::SpanEvent| span::Event {
        time_unix_nano: nanos(event.at),
        name: event.name.into(),
        attributes: attributes(&event.attributes),
        ..span::Event::default()
    };
    Told {
        trace_id: trace.id.0.to_vec(),
        span_id: span.id.0.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        flags: flags(trace, span),
        name: span.name.clone(),
        kind: span::SpanKind::Internal.into(),
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.end),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(event).collect(),
        status: Some(Status { message: span.message.clone(), code: code.into() }),
        ..Told::default()
    }
}

fn attributes(pairs: &Attributes) -> Vec<KeyValue> {
    let value = |value: &SpanValue| match value {
        SpanValue::Text(value) => text(value),
        SpanValue::Int(value) => any_value::Value::IntValue(*value),
        SpanValue::Float(value) => any_value::Value::DoubleValue(*value),
    };
    pairs.iter().map(|(key, known)| pair(key, value(known))).collect()
}

fn text(value: &str) -> any_value::Value {
    any_value::Value::StringValue(value.to_owned())
}

fn pair(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// 0, which means unknown, where a clock is out of all range.
pub(super) fn nanos(at: DateTime<Utc>) -> u64 {
    at.timestamp_nanos_opt().and_then(|nanos| nanos.try_into().ok()).unwrap_or_default()
}
