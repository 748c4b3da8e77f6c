//! The queue time. How long a job waited is what GitHub says of the job that this runner took, or it is unknown; it is
//! never a made-up 0.

use super::record::JobRecord;
use crate::domain::words::words;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// GitHub ends what has waited longer (a workflow run lives 35 days at most).
const LONGEST: TimeDelta = TimeDelta::days(35);
/// GitHub's start and the line that told us of it are not further apart, or it is another job of the same run.
const APART: TimeDelta = TimeDelta::minutes(10);

/// The attempt of a run whose jobs are to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// When our job began: its name in the job log.
    pub started_at: DateTime<Utc>,
    /// `owner/name`
    pub repository: String,
    /// The run.
    pub run: u64,
    /// Which of its attempts.
    pub attempt: u32,
}

impl Question {
    /// About the job of this row, once its run is known.
    pub fn about(row: &JobRecord) -> Option<Question> {
        let context = &row.context;
        let (run, attempt) =
            (context.run_id.as_ref()?.parse().ok()?, context.run_attempt.as_ref()?.parse().ok()?);
        let repository = context.repository.clone()?;
        Some(Question { started_at: row.started_at?, repository, run, attempt })
    }
}

/// A job as GitHub lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// GitHub's id of it, which is that of its check run.
    pub id: u64,
    /// The id of the runner that has it.
    pub runner_id: Option<u64>,
    /// That runner's name.
    pub runner_name: Option<String>,
    /// When it was queued.
    pub created_at: Option<DateTime<Utc>>,
    /// When a runner began it; `None` while none has.
    pub started_at: Option<DateTime<Utc>>,
    /// How it ended; `None` while it has not.
    pub conclusion: Option<String>,
}

/// What GitHub says of our job besides its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// From created to started.
    pub waited: Duration,
    /// The id of its check run.
    pub check_run_id: u64,
}

/// Which runner we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// GitHub's id, if it is known here.
    pub id: Option<u64>,
    /// The registered name.
    pub name: String,
}

/// Why there is no queue time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueFault {
    /// GitHub lists no job that this runner began then, or not both times of it.
    Missing,
    /// It began before it was made.
    Negative,
    /// It waited longer than GitHub lets a job wait.
    Absurd,
    /// GitHub could not be asked.
    Unavailable,
    /// The credential has few calls left, and others need them more.
    Spared,
}

words! {
    /// The label value.
    QueueFault {
        Missing = "missing",
        Negative = "negative",
        Absurd = "absurd",
        Unavailable = "unavailable",
        Spared = "spared",
    }
}

impl QueueFault {
    /// GitHub's own list may lag behind: asking once more may help.
    pub fn may_pass(self) -> bool {
        match self {
            QueueFault::Missing | QueueFault::Unavailable => true,
            QueueFault::Negative | QueueFault::Absurd | QueueFault::Spared => false,
        }
    }
}

/// A job, and when it was made and begun.
type Dated<'a> = (&'a Listed, (DateTime<Utc>, DateTime<Utc>));

/// The job that `ours` began at about `began`.
fn nearest<'a>(jobs: &'a [Listed], ours: &Ours, began: DateTime<Utc>) -> Option<Dated<'a>> {
    let is_ours = |job: &&Listed| match (ours.id, job.runner_id) {
        (Some(ours), Some(its)) => ours == its,
        (None, _) | (_, None) => job.runner_name.as_deref() == Some(&ours.name),
    };
    let listed =
        jobs.iter().filter(is_ours).filter_map(|job| Some((job, (job.created_at?, job.started_at?))));
    let nearest = listed.min_by_key(|(_, (_, started))| (*started - began).abs());
    nearest.filter(|(_, (_, started))| (*started - began).abs() <= APART)
}

/// How the job that `ours` began at about `began` has ended, in GitHub's word; `None` while it has not, or for a word that is none.
pub fn conclusion(jobs: &[Listed], ours: &Ours, began: DateTime<Utc>) -> Option<&'static str> {
    let (job, _) = nearest(jobs, ours, began)?;
    let word = job.conclusion.as_deref()?;
    ["success", "failure", "cancelled", "skipped", "timed_out", "neutral", "action_required", "stale"]
        .into_iter()
        .find(|known| *known == word)
}

/// From created to started of the job that `ours` began at about `began`, and which job that is.
///
/// # Errors
/// Why it is not known.
pub fn queue_time(jobs: &[Listed], ours: &Ours, began: DateTime<Utc>) -> Result<Queued, QueueFault> {
    let (job, (created, started)) = nearest(jobs, ours, began).ok_or(QueueFault::Missing)?;
    let waited = started - created;
    if waited > LONGEST {
        return Err(QueueFault::Absurd);
    }
    let waited = waited.to_std().map_err(|_| QueueFault::Negative)?;
    Ok(Queued { waited, check_run_id: job.id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn listed(runner: (Option<u64>, &str), created: Option<i64>, started: Option<i64>) -> Listed {
        let name = Some(runner.1.to_owned()).filter(|name| !name.is_empty());
        let [created_at, started_at] = [created, started].map(|second| second.map(at));
        Listed {
            id: 40 + runner.0.unwrap_or_default(),
            runner_id: runner.0,
            runner_name: name,
            created_at,
            started_at,
            conclusion: None,
        }
    }

    #[test]
    fn a_conclusion_is_one_of_github_s_words_for_our_job() {
        let began = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let job = |id, word: Option<&str>| Listed {
            id,
            runner_id: Some(id),
            runner_name: None,
            created_at: Some(began),
            started_at: Some(began),
            conclusion: word.map(str::to_owned),
        };
        let ours = Ours { id: Some(7), name: "r".into() };
        let of = |word| conclusion(&[job(8, Some("failure")), job(7, word)], &ours, began);
        assert_eq!(of(Some("success")), Some("success"));
        assert_eq!((of(None), of(Some("<b>"))), (None, None));
        assert_eq!(conclusion(&[job(8, Some("failure"))], &ours, began), None);
    }

    #[test]
    fn the_job_is_found_by_its_runner_and_its_start() {
        const US: (Option<u64>, &str) = (Some(7), "ours");
        let ours = Ours { id: Some(7), name: "ours".into() };
        let other = listed((Some(8), "ours"), Some(-500), Some(0));
        let earlier = listed(US, Some(-900), Some(-300));
        let rows = [
            (vec![listed(US, Some(-42), Some(1)), other.clone(), earlier.clone()], Ok(43)),
            (vec![listed(US, Some(-42), Some(-42))], Ok(0)),
            (vec![listed((None, "ours"), Some(-5), Some(0))], Ok(5)),
            (vec![listed((Some(7), "renamed"), Some(-5), Some(0))], Ok(5)),
            (vec![other], Err(QueueFault::Missing)),
            (vec![earlier], Ok(600)),
            (vec![listed(US, Some(-900), Some(-601))], Err(QueueFault::Missing)),
            (vec![listed(US, Some(-42), None)], Err(QueueFault::Missing)),
            (vec![listed(US, None, Some(0))], Err(QueueFault::Missing)),
            (vec![listed((None, ""), Some(-42), Some(0))], Err(QueueFault::Missing)),
            (vec![], Err(QueueFault::Missing)),
            (vec![listed(US, Some(3), Some(2))], Err(QueueFault::Negative)),
            (vec![listed(US, Some(-35 * 86_400 - 1), Some(0))], Err(QueueFault::Absurd)),
        ];
        for (jobs, expected) in rows {
            let found = queue_time(&jobs, &ours, at(0)).map(|queued| queued.waited.as_secs());
            assert_eq!(found, expected, "{jobs:?}");
        }
    }

    #[test]
    fn without_an_id_the_name_decides() {
        let ours = Ours { id: None, name: "ours".into() };
        let jobs =
            [listed((Some(9), "theirs"), Some(-9), Some(0)), listed((Some(7), "ours"), Some(-5), Some(1))];
        let queued = Queued { waited: Duration::from_secs(6), check_run_id: 47 };
        assert_eq!(queue_time(&jobs, &ours, at(0)), Ok(queued));
    }
}
