//! Queue time and conclusion of a job, from a cached list of its run's jobs. How long our job waited: one look at the
//! jobs of its run, spared where the credential has little left.

use super::{Access, LOOK_LIMIT, Registrar};
use crate::domain::queue::{Listed, Ours, Question, QueueFault, Queued, conclusion, queue_time};
use crate::domain::registration::Trace;
use crate::github::{JobList, WorkflowJob};
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

impl Registrar {
    /// Whether GitHub can be asked anything at all.
    pub(crate) fn can_ask(&self) -> bool {
        matches!(self.access, Access::Api(_))
    }

    /// How long the job that we began then had waited, and which of GitHub's it is.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) async fn queue_time(&self, question: &Question) -> Result<Queued, QueueFault> {
        let jobs = self.list(question).await?;
        queue_time(&jobs, &self.our_runner(), question.started_at)
    }

    /// How the job that we began then ended, as GitHub has it; `None` if it cannot be asked, or does not say.
    pub(crate) async fn conclusion(&self, question: &Question) -> Option<&'static str> {
        let jobs = self.list(question).await.ok()?;
        conclusion(&jobs, &self.our_runner(), question.started_at)
    }

    fn our_runner(&self) -> Ours {
        match self.identity.get() {
            Trace::Made { id, name } => Ours { id: Some(id), name },
            Trace::None | Trace::Named | Trace::Enrolled => Ours { id: None, name: self.wish.name.clone() },
        }
    }

    async fn list(&self, question: &Question) -> Result<Vec<Listed>, QueueFault> {
        let Access::Api(client) = &self.access else { return Err(QueueFault::Unavailable) };
        if client.calls_left().is_some_and(|left| left < FLOOR) {
            return Err(QueueFault::Spared);
        }
        let Question { repository, run, attempt, .. } = question;
        let seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seen = seen.filter(|seen| (seen.run, seen.attempt) == (*run, *attempt));
        let etag = seen.as_ref().map(|seen| seen.etag.as_str());
        let answer = client.jobs(repository, *run, *attempt, etag, Instant::now() + LOOK_LIMIT).await;
        match (answer, seen) {
            (Ok(JobList::Unchanged), Some(seen)) => Ok(seen.jobs),
            (Ok(JobList::Listed { jobs, etag }), _) => {
                let jobs: Vec<Listed> = jobs.into_iter().map(listed).collect();
                let list = etag.map(|etag| List { run: *run, attempt: *attempt, etag, jobs: jobs.clone() });
                *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = list;
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
