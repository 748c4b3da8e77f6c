//! Which families an idle runner does not show.

use super::{
    API_REQUESTS, CACHE_REQUESTS, CLAIMS_DROPPED, DEPLOYMENTS, LEAD_TIME, Metric, ODD_FILES, OUTPUT_DROPPED,
    QUEUE_TIME, QUEUE_TIME_UNKNOWN, RECOVERY_TIME, REPORTS_REFUSED, STEP_DURATION, SWEPT_ENGINE,
};

/// Families that say nothing of a runner to which it has never happened: each series begins with its first happening, at 0 on
/// one page for scrapers. What an alert asks for is there from the start: of two scrapers of that page one sees no 0.
pub static LATE: [&Metric; 13] = [
    &QUEUE_TIME,
    &QUEUE_TIME_UNKNOWN,
    &CLAIMS_DROPPED,
    &REPORTS_REFUSED,
    &DEPLOYMENTS,
    &LEAD_TIME,
    &RECOVERY_TIME,
    &STEP_DURATION,
    &CACHE_REQUESTS,
    &SWEPT_ENGINE,
    &ODD_FILES,
    &API_REQUESTS,
    &OUTPUT_DROPPED,
];

/// Whether the family of this name is one of [`LATE`].
pub fn is_late(name: &str) -> bool {
    LATE.iter().any(|metric| metric.name == name)
}
