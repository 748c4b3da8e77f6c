//! The open job: what is known of it, and whether a line can be true of it.

use super::Rejection;
use super::deferred::DeferredLines;
use super::multiline_name::SeenLines;
use crate::domain::event::{Now, RunnerEvent, WorkerState};
use crate::domain::parse::{ParsedLine, split_result};
use crate::domain::record::{JobRecord, RowStatus};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A line this soon after `Running job`, before any worker was seen, can only be a further line of the name.
const NAME_CONTINUES: Duration = Duration::from_millis(500);
/// A listener that has started a worker has done so by then: it gives the message 30 s.
const UNSEEN: Duration = Duration::from_secs(30);
/// A completion can come 52 s after its worker is gone, when a failed report is told: nothing is settled by time before.
const SILENT: Duration = Duration::from_secs(120);
/// A worker that lives this long after its job's completion was told cannot die.
const UNDYING: Duration = Duration::from_secs(60);
/// Names are told apart by this much of them: a line over the decoder's cap has lost its middle.
const COMPARED: usize = 1024;
/// The job that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenJob {
    /// Display name, or its first line.
    pub name: String,
    /// When its `Running job` line was read.
    pub started: Now,
    /// No worker that was born before is this job's: the runner's own time of the start, which is whole seconds but cannot be
    /// late.
    pub worker_since: DateTime<Utc>,
    /// Its worker was seen, or nothing can be seen here; until then it is a claim.
    pub(super) seen: bool,
    /// When it was first known that its worker is gone.
    pub(super) gone: Option<Duration>,
    pub(super) stamp: Option<String>,
    pub(super) told: SeenLines,
    pub(super) claims: DeferredLines,
}

impl OpenJob {
    /// [`OpenJob::worker_since`] as monotonic time.
    pub(super) fn worker_since_up(&self) -> Duration {
        let late = (self.started.utc - self.worker_since).to_std().unwrap_or_default();
        self.started.up.saturating_sub(late)
    }

    pub(super) fn elapsed(&self, now: Now) -> Duration {
        now.up.saturating_sub(self.started.up)
    }

    /// The same sentence again: the trace's copy, cut elsewhere because it is over the decoder's cap.
    pub(super) fn is_own_start(&self, reading: &ParsedLine) -> bool {
        self.stamp.is_some()
            && self.stamp == reading.stamp
            && matches!(&reading.event, RunnerEvent::JobStarted { name } if same_name(&self.name, name))
    }

    /// When time alone says something of it, if nothing else does.
    pub(super) fn due(&self) -> Option<Duration> {
        if !self.seen {
            return Some(self.started.up + UNSEEN);
        }
        let undying = self.claims.since().map(|at| at + UNDYING);
        self.gone.map(|at| at + SILENT).or(undying)
    }

    /// Lines that came this late are no part of its name: only the listener says such a thing.
    pub(super) fn is_named(&self, now: Now) -> bool {
        self.elapsed(now) >= NAME_CONTINUES
    }

    /// A name is printed before its worker begins; the worker may have begun by the time it is read.
    pub(super) fn may_tell(&mut self, reading: &ParsedLine, worker: WorkerState, now: Now) {
        if worker != WorkerState::Gone && self.elapsed(now) < NAME_CONTINUES {
            self.told.keep(reading);
        }
    }

    /// The first line of its completion, if the name has newlines; that line may look whole, because the name does.
    pub(super) fn is_ended_by(&self, event: &RunnerEvent) -> bool {
        if let RunnerEvent::JobCompleted { name, result } = event {
            return split_result(&self.name) == Some((name, *result));
        }
        matches!(event, RunnerEvent::CompletionHead { name } if same_name(&self.name, name))
    }

    /// Its name has newlines, so what was claimed so far may have been the name.
    pub(super) fn begin_end(&mut self) {
        self.told.begin_again();
        self.claims.forget();
    }

    /// Why a line that would end the job cannot be true; `None` if it can.
    pub(super) fn doubt(&self, worker: WorkerState, now: Now) -> Option<Rejection> {
        match worker {
            WorkerState::Alive => Some(Rejection::WorkerAlive),
            WorkerState::NotSeen if self.elapsed(now) < NAME_CONTINUES => Some(Rejection::NameContinues),
            WorkerState::NotSeen | WorkerState::Gone | WorkerState::Unknown => None,
        }
    }

    pub(super) fn row(&self, status: RowStatus, duration: Option<Duration>, at: DateTime<Utc>) -> JobRecord {
        JobRecord {
            timestamp: at,
            // Ours until the run's own id is known; no two jobs of one runner start in the same millisecond.
            job_id: format!("local-{}", self.started.utc.timestamp_millis()),
            status,
            duration,
            job_name: Some(self.name.clone()),
            started_at: Some(self.started.utc),
            ..JobRecord::blank()
        }
    }
}

/// The start line has lost a carriage return at its end, which the completion still has.
pub(super) fn same_name(open: &str, said: &str) -> bool {
    open == said
        || said.strip_suffix('\r') == Some(open)
        || (open.len() > COMPARED
            && said.len() > COMPARED
            && open.as_bytes()[..COMPARED] == said.as_bytes()[..COMPARED])
}
