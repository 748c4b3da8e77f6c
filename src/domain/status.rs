//! What the world may know of the supervisor: a state, since when, why; and what follows from it for health and readiness.

use super::cache::CacheShare;
use super::context::Context;
use super::event::GhostCause;
use super::record::JobRecord;
use super::steps::KnownSteps;
use crate::domain::words::words;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Duration;

/// A listener without a session is given this long before that counts against it.
pub const START_PERIOD: Duration = Duration::from_secs(120);
/// A due launch may be this late before the listener counts as dead.
const LATE: Duration = Duration::from_secs(10);
/// This many failures in a row are a restart loop, not a hiccup.
const LOOP: u32 = 5;

/// The values of `github_runner_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The listener runs, no session yet.
    Starting,
    /// The runner is being registered.
    Registering,
    /// A live session, no job.
    Idle,
    /// A job runs.
    Busy,
    /// The listener has lost GitHub and says so.
    Disconnected,
    /// GitHub no longer knows this runner.
    Ghost,
    /// Leaving: the job may finish, or the listener is being stopped.
    Draining,
    /// The listener is down and will be launched again.
    Backoff,
    /// The listener has ended for good.
    Stopped,
}

words! {
    /// The label value.
    State {
        Starting = "starting",
        Registering = "registering",
        Idle = "idle",
        Busy = "busy",
        Disconnected = "disconnected",
        Ghost = "ghost",
        Draining = "draining",
        Backoff = "backoff",
        Stopped = "stopped",
    }
}

impl State {
    /// GitHub can give this runner a job, or has: the value of `github_runner_status`.
    pub fn is_online(self) -> bool {
        matches!(self, State::Idle | State::Busy)
    }
}

/// The job that runs now, as shown to the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentJob {
    /// Display name as the runner printed it: untrusted text.
    pub name: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Workflow name, once the job has told it; untrusted.
    pub workflow: Option<String>,
    /// `owner/name`, once the job has told it; untrusted.
    pub repository: Option<String>,
    /// GitHub's run id, once the job has told it; untrusted.
    pub run_id: Option<String>,
    /// GitHub's attempt number, once the job has told it; untrusted.
    pub run_attempt: Option<String>,
}

impl CurrentJob {
    /// The same job with what it has told of itself.
    #[must_use]
    pub fn known_by(self, context: &Context) -> CurrentJob {
        let Context { workflow, repository, run_id, run_attempt, .. } = context.clone();
        CurrentJob { workflow, repository, run_id, run_attempt, ..self }
    }
}

/// A snapshot for HTTP and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why, in words for an operator.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The job that runs now.
    pub job: Option<CurrentJob>,
    /// What the listener said its version is.
    pub runner_version: Option<String>,
    /// Set once the server has disowned the runner.
    pub ghost: Option<GhostCause>,
    /// Failures in a row since the last session.
    pub failures: u32,
    /// When the next launch is due, while in back-off.
    pub launch_due: Option<DateTime<Utc>>,
    /// When the drain or the stop ends at the latest.
    pub leave_by: Option<DateTime<Utc>>,
    /// Last finished jobs, newest last.
    pub recent: Arc<[JobRecord]>,
    /// Every job counted so far, in the order of [`super::record::JobStatus::ALL`].
    pub finished: [u64; 5],
    /// How the caches fared that were asked at all.
    pub caches: Arc<[CacheShare]>,
    /// The steps of the last jobs, where they are known.
    pub steps: Arc<KnownSteps>,
}

/// A verdict and its reason, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// 200 or 503; exit 0 or 1.
    pub ok: bool,
    /// What was found.
    pub reason: String,
}

/// `/healthz` and the container's HEALTHCHECK: busy is healthy; a ghost, a dead listener and a restart loop are not; what is
/// ambiguous is healthy, since an unhealthy container gets killed.
pub fn health(status: &Status, now: DateTime<Utc>) -> Verdict {
    if let Some(job) = &status.job {
        return verdict(true, format!("busy since {}", stamp(job.started_at)));
    }
    if let Some(cause) = status.ghost {
        return verdict(false, format!("ghost: the server no longer knows this runner ({})", cause.as_str()));
    }
    match status.state {
        State::Backoff => backoff_health(status, now),
        State::Stopped => verdict(false, "the listener has ended".to_owned()),
        // Without a session GitHub may be at fault: killing the container would not help.
        State::Starting if overdue(status.since, now, START_PERIOD) => {
            verdict(true, format!("no session since {}; GitHub may be unreachable", stamp(status.since)))
        }
        State::Starting => verdict(true, format!("starting since {}", stamp(status.since))),
        State::Idle
        | State::Busy
        | State::Registering
        | State::Disconnected
        | State::Ghost
        | State::Draining => verdict(true, format!("{}: {}", status.state.as_str(), status.reason)),
    }
}

/// `/readyz`: a session is proven. Busy is ready; registering, backing off, draining, disconnected and ghost are not.
pub fn readiness(status: &Status) -> Verdict {
    let ok = status.state.is_online();
    let why = if status.reason.is_empty() { String::new() } else { format!(": {}", status.reason) };
    verdict(ok, format!("{}{why}", status.state.as_str()))
}

fn backoff_health(status: &Status, now: DateTime<Utc>) -> Verdict {
    if status.failures >= LOOP {
        return verdict(
            false,
            format!("restart loop: {} failures in a row, {}", status.failures, status.reason),
        );
    }
    match status.launch_due {
        Some(due) if overdue(due, now, LATE) => {
            verdict(false, format!("the listener is dead; its launch was due at {}", stamp(due)))
        }
        Some(due) => verdict(true, format!("{}; next launch at {}", status.reason, stamp(due))),
        None => verdict(true, status.reason.clone()),
    }
}

fn overdue(since: DateTime<Utc>, now: DateTime<Utc>, limit: Duration) -> bool {
    (now - since).to_std().is_ok_and(|elapsed| elapsed > limit)
}

fn verdict(ok: bool, reason: String) -> Verdict {
    Verdict { ok, reason }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
impl Status {
    /// In this state since then, and nothing else is known.
    pub(crate) fn of(state: State, since: DateTime<Utc>) -> Status {
        Status {
            state,
            reason: "because".into(),
            since,
            job: None,
            runner_version: None,
            ghost: None,
            failures: 0,
            launch_due: None,
            leave_by: None,
            recent: Arc::new([]),
            finished: [0; 5],
            caches: Arc::new([]),
            steps: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn status(state: State) -> Status {
        Status::of(state, at(0))
    }

    #[test]
    fn health_and_readiness_of_every_state() {
        let rows = [
            (State::Starting, true, false),
            (State::Registering, true, false),
            (State::Idle, true, true),
            (State::Busy, true, true),
            (State::Disconnected, true, false),
            (State::Draining, true, false),
            (State::Backoff, true, false),
            (State::Stopped, false, false),
        ];
        for (state, healthy, ready) in rows {
            assert_eq!(health(&status(state), at(1)).ok, healthy, "{state:?}");
            assert_eq!(readiness(&status(state)).ok, ready, "{state:?}");
        }
    }

    #[test]
    fn busy_is_healthy_whatever_else_is_wrong() {
        let job = Some(CurrentJob { name: "build".into(), started_at: at(0), ..CurrentJob::default() });
        let ghost = Some(GhostCause::NotOnServer);
        assert!(health(&Status { job, ghost, failures: 9, ..status(State::Ghost) }, at(9999)).ok);
        assert!(!health(&Status { ghost, ..status(State::Ghost) }, at(1)).ok);
    }

    #[test]
    fn a_back_off_is_healthy_until_its_launch_is_overdue_or_it_loops() {
        let waiting = Status { launch_due: Some(at(300)), ..status(State::Backoff) };
        assert!(health(&waiting, at(200)).ok);
        assert!(health(&waiting, at(310)).ok);
        assert!(!health(&waiting, at(311)).ok);
        assert!(!health(&Status { failures: 5, ..waiting }, at(200)).ok);
    }
}
