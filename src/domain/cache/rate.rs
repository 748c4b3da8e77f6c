//! The hit rate. A hit rate is the share of full hits among the last hundred requests of its type; there is none before
//! the first.

use super::{CacheEvent, CacheResult, CacheType, Tally};

/// Names `CACHE_TYPES` may add.
pub const OWN_LIMIT: usize = 8;
/// Requests a hit rate looks back on.
const WINDOW: u32 = 100;

/// How a cache has fared lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheShare {
    /// Which.
    pub kind: CacheType,
    /// Full hits.
    pub hits: u32,
    /// Of this many requests, at least one.
    pub requests: u32,
}

/// The share of full hits among the last 100 requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitRate {
    /// One bit per request, the last one lowest.
    hits: u128,
    seen: u32,
}

impl HitRate {
    /// More requests. Of many at once nobody knows the order: hits and others are spread evenly, and of more than a hundred the
    /// hundred that stand for them are kept.
    pub fn note(&mut self, tally: Tally) {
        let (all, hits) = (tally.total(), u64::from(tally.hits));
        let kept = all.min(u64::from(WINDOW));
        let hits = if all > kept { (hits * kept + all / 2) / all } else { hits };
        for number in 0..kept {
            let is_hit = (number + 1) * hits / kept > number * hits / kept;
            self.hits = (self.hits << 1 | u128::from(is_hit)) & ((1 << WINDOW) - 1);
            self.seen = (self.seen + 1).min(WINDOW);
        }
    }

    /// 0 to 1; `None` before the first request.
    pub fn rate(self) -> Option<f64> {
        (self.seen > 0).then(|| f64::from(self.hits.count_ones()) / f64::from(self.seen))
    }
}

/// One type, and how it fared.
#[derive(Clone, Debug)]
struct Known {
    kind: CacheType,
    /// `CACHE_TYPES` names it: its series are there before its first request.
    from_the_start: bool,
    rate: HitRate,
}

/// Every type there is on this runner, and how each has fared.
#[derive(Clone, Debug)]
pub struct Caches(Vec<Known>);

impl Caches {
    /// The built-in types and those of `CACHE_TYPES`; what is no name or beyond [`OWN_LIMIT`] is left out.
    pub fn new(named: &[String]) -> Caches {
        let built_in = CacheType::BUILT_IN.into_iter().map(|kind| Known {
            kind,
            from_the_start: false,
            rate: HitRate::default(),
        });
        let mut types: Vec<Known> = built_in.collect();
        for kind in named.iter().filter_map(|name| CacheType::named(name)) {
            if let Some(known) = types.iter_mut().find(|known| known.kind == kind) {
                known.from_the_start = true;
            } else if types.len() < CacheType::BUILT_IN.len() + OWN_LIMIT {
                types.push(Known { kind, from_the_start: true, rate: HitRate::default() });
            }
        }
        Caches(types)
    }

    /// The types, the built-in ones first.
    pub fn types(&self) -> impl Iterator<Item = &CacheType> {
        self.0.iter().map(|known| &known.kind)
    }

    /// Those that are shown before anything is known of them; the others cost no series until they are asked.
    pub fn from_the_start(&self) -> impl Iterator<Item = &CacheType> {
        self.0.iter().filter(|known| known.from_the_start).map(|known| &known.kind)
    }

    /// Those that were asked at all.
    pub fn shares(&self) -> impl Iterator<Item = CacheShare> {
        let share = |Known { kind, rate, .. }: &Known| CacheShare {
            kind: kind.clone(),
            hits: rate.hits.count_ones(),
            requests: rate.seen,
        };
        self.0.iter().map(share).filter(|share| share.requests > 0)
    }

    /// What a job reports itself; `None` if its word is no type of ours.
    pub fn reported(&self, word: &str, result: CacheResult) -> Option<CacheEvent> {
        let kind = self.types().find(|kind| kind.as_str() == word)?.clone();
        Some(CacheEvent::one(kind, result))
    }

    /// Takes requests into account; their type's hit rate from now on, `None` if it is no type of ours.
    pub fn note(&mut self, event: &CacheEvent) -> Option<f64> {
        let known = self.0.iter_mut().find(|known| known.kind == event.kind)?;
        known.rate.note(event.tally);
        known.rate.rate()
    }
}
