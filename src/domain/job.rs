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
mod open;
#[cfg(test)]
mod tests;

pub use open::OpenJob;

use super::event::{Now, RunnerEvent, TaskResult, Worker};
use super::parse::Reading;
use super::record::{JobRecord, JobStatus, RowStatus};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use claim::{Claim, Claims};
use name::{Part, Told, can_be_in_a_name};
use open::same_name;
use std::time::Duration;

const MILLISECOND: TimeDelta = TimeDelta::milliseconds(1);

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
    /// The name of the job that ended last: its other voice may follow.
    ended: Told,
    /// Lines of a name whose first line has not been heard: the trace's was damaged, the terminal's will follow.
    ahead: Told,
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
                self.ended = std::mem::take(&mut job.told);
                self.close(status_of(result), Some(elapsed), now).into_iter().collect()
            }
            Part::Other => {
                job.may_tell(reading, worker, now);
                match job.doubt(worker, now) {
                    Some(doubt) => self.disbelieve(reading, doubt, now),
                    None => self.believe(reading, now),
                }
            }
        }
    }

    /// The listener has exited: nobody will say how the open job ended, but its end is now.
    pub fn listener_exited(&mut self, now: Now) -> Option<JobChange> {
        let ended_after = self.open.as_ref()?.elapsed(now);
        self.close(JobStatus::Abandoned, Some(ended_after), now)
    }

    fn hear_idle(&mut self, reading: &Reading, now: Now) -> Vec<JobChange> {
        if matches!(reading.event, RunnerEvent::NameLine(_)) {
            self.ahead.keep(reading);
            return Vec::new();
        }
        let ahead = std::mem::take(&mut self.ahead);
        if self.ended.has(reading) {
            return vec![JobChange::Doubted(Doubt::NameContinues)];
        }
        if let RunnerEvent::JobStarted { name } = &reading.event {
            let started = self.begin(name, reading.stamp.as_deref(), now);
            if let Some(job) = self.open.as_mut().filter(|_| !reading.traced) {
                job.told = ahead;
            }
            vec![started]
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
        if let Some(job) = self.open.as_mut().filter(|job| job.is_ended_by(&reading.event)) {
            job.begin_end();
        } else if let RunnerEvent::JobCompleted { name, result } = &reading.event {
            return self.complete(name, *result, now);
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
        let is_rest_of_name = matches!(
            reading.event,
            RunnerEvent::CompletionHead { .. }
                | RunnerEvent::CompletionTail { .. }
                | RunnerEvent::NameLine(_)
        );
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
        self.ended = Told::default();
        JobChange::Started(row)
    }

    fn close(&mut self, status: JobStatus, duration: Option<Duration>, now: Now) -> Option<JobChange> {
        let job = self.open.take()?;
        self.last_end = Some(now.utc);
        Some(JobChange::Finished(job.row(RowStatus::Finished(status), duration, now.utc)))
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
