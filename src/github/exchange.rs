//! One API request with its retries. One question is asked until it is answered or its time is up; every attempt is
//! bounded in time and bytes, and reported.

use super::client::{ClientConfig, WallClock};
use super::endpoint::{Code, Endpoint, Observe};
use super::error::{ApiError, ErrorContext, ErrorKind, NetworkKind, printable};
use super::models::ErrorBody;
use super::retry::{AttemptOutcome, RateLimit, RetryAfter, RetryDecision, RetryPolicy, decide};
use super::transport::{self, SetupError, classify};
use crate::config::Secret;
use chrono::{DateTime, Utc};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

/// No answer of the API comes near.
const MAX_BODY: usize = 1024 * 1024;

/// A question.
pub(super) struct Request {
    endpoint: Endpoint,
    method: Method,
    path: String,
    /// What the error says after "cannot".
    wanted: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<serde_json::Value>,
    /// Answer only if it is no longer this.
    pub(super) etag: Option<String>,
}

impl Request {
    pub(super) fn new(endpoint: Endpoint, method: Method, path: String, wanted: String) -> Request {
        Request { endpoint, method, path, wanted, query: Vec::new(), body: None, etag: None }
    }

    /// Turns to page `page`, from 1, of so many entries each.
    pub(super) fn turn(&mut self, page: usize, entries: usize) {
        self.query.retain(|(name, _)| *name == "name");
        self.query.push(("per_page", entries.to_string()));
        self.query.push(("page", page.to_string()));
    }
}

/// An answer that means success.
pub(super) struct Response {
    /// 304: it is still what the tag stands for.
    pub(super) unchanged: bool,
    pub(super) etag: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What came back in one attempt.
struct RawResponse {
    status: u16,
    limits: RateLimit,
    etag: Option<String>,
    /// `None` if it was too long.
    body: Option<Zeroizing<Vec<u8>>>,
}

/// Why an attempt was no success.
enum Failure {
    Outcome(AttemptOutcome, Option<String>),
    Malformed(&'static str),
}

/// What GitHub last said of the credential's rate limit.
#[derive(Clone, Copy, Debug)]
struct RateBudget {
    remaining: u64,
    until: Option<DateTime<Utc>>,
}

/// The way to the API, whoever asks.
pub(super) struct Exchange {
    http: reqwest::Client,
    base: Url,
    policy: RetryPolicy,
    observe: Arc<dyn Observe>,
    pub(super) clock: WallClock,
    place: Arc<ErrorContext>,
    budget: Mutex<Option<RateBudget>>,
}

impl Exchange {
    /// Nothing is sent yet.
    pub(super) fn new(setup: &ClientConfig) -> Result<Exchange, SetupError> {
        let base = Url::parse(&setup.base).map_err(SetupError::Base)?;
        let transport = transport::build(&base, &setup.roots, &setup.proxies, &setup.policy)?;
        let place = ErrorContext {
            host: base.host_str().unwrap_or_default().to_owned(),
            proxy: transport.proxy,
            scope: setup.target.scope(),
            credential: setup.credential.kind(),
        };
        Ok(Exchange {
            http: transport.http,
            base,
            policy: setup.policy,
            observe: Arc::clone(&setup.observe),
            clock: Arc::clone(&setup.clock),
            place: Arc::new(place),
            budget: Mutex::default(),
        })
    }

    /// Calls left of the credential's rate limit; `None` if GitHub has not said, or a new period has begun since.
    pub(super) fn calls_left(&self) -> Option<u64> {
        let budget = *self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.filter(|budget| budget.until.is_none_or(|until| (self.clock)() < until)).map(|b| b.remaining)
    }

    fn note_limit(&self, limits: RateLimit) {
        if let Some(remaining) = limits.remaining {
            let budget = RateBudget { remaining, until: limits.reset };
            *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = Some(budget);
        }
    }

    /// Asks, and asks again while that may help and the deadline is ahead.
    pub(super) async fn ask(
        &self,
        request: &Request,
        bearer: &Secret,
        deadline: Instant,
    ) -> Result<Response, ApiError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match self.attempt(request, bearer, deadline).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let (seen, said) = match failure {
                Failure::Malformed(why) => {
                    return Err(self.error(request, ErrorKind::Malformed, Some(why.into()), attempt));
                }
                Failure::Outcome(seen, said) => (seen, said),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match decide(seen, attempt, left, (self.clock)(), fastrand::f64(), &self.policy) {
                RetryDecision::Retry(pause) => tokio::time::sleep(pause).await,
                RetryDecision::Fail(kind) => return Err(self.error(request, kind, said, attempt)),
            }
        }
    }

    fn error(&self, request: &Request, kind: ErrorKind, said: Option<String>, attempts: u32) -> ApiError {
        let (wanted, place) = (request.wanted.clone(), Arc::clone(&self.place));
        ApiError { endpoint: request.endpoint, kind, wanted, said, attempts, place }
    }

    async fn attempt(
        &self,
        request: &Request,
        bearer: &Secret,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let limit = deadline.min(Instant::now() + self.policy.attempt);
        let received = match tokio::time::timeout_at(limit, self.send(request, bearer)).await {
            Ok(received) => received,
            Err(_) => Err((NetworkKind::Timeout, None)),
        };
        match received {
            Ok(received) => {
                self.note_limit(received.limits);
                self.observe.call(request.endpoint, Code::of(received.status), received.limits.remaining);
                judge(request, received, bearer)
            }
            Err((kind, said)) => {
                self.observe.call(request.endpoint, Code::NETWORK, None);
                Err(Failure::Outcome(AttemptOutcome::Network(kind), said))
            }
        }
    }

    async fn send(
        &self,
        request: &Request,
        bearer: &Secret,
    ) -> Result<RawResponse, (NetworkKind, Option<String>)> {
        let broken = |e| classify(&e, self.place.proxy.is_some());
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut outgoing =
            self.http.request(request.method.clone(), url).header(AUTHORIZATION, authorization(bearer));
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        if let Some(etag) = &request.etag {
            outgoing = outgoing.header(IF_NONE_MATCH, etag);
        }
        let mut incoming = outgoing.send().await.map_err(broken)?;
        let (status, limits) = (incoming.status().as_u16(), rate_limit(incoming.headers()));
        let etag = incoming.headers().get(ETAG).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = read(&mut incoming).await.map_err(broken)?;
        Ok(RawResponse { status, limits, etag, body })
    }

    /// A JSON body as what it should be. The library's own words are not repeated: they may quote the body.
    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        request: &Request,
        response: &Response,
    ) -> Result<T, ApiError> {
        serde_json::from_slice(&response.body).map_err(|e| {
            let said = format!("not the expected JSON, at line {} column {}", e.line(), e.column());
            self.error(request, ErrorKind::Malformed, Some(said), 1)
        })
    }
}

fn authorization(bearer: &Secret) -> HeaderValue {
    let text = Zeroizing::new(format!("Bearer {}", bearer.expose().trim()));
    // A token that cannot stand in a header is no token; GitHub says 401 to it as to any other wrong one.
    let mut value =
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer unusable"));
    value.set_sensitive(true);
    value
}

pub(super) async fn read(
    incoming: &mut reqwest::Response,
) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
    while let Some(chunk) = incoming.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn judge(request: &Request, received: RawResponse, bearer: &Secret) -> Result<Response, Failure> {
    let RawResponse { status, mut limits, etag, body } = received;
    let Some(body) = body else { return Err(Failure::Malformed("more than 1 MiB")) };
    let unchanged = status == 304 && request.etag.is_some();
    if unchanged || (200..300).contains(&status) {
        return Ok(Response { unchanged, etag, body });
    }
    let message = serde_json::from_slice::<ErrorBody>(&body).ok().map(|body| body.message);
    limits.names_a_limit = message.as_deref().is_some_and(names_a_limit);
    let said = message.map(|message| printable(&message, &[bearer.expose()])).filter(|said| !said.is_empty());
    Err(Failure::Outcome(AttemptOutcome::Status(status, limits), said))
}

/// GitHub: "You have exceeded a secondary rate limit", formerly "You have triggered an abuse detection mechanism".
fn names_a_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("rate limit") || message.contains("abuse detection")
}

pub(super) fn rate_limit(headers: &HeaderMap) -> RateLimit {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc());
    let retry_after = |text: &str| {
        let seconds = text.parse().ok().map(RetryAfter::Seconds);
        seconds.or_else(|| date(text).map(RetryAfter::At))
    };
    let unix = |text: &str| text.parse().ok().and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    RateLimit {
        retry_after: text("retry-after").and_then(retry_after),
        remaining: text("x-ratelimit-remaining").and_then(|text| text.parse().ok()),
        reset: text("x-ratelimit-reset").and_then(unix),
        names_a_limit: false,
        date: text("date").and_then(date),
    }
}
