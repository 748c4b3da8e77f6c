//! What a strict receiver makes of traces: a message without one unknown field, ids of their length, no id or key twice, no end
//! before its start.
//!
//! Include it beside `receiver`: `#[path = "support/spans.rs"] mod spans;`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use super::receiver::Got;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub id: String,
    pub parent: String,
    pub name: String,
    pub start: u64,
    pub end: u64,
    /// 0 unset, 1 ok, 2 error.
    pub code: i32,
    pub message: String,
    pub attributes: BTreeMap<String, String>,
    pub events: Vec<BTreeMap<String, String>>,
}

/// A request, taken apart: one job's part of a trace.
#[derive(Clone, Debug)]
pub struct Part {
    pub trace: String,
    pub resource: BTreeMap<String, String>,
    pub spans: Vec<Told>,
}

impl Part {
    /// Reads it; refuses what the protocol does not know.
    pub fn read(got: &Got) -> Part {
        assert_eq!(got.header("content-type"), Some("application/x-protobuf"));
        let body = got.content();
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("a message");
        assert_eq!(request.encode_to_vec(), body, "fields that nobody knows");
        let [resource] = <[_; 1]>::try_from(request.resource_spans).expect("one resource");
        let attributes = pairs(&resource.resource.expect("a resource").attributes);
        let [scope] = <[_; 1]>::try_from(resource.scope_spans).expect("one scope");
        assert_eq!(scope.scope.expect("a scope").name, "runner-init");
        let mut ids = BTreeSet::new();
        let mut traces = BTreeSet::new();
        let mut spans = Vec::new();
        for span in scope.spans {
            assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            assert!([0, 8].contains(&span.parent_span_id.len()));
            assert_eq!(span.kind, i32::from(SpanKind::Internal));
            assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano);
            assert!(ids.insert(span.span_id.clone()), "an id twice: {}", span.name);
            traces.insert(hex(&span.trace_id));
            let status = span.status.expect("a status");
            let event = |event: &opentelemetry_proto::tonic::trace::v1::span::Event| {
                assert!(event.time_unix_nano >= span.start_time_unix_nano);
                assert!(event.time_unix_nano <= span.end_time_unix_nano);
                let mut facts = pairs(&event.attributes);
                facts.insert("event".into(), event.name.clone());
                facts
            };
            spans.push(Told {
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name.clone(),
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                code: status.code,
                message: status.message,
                attributes: pairs(&span.attributes),
                events: span.events.iter().map(event).collect(),
            });
        }
        let [trace] = <[_; 1]>::try_from(traces.into_iter().collect::<Vec<_>>()).expect("one trace");
        Part { trace, resource: attributes, spans }
    }

    /// The one span of this name.
    pub fn one(&self, name: &str) -> &Told {
        let found: Vec<_> = self.spans.iter().filter(|span| span.name == name).collect();
        let [one] = found[..] else { panic!("{} of {name}: {:#?}", found.len(), self.spans) };
        one
    }

    pub fn names(&self) -> Vec<&str> {
        self.spans.iter().map(|span| span.name.as_str()).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn pairs(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        other => panic!("neither text nor number: {other:?}"),
    };
    let pairs: BTreeMap<_, _> = attributes.iter().map(|each| (each.key.clone(), text(each))).collect();
    assert_eq!(pairs.len(), attributes.len(), "a key twice: {attributes:?}");
    pairs
}
