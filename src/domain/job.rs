//! At most one job is open; it is opened and closed by the runner's words, and only if its worker does not say otherwise.
//!
//! A display name is free text and may hold newlines, so any line may be a part of a name. What a name cannot do is start or end
//! a process: a completion counts only once the worker is gone, and a line printed before the worker began is still the name.

use super::event::{Now, RunnerEvent, TaskResult, Worker};
use super::record::{JobRecord, JobStatus, RowStatus};
use std::time::Duration;

/// A line this soon after `Running job`, before any worker was seen, can only be a further line of the name.
const NAME_CONTINUES: Duration = Duration::from_millis(500);
/// Names are told apart by this much of them: a line over the decoder's cap has lost its middle.
const COMPARED: usize = 1024;

/// The job that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenJob {
    /// Display name, or its first line.
    pub name: String,
    /// When its `Running job` line was read.
    pub started: Now,
    completion_head: bool,
}

/// What a line did to the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobChange {
    /// It began; the row to write.
    Started(JobRecord),
    /// It is over; the row to write.
    Finished(JobRecord),
    /// The line was not believed.
    Doubted(Doubt),
}

/// Why a line that looks like a job's start or end was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// A completion while no job is open.
    NoOpenJob,
    /// A completion that names another job.
    OtherName,
    /// The open job's worker still runs.
    WorkerAlive,
    /// The open job's worker has not begun: the line is a part of the job's name.
    NameContinues,
}

impl Doubt {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Doubt::NoOpenJob => "no_open_job",
            Doubt::OtherName => "other_name",
            Doubt::WorkerAlive => "worker_alive",
            Doubt::NameContinues => "name_continues",
        }
    }
}

/// Follows the one open job.
#[derive(Debug, Default)]
pub struct JobTracker {
    open: Option<OpenJob>,
}

impl JobTracker {
    /// The job that runs now.
    pub fn open(&self) -> Option<&OpenJob> {
        self.open.as_ref()
    }

    /// Takes what the runner said; `worker` is the evidence at that moment.
    pub fn hear(&mut self, event: &RunnerEvent, worker: Worker, now: Now) -> Vec<JobChange> {
        match event {
            RunnerEvent::JobStarted { name } => self.start(name, worker, now),
            RunnerEvent::JobCompleted { name, result } => vec![self.complete(name, *result, worker, now)],
            RunnerEvent::CompletionHead { name } => {
                if let Some(job) = &mut self.open {
                    job.completion_head = job.completion_head || same_name(&job.name, name);
                }
                Vec::new()
            }
            RunnerEvent::CompletionTail { result } => self.complete_split(*result, worker, now),
            RunnerEvent::Listening => match self.interruption(worker, now) {
                Some(_doubt) => Vec::new(),
                None => self.abandon(None, now).into_iter().collect(),
            },
            RunnerEvent::Version(_)
            | RunnerEvent::Reconnected
            | RunnerEvent::ConnectionError { .. }
            | RunnerEvent::Exiting
            | RunnerEvent::SessionConflict
            | RunnerEvent::SessionConflictGaveUp
            | RunnerEvent::Ghost(_)
            | RunnerEvent::ConfigRemoved
            | RunnerEvent::Update(_)
            | RunnerEvent::ClockSkew
            | RunnerEvent::VersionDeprecated
            | RunnerEvent::Fatal { .. } => Vec::new(),
        }
    }

    /// The listener has exited: nobody will say how the open job ended, but its end is now.
    pub fn listener_exited(&mut self, now: Now) -> Option<JobChange> {
        let ended_after = self.open.as_ref().map(|job| now.up.saturating_sub(job.started.up));
        self.abandon(ended_after, now)
    }

    fn start(&mut self, name: &str, worker: Worker, now: Now) -> Vec<JobChange> {
        if let Some(doubt) = self.interruption(worker, now) {
            return vec![JobChange::Doubted(doubt)];
        }
        // The listener never runs two: the earlier one ended without a word, at a time nobody saw.
        let mut changes: Vec<JobChange> = self.abandon(None, now).into_iter().collect();
        let job = OpenJob { name: name.to_owned(), started: now, completion_head: false };
        changes.push(JobChange::Started(row(&job, RowStatus::Running, None, now)));
        self.open = Some(job);
        changes
    }

    fn complete(&mut self, name: &str, result: TaskResult, worker: Worker, now: Now) -> JobChange {
        let Some(job) = &self.open else { return JobChange::Doubted(Doubt::NoOpenJob) };
        if !same_name(&job.name, name) {
            return JobChange::Doubted(Doubt::OtherName);
        }
        if let Some(doubt) = self.interruption(worker, now) {
            return JobChange::Doubted(doubt);
        }
        let elapsed = now.up.saturating_sub(job.started.up);
        let finished = row(job, RowStatus::Finished(status_of(result)), Some(elapsed), now);
        self.open = None;
        JobChange::Finished(finished)
    }

    fn complete_split(&mut self, result: TaskResult, worker: Worker, now: Now) -> Vec<JobChange> {
        match self.open.as_ref().filter(|job| job.completion_head).map(|job| job.name.clone()) {
            Some(name) => vec![self.complete(&name, result, worker, now)],
            None => Vec::new(),
        }
    }

    /// Why a line that would end the open job cannot be true; `None` if it can, or if no job is open.
    fn interruption(&self, worker: Worker, now: Now) -> Option<Doubt> {
        let job = self.open.as_ref()?;
        let elapsed = now.up.saturating_sub(job.started.up);
        match worker {
            Worker::Alive => Some(Doubt::WorkerAlive),
            Worker::NotSeen if elapsed < NAME_CONTINUES => Some(Doubt::NameContinues),
            Worker::NotSeen | Worker::Gone | Worker::Unknown => None,
        }
    }

    fn abandon(&mut self, ended_after: Option<Duration>, now: Now) -> Option<JobChange> {
        let job = self.open.take()?;
        Some(JobChange::Finished(row(&job, RowStatus::Finished(JobStatus::Abandoned), ended_after, now)))
    }
}

fn status_of(result: TaskResult) -> JobStatus {
    match result {
        TaskResult::Succeeded | TaskResult::SucceededWithIssues => JobStatus::Success,
        TaskResult::Failed => JobStatus::Failed,
        TaskResult::Canceled => JobStatus::Cancelled,
        TaskResult::Skipped => JobStatus::Skipped,
        TaskResult::Abandoned => JobStatus::Abandoned,
    }
}

fn same_name(open: &str, said: &str) -> bool {
    open == said
        || (open.len() > COMPARED
            && said.len() > COMPARED
            && open.as_bytes()[..COMPARED] == said.as_bytes()[..COMPARED])
}

fn row(job: &OpenJob, status: RowStatus, duration: Option<Duration>, now: Now) -> JobRecord {
    JobRecord {
        timestamp: now.utc,
        // Ours until the run's own id is known; one runner starts at most one job a millisecond.
        job_id: format!("local-{}", job.started.utc.timestamp_millis()),
        status,
        duration,
        queue_time: None,
        job_name: job.name.clone(),
        workflow: String::new(),
        repository: String::new(),
        run_id: String::new(),
        run_attempt: String::new(),
        event: String::new(),
        git_ref: String::new(),
        sha: String::new(),
        started_at: Some(job.started.utc),
        lead_time: None,
        deployment: None,
    }
}
