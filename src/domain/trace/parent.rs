//! What a job is told of its trace, in the W3C's words, and how it comes there: in the answer to its hook's report, which puts it among the variables of the steps.

use super::ids::{SpanId, TraceId};

/// The variable that names the parent of what a job traces itself.
const TRACE_PARENT: &str = "TRACEPARENT";
/// The variable that says where a job's own telemetry may go.
const EXPORT_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What a job is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// `00-TRACE-SPAN-FLAGS`
    pub parent: String,
    /// Where its telemetry may go, if the operator allows that.
    pub endpoint: Option<String>,
}

impl TraceParent {
    /// Of a span that is, or will be, told if its trace is `sampled`.
    pub fn new(trace: TraceId, span: SpanId, sampled: bool, endpoint: Option<String>) -> TraceParent {
        TraceParent { parent: format!("00-{trace}-{span}-{:02x}", u8::from(sampled)), endpoint }
    }

    /// Two lines, the second only where there is something to say.
    pub fn payload(&self) -> String {
        let mut text = self.parent.clone();
        if let Some(endpoint) = &self.endpoint {
            text.push('\n');
            text.push_str(endpoint);
        }
        text
    }

    /// Reads such lines; `None` for anything else.
    pub fn read(payload: &str) -> Option<TraceParent> {
        let mut lines = payload.split('\n');
        let parent = lines.next().filter(|parent| is_trace_parent(parent))?.to_owned();
        let is_plain = |line: &&str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic());
        Some(TraceParent { parent, endpoint: lines.next().filter(is_plain).map(str::to_owned) })
    }

    /// What is added to the file of variables that the steps of the job are to have. A variable that is there already, as
    /// `has` says, is not ours to set.
    pub fn variables(&self, has: impl Fn(&str) -> bool) -> String {
        let endpoint = self.endpoint.as_ref().map(|endpoint| (EXPORT_ENDPOINT, endpoint));
        let all = [Some((TRACE_PARENT, &self.parent)), endpoint].into_iter().flatten();
        let lines = all.filter(|(name, _)| !has(name)).map(|(name, value)| format!("{name}={value}\n"));
        lines.collect::<Vec<_>>().concat()
    }
}

fn is_trace_parent(text: &str) -> bool {
    let is_hex = |part: &str, length| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], ["00", trace, span, flags] if is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2))
}
