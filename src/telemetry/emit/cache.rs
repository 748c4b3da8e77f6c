//! What caches were asked and had: a type's counters begin together with its first request, at 0, its rate with it.

use super::c;
use crate::domain::cache::{CacheResult, CacheType, Tally};
use crate::telemetry::exporter::Exporter;
use metrics::{Counter, counter, gauge};
use tracing::debug;

/// Every result of this type at 0.
pub(super) fn show(exporter: &Exporter, kind: &CacheType) {
    exporter.show_late(kind.as_str(), &CacheResult::ALL.map(|result| requests(kind, result)));
}

pub(super) fn used(exporter: &Exporter, kind: &CacheType, tally: Tally, hit_rate: f64) {
    let counts = CacheResult::ALL.map(|result| (requests(kind, result), tally.count(result).into()));
    exporter.count_late(kind.as_str(), counts);
    gauge!(c::CACHE_HIT_RATE.name, "cache_type" => kind.as_str().to_owned()).set(hit_rate);
    // npm alone may tell of a thousand in one step.
    let Tally { hits, partials, misses } = tally;
    debug!(event = "cache_used", cache_type = kind.as_str(), hits, partials, misses, hit_rate);
}

fn requests(kind: &CacheType, result: CacheResult) -> Counter {
    counter!(c::CACHE_REQUESTS.name, "cache_type" => kind.as_str().to_owned(), "result" => result.as_str())
}
