//! A job as a part of its run's trace: ids that others compute alike, spans of its wait, its run and its steps, and what becomes
//! of them on their way.

mod ids;
mod json;
mod outbox;
mod parent;
mod pending;
mod request;
mod sampler;
mod span;
mod spans;
mod tree;

pub use ids::{IdRule, SpanId, SpanIds, TraceId};
pub use json::to_json;
pub use outbox::{TraceNews, TraceOutbox};
pub use parent::TraceParent;
pub use pending::{CacheUse, EndedJob, PendingTraces};
pub use request::{TraceSource, to_protobuf};
pub use sampler::{SamplerKind, TraceSampler};
pub use span::{Span, SpanEvent, SpanStatus, SpanValue, Trace};
pub use spans::{JobFacts, TraceSetup};
pub use tree::tree;

#[cfg(test)]
mod tests;
