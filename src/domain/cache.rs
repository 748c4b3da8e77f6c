//! A cache request is counted only where a step that may be believed has said how it went; its type is one of a bounded list.
//!
//! What a job prints is untrusted. [`JobLog`] attributes lines to steps; all that a lie can do is move the counters of the
//! known types, which a job may do openly with `runner-init cache` as well: never a series, never memory, never another
//! runner's numbers.

mod buildkit;
mod header;
mod job_log;
mod lookup;
mod shell;

pub use super::context::CacheResult;
pub use job_log::JobLog;

use std::sync::Arc;

/// Names `CACHE_TYPES` may add.
pub const OWN_LIMIT: usize = 8;
const NAME_LIMIT: usize = 32;
/// Requests a hit rate looks back on.
const WINDOW: u32 = 100;

/// Which cache was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// GitHub's cache service: `actions/cache` and `actions/setup-*`.
    Actions,
    /// `BuildKit`'s layers, one request per step of a Dockerfile.
    Buildkit,
    /// Archives of Debian packages, one request per run.
    Apt,
    /// npm's HTTP cache, one request per fetch.
    Npm,
    /// A name of `CACHE_TYPES`, for what jobs report themselves.
    Own(Arc<str>),
}

impl CacheType {
    /// The types every runner has, in the order of the documentation.
    pub const BUILT_IN: [CacheType; 4] =
        [CacheType::Actions, CacheType::Buildkit, CacheType::Apt, CacheType::Npm];

    /// The word in a metric's label.
    pub fn as_str(&self) -> &str {
        match self {
            CacheType::Actions => "actions",
            CacheType::Buildkit => "buildkit",
            CacheType::Apt => "apt",
            CacheType::Npm => "npm",
            CacheType::Own(name) => name,
        }
    }

    /// The type of this name, `[a-z][a-z0-9_-]{0,31}`: a built-in one or a new one; `None` if it cannot be a name.
    pub fn named(name: &str) -> Option<CacheType> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let fits = name.len() <= NAME_LIMIT && name.bytes().all(plain);
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        let built_in = CacheType::BUILT_IN.into_iter().find(|known| known.as_str() == name);
        (fits && starts).then(|| built_in.unwrap_or_else(|| CacheType::Own(name.into())))
    }
}

/// One request of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEvent {
    /// Of which.
    pub kind: CacheType,
    /// How it went.
    pub result: CacheResult,
}

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
    /// One request more.
    pub fn note(&mut self, result: CacheResult) {
        let hit = u128::from(result == CacheResult::Hit);
        self.hits = (self.hits << 1 | hit) & ((1 << WINDOW) - 1);
        self.seen = (self.seen + 1).min(WINDOW);
    }

    /// 0 to 1; `None` before the first request.
    pub fn rate(self) -> Option<f64> {
        (self.seen > 0).then(|| f64::from(self.hits.count_ones()) / f64::from(self.seen))
    }
}

/// Every type there is on this runner, and how each has fared.
#[derive(Clone, Debug)]
pub struct Caches(Vec<(CacheType, HitRate)>);

impl Caches {
    /// The built-in types and those of `CACHE_TYPES`; what is no name, there already or beyond [`OWN_LIMIT`] is left out.
    pub fn new(own: &[String]) -> Caches {
        let mut types = CacheType::BUILT_IN.to_vec();
        for kind in own.iter().filter_map(|name| CacheType::named(name)) {
            if !types.contains(&kind) && types.len() < CacheType::BUILT_IN.len() + OWN_LIMIT {
                types.push(kind);
            }
        }
        Caches(types.into_iter().map(|kind| (kind, HitRate::default())).collect())
    }

    /// The types, the built-in ones first.
    pub fn types(&self) -> impl Iterator<Item = &CacheType> {
        self.0.iter().map(|(kind, _)| kind)
    }

    /// Those that were asked at all.
    pub fn shares(&self) -> impl Iterator<Item = CacheShare> {
        let share = |(kind, rate): &(CacheType, HitRate)| CacheShare {
            kind: kind.clone(),
            hits: rate.hits.count_ones(),
            requests: rate.seen,
        };
        self.0.iter().map(share).filter(|share| share.requests > 0)
    }

    /// What a job reports itself; `None` if its word is no type of ours.
    pub fn reported(&self, word: &str, result: CacheResult) -> Option<CacheEvent> {
        let kind = self.types().find(|kind| kind.as_str() == word)?.clone();
        Some(CacheEvent { kind, result })
    }

    /// Takes a request into account; its type's hit rate from now on, `None` if it is no type of ours.
    pub fn note(&mut self, event: &CacheEvent) -> Option<f64> {
        let (_, rate) = self.0.iter_mut().find(|(kind, _)| *kind == event.kind)?;
        rate.note(event.result);
        rate.rate()
    }
}

#[cfg(test)]
mod tests;
