//! At most one job is open; it is opened and closed by the runner's words, and only if its worker does not say otherwise.
//!
//! A display name is free text and may hold newlines, so any line may be a part of a name. What a name cannot do is start or end
//! a process: a completion counts only once the worker is gone, and a line printed before the worker began is still the name.
//!
//! A start is a claim until its worker is seen ([`crew`]): the listener says `Running job` before it knows whether the job is still
//! its, and anybody of its user can write into its pipe. One without a worker is dropped, and was never a job.
//!
//! A line may be read late, so one that was not believed is kept, and judged again when there is more evidence: the worker's
//! exit, the next worker, a later whole completion, or a minute in which the worker did not die. Only a name with newlines can
//! forge a line, and it does so when the job begins, and the completion of such a name is never whole.
//!
//! Undecidable from the text, and left so: where neither `/proc` nor `_diag` can be read, every line is believed; and a job whose
//! end is read before its worker is known to be gone while the runner also prints its trace waits for the next whole line.

pub mod crew;
mod deferred;
pub mod history;
pub mod jobs;
mod multiline_name;
mod open;
#[cfg(test)]
mod tests;
pub mod usage;

pub use open::OpenJob;

use super::event::{Now, RunnerEvent, TaskResult, WorkerState};
use super::parse::ParsedLine;
use super::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::words::words;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use deferred::{DeferredLine, DeferredLines};
use multiline_name::{Part, SeenLines, can_be_in_a_name};
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
    Doubted(Rejection),
    /// What was said to begin never had a worker.
    Dropped(Unborn),
}

/// Why a job that was said to begin was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unborn {
    /// No worker within 30 s.
    NoWorker,
    /// The listener went on: to another job, or to a new session.
    Superseded,
    /// It said that the job is over, and no worker had been there.
    Completed,
    /// It ended.
    Exit,
}

words! {
    /// The label value.
    Unborn {
        NoWorker = "no_worker",
        Superseded = "superseded",
        Completed = "completed",
        Exit = "listener_exit",
    }
}

/// Why a line that looks like a job's start or end was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// A completion while no job is open.
    NoOpenJob,
    /// A completion that names another job.
    OtherName,
    /// The open job's worker still runs.
    WorkerAlive,
    /// The line is a part of the job's name: its worker has not begun, or its completion is being printed.
    NameContinues,
}

impl Rejection {
    /// The word for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Rejection::NoOpenJob => "no_open_job",
            Rejection::OtherName => "other_name",
            Rejection::WorkerAlive => "worker_alive",
            Rejection::NameContinues => "name_continues",
        }
    }
}

/// Follows the one open job.
#[derive(Debug, Default)]
pub struct JobTracker {
    open: Option<OpenJob>,
    /// The claim that was dropped for want of a worker, which may come all the same.
    dropped: Option<OpenJob>,
    last_start: Option<DateTime<Utc>>,
    last_look: Duration,
    /// The name of the job that ended last: its other voice may follow.
    ended: SeenLines,
    /// Lines of a name whose first line has not been heard: the trace's was damaged, the terminal's will follow.
    ahead: SeenLines,
    tracing: bool,
}

impl JobTracker {
    /// The job that runs now.
    pub fn open(&self) -> Option<&OpenJob> {
        self.open.as_ref().filter(|job| job.seen)
    }

    /// The job that runs now, or is about to.
    pub fn taken(&self) -> Option<&OpenJob> {
        self.open.as_ref()
    }

    /// Whose worker is to be looked for: the open job's, or that of what is said to be one.
    pub fn subject(&self) -> Option<&OpenJob> {
        self.open.as_ref().or(self.dropped.as_ref())
    }

    /// When to call [`JobTracker::look`] again though nothing was heard; `None`: there is nothing to find out.
    pub fn next_look(&self) -> Option<Duration> {
        let job = self.open.as_ref()?;
        let soon = |least, most| {
            let since = self.last_look.saturating_sub(job.claims.since().unwrap_or(job.started.up));
            self.last_look + (since / 4).clamp(least, most)
        };
        let next = if !job.seen {
            Some(soon(Duration::from_millis(4), Duration::from_secs(1)))
        } else if job.claims.is_empty() {
            None
        } else {
            Some(soon(Duration::from_millis(50), Duration::from_secs(5)))
        };
        [next, job.due()].into_iter().flatten().min()
    }

    /// Takes what the runner said; `worker` is the evidence at that moment, of [`JobTracker::subject`]'s worker.
    pub fn hear(&mut self, reading: &ParsedLine, worker: WorkerState, now: Now) -> Vec<JobChange> {
        self.tracing |= reading.traced;
        let mut changes: Vec<JobChange> = self.confirm_by(worker).into_iter().collect();
        let Some(job) = &mut self.open else {
            changes.extend(self.hear_idle(reading, worker, now));
            return changes;
        };
        if !can_be_in_a_name(reading) || job.is_own_start(reading) {
            return changes;
        }
        match job.told.hear(reading) {
            Part::Name => changes.push(JobChange::Doubted(Rejection::NameContinues)),
            Part::End(result) => {
                let elapsed = job.elapsed(now);
                self.ended = std::mem::take(&mut job.told);
                changes.extend(self.close(status_of(result), Some(elapsed), Unborn::Completed, now));
            }
            Part::Other => {
                job.may_tell(reading, worker, now);
                changes.extend(match job.doubt(worker, now) {
                    Some(doubt) => self.disbelieve(reading, doubt, now),
                    None => self.believe(reading, worker, now),
                });
            }
        }
        changes
    }

    /// Takes what was seen of [`JobTracker::subject`]'s worker though nothing was said. One thing is settled at a time: call it
    /// again for the next subject.
    pub fn look(&mut self, worker: WorkerState, now: Now) -> Vec<JobChange> {
        self.last_look = now.up;
        let mut changes: Vec<JobChange> = self.confirm_by(worker).into_iter().collect();
        let Some(job) = &mut self.open else { return changes };
        match worker {
            WorkerState::Gone => _ = job.gone.get_or_insert(now.up),
            WorkerState::Alive => job.gone = None,
            WorkerState::NotSeen | WorkerState::Unknown => {}
        }
        let is_over_due = job.due().is_some_and(|due| now.up >= due);
        if worker == WorkerState::Gone || is_over_due {
            changes.extend(self.judge());
        }
        if changes.is_empty() && is_over_due {
            // Its worker never came, or is long gone and nobody will say how it ended.
            let mut job = self.open.clone();
            changes.extend(self.close(JobStatus::Abandoned, None, Unborn::NoWorker, now));
            self.go_on(job.as_mut().map(|job| job.claims.after("")).unwrap_or_default());
            self.dropped = job.filter(|job| !job.seen && self.open.is_none());
        }
        changes
    }

    /// The listener has exited: nobody will say how the open job ended, but its end is now.
    pub fn listener_exited(&mut self, now: Now) -> Vec<JobChange> {
        self.dropped = None;
        let mut changes = self.judge();
        if let Some(ended_after) = self.open.as_ref().map(|job| job.elapsed(now)) {
            changes.extend(self.close(JobStatus::Abandoned, Some(ended_after), Unborn::Exit, now));
        }
        changes
    }

    /// A claim whose worker was seen is a job; where nothing can be seen it is believed.
    fn confirm_by(&mut self, worker: WorkerState) -> Option<JobChange> {
        if worker == WorkerState::NotSeen {
            return None;
        }
        if self.open.is_none() && worker != WorkerState::Unknown {
            self.open = self.dropped.take();
        }
        self.confirm()
    }

    fn confirm(&mut self) -> Option<JobChange> {
        let job = self.open.as_mut().filter(|job| !job.seen)?;
        job.seen = true;
        Some(JobChange::Started(job.row(RowStatus::Running, None, job.started.utc)))
    }

    /// The open job's worker is gone: what the listener has said of its end, and of what came then, is true.
    fn judge(&mut self) -> Vec<JobChange> {
        let Some(job) = self.open.as_mut().filter(|job| job.seen) else { return Vec::new() };
        let mut claims = job.claims.after(&job.name);
        let ended = match claims.next() {
            Some(DeferredLine::Completed { result, at, .. }) => {
                let elapsed = job.elapsed(at);
                self.close(status_of(result), Some(elapsed), Unborn::Completed, at)
            }
            Some(start @ DeferredLine::Started { at, .. }) => {
                claims.put_back(start);
                self.close(JobStatus::Abandoned, None, Unborn::Superseded, at)
            }
            None => return Vec::new(),
        };
        self.go_on(claims);
        ended.into_iter().collect()
    }

    fn hear_idle(&mut self, reading: &ParsedLine, worker: WorkerState, now: Now) -> Vec<JobChange> {
        if matches!(reading.event, RunnerEvent::NameLine(_)) {
            self.ahead.keep(reading);
            return Vec::new();
        }
        let ahead = std::mem::take(&mut self.ahead);
        if self.ended.has(reading) {
            return vec![JobChange::Doubted(Rejection::NameContinues)];
        }
        if let RunnerEvent::JobStarted { name } = &reading.event {
            self.claim(name, reading.stamp.as_deref(), now);
            if let Some(job) = self.open.as_mut().filter(|_| !reading.traced) {
                job.told = ahead;
            }
            self.confirm_by(worker).into_iter().collect()
        } else if let RunnerEvent::JobCompleted { .. } = &reading.event {
            vec![JobChange::Doubted(Rejection::NoOpenJob)]
        } else {
            if reading.event == RunnerEvent::Listening {
                self.dropped = None;
            }
            Vec::new()
        }
    }

    fn believe(&mut self, reading: &ParsedLine, worker: WorkerState, now: Now) -> Vec<JobChange> {
        if let RunnerEvent::JobStarted { name } = &reading.event {
            // The listener never runs two: the earlier one ended without a word, at a time nobody saw.
            let mut changes: Vec<JobChange> =
                self.close(JobStatus::Abandoned, None, Unborn::Superseded, now).into_iter().collect();
            self.claim(name, reading.stamp.as_deref(), now);
            // What was seen of the earlier one's worker says nothing of this one's.
            changes.extend((worker == WorkerState::Unknown).then(|| self.confirm()).flatten());
            return changes;
        }
        if let Some(job) = self.open.as_mut().filter(|job| job.is_ended_by(&reading.event)) {
            job.begin_end();
        } else if let RunnerEvent::JobCompleted { name, result } = &reading.event {
            return self.complete(name, *result, now);
        }
        if reading.event == RunnerEvent::Listening {
            return self.close(JobStatus::Abandoned, None, Unborn::Superseded, now).into_iter().collect();
        }
        Vec::new()
    }

    fn disbelieve(&mut self, reading: &ParsedLine, doubt: Rejection, now: Now) -> Vec<JobChange> {
        let is_change =
            matches!(reading.event, RunnerEvent::JobStarted { .. } | RunnerEvent::JobCompleted { .. });
        if let Some(job) = self.open.as_mut().filter(|_| is_change && !self.tracing) {
            let late = job.is_named(now);
            job.claims.keep(reading, late, now);
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
            || (doubt == Rejection::NameContinues && !is_rest_of_name);
        if doubted { vec![JobChange::Doubted(doubt)] } else { Vec::new() }
    }

    fn complete(&mut self, name: &str, result: TaskResult, now: Now) -> Vec<JobChange> {
        let claims = self.open.as_mut().and_then(|job| job.claims.leading_to(name)).unwrap_or_default();
        let mut changes: Vec<JobChange> = claims.into_iter().flat_map(|claim| self.grant(claim)).collect();
        let Some(job) = self.open.as_ref().filter(|job| same_name(&job.name, name)) else {
            changes.push(JobChange::Doubted(Rejection::OtherName));
            return changes;
        };
        let elapsed = job.elapsed(now);
        changes.extend(self.close(status_of(result), Some(elapsed), Unborn::Completed, now));
        changes
    }

    /// Does what a claim said, at its time.
    fn grant(&mut self, claim: DeferredLine) -> Vec<JobChange> {
        match claim {
            DeferredLine::Started { name, stamp, at } => {
                let ended = self.close(JobStatus::Abandoned, None, Unborn::Superseded, at);
                self.claim(&name, stamp.as_deref(), at);
                ended.into_iter().chain(self.confirm()).collect()
            }
            DeferredLine::Completed { name, result, at } => {
                let open = self.open.as_ref().filter(|job| same_name(&job.name, &name));
                let elapsed = open.map(|job| job.elapsed(at));
                elapsed
                    .and_then(|elapsed| self.close(status_of(result), Some(elapsed), Unborn::Completed, at))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// Something is said to begin.
    fn claim(&mut self, name: &str, stamp: Option<&str>, now: Now) {
        let utc = self
            .last_start
            .filter(|last| is_taken(*last, now.utc))
            .map_or(now.utc, |last| last + MILLISECOND);
        self.last_start = Some(utc);
        let said = stamp.and_then(|s| NaiveDateTime::parse_from_str(s, "%Y-%m-%d %H:%M:%SZ").ok());
        self.open = Some(OpenJob {
            name: name.to_owned(),
            started: Now { utc, ..now },
            worker_since: said.map_or(now.utc, |said| said.and_utc()).min(now.utc),
            seen: false,
            gone: None,
            stamp: stamp.map(str::to_owned),
            told: SeenLines::default(),
            claims: DeferredLines::default(),
        });
        (self.ended, self.dropped, self.last_look) = (SeenLines::default(), None, now.up);
    }

    /// The open job is over; a claim was none, for that reason. If the listener has said what came then, that is the next claim.
    fn close(
        &mut self,
        status: JobStatus,
        duration: Option<Duration>,
        unborn: Unborn,
        now: Now,
    ) -> Option<JobChange> {
        let job = self.open.take()?;
        if !job.seen {
            return Some(JobChange::Dropped(unborn));
        }
        Some(JobChange::Finished(job.row(RowStatus::Finished(status), duration, now.utc)))
    }

    /// What the listener has said since the end that was just settled: its next start is the next claim, and the rest its.
    fn go_on(&mut self, mut claims: DeferredLines) {
        while let Some(claim) = claims.next() {
            if let DeferredLine::Started { name, stamp, at } = claim {
                self.claim(&name, stamp.as_deref(), at);
                self.open.iter_mut().for_each(|job| job.claims = std::mem::take(&mut claims));
            }
        }
    }
}

/// A start is a job's name in the log, but several lines can be read within one millisecond.
fn is_taken(last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (TimeDelta::zero()..TimeDelta::seconds(1)).contains(&(last + MILLISECOND - now))
}

/// The runner's word in ours.
pub(super) fn status_of(result: TaskResult) -> JobStatus {
    match result {
        TaskResult::Succeeded | TaskResult::SucceededWithIssues => JobStatus::Success,
        TaskResult::Failed => JobStatus::Failed,
        TaskResult::Canceled => JobStatus::Cancelled,
        TaskResult::Skipped => JobStatus::Skipped,
        TaskResult::Abandoned => JobStatus::Abandoned,
    }
}
