//! At most one job is open; it is opened and closed by the runner's words, and only if its worker does not say otherwise.
//!
//! A display name is free text and may hold newlines, so any line may be a part of a name. What a name cannot do is start or end
//! a process: a completion counts only once the worker is gone, and a line printed before the worker began is still the name.
//!
//! The evidence is gathered when a line is read, which may be late: the next job's worker may be alive by then. So a line that was
//! not believed is kept as a claim, and a later whole completion with the worker gone proves it: only a name with newlines can
//! forge a line, and the completion of such a name is never whole.
//!
//! Undecidable from the text, and left so: where neither `/proc` nor `_diag` can be read, a name with newlines is believed; and
//! a job whose end and successor are both read late while the runner also prints its trace counts as abandoned.

mod claim;
mod name;

use super::event::{Now, RunnerEvent, TaskResult, Worker};
use super::parse::Reading;
use super::record::{JobRecord, JobStatus, RowStatus};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use claim::{Claim, Claims};
use name::{Part, Told, can_be_in_a_name};
use std::time::Duration;

/// A line this soon after `Running job`, before any worker was seen, can only be a further line of the name.
const NAME_CONTINUES: Duration = Duration::from_millis(500);
/// Names are told apart by this much of them: a line over the decoder's cap has lost its middle.
const COMPARED: usize = 1024;
const MILLISECOND: TimeDelta = TimeDelta::milliseconds(1);

/// The job that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenJob {
    /// Display name, or its first line.
    pub name: String,
    /// When its `Running job` line was read.
    pub started: Now,
    /// A `_diag/Worker_*.log` written since then is this job's: the runner's own time of the start, which is whole seconds but
    /// cannot be late, unless the job before was still open then.
    pub worker_since: DateTime<Utc>,
    stamp: Option<String>,
    told: Told,
    claims: Claims,
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
    /// The line is a part of the job's name: its worker has not begun, or its completion is being printed.
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
    last_start: Option<DateTime<Utc>>,
    last_end: Option<DateTime<Utc>>,
    tracing: bool,
}

impl JobTracker {
    /// The job that runs now.
    pub fn open(&self) -> Option<&OpenJob> {
        self.open.as_ref()
    }

    /// Takes what the runner said; `worker` is the evidence at that moment.
    pub fn hear(&mut self, reading: &Reading, worker: Worker, now: Now) -> Vec<JobChange> {
        self.tracing |= reading.traced;
        let Some(job) = &mut self.open else { return self.hear_idle(reading, now) };
        if !can_be_in_a_name(reading) || job.is_own_start(reading) {
            return Vec::new();
        }
        match job.told.hear(reading) {
            Part::Name => vec![JobChange::Doubted(Doubt::NameContinues)],
            Part::End(result) => {
                let elapsed = job.elapsed(now);
                self.close(status_of(result), Some(elapsed), now).into_iter().collect()
            }
            Part::Other => match job.doubt(worker, now) {
                Some(doubt) => self.disbelieve(reading, doubt, now),
                None => self.believe(reading, now),
            },
        }
    }

    /// The listener has exited: nobody will say how the open job ended, but its end is now.
    pub fn listener_exited(&mut self, now: Now) -> Option<JobChange> {
        let ended_after = self.open.as_ref()?.elapsed(now);
        self.close(JobStatus::Abandoned, Some(ended_after), now)
    }

    fn hear_idle(&mut self, reading: &Reading, now: Now) -> Vec<JobChange> {
        if let RunnerEvent::JobStarted { name } = &reading.event {
            vec![self.begin(name, reading.stamp.as_deref(), now)]
        } else if let RunnerEvent::JobCompleted { .. } = &reading.event {
            vec![JobChange::Doubted(Doubt::NoOpenJob)]
        } else {
            Vec::new()
        }
    }

    fn believe(&mut self, reading: &Reading, now: Now) -> Vec<JobChange> {
        if let RunnerEvent::JobStarted { name } = &reading.event {
            // The listener never runs two: the earlier one ended without a word, at a time nobody saw.
            let mut changes: Vec<JobChange> =
                self.close(JobStatus::Abandoned, None, now).into_iter().collect();
            changes.push(self.begin(name, reading.stamp.as_deref(), now));
            return changes;
        }
        if let RunnerEvent::JobCompleted { name, result } = &reading.event {
            return self.complete(name, *result, now);
        }
        if let RunnerEvent::CompletionHead { name } = &reading.event {
            self.open.iter_mut().filter(|job| same_name(&job.name, name)).for_each(OpenJob::begin_end);
        }
        if reading.event == RunnerEvent::Listening {
            return self.close(JobStatus::Abandoned, None, now).into_iter().collect();
        }
        Vec::new()
    }

    fn disbelieve(&mut self, reading: &Reading, doubt: Doubt, now: Now) -> Vec<JobChange> {
        let is_change =
            matches!(reading.event, RunnerEvent::JobStarted { .. } | RunnerEvent::JobCompleted { .. });
        if let Some(job) = self.open.as_mut().filter(|_| is_change && !self.tracing) {
            job.claims.keep(reading, now);
        }
        let is_rest_of_name =
            matches!(reading.event, RunnerEvent::CompletionHead { .. } | RunnerEvent::CompletionTail { .. });
        // A session can be renewed while the worker runs, but not before a worker has had time to begin. A version never changes.
        let doubted = is_change
            || matches!(reading.event, RunnerEvent::Version(_))
            || (doubt == Doubt::NameContinues && !is_rest_of_name);
        if doubted { vec![JobChange::Doubted(doubt)] } else { Vec::new() }
    }

    fn complete(&mut self, name: &str, result: TaskResult, now: Now) -> Vec<JobChange> {
        let claims = self.open.as_mut().and_then(|job| job.claims.leading_to(name)).unwrap_or_default();
        let mut changes: Vec<JobChange> = claims.into_iter().flat_map(|claim| self.grant(claim)).collect();
        let Some(job) = self.open.as_ref().filter(|job| same_name(&job.name, name)) else {
            changes.push(JobChange::Doubted(Doubt::OtherName));
            return changes;
        };
        let elapsed = job.elapsed(now);
        changes.extend(self.close(status_of(result), Some(elapsed), now));
        changes
    }

    /// Does what a claim said, at its time.
    fn grant(&mut self, claim: Claim) -> Vec<JobChange> {
        match claim {
            Claim::Started { name, stamp, at } => {
                let mut changes: Vec<JobChange> =
                    self.close(JobStatus::Abandoned, None, at).into_iter().collect();
                changes.push(self.begin(&name, stamp.as_deref(), at));
                changes
            }
            Claim::Completed { name, result, at } => {
                let open = self.open.as_ref().filter(|job| same_name(&job.name, &name));
                let elapsed = open.map(|job| job.elapsed(at));
                elapsed
                    .and_then(|elapsed| self.close(status_of(result), Some(elapsed), at))
                    .into_iter()
                    .collect()
            }
        }
    }

    fn begin(&mut self, name: &str, stamp: Option<&str>, now: Now) -> JobChange {
        let utc = self
            .last_start
            .filter(|last| is_taken(*last, now.utc))
            .map_or(now.utc, |last| last + MILLISECOND);
        self.last_start = Some(utc);
        let said = stamp.and_then(|s| NaiveDateTime::parse_from_str(s, "%Y-%m-%d %H:%M:%SZ").ok());
        let since = said.map_or(now.utc, |said| said.and_utc()).min(now.utc);
        let job = OpenJob {
            name: name.to_owned(),
            started: Now { utc, ..now },
            worker_since: self.last_end.map_or(since, |end| since.max(end)),
            stamp: stamp.map(str::to_owned),
            told: Told::default(),
            claims: Claims::default(),
        };
        let row = job.row(RowStatus::Running, None, job.started.utc);
        self.open = Some(job);
        JobChange::Started(row)
    }

    fn close(&mut self, status: JobStatus, duration: Option<Duration>, now: Now) -> Option<JobChange> {
        let job = self.open.take()?;
        self.last_end = Some(now.utc);
        Some(JobChange::Finished(job.row(RowStatus::Finished(status), duration, now.utc)))
    }
}

impl OpenJob {
    fn elapsed(&self, now: Now) -> Duration {
        now.up.saturating_sub(self.started.up)
    }

    /// The same sentence again: the trace's copy, cut elsewhere because it is over the decoder's cap.
    fn is_own_start(&self, reading: &Reading) -> bool {
        self.stamp.is_some()
            && self.stamp == reading.stamp
            && matches!(&reading.event, RunnerEvent::JobStarted { name } if same_name(&self.name, name))
    }

    /// Its name has newlines, so what was claimed so far may have been the name.
    fn begin_end(&mut self) {
        self.told.begin_again();
        self.claims.forget();
    }

    /// Why a line that would end the job cannot be true; `None` if it can.
    fn doubt(&self, worker: Worker, now: Now) -> Option<Doubt> {
        match worker {
            Worker::Alive => Some(Doubt::WorkerAlive),
            Worker::NotSeen if self.elapsed(now) < NAME_CONTINUES => Some(Doubt::NameContinues),
            Worker::NotSeen | Worker::Gone | Worker::Unknown => None,
        }
    }

    fn row(&self, status: RowStatus, duration: Option<Duration>, at: DateTime<Utc>) -> JobRecord {
        JobRecord {
            timestamp: at,
            // Ours until the run's own id is known; no two jobs of one runner start in the same millisecond.
            job_id: format!("local-{}", self.started.utc.timestamp_millis()),
            status,
            duration,
            queue_time: None,
            job_name: self.name.clone(),
            workflow: String::new(),
            repository: String::new(),
            run_id: String::new(),
            run_attempt: String::new(),
            event: String::new(),
            git_ref: String::new(),
            sha: String::new(),
            started_at: Some(self.started.utc),
            lead_time: None,
            deployment: None,
        }
    }
}

/// A start is a job's name in the log, but several lines can be read within one millisecond.
fn is_taken(last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (TimeDelta::zero()..TimeDelta::seconds(1)).contains(&(last + MILLISECOND - now))
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

/// The start line has lost a carriage return at its end, which the completion still has.
fn same_name(open: &str, said: &str) -> bool {
    open == said
        || said.strip_suffix('\r') == Some(open)
        || (open.len() > COMPARED
            && said.len() > COMPARED
            && open.as_bytes()[..COMPARED] == said.as_bytes()[..COMPARED])
}
