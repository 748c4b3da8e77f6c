//! A client speaks for one target with one credential; time, trust and proxies are given to it.

use super::auth::{ApiCredential, TokenCache};
use super::endpoint::Observe;
use super::error::ErrorContext;
use super::proxy::Proxies;
use super::retry::{RateLimit, RetryPolicy};
use super::transport::{self, Roots, SetupError};
use crate::domain::target::Target;
use chrono::{DateTime, Utc};
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;
use url::Url;

/// Where the time of day comes from.
pub type WallClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// All a client needs.
pub struct ClientConfig {
    /// The API's URL, without a slash at its end.
    pub base: String,
    /// What runners are registered for.
    pub target: Target,
    /// As whom.
    pub credential: ApiCredential,
    /// Whom to trust.
    pub roots: Roots,
    /// How to get out.
    pub proxies: Proxies,
    /// How long things may take.
    pub policy: RetryPolicy,
    /// Who is told of every attempt.
    pub observe: Arc<dyn Observe>,
    /// The time of day.
    pub clock: WallClock,
}

/// Speaks to GitHub. Every call may be dropped at any point.
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    pub(super) target: Target,
    pub(super) credential: ApiCredential,
    pub(super) policy: RetryPolicy,
    pub(super) observe: Arc<dyn Observe>,
    pub(super) clock: WallClock,
    pub(super) place: Arc<ErrorContext>,
    pub(super) token_cache: Mutex<TokenCache>,
    pub(super) budget: std::sync::Mutex<Option<RateBudget>>,
}

/// What GitHub last said of the credential's rate limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateBudget {
    pub(super) remaining: u64,
    pub(super) until: Option<DateTime<Utc>>,
}

impl Client {
    /// Reads the certificate authorities from disk, some milliseconds of work; nothing is sent yet.
    ///
    /// # Errors
    /// If the base is no URL, no authority can be found for an `https` base, or the proxy cannot be used.
    pub fn new(setup: ClientConfig) -> Result<Client, SetupError> {
        let base = Url::parse(&setup.base).map_err(SetupError::Base)?;
        let transport = transport::build(&base, &setup.roots, &setup.proxies, &setup.policy)?;
        let place = ErrorContext {
            host: base.host_str().unwrap_or_default().to_owned(),
            proxy: transport.proxy,
            scope: setup.target.scope(),
            credential: setup.credential.kind(),
        };
        Ok(Client {
            http: transport.http,
            base,
            target: setup.target,
            credential: setup.credential,
            policy: setup.policy,
            observe: setup.observe,
            clock: setup.clock,
            place: Arc::new(place),
            token_cache: Mutex::new(TokenCache::default()),
            budget: std::sync::Mutex::default(),
        })
    }

    /// Calls left of the credential's rate limit; `None` if GitHub has not said, or a new period has begun since.
    pub fn calls_left(&self) -> Option<u64> {
        let budget = *self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.filter(|budget| budget.until.is_none_or(|until| (self.clock)() < until)).map(|b| b.remaining)
    }

    pub(super) fn note_limit(&self, limits: RateLimit) {
        if let Some(remaining) = limits.remaining {
            let budget = RateBudget { remaining, until: limits.reset };
            *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = Some(budget);
        }
    }
}
