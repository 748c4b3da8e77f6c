//! Metrics as OTLP has them: what was read of the registry becomes one request, and what was answered decides when the next
//! one is due.

mod answer;
mod export;
mod instrument;
mod resource;
mod schedule;
mod streak;

pub use answer::{ExportOutcome, judge};
pub use export::{ExportSetup, MetricsExport, Temporality};
pub use instrument::{Distribution, Instrument, InstrumentKind, Point, PointValue, Since};
pub use resource::resource_of;
pub use schedule::Schedule;
pub use streak::{ExportNews, Retry, Streak};
