//! The open job: what is known of it, and whether a line can be true of it.

use super::Doubt;
use super::claim::Claims;
use super::name::Told;
use crate::domain::event::{Now, RunnerEvent, Worker};
use crate::domain::parse::{Reading, split_result};
use crate::domain::record::{JobRecord, RowStatus};
use chrono::{DateTime, Utc};
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
    /// A `_diag/Worker_*.log` written since then is this job's: the runner's own time of the start, which is whole seconds but
    /// cannot be late, unless the job before was still open then.
    pub worker_since: DateTime<Utc>,
    pub(super) stamp: Option<String>,
    pub(super) told: Told,
    pub(super) claims: Claims,
}

impl OpenJob {
    pub(super) fn elapsed(&self, now: Now) -> Duration {
        now.up.saturating_sub(self.started.up)
    }

    /// The same sentence again: the trace's copy, cut elsewhere because it is over the decoder's cap.
    pub(super) fn is_own_start(&self, reading: &Reading) -> bool {
        self.stamp.is_some()
            && self.stamp == reading.stamp
            && matches!(&reading.event, RunnerEvent::JobStarted { name } if same_name(&self.name, name))
    }

    /// A name is printed before its worker begins; the worker may have begun by the time it is read.
    pub(super) fn may_tell(&mut self, reading: &Reading, worker: Worker, now: Now) {
        if worker != Worker::Gone && self.elapsed(now) < NAME_CONTINUES {
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
    pub(super) fn doubt(&self, worker: Worker, now: Now) -> Option<Doubt> {
        match worker {
            Worker::Alive => Some(Doubt::WorkerAlive),
            Worker::NotSeen if self.elapsed(now) < NAME_CONTINUES => Some(Doubt::NameContinues),
            Worker::NotSeen | Worker::Gone | Worker::Unknown => None,
        }
    }

    pub(super) fn row(&self, status: RowStatus, duration: Option<Duration>, at: DateTime<Utc>) -> JobRecord {
        JobRecord {
            timestamp: at,
            // Ours until the run's own id is known; no two jobs of one runner start in the same millisecond.
            job_id: format!("local-{}", self.started.utc.timestamp_millis()),
            status,
            duration,
            job_name: self.name.clone(),
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
