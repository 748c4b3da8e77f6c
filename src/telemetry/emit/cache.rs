//! What caches were asked and had: a counter that shows a type's results together, a rate that is absent until there is one.

use super::{Telemetry, c};
use crate::domain::cache::{CacheResult, CacheType, Tally};
use metrics::{Counter, counter, gauge};
use tracing::debug;

impl Telemetry {
    /// Shows every result of these types at 0: an unseeded counter hides its first increment from `increase()`.
    pub fn know_caches<'a>(&self, types: impl Iterator<Item = &'a CacheType>) {
        for kind in types {
            for result in CacheResult::ALL {
                requests(kind, result).absolute(0);
            }
        }
        self.exporter.touch();
    }
}

/// A type that was not shown yet begins with all of its results, those that have none at 0.
pub(super) fn used(kind: &CacheType, tally: Tally, hit_rate: f64) {
    for result in CacheResult::ALL {
        requests(kind, result).increment(tally.count(result).into());
    }
    gauge!(c::CACHE_HIT_RATE.name, "cache_type" => kind.as_str().to_owned()).set(hit_rate);
    // npm alone may tell of a thousand in one step.
    let Tally { hits, partials, misses } = tally;
    debug!(event = "cache_used", cache_type = kind.as_str(), hits, partials, misses, hit_rate);
}

fn requests(kind: &CacheType, result: CacheResult) -> Counter {
    counter!(c::CACHE_REQUESTS.name, "cache_type" => kind.as_str().to_owned(), "result" => result.as_str())
}
