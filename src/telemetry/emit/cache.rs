//! What caches were asked and had: a type's counters begin together with its first request, at 0, its rate with it.

use super::c;
use crate::domain::cache::{CacheResult, CacheType, Tally};
use metrics::{counter, gauge};
use tracing::debug;

/// Every result of this type at 0.
pub(super) fn show(kind: &CacheType) {
    count(kind, Tally::default());
}

pub(super) fn used(kind: &CacheType, tally: Tally, hit_rate: f64) {
    count(kind, tally);
    gauge!(c::CACHE_HIT_RATE.name, "cache_type" => kind.as_str().to_owned()).set(hit_rate);
    // npm alone may tell of a thousand in one step.
    let Tally { hits, partials, misses } = tally;
    debug!(event = "cache_used", cache_type = kind.as_str(), hits, partials, misses, hit_rate);
}

/// The three results of a type are there together.
fn count(kind: &CacheType, tally: Tally) {
    for result in CacheResult::ALL {
        let labels = [("cache_type", kind.as_str().to_owned()), ("result", result.as_str().to_owned())];
        counter!(c::CACHE_REQUESTS.name, &labels).increment(tally.count(result).into());
    }
}
