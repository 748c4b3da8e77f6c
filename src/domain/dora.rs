//! A deployment is a job that the rule names; what is told of deployments is a left fold over the rows of the job log.
//!
//! What the keys mean, and what they cannot mean without incident data, is in `docs/DORA.md`.

mod rule;

pub use rule::{DeploymentRule, LONGEST_PATTERN, Matcher, StreamRule};

use super::record::{JobRecord, JobStatus, LONGEST, RowStatus};
use crate::domain::words::words;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Streams remembered; a runner that deploys more forgets those that are worth least, see `KnownStream::worth`.
pub const MAX_STREAMS: usize = 64;
/// Branches that stay: no crowd of others may push them out.
const MAIN_LINES: [&str; 3] = ["main", "master", TAGS];
/// The branch of every tag: each release has a tag of its own.
const TAGS: &str = "refs/tags";

/// How a deployment ended. Cancelled and skipped are no result: nobody knows what it would have been; abandoned has none
/// that was witnessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is out.
    Success,
    /// It is not.
    Failed,
}

words! {
    /// The label value.
    Outcome {
        Success = "success",
        Failed = "failed",
    }
}

impl Outcome {
    /// `None`: the row is no deployment, or one without a result.
    fn of(row: &JobRecord) -> Option<Outcome> {
        let RowStatus::Finished(status) = row.status else { return None };
        let outcome = match status {
            JobStatus::Success => Outcome::Success,
            JobStatus::Failed => Outcome::Failed,
            JobStatus::Cancelled | JobStatus::Skipped | JobStatus::Abandoned => return None,
        };
        (row.deployment == Some(true)).then_some(outcome)
    }
}

/// What one row added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// How it ended.
    pub outcome: Outcome,
    /// End of the newest one that has ended so.
    pub newest: DateTime<Utc>,
    /// From commit to deployed, of a success whose commit's time is known; at most [`LONGEST`].
    pub lead_time: Option<Duration>,
    /// Of the success that ends a streak of failures: from the end of the streak's first failure to its own end.
    pub recovery_time: Option<Duration>,
}

/// Where deployments follow one another: a failure in one stream is not repaired by a success in another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place {
    repository: String,
    workflow: String,
    /// As [`branch`] says, or [`TAGS`] for every tag.
    branch: String,
    /// As the [`StreamRule`] says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    part: String,
}

impl Place {
    /// `None` where a part is not known: what is not known to follow cannot repair.
    fn of(row: &JobRecord, rule: &StreamRule) -> Option<Place> {
        let branch = branch(row.context.git_ref.as_deref()?)?;
        let branch = if branch.starts_with("refs/tags/") { TAGS } else { branch };
        Some(Place {
            repository: row.context.repository.clone()?,
            workflow: row.context.workflow.clone()?,
            branch: branch.into(),
            part: rule.part(row.job_name.as_deref().unwrap_or_default()).into(),
        })
    }
}

/// What is remembered of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownStream {
    place: Place,
    /// End of the newest deployment.
    newest: DateTime<Utc>,
    /// End of the first failure since the last success.
    failing_since: Option<DateTime<Utc>>,
}

impl KnownStream {
    /// What would be lost with it, the least first: of one that does not fail hardly anything, for its next failure begins
    /// it anew; a failure on a branch that may be gone is worth less than one on a main line; then the newer is worth more.
    fn worth(&self) -> (bool, bool, DateTime<Utc>) {
        (self.failing_since.is_some(), MAIN_LINES.contains(&self.place.branch.as_str()), self.newest)
    }
}

/// The deployments of a job log: counts, the newest ones, and per stream (repository, workflow, branch, and what the
/// [`StreamRule`] takes of the job's name) whether it fails.
///
/// What holds, whatever the rows:
/// - Counts, lead times and newest times depend on which rows there are, not on their order.
/// - Streams do not see one another: any interleaving that keeps the order within each stream gives the very same value,
///   as long as there are at most [`MAX_STREAMS`].
/// - Within a stream time does not run backwards: a row older than the stream's newest one is counted, and neither begins
///   nor ends a streak. A recovery is therefore never negative and always lies between a failure and a later success with
///   no success that was known then between them. Rows in the order of their time give what happened; rows out of order
///   (a clock that was set back) may give fewer recoveries, or other ones, between ends that are in the log.
/// - It is the same for a row as it was told and as the log gives it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dora {
    /// Deployments, in the order of [`Outcome::ALL`].
    pub deployments: [u64; 2],
    /// End of the newest deployment of each outcome.
    pub newest: [Option<DateTime<Utc>>; 2],
    /// In the order of their places.
    streams: Vec<KnownStream>,
    #[serde(skip)]
    rule: StreamRule,
}

impl Dora {
    /// The same, and from now on streams are told apart by this rule.
    #[must_use]
    pub fn told_apart_by(self, rule: &StreamRule) -> Dora {
        Dora { rule: rule.clone(), ..self }
    }

    /// Takes one final row; what it adds, if it is a deployment with a result. It is not counted yet.
    pub(super) fn judge(&mut self, row: &JobRecord) -> Option<Deployment> {
        let outcome = Outcome::of(row)?;
        let row = row.as_written();
        let newest = self.newest[outcome as usize].map_or(row.timestamp, |newest| newest.max(row.timestamp));
        let recovery_time =
            Place::of(&row, &self.rule).and_then(|place| self.follow(place, outcome, row.timestamp));
        let lead_time = row.lead_time.filter(|_| outcome == Outcome::Success);
        Some(Deployment { outcome, newest, lead_time, recovery_time })
    }

    /// Counts it.
    pub(super) fn count(&mut self, deployment: &Deployment) {
        let outcome = deployment.outcome as usize;
        self.deployments[outcome] += 1;
        self.newest[outcome] = self.newest[outcome].max(Some(deployment.newest));
    }

    /// Takes over what an older log knows of streams that have not been seen since, and of the newest deployments. The
    /// counts stay as they are.
    pub(super) fn precede(&mut self, older: &Dora) {
        for (mine, theirs) in self.newest.iter_mut().zip(older.newest) {
            *mine = (*mine).max(theirs);
        }
        for stream in &older.streams {
            if let Err(at) = self.find(&stream.place) {
                self.streams.insert(at, stream.clone());
            }
        }
        while self.streams.len() > MAX_STREAMS {
            self.forget();
        }
    }

    /// How long the stream had failed, if this is the success that ends it.
    fn follow(&mut self, place: Place, outcome: Outcome, end: DateTime<Utc>) -> Option<Duration> {
        let at = match self.find(&place) {
            Ok(at) => at,
            Err(at) => {
                self.streams.insert(at, KnownStream { place, newest: end, failing_since: None });
                at
            }
        };
        let stream = &mut self.streams[at];
        let mut recovery = None;
        if end >= stream.newest {
            stream.newest = end;
            let since = stream.failing_since.take();
            match outcome {
                Outcome::Failed => stream.failing_since = since.or(Some(end)),
                Outcome::Success => recovery = since.and_then(|since| between(since, end)),
            }
        }
        if self.streams.len() > MAX_STREAMS {
            self.forget();
        }
        recovery
    }

    fn find(&self, place: &Place) -> Result<usize, usize> {
        self.streams.binary_search_by(|stream| stream.place.cmp(place))
    }

    /// The stream that is worth least.
    fn forget(&mut self) {
        let least = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.worth());
        if let Some((at, _)) = least {
            self.streams.remove(at);
        }
    }
}

/// From the commit to the end of the job, if that was a successful deployment and both times are believable: never
/// negative, at most [`LONGEST`].
pub fn lead_time(row: &JobRecord) -> Option<Duration> {
    let deployed = Outcome::of(row) == Some(Outcome::Success);
    between(row.context.commit_at.filter(|_| deployed)?, row.timestamp)
}

/// `None` if negative or longer than [`LONGEST`].
fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Duration> {
    (to - from).to_std().ok().filter(|time| *time <= LONGEST)
}

/// The branch of a Git ref: `refs/heads/X` is `X`; every other ref, tags above all, is its own whole name. `None` if there
/// is none.
fn branch(git_ref: &str) -> Option<&str> {
    Some(git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref)).filter(|branch| !branch.is_empty())
}

#[cfg(test)]
mod tests;
