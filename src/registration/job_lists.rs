//! The jobs of a run, from a cached list: one look at GitHub, spared where the credential has little left.

use super::LOOK_LIMIT;
use crate::domain::queue::{Listed, Question, QueueFault};
use crate::github::{Client, JobList, WorkflowJob};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Below so many calls the queue time is not worth one: registering and removing runners is.
const FLOOR: u64 = 100;

/// The list that GitHub need not send again while it is the same.
#[derive(Debug, Default)]
pub(crate) struct JobListCache(Mutex<Option<List>>);

#[derive(Clone, Debug)]
struct List {
    run: u64,
    attempt: u32,
    etag: String,
    jobs: Vec<Listed>,
}

impl JobListCache {
    /// The jobs of the run that is asked for.
    pub(super) async fn jobs(&self, client: &Client, question: &Question) -> Result<Vec<Listed>, QueueFault> {
        if client.calls_left().is_some_and(|left| left < FLOOR) {
            return Err(QueueFault::Spared);
        }
        let Question { repository, run, attempt, .. } = question;
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seen = seen.filter(|seen| (seen.run, seen.attempt) == (*run, *attempt));
        let etag = seen.as_ref().map(|seen| seen.etag.as_str());
        let answer = client.jobs(repository, *run, *attempt, etag, Instant::now() + LOOK_LIMIT).await;
        match (answer, seen) {
            (Ok(JobList::Unchanged), Some(seen)) => Ok(seen.jobs),
            (Ok(JobList::Listed { jobs, etag }), _) => {
                let jobs: Vec<Listed> = jobs.into_iter().map(listed).collect();
                let list = etag.map(|etag| List { run: *run, attempt: *attempt, etag, jobs: jobs.clone() });
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = list;
                Ok(jobs)
            }
            // The call is counted by its status.
            (Ok(JobList::Unchanged) | Err(_), _) => Err(QueueFault::Unavailable),
        }
    }
}

fn listed(job: WorkflowJob) -> Listed {
    // While it is queued, GitHub gives that time as its start.
    let begun = job.status != "queued";
    Listed {
        id: job.id,
        runner_id: job.runner_id,
        runner_name: job.runner_name,
        created_at: job.created_at,
        started_at: job.started_at.filter(|_| begun),
        conclusion: job.conclusion,
    }
}
