//! One question is asked until it is answered or its time is up; every attempt is bounded in time and bytes, and reported.

use super::client::Client;
use super::endpoint::{Code, Endpoint};
use super::error::{ApiError, ErrorKind, NetworkKind, printable};
use super::retry::{Decision, Facts, RetryAfter, Seen, decide};
use super::transport::classify;
use super::wire::Complaint;
use crate::config::Secret;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, Response};
use std::sync::Arc;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// No answer of the API comes near.
const MAX_BODY: usize = 1024 * 1024;

/// A question.
pub(super) struct Ask {
    pub(super) endpoint: Endpoint,
    method: Method,
    path: String,
    /// What the error says after "cannot".
    pub(super) wanted: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<serde_json::Value>,
    /// Answer only if it is no longer this.
    pub(super) etag: Option<String>,
}

impl Ask {
    pub(super) fn new(endpoint: Endpoint, method: Method, path: String, wanted: String) -> Ask {
        Ask { endpoint, method, path, wanted, query: Vec::new(), body: None, etag: None }
    }
}

/// An answer that means success.
pub(super) struct Answer {
    /// 304: it is still what the tag stands for.
    pub(super) unchanged: bool,
    pub(super) etag: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What came back in one attempt.
struct Received {
    status: u16,
    facts: Facts,
    etag: Option<String>,
    /// `None` if it was too long.
    body: Option<Zeroizing<Vec<u8>>>,
}

/// Why an attempt was no success.
enum Failure {
    Seen(Seen, Option<String>),
    Malformed(&'static str),
}

impl Client {
    /// Asks, and asks again while that may help and the deadline is ahead.
    pub(super) async fn exchange(
        &self,
        ask: &Ask,
        bearer: &Secret,
        deadline: Instant,
    ) -> Result<Answer, ApiError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match self.attempt(ask, bearer, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let (seen, said) = match failure {
                Failure::Malformed(why) => {
                    return Err(self.error(ask, ErrorKind::Malformed, Some(why.into()), attempt));
                }
                Failure::Seen(seen, said) => (seen, said),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match decide(seen, attempt, left, (self.clock)(), fastrand::f64(), &self.pace) {
                Decision::Retry(pause) => tokio::time::sleep(pause).await,
                Decision::Fail(kind) => return Err(self.error(ask, kind, said, attempt)),
            }
        }
    }

    pub(super) fn error(&self, ask: &Ask, kind: ErrorKind, said: Option<String>, attempts: u32) -> ApiError {
        let (wanted, place) = (ask.wanted.clone(), Arc::clone(&self.place));
        ApiError { endpoint: ask.endpoint, kind, wanted, said, attempts, place }
    }

    async fn attempt(&self, ask: &Ask, bearer: &Secret, deadline: Instant) -> Result<Answer, Failure> {
        let limit = deadline.min(Instant::now() + self.pace.attempt);
        let received = match tokio::time::timeout_at(limit, self.send(ask, bearer)).await {
            Ok(received) => received,
            Err(_) => Err((NetworkKind::Timeout, None)),
        };
        match received {
            Ok(received) => {
                self.note_limit(received.facts);
                self.observe.call(ask.endpoint, Code::of(received.status), received.facts.remaining);
                judge(ask, received, bearer)
            }
            Err((kind, said)) => {
                self.observe.call(ask.endpoint, Code::NETWORK, None);
                Err(Failure::Seen(Seen::Network(kind), said))
            }
        }
    }

    async fn send(&self, ask: &Ask, bearer: &Secret) -> Result<Received, (NetworkKind, Option<String>)> {
        let broken = |e| classify(&e, self.place.proxy.is_some());
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), ask.path));
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request =
            self.http.request(ask.method.clone(), url).header(AUTHORIZATION, authorization(bearer));
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        if let Some(etag) = &ask.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(broken)?;
        let (status, facts) = (response.status().as_u16(), facts(response.headers()));
        let etag = response.headers().get(ETAG).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = read(&mut response).await.map_err(broken)?;
        Ok(Received { status, facts, etag, body })
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

async fn read(response: &mut Response) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn judge(ask: &Ask, received: Received, bearer: &Secret) -> Result<Answer, Failure> {
    let Received { status, mut facts, etag, body } = received;
    let Some(body) = body else { return Err(Failure::Malformed("more than 1 MiB")) };
    let unchanged = status == 304 && ask.etag.is_some();
    if unchanged || (200..300).contains(&status) {
        return Ok(Answer { unchanged, etag, body });
    }
    let message = serde_json::from_slice::<Complaint>(&body).ok().map(|complaint| complaint.message);
    facts.names_a_limit = message.as_deref().is_some_and(names_a_limit);
    let said = message.map(|message| printable(&message, &[bearer.expose()])).filter(|said| !said.is_empty());
    Err(Failure::Seen(Seen::Status(status, facts), said))
}

/// GitHub: "You have exceeded a secondary rate limit", formerly "You have triggered an abuse detection mechanism".
fn names_a_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("rate limit") || message.contains("abuse detection")
}

fn facts(headers: &HeaderMap) -> Facts {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc());
    let retry_after = |text: &str| {
        let seconds = text.parse().ok().map(RetryAfter::Seconds);
        seconds.or_else(|| date(text).map(RetryAfter::At))
    };
    let unix = |text: &str| text.parse().ok().and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    Facts {
        retry_after: text("retry-after").and_then(retry_after),
        remaining: text("x-ratelimit-remaining").and_then(|text| text.parse().ok()),
        reset: text("x-ratelimit-reset").and_then(unix),
        names_a_limit: false,
        date: text("date").and_then(date),
    }
}
