//! The time of a commit is taken from where an event states it, and from nowhere else.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use std::borrow::Cow;

/// 2005-01-01, the year of git's first commit; unix seconds.
const EARLIEST: i64 = 1_104_537_600;
/// Clocks of committers go wrong, but not by more.
const AHEAD: TimeDelta = TimeDelta::days(1);

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    head_commit: Option<Commit<'a>>,
    #[serde(borrow)]
    workflow_run: Option<Of<'a>>,
    #[serde(borrow)]
    merge_group: Option<Of<'a>>,
    #[serde(borrow)]
    check_suite: Option<Of<'a>>,
}

/// What the event is about.
#[derive(Deserialize)]
struct Of<'a> {
    #[serde(borrow)]
    head_commit: Option<Commit<'a>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
}

/// Whether the body of an event of this name states the time of its commit.
///
/// That of `pull_request` does not: its `updated_at` is when somebody last touched the discussion.
pub fn tells_commit_time(event: &str) -> bool {
    ["push", "workflow_run", "merge_group", "check_suite"].contains(&event)
}

/// When the commit that a run is for was made, as its committer says, from the event's name and body (JSON).
///
/// `None` where the event does not state it, and for times before 2005 or more than a day after `now`.
pub fn commit_time(event: &str, body: &[u8], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let told: Event = serde_json::from_slice(body).ok()?;
    let commit = match event {
        "push" => told.head_commit?,
        "workflow_run" => told.workflow_run?.head_commit?,
        "merge_group" => told.merge_group?.head_commit?,
        "check_suite" => told.check_suite?.head_commit?,
        _ => return None,
    };
    let at = DateTime::parse_from_rfc3339(&commit.timestamp?).ok()?.to_utc();
    is_plausible(at, now).then_some(at)
}

pub(super) fn is_plausible(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at.timestamp() >= EARLIEST && at.signed_duration_since(now) <= AHEAD
}
