//! A cache request is counted only where a step that may be believed has said how it went; its type is one of a bounded list.
//!
//! What a job prints is untrusted. [`JobLog`] attributes lines to steps; all that a lie can do is move the counters of the
//! known types, which a job may do openly with `runner-init cache` as well: never a series of another name, never memory,
//! never another runner's numbers.

mod actions;
mod header;
mod job_log;
mod lookup;
mod marks;
mod rate;
mod tools;

pub use super::context::CacheResult;
pub use job_log::JobLog;
pub use rate::{CacheShare, Caches, HitRate, OWN_LIMIT};

use std::sync::Arc;

const NAME_LIMIT: usize = 32;

/// Which cache was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// GitHub's cache service, one request per step of an action that is known.
    Actions,
    /// `BuildKit`'s layers, one request per step of a Dockerfile.
    Buildkit,
    /// Archives of Debian packages, one request per run.
    Apt,
    /// npm's HTTP cache, one request per document and tarball.
    Npm,
    /// pnpm's store, one request per run.
    Pnpm,
    /// uv's cache, one request per run.
    Uv,
    /// pip's cache, one request per file.
    Pip,
    /// sccache, one request per compilation.
    Sccache,
    /// ccache, one request per compilation.
    Ccache,
    /// Results of `go test`, one request per package.
    Go,
    /// Turborepo, one request per task.
    Turbo,
    /// A name of `CACHE_TYPES`, for what jobs report themselves.
    Own(Arc<str>),
}

impl CacheType {
    /// The types every runner has, in the order of the documentation.
    pub const BUILT_IN: [CacheType; 11] = [
        CacheType::Actions,
        CacheType::Buildkit,
        CacheType::Apt,
        CacheType::Npm,
        CacheType::Pnpm,
        CacheType::Uv,
        CacheType::Pip,
        CacheType::Sccache,
        CacheType::Ccache,
        CacheType::Go,
        CacheType::Turbo,
    ];

    /// The word in a metric's label.
    pub fn as_str(&self) -> &str {
        match self {
            CacheType::Actions => "actions",
            CacheType::Buildkit => "buildkit",
            CacheType::Apt => "apt",
            CacheType::Npm => "npm",
            CacheType::Pnpm => "pnpm",
            CacheType::Uv => "uv",
            CacheType::Pip => "pip",
            CacheType::Sccache => "sccache",
            CacheType::Ccache => "ccache",
            CacheType::Go => "go",
            CacheType::Turbo => "turbo",
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

/// How many requests went how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All was there.
    pub hits: u32,
    /// Something was there.
    pub partials: u32,
    /// Nothing was there.
    pub misses: u32,
}

impl Tally {
    /// A single request.
    pub fn one(result: CacheResult) -> Tally {
        let mut tally = Tally::default();
        tally.add(result, 1);
        tally
    }

    /// So many of this result.
    pub fn count(self, result: CacheResult) -> u32 {
        match result {
            CacheResult::Hit => self.hits,
            CacheResult::Partial => self.partials,
            CacheResult::Miss => self.misses,
        }
    }

    /// All of them.
    pub fn total(self) -> u64 {
        u64::from(self.hits) + u64::from(self.partials) + u64::from(self.misses)
    }

    /// These too.
    pub fn join(&mut self, more: Tally) {
        for result in CacheResult::ALL {
            self.add(result, more.count(result));
        }
    }

    /// `count` more.
    pub fn add(&mut self, result: CacheResult, count: u32) {
        let sum = match result {
            CacheResult::Hit => &mut self.hits,
            CacheResult::Partial => &mut self.partials,
            CacheResult::Miss => &mut self.misses,
        };
        *sum = sum.saturating_add(count);
    }
}

/// Requests of a cache that were told at once, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEvent {
    /// Of which.
    pub kind: CacheType,
    /// How they went.
    pub tally: Tally,
}

impl CacheEvent {
    /// A single request.
    pub fn one(kind: CacheType, result: CacheResult) -> CacheEvent {
        CacheEvent { kind, tally: Tally::one(result) }
    }
}

#[cfg(test)]
mod tests;
