//! What caches were asked and had: a type's counters begin together with its first request, at 0, its rate with it.

use super::{Telemetry, c};
use crate::domain::cache::{CacheResult, CacheType, Tally};
use metrics::{Counter, counter, gauge};
use tracing::debug;

impl Telemetry {
    /// Shows every result of these types at 0.
    pub fn know_caches<'a>(&self, types: impl Iterator<Item = &'a CacheType>) {
        for kind in types {
            self.exporter.show_late(kind.as_str(), &CacheResult::ALL.map(|result| requests(kind, result)));
        }
        self.exporter.touch();
    }

    /// Nobody may look more than once from now on: what has begun is shown as it is.
    pub fn caches_end(&self) {
        self.exporter.release();
    }

    pub(super) fn cache_used(&self, kind: &CacheType, tally: Tally, hit_rate: f64) {
        let counts = CacheResult::ALL.map(|result| (requests(kind, result), tally.count(result).into()));
        self.exporter.count_late(kind.as_str(), counts);
        gauge!(c::CACHE_HIT_RATE.name, "cache_type" => kind.as_str().to_owned()).set(hit_rate);
        // npm alone may tell of a thousand in one step.
        let Tally { hits, partials, misses } = tally;
        debug!(event = "cache_used", cache_type = kind.as_str(), hits, partials, misses, hit_rate);
    }
}

fn requests(kind: &CacheType, result: CacheResult) -> Counter {
    counter!(c::CACHE_REQUESTS.name, "cache_type" => kind.as_str().to_owned(), "result" => result.as_str())
}
