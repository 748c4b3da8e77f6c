//! The same in OTLP's JSON: ids are hexadecimal, numbers of 64 bits are texts, enumerations are numbers.

use super::request::{SCOPE, TraceSource, flags, nanos};
use super::span::{Attributes, Span, SpanStatus, SpanValue, Trace};
use serde_json::{Value, json};

/// `SPAN_KIND_INTERNAL`
const INTERNAL: u8 = 1;

/// One request with all of these.
pub fn to_json(source: &TraceSource, traces: &[Trace]) -> Value {
    let resource: Vec<Value> = source
        .resource
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect();
    let spans: Vec<Value> =
        traces.iter().flat_map(|trace| trace.spans.iter().map(|span| told(trace, span))).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"scope": {"name": SCOPE, "version": source.version}, "spans": spans}],
    }]})
}

fn told(trace: &Trace, span: &Span) -> Value {
    let code = match span.status {
        SpanStatus::Unset => 0,
        SpanStatus::Ok => 1,
        SpanStatus::Error => 2,
    };
    let events: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "timeUnixNano": nanos(event.at).to_string(),
                "name": event.name,
                "attributes": attributes(&event.attributes),
            })
        })
        .collect();
    json!({
        "traceId": trace.id.to_string(),
        "spanId": span.id.to_string(),
        "parentSpanId": span.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        "flags": flags(trace, span),
        "name": span.name,
        "kind": INTERNAL,
        "startTimeUnixNano": nanos(span.start).to_string(),
        "endTimeUnixNano": nanos(span.end).to_string(),
        "attributes": attributes(&span.attributes),
        "events": events,
        "status": {"message": span.message, "code": code},
    })
}

fn attributes(pairs: &Attributes) -> Vec<Value> {
    let value = |value: &SpanValue| match value {
        SpanValue::Text(text) => json!({"stringValue": text}),
        SpanValue::Int(number) => json!({"intValue": number.to_string()}),
        SpanValue::Float(number) => json!({"doubleValue": number}),
    };
    pairs.iter().map(|(key, known)| json!({"key": key, "value": value(known)})).collect()
}
