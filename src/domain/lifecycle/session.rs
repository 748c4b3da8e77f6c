//! The listener's session and its job. What the listener says changes the session and the job here; what the world may
//! see is drawn from both.

use super::connection::Session;
use super::{Action, Lifecycle, Phase};
use crate::domain::event::{Now, RunnerEvent, StopRequest, UpdateStep, WorkerState};
use crate::domain::failure::Cause;
use crate::domain::job::{JobChange, OpenJob};
use crate::domain::notice::Notice;
use crate::domain::parse::ParsedLine;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::registration::Recovery;
use crate::domain::restart::{LastWord, StopReason};
use crate::domain::status::{CurrentJob, State, Status};
use std::sync::Arc;
use std::time::Duration;

/// A disowned listener that does not leave by itself is interrupted after this.
const GHOST_GRACE: Duration = Duration::from_secs(30);

/// Asks closer together than this are one ask: a signal sent to a process and to its group must not cost the job.
const ONE_ASK: Duration = Duration::from_secs(1);

impl Lifecycle {
    pub(super) fn said(&mut self, reading: ParsedLine, worker: WorkerState, now: Now) -> Vec<Action> {
        let Some(reading) = self.echo.hear(reading, now.up) else { return Vec::new() };
        let taken = self.jobs.taken().map(|job| job.started.utc);
        let changes = self.jobs.hear(&reading, worker, now);
        let believed = !changes.iter().any(|c| matches!(c, JobChange::Doubted(_)));
        let moved = !changes.is_empty() || self.jobs.taken().map(|job| job.started.utc) != taken;
        let mut actions = self.tell(changes, now);
        if believed {
            actions.extend(self.hear_session(reading.event, now).map(Action::Notify));
        }
        if moved {
            actions.extend(self.settle(now));
        }
        actions
    }

    /// Nothing was said, but somebody has looked.
    pub(super) fn looked(&mut self, worker: WorkerState, now: Now) -> Vec<Action> {
        let changes = self.jobs.look(worker, now);
        if changes.is_empty() {
            return Vec::new();
        }
        let mut actions = self.tell(changes, now);
        actions.extend(self.settle(now));
        actions
    }

    fn tell(&mut self, changes: Vec<JobChange>, now: Now) -> Vec<Action> {
        let interrupted = self.is_interrupted();
        if changes.iter().any(was_told) {
            self.told(now);
        }
        for change in &changes {
            self.count_job(change);
        }
        changes.into_iter().map(|change| change_to_action(change, interrupted)).collect()
    }

    /// The listener is gone, and what it said before is settled.
    pub(super) fn jobs_ended_by(&mut self, cause: Cause, now: Now) -> Vec<Action> {
        let mut changes = self.jobs.listener_exited(now);
        let last = changes.pop();
        let mut actions = self.tell(changes, now);
        let interrupted = self.is_interrupted();
        if last.as_ref().is_some_and(was_told) {
            self.told(now);
        }
        if let Some(last) = &last {
            self.count_job(last);
        }
        actions.extend(last.map(|change| ended_by(cause, change, interrupted)));
        actions
    }

    fn hear_session(&mut self, event: RunnerEvent, now: Now) -> Option<Notice> {
        match event {
            // The listener says it before it listens. Within a job it is a job's name that says so, and would be a label.
            RunnerEvent::Version(_) if self.jobs.open().is_some() => None,
            RunnerEvent::Version(version) => {
                self.version = Some(version.clone());
                Some(Notice::VersionSeen { version })
            }
            RunnerEvent::Listening => {
                self.listening(now);
                Some(Notice::SessionCreated)
            }
            RunnerEvent::Reconnected => Some(self.reconnected(Recovery::Listener, now)),
            RunnerEvent::JobStarted { .. } => self.job_handed_out(now),
            RunnerEvent::ConnectionError { message } => Some(self.disconnected(message, now)),
            RunnerEvent::SessionConflict => {
                self.reason = "another session for this runner exists on the server".into();
                Some(Notice::SessionConflicted)
            }
            RunnerEvent::Ghost(cause) => {
                self.ghost = Some((cause, now.up + GHOST_GRACE));
                self.reason = "the server no longer knows this runner".into();
                Some(Notice::GhostDetected { cause })
            }
            RunnerEvent::Update(step) => Some(Notice::UpdateAnnounced { step: step_text(step) }),
            RunnerEvent::ClockSkew => Some(complaint("the local clock may be out of sync")),
            RunnerEvent::VersionDeprecated => {
                self.last_word = Some(LastWord::VersionDeprecated);
                Some(complaint("this runner version is deprecated and receives no jobs"))
            }
            RunnerEvent::PollRefused => {
                self.last_word = Some(LastWord::PollRefused);
                Some(complaint("GitHub refused a poll: the runner's token is not accepted"))
            }
            RunnerEvent::Fatal { message } => {
                self.last_word = None;
                Some(complaint(&message))
            }
            RunnerEvent::JobCompleted { .. }
            | RunnerEvent::CompletionHead { .. }
            | RunnerEvent::CompletionTail { .. }
            | RunnerEvent::NameLine(_)
            | RunnerEvent::SessionConflictGaveUp
            | RunnerEvent::Exiting
            | RunnerEvent::ConfigRemoved => None,
        }
    }

    /// The open job.
    pub fn open_job(&self) -> Option<&OpenJob> {
        self.jobs.open()
    }

    /// Whose worker is to be looked for: a claim becomes a job, and a job's end is believed, by evidence of it.
    pub fn subject(&self) -> Option<&OpenJob> {
        self.jobs.subject()
    }

    /// When to look again and call with [`super::Input::Looked`]; `None`: not before something happens.
    pub fn next_look(&self) -> Option<Duration> {
        self.jobs.next_look()
    }

    /// An operator has asked us to go: nothing may linger.
    pub fn was_asked(&self) -> bool {
        self.leaving == Some(StopReason::Asked)
    }

    /// The open job is being ended, by an operator's wish.
    pub fn ends_job(&self) -> bool {
        self.was_asked() && self.is_interrupted()
    }

    /// The first TERM after USR1 still only asks.
    pub(super) fn ask(&self, kind: StopRequest) -> Notice {
        let first = !self.was_asked() || matches!(self.phase, Phase::Draining { until: None, .. });
        if kind == StopRequest::Graceful && !first { Notice::StopAskedAgain } else { Notice::StopAsked(kind) }
    }

    /// Whoever pressed a key twice is to know what that did; once, however many signals there are.
    pub(super) fn repeated(&mut self) -> Vec<Action> {
        let told = std::mem::replace(&mut self.repeat_told, true);
        if told { Vec::new() } else { vec![Action::Notify(Notice::StopRepeated)] }
    }

    pub(super) fn is_same_ask(&mut self, now: Now) -> bool {
        let same = self.last_ask.is_some_and(|last| now.up.saturating_sub(last) < ONE_ASK);
        if !same {
            self.last_ask = Some(now.up);
            self.repeat_told = false;
        }
        same
    }

    fn state(&self) -> State {
        match (self.phase, self.connection.session) {
            (Phase::Preparing | Phase::Launching { reason: None, .. }, _) => State::Starting,
            (Phase::Launching { .. } | Phase::Updating { .. }, _) => State::Backoff,
            (Phase::Registering { .. }, _) => State::Registering,
            (Phase::Draining { .. } | Phase::Stopping(_) | Phase::Killing, _) => State::Draining,
            (Phase::Deregistering { .. }, _) => State::Draining,
            (Phase::Done, _) => State::Stopped,
            (Phase::Running, _) if self.jobs.open().is_some() => State::Busy,
            (Phase::Running, _) if self.ghost.is_some() => State::Ghost,
            (Phase::Running, Session::Starting) => State::Starting,
            (Phase::Running, Session::Live) => State::Idle,
            (Phase::Running, Session::Disconnected(_)) => State::Disconnected,
        }
    }

    pub(super) fn note_state(&mut self, now: Now) {
        let state = self.state();
        if state != self.shown.0 {
            self.shown = (state, now);
        }
    }

    /// What the world may see; what rows and caches tell is filled in by whoever keeps them.
    pub fn status(&self, now: Now) -> Status {
        let wall = |due: Duration| now.utc + due.saturating_sub(now.up);
        let (launch_due, leave_by) = match self.phase {
            Phase::Launching { due, .. } => (Some(wall(due)), None),
            Phase::Updating { until, .. } => (Some(wall(until)), None),
            Phase::Draining { until, .. } => (None, until.map(wall)),
            Phase::Stopping(climb) => (None, Some(wall(climb.end()))),
            Phase::Deregistering { until, .. } => (None, Some(wall(until))),
            Phase::Preparing | Phase::Registering { .. } => (None, None),
            Phase::Running | Phase::Killing | Phase::Done => (None, None),
        };
        Status {
            state: self.shown.0,
            reason: self.reason.to_string(),
            since: self.shown.1.utc,
            job: self.jobs.open().map(|j| CurrentJob {
                name: j.name.clone(),
                started_at: j.started.utc,
                ..CurrentJob::default()
            }),
            runner_version: self.version.clone(),
            ghost: self.ghost.map(|(cause, _)| cause),
            failures: self.failures,
            launch_due,
            leave_by,
            recent: Arc::new([]),
            finished: [0; 5],
            caches: Arc::new([]),
            steps: Arc::default(),
        }
    }
}

/// The runner has said how a job ended: so it had told GitHub.
pub(super) fn was_told(change: &JobChange) -> bool {
    matches!(change, JobChange::Finished(row) if row.status != RowStatus::Finished(JobStatus::Abandoned))
}

fn change_to_action(change: JobChange, interrupted: bool) -> Action {
    match change {
        JobChange::Started(row) => Action::Append(Box::new(row)),
        JobChange::Finished(row) if row.status == RowStatus::Finished(JobStatus::Abandoned) => {
            // The runner said so at the end it saw, or nobody saw an end.
            let cause = if row.duration.is_some() { Cause::LockLost } else { Cause::Unfinished };
            Action::Append(Box::new(JobRecord { cause: Some(cause.to_string()), ..row }))
        }
        JobChange::Finished(row) => {
            let ours = interrupted && row.status == RowStatus::Finished(JobStatus::Cancelled);
            let cause = if ours { Some(Cause::Stopped.to_string()) } else { row.cause };
            let conclusion = conclusion(row.status, interrupted).map(str::to_owned);
            Action::Append(Box::new(JobRecord { cause, conclusion, ..row }))
        }
        JobChange::Doubted(doubt) => Action::Notify(Notice::LineDoubted(doubt)),
        JobChange::Dropped(why) => Action::Notify(Notice::ClaimDropped(why)),
    }
}

/// What GitHub shows. A job that our interrupt has cancelled is told to it as failed (`StepsRunner`, runner-facts §1.4).
fn conclusion(status: RowStatus, interrupted: bool) -> Option<&'static str> {
    match status {
        RowStatus::Finished(JobStatus::Cancelled) if interrupted => JobStatus::Failed.conclusion(),
        RowStatus::Finished(status) => status.conclusion(),
        RowStatus::Running => None,
    }
}

/// The job a listener's death has ended.
fn ended_by(cause: Cause, change: JobChange, interrupted: bool) -> Action {
    match change {
        JobChange::Finished(row) if row.status == RowStatus::Finished(JobStatus::Abandoned) => {
            Action::Append(Box::new(JobRecord { cause: Some(cause.to_string()), ..row }))
        }
        other @ (JobChange::Started(_)
        | JobChange::Finished(_)
        | JobChange::Doubted(_)
        | JobChange::Dropped(_)) => change_to_action(other, interrupted),
    }
}

fn complaint(message: &str) -> Notice {
    Notice::RunnerComplained { message: message.to_owned() }
}

fn step_text(step: UpdateStep) -> String {
    match step {
        UpdateStep::InProgress => "in progress".to_owned(),
        UpdateStep::Downloading(version) => format!("downloading {version}"),
        UpdateStep::WaitingForJob => "waiting for the job".to_owned(),
        UpdateStep::Generating => "running the update script".to_owned(),
        UpdateStep::ExitingSoon => "exiting soon".to_owned(),
        UpdateStep::Finished => "finished".to_owned(),
        UpdateStep::Failed(message) => format!("failed: {message}"),
    }
}
