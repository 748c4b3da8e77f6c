//! One table says what the supervisor does: `match (phase, input)`, time in as an argument, deadline out as a value.

mod connection;
mod idle;
mod leaving;
mod messages;
mod mute;
mod registration;
mod session;
#[cfg(test)]
mod tests;
mod transitions;

pub use messages::{Action, Input, Settings};

use super::dedup::DedupFilter;
use super::event::{GhostCause, Now, StopRequest};
use super::job::JobTracker;
use super::ladder::Climb;
use super::notice::Notice;
use super::restart::{LastWord, RestartReason, StopReason};
use super::status::State;
use connection::Connection;
use idle::Idle;
use std::borrow::Cow;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Preparing,
    Launching { due: Duration, reason: Option<RestartReason> },
    Registering { until: Duration, reason: Option<RestartReason> },
    Running,
    Updating { until: Duration, reason: RestartReason },
    Draining { until: Option<Duration>, settle: Option<Duration> },
    Stopping(Climb),
    Killing,
    Deregistering { until: Duration, stop: StopReason, code: i32 },
    Done,
}

/// How far a runner that takes one job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OneJob {
    /// It has none yet.
    Awaited,
    /// Its registration is used up, and the machine is no longer clean for another.
    Begun,
    /// The listener has told how it ended.
    Ended,
}

/// What we know of the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegistrationState {
    /// It was there before us, and is not ours to remove.
    Given,
    /// None was tried for.
    Absent,
    /// One was tried for: something of it may be at GitHub.
    Attempted,
    /// It is ours.
    Held,
    /// GitHub has dropped it.
    Void,
}

/// The supervisor's mind.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, whatever the phase")]
#[derive(Debug)]
pub struct Lifecycle {
    settings: Settings,
    phase: Phase,
    connection: Connection,
    /// What the listener said last, where its code alone would not tell the way on.
    last_word: Option<LastWord>,
    ghost: Option<(GhostCause, Duration)>,
    leaving: Option<StopReason>,
    /// When somebody first asked us to go who will not wait for ever.
    asked_at: Option<Duration>,
    /// They asked again while the listener was stopping.
    hurried: bool,
    /// The interrupted listener has told how its job ended.
    has_told: bool,
    last_ask: Option<Duration>,
    /// That another one counted as the same has been told.
    repeat_told: bool,
    failures: u32,
    /// A job came after the drain had begun.
    late_job: bool,
    /// The newest job, as one that may be the only one.
    one_job: OneJob,
    /// How long it has waited for that.
    idle: Idle,
    registration: RegistrationState,
    /// How often in a row GitHub has contradicted what we believe of the session.
    disagreements: u32,
    /// When GitHub is asked next, if no job is open then.
    ask_at: Option<Duration>,
    jobs: JobTracker,
    echo: DedupFilter,
    version: Option<String>,
    rng: fastrand::Rng,
    shown: (State, Now),
    reason: Cow<'static, str>,
}

impl Lifecycle {
    /// A supervisor about to launch its listener for the first time.
    pub fn new(settings: Settings, now: Now) -> Lifecycle {
        Lifecycle {
            settings,
            phase: Phase::Launching { due: now.up, reason: None },
            connection: Connection::new(),
            last_word: None,
            ghost: None,
            leaving: None,
            asked_at: None,
            hurried: false,
            has_told: false,
            last_ask: None,
            repeat_told: false,
            failures: 0,
            late_job: false,
            one_job: OneJob::Awaited,
            idle: Idle::default(),
            registration: if settings.registers {
                RegistrationState::Absent
            } else {
                RegistrationState::Given
            },
            disagreements: 0,
            ask_at: None,
            jobs: JobTracker::default(),
            echo: DedupFilter::default(),
            version: None,
            rng: fastrand::Rng::with_seed(settings.seed),
            shown: (State::Starting, now),
            reason: "waiting for the listener's session".into(),
        }
    }

    /// When to call again with [`Input::Deadline`], as monotonic time; `None`: not before something happens.
    pub fn next_deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Launching { due, .. } => Some(due),
            Phase::Registering { until, .. }
            | Phase::Updating { until, .. }
            | Phase::Deregistering { until, .. } => Some(until),
            Phase::Stopping(climb) => Some(climb.next()),
            Phase::Draining { until, settle } => [until, settle].into_iter().flatten().min(),
            Phase::Running => {
                let idle = [self.ghost.map(|(_, until)| until), self.ask_at, self.idle.next()];
                let idle = idle.into_iter().filter(|_| self.jobs.taken().is_none());
                idle.chain([self.connection.next_deadline()]).flatten().min()
            }
            Phase::Preparing | Phase::Killing | Phase::Done => None,
        }
    }

    /// The one table.
    #[expect(clippy::unnested_or_patterns, clippy::too_many_lines, reason = "a table is read row by row")]
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Action> {
        let mut actions = match (self.phase, input) {
            (Phase::Done, _input) => Vec::new(),
            (_, Input::Stop(StopRequest::Graceful)) if self.is_same_ask(now) => self.repeated(),
            (_, Input::Stop(kind)) => {
                let mut actions = vec![Action::Notify(self.ask(kind))];
                actions.extend(self.stop(kind, now));
                actions
            }
            (_, Input::Line(reading, worker)) => self.said(reading, worker, now),
            (_, Input::Looked(worker)) => self.looked(worker, now),
            (_, Input::Muted) => self.muted(now),
            (_, Input::LookedForWork(works)) => self.looked_for_work(works, now),
            (_, Input::Traced(word)) => self.traced(word, now),
            (_, Input::Started { pid }) => self.started(pid),
            (_, Input::NotStarted { error }) => self.not_started(error, now),

            (Phase::Running, Input::Exited { exit, configured, cause }) => {
                self.exited(exit, configured, cause, now)
            }
            (
                Phase::Draining { .. } | Phase::Stopping(_) | Phase::Killing,
                Input::Exited { exit, configured, cause },
            ) => self.exited_leaving(exit, configured, cause, now),
            (Phase::Preparing, Input::Prepared) => self.prepared(now),
            (_, Input::Prepared) => Vec::new(),
            (Phase::Preparing, Input::Exited { .. } | Input::UpdateFinished | Input::Deadline) => Vec::new(),
            (Phase::Launching { .. } | Phase::Updating { .. }, Input::Exited { .. })
            | (Phase::Registering { .. } | Phase::Deregistering { .. }, Input::Exited { .. }) => Vec::new(),

            (Phase::Updating { reason, .. }, Input::UpdateFinished) => self.update_ended(true, reason, now),
            (Phase::Launching { .. } | Phase::Running | Phase::Killing, Input::UpdateFinished)
            | (Phase::Draining { .. } | Phase::Stopping(_), Input::UpdateFinished)
            | (Phase::Registering { .. } | Phase::Deregistering { .. }, Input::UpdateFinished) => Vec::new(),

            (Phase::Registering { reason, .. }, Input::Registered(how)) => self.registered(how, reason, now),
            (Phase::Registering { .. }, Input::NotRegistered(fault)) => self.not_registered(fault, now),
            (Phase::Deregistering { stop, code, .. }, Input::Deregistered(removal)) => {
                let mut actions = vec![Action::Notify(Notice::Deregistered(removal))];
                actions.extend(self.leave(stop, code));
                actions
            }
            (Phase::Running, Input::Deregistered(removal)) => self.unwanted(&removal, now),
            (Phase::Running, Input::Status(standing)) => self.asked(standing, now),
            // The answer to what was given up meanwhile.
            (_, Input::Registered(_) | Input::NotRegistered(_) | Input::Deregistered(_)) => Vec::new(),
            (_, Input::Status(_)) => Vec::new(),

            (Phase::Launching { due, reason }, Input::Deadline) if now.up >= due => self.launch(reason, now),
            (Phase::Registering { until, .. }, Input::Deadline) if now.up >= until => {
                self.registration_late(now)
            }
            (Phase::Deregistering { until, stop, code }, Input::Deadline) if now.up >= until => {
                self.removal_cut_short(stop, code)
            }
            (Phase::Updating { until, reason }, Input::Deadline) if now.up >= until => {
                self.update_ended(false, reason, now)
            }
            (Phase::Draining { .. }, Input::Deadline) if self.drain_is_over(now) => self.interrupt(now),
            (Phase::Stopping(climb), Input::Deadline) => self.climb(climb, now),
            (Phase::Running, Input::Deadline) => self.run_on(now),
            (Phase::Launching { .. } | Phase::Updating { .. }, Input::Deadline)
            | (Phase::Draining { .. } | Phase::Killing, Input::Deadline)
            | (Phase::Registering { .. } | Phase::Deregistering { .. }, Input::Deadline) => Vec::new(),
        };
        actions.extend(self.follow_trace());
        self.note_state(now);
        actions
    }

    fn stop(&mut self, kind: StopRequest, now: Now) -> Vec<Action> {
        self.leaving = Some(StopReason::Asked);
        // Who waits without end has not asked yet.
        let again = self.asked_at.is_some();
        if kind != StopRequest::DrainUnlimited {
            self.asked_at.get_or_insert(now.up);
        }
        match (self.phase, kind) {
            (Phase::Running, StopRequest::Graceful) => self.drain(Some(self.settings.budget.drain), now),
            (Phase::Running, StopRequest::DrainUnlimited) => self.drain(None, now),
            (Phase::Running, StopRequest::Immediate) => self.interrupt(now),
            // After USR1 the first TERM still only asks: from now on the drain has an end.
            (Phase::Draining { until: None, .. }, StopRequest::Graceful) => {
                self.drain(Some(self.settings.budget.drain), now)
            }
            (Phase::Draining { .. }, StopRequest::Graceful | StopRequest::Immediate) => self.interrupt(now),
            (Phase::Stopping(climb), StopRequest::Graceful | StopRequest::Immediate) => {
                self.hurry(climb, now)
            }
            (Phase::Draining { .. } | Phase::Stopping(_), StopRequest::DrainUnlimited) => Vec::new(),
            (
                Phase::Preparing | Phase::Launching { .. },
                StopRequest::Graceful | StopRequest::DrainUnlimited | StopRequest::Immediate,
            ) => self.depart(StopReason::Asked, 0, now),
            (
                Phase::Registering { .. },
                StopRequest::Graceful | StopRequest::DrainUnlimited | StopRequest::Immediate,
            ) => {
                let mut actions = vec![Action::AbortRegistration];
                actions.extend(self.depart(StopReason::Asked, 0, now));
                actions
            }
            (Phase::Deregistering { .. }, StopRequest::DrainUnlimited) => Vec::new(),
            // It began without an orchestrator that waits; now there is one.
            (Phase::Deregistering { until, stop, code }, StopRequest::Graceful) if !again => {
                let until = until.min(now.up + self.settings.budget.removal_ends);
                self.phase = Phase::Deregistering { until, stop, code };
                Vec::new()
            }
            (Phase::Deregistering { stop, code, .. }, StopRequest::Graceful | StopRequest::Immediate) => {
                self.removal_cut_short(stop, code)
            }
            // The updater swaps directories: let it end if it does so in time, unless told twice.
            (Phase::Updating { until, reason }, StopRequest::Graceful) if !again => {
                let until = until.min(now.up + self.settings.budget.update());
                self.phase = Phase::Updating { until, reason };
                Vec::new()
            }
            (Phase::Updating { .. }, StopRequest::DrainUnlimited) if !again => Vec::new(),
            (
                Phase::Updating { .. },
                StopRequest::Graceful | StopRequest::DrainUnlimited | StopRequest::Immediate,
            ) => self.depart(StopReason::Asked, 0, now),
            (
                Phase::Killing | Phase::Done,
                StopRequest::Graceful | StopRequest::DrainUnlimited | StopRequest::Immediate,
            ) => Vec::new(),
        }
    }
}
