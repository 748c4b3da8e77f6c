//! What caches were asked and had: a counter that shows every type from the start, a rate that is absent until there is one.

use super::{Telemetry, c};
use crate::domain::cache::{CacheResult, CacheType};
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

pub(super) fn used(kind: &CacheType, result: CacheResult, hit_rate: f64) {
    requests(kind, result).increment(1);
    gauge!(c::CACHE_HIT_RATE.name, "cache_type" => kind.as_str().to_owned()).set(hit_rate);
    // npm alone may tell of a thousand in one step.
    debug!(event = "cache_used", cache_type = kind.as_str(), result = result.as_str(), hit_rate);
}

fn requests(kind: &CacheType, result: CacheResult) -> Counter {
    counter!(c::CACHE_REQUESTS.name, "cache_type" => kind.as_str().to_owned(), "result" => result.as_str())
}
