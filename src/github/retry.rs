//! The retry policy. Whether to ask again is decided here and nowhere else: a pure function of what was seen and what
//! time is left.
//!
//! GitHub's rules are in its documentation, "Best practices for using the REST API" and "Rate limits for the REST API".

use super::error::{ErrorKind, NetworkKind};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// One connection, TLS included.
    pub connect: Duration,
    /// One attempt, from the connection to the last byte of the body.
    pub attempt: Duration,
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause of our own choosing.
    pub longest: Duration,
    /// The pause after a rate limit that does not say how long it lasts; GitHub asks for a minute.
    pub limited: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            connect: Duration::from_secs(10),
            attempt: Duration::from_secs(30),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            limited: Duration::from_secs(60),
        }
    }
}

/// When a server wants to be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so many seconds.
    Seconds(u64),
    /// At this time.
    At(DateTime<Utc>),
}

impl RetryAfter {
    /// How long that is from now; nobody waits for more than a day.
    pub fn wait(self, now: DateTime<Utc>) -> Duration {
        match self {
            RetryAfter::Seconds(seconds) => Duration::from_secs(seconds).min(DAY),
            RetryAfter::At(at) => until(at, now),
        }
    }
}

/// What an answer's headers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// `Retry-After`
    pub retry_after: Option<RetryAfter>,
    /// `X-RateLimit-Remaining`
    pub remaining: Option<u64>,
    /// `X-RateLimit-Reset`
    pub reset: Option<DateTime<Utc>>,
    /// The message names a rate limit: GitHub's secondary limits come without a header of their own.
    pub names_a_limit: bool,
    /// `Date`
    pub date: Option<DateTime<Utc>>,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// There was an answer, and it was not what was asked for.
    Status(u16, RateLimit),
    /// There was none.
    Network(NetworkKind),
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Ask again after this pause.
    Retry(Duration),
    /// Asking again would not help, or not in time.
    Fail(ErrorKind),
}

/// Nobody is told to wait longer; it also keeps times far from overflow.
const DAY: Duration = Duration::from_secs(86_400);
/// Below this the two clocks agree well enough for every token.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Decides after attempt number `attempt` (1 for the first), with `left` until the deadline and `jitter` in 0..1.
///
/// A pause that would reach the deadline is not made: the caller can use the time better.
pub fn decide(
    seen: AttemptOutcome,
    attempt: u32,
    left: Duration,
    now: DateTime<Utc>,
    jitter: f64,
    policy: &RetryPolicy,
) -> RetryDecision {
    let (kind, least) = judge(seen, now, policy);
    let Some(least) = least else { return RetryDecision::Fail(kind) };
    // Jitter comes on top of what a server asked for: its other clients were told the same.
    let pause = least.saturating_add(back_off(attempt, jitter, policy));
    if pause < left { RetryDecision::Retry(pause) } else { RetryDecision::Fail(kind) }
}

/// Half the exponential pause for certain, the other half by chance.
fn back_off(attempt: u32, jitter: f64, policy: &RetryPolicy) -> Duration {
    let doubled = 2_u32
        .checked_pow(attempt.saturating_sub(1))
        .map_or(policy.longest, |n| policy.first.saturating_mul(n));
    let half = doubled.min(policy.longest) / 2;
    half + half.mul_f64(jitter.clamp(0.0, 1.0))
}

/// What it was, and the least to wait where asking again may help.
fn judge(seen: AttemptOutcome, now: DateTime<Utc>, policy: &RetryPolicy) -> (ErrorKind, Option<Duration>) {
    let (status, limits) = match seen {
        // A certificate does not become valid by asking again.
        AttemptOutcome::Network(NetworkKind::Tls) => return (ErrorKind::Network(NetworkKind::Tls), None),
        AttemptOutcome::Network(kind) => return (ErrorKind::Network(kind), Some(Duration::ZERO)),
        AttemptOutcome::Status(status, limits) => (status, limits),
    };
    if let Some(wait) = rate_limit(status, &limits, now, policy) {
        return (ErrorKind::RateLimited { until: now + wait }, Some(wait));
    }
    match status {
        401 => (ErrorKind::Unauthorized { clock_ahead: skew(&limits, now) }, None),
        403 => (ErrorKind::Forbidden, None),
        404 => (ErrorKind::NotFound, None),
        // Only a proxy says that, and it will say it again.
        407 => (ErrorKind::Network(NetworkKind::Proxy), None),
        409 => (ErrorKind::Conflict, None),
        422 => (ErrorKind::Unprocessable, None),
        500..=599 => (ErrorKind::Server(status), Some(asked_wait(&limits, now).unwrap_or_default())),
        _ => (ErrorKind::Unexpected(status), None),
    }
}

/// How long a rate limit lasts; `None` if the answer is none.
fn rate_limit(status: u16, limits: &RateLimit, now: DateTime<Utc>, policy: &RetryPolicy) -> Option<Duration> {
    let exhausted = limits.remaining == Some(0);
    let limited = match status {
        429 => true,
        403 => exhausted || limits.names_a_limit || limits.retry_after.is_some(),
        _ => false,
    };
    let until_reset = || limits.reset.filter(|_| exhausted).map(|reset| until(reset, now));
    limited.then(|| asked_wait(limits, now).or_else(until_reset).unwrap_or(policy.limited))
}

fn asked_wait(limits: &RateLimit, now: DateTime<Utc>) -> Option<Duration> {
    limits.retry_after.map(|after| after.wait(now))
}

fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (at - now).to_std().unwrap_or_default().min(DAY)
}

/// How far our clock is ahead of the server's, if that is more than a minute.
fn skew(limits: &RateLimit, now: DateTime<Utc>) -> Option<TimeDelta> {
    limits.date.map(|date| now - date).filter(|ahead| ahead.abs() > SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: RetryPolicy = RetryPolicy {
        connect: Duration::from_secs(10),
        attempt: Duration::from_secs(30),
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
        limited: Duration::from_secs(60),
    };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        now() + TimeDelta::seconds(seconds)
    }

    fn retry(seconds: f64) -> RetryDecision {
        RetryDecision::Retry(Duration::from_secs_f64(seconds))
    }

    fn limited(seconds: i64) -> RetryDecision {
        RetryDecision::Fail(ErrorKind::RateLimited { until: at(seconds) })
    }

    #[test]
    fn the_table() {
        let none = RateLimit::default();
        let exhausted = RateLimit { remaining: Some(0), reset: Some(at(120)), ..none };
        let seconds = |s| RateLimit { retry_after: Some(RetryAfter::Seconds(s)), ..none };
        let dated = RateLimit { retry_after: Some(RetryAfter::At(at(7))), ..none };
        let secondary = RateLimit { names_a_limit: true, ..none };
        let status = AttemptOutcome::Status;
        let fail = RetryDecision::Fail;
        // What was seen, the attempt, seconds left, what follows; jitter 0, so half the exponential pause.
        for (seen, attempt, left, expected) in [
            (status(401, none), 1, 1000, fail(ErrorKind::Unauthorized { clock_ahead: None })),
            (status(403, none), 1, 1000, fail(ErrorKind::Forbidden)),
            (status(403, RateLimit { remaining: Some(1), ..none }), 1, 1000, fail(ErrorKind::Forbidden)),
            (status(404, none), 1, 1000, fail(ErrorKind::NotFound)),
            (status(404, exhausted), 1, 1000, fail(ErrorKind::NotFound)),
            (status(407, none), 1, 1000, fail(ErrorKind::Network(NetworkKind::Proxy))),
            (status(409, none), 1, 1000, fail(ErrorKind::Conflict)),
            (status(422, none), 1, 1000, fail(ErrorKind::Unprocessable)),
            (status(422, secondary), 1, 1000, fail(ErrorKind::Unprocessable)),
            (status(302, none), 1, 1000, fail(ErrorKind::Unexpected(302))),
            (status(400, none), 1, 1000, fail(ErrorKind::Unexpected(400))),
            // Back-off: 1, 2, 4 … 30 s, half of it at no jitter.
            (status(500, none), 1, 1000, retry(0.5)),
            (status(502, none), 2, 1000, retry(1.0)),
            (status(503, none), 5, 1000, retry(8.0)),
            (status(504, none), 6, 1000, retry(15.0)),
            (status(500, none), 4_000_000_000, 1000, retry(15.0)),
            (status(503, seconds(5)), 1, 1000, retry(5.5)),
            (status(500, none), 5, 8, fail(ErrorKind::Server(500))),
            (status(503, seconds(5)), 1, 5, fail(ErrorKind::Server(503))),
            (AttemptOutcome::Network(NetworkKind::Dns), 1, 1000, retry(0.5)),
            (AttemptOutcome::Network(NetworkKind::Connect), 3, 1000, retry(2.0)),
            (
                AttemptOutcome::Network(NetworkKind::Timeout),
                1,
                0,
                fail(ErrorKind::Network(NetworkKind::Timeout)),
            ),
            (AttemptOutcome::Network(NetworkKind::Proxy), 1, 1000, retry(0.5)),
            (AttemptOutcome::Network(NetworkKind::Tls), 1, 1000, fail(ErrorKind::Network(NetworkKind::Tls))),
            // Rate limits: what the server says, else a minute; never beyond the deadline.
            (status(429, none), 1, 1000, retry(60.5)),
            (status(429, seconds(9)), 1, 1000, retry(9.5)),
            (status(429, dated), 1, 1000, retry(7.5)),
            (status(429, exhausted), 1, 1000, retry(120.5)),
            (status(403, exhausted), 1, 1000, retry(120.5)),
            (status(403, exhausted), 1, 120, limited(120)),
            (
                status(403, RateLimit { retry_after: Some(RetryAfter::Seconds(3)), ..exhausted }),
                1,
                1000,
                retry(3.5),
            ),
            (status(403, RateLimit { reset: Some(at(-5)), ..exhausted }), 1, 1000, retry(0.5)),
            (status(403, RateLimit { reset: None, ..exhausted }), 1, 1000, retry(60.5)),
            (status(403, secondary), 1, 1000, retry(60.5)),
            (status(403, secondary), 1, 30, limited(60)),
            (status(403, seconds(2)), 2, 1000, retry(3.0)),
            (status(429, seconds(u64::MAX)), 1, 1000, limited(86_400)),
        ] {
            let decision = decide(seen, attempt, Duration::from_secs(left), now(), 0.0, &PACE);
            assert_eq!(decision, expected, "{seen:?}, attempt {attempt}, {left} s left");
        }
    }

    #[test]
    fn jitter_adds_up_to_the_other_half() {
        let seen = AttemptOutcome::Status(500, RateLimit::default());
        let left = Duration::from_secs(1000);
        let mut pauses = Vec::new();
        for jitter in [0.0, 0.5, 1.0, 2.0, -1.0] {
            pauses.push(decide(seen, 3, left, now(), jitter, &PACE));
        }
        assert_eq!(pauses, [retry(2.0), retry(3.0), retry(4.0), retry(4.0), retry(2.0)]);
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_a_401() {
        for (date, ahead) in [(-60, None), (60, None), (-61, Some(61)), (3600, Some(-3600))] {
            let seen =
                AttemptOutcome::Status(401, RateLimit { date: Some(at(date)), ..RateLimit::default() });
            let clock_ahead = ahead.map(TimeDelta::seconds);
            let expected = RetryDecision::Fail(ErrorKind::Unauthorized { clock_ahead });
            assert_eq!(decide(seen, 1, Duration::from_secs(9), now(), 0.0, &PACE), expected);
        }
    }
}
