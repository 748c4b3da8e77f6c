//! State transitions. The steps the table calls: each leaves the old phase, enters the next and says what must be done.

use super::{Action, Lifecycle, Phase, RegistrationState};
use crate::domain::event::{Exit, Now};
use crate::domain::failure::Cause;
use crate::domain::notice::Notice;
use crate::domain::restart::{Decision, RestartReason, Situation, StopReason, UPDATE_WAIT, decide};
use crate::exit_code::ExitCode;
use std::time::Duration;

/// How long after a drained job's end the listener is heard before it is interrupted: a job that slipped in has its line right
/// behind, on a busy machine tens of milliseconds later. Once only, or a full queue would be drained job by job.
const SETTLE: Duration = Duration::from_millis(200);

impl Lifecycle {
    /// Nothing is sent: the job may end in peace. Without a job there is nothing to wait for.
    pub(super) fn drain(&mut self, at_most: Option<Duration>, now: Now) -> Vec<Action> {
        let Some(job) = self.jobs.taken().filter(|_| at_most != Some(Duration::ZERO)) else {
            return self.interrupt(now);
        };
        let notice = Notice::DrainStarted { at_most, job: job.name.clone() };
        let first = !matches!(self.phase, Phase::Draining { .. });
        self.phase = Phase::Draining { until: at_most.map(|d| now.up + d), settle: None };
        self.reason = "letting the running job finish, then leaving".into();
        let unlabel = first.then_some(Action::Unlabel);
        unlabel.into_iter().chain([Action::Notify(notice)]).collect()
    }

    /// The drained job has ended. Another may have slipped in: hear that first. After the one that did, none.
    pub(super) fn settle(&mut self, now: Now) -> Vec<Action> {
        match (self.phase, self.jobs.taken()) {
            (Phase::Draining { settle: Some(_), until }, Some(_)) => {
                self.late_job = true;
                self.phase = Phase::Draining { until, settle: None };
                Vec::new()
            }
            (Phase::Draining { .. }, None) if self.late_job => self.interrupt(now),
            (Phase::Draining { until, .. }, None) => {
                self.phase = Phase::Draining { until, settle: Some(now.up + SETTLE) };
                Vec::new()
            }
            (
                Phase::Preparing
                | Phase::Launching { .. }
                | Phase::Registering { .. }
                | Phase::Running
                | Phase::Updating { .. }
                | Phase::Draining { .. }
                | Phase::Stopping(_)
                | Phase::Killing
                | Phase::Deregistering { .. }
                | Phase::Done,
                _,
            ) => Vec::new(),
        }
    }

    pub(super) fn drain_is_over(&self, now: Now) -> bool {
        let Phase::Draining { until, settle } = self.phase else { return false };
        [until, settle].into_iter().flatten().any(|end| now.up >= end)
    }

    pub(super) fn started(&mut self, pid: u32) -> Vec<Action> {
        let Phase::Launching { reason, .. } = self.phase else { return Vec::new() };
        self.phase = Phase::Running;
        vec![Action::Notify(Notice::ListenerStarted { pid, restart: reason })]
    }

    pub(super) fn not_started(&mut self, error: String, now: Now) -> Vec<Action> {
        let mut actions = vec![Action::Notify(Notice::ListenerNotStarted { error })];
        // 71: the operating system refused. `decide` knows listener codes only, so its reason is replaced.
        let decision = match self.decide(Exit::Code(71), true) {
            Decision::Retry(_, after) => Decision::Retry(RestartReason::SpawnFailed, after),
            other @ (Decision::Stop(..) | Decision::AwaitUpdate(_)) => other,
        };
        actions.extend(self.follow(decision, now));
        actions
    }

    pub(super) fn exited(&mut self, exit: Exit, configured: bool, cause: Cause, now: Now) -> Vec<Action> {
        let mut actions = vec![Action::Notify(Notice::ListenerExited { exit, cause })];
        actions.extend(self.jobs_ended_by(cause, now));
        if self.is_spent() {
            actions.extend(self.leave_spent(exit, configured, now));
            return actions;
        }
        let decision = match self.decide(exit, configured) {
            Decision::Retry(reason, after) => Decision::Retry(reason.because_of(cause), after),
            other @ (Decision::Stop(..) | Decision::AwaitUpdate(_)) => other,
        };
        // What a crashed listener leaves behind still works in the job's directory, for a job nobody will renew.
        if matches!(decision, Decision::Retry(..)) {
            actions.push(Action::KillGroup);
        }
        actions.extend(self.follow(decision, now));
        actions
    }

    /// The registration is void: what is left of it here goes, and a new one is made after a wait.
    pub(super) fn reregister(&mut self, now: Now) -> Vec<Action> {
        self.registration = RegistrationState::Void;
        let after = match self.decide(Exit::Code(ExitCode::Unavailable.code()), true) {
            Decision::Retry(_, after) => after,
            Decision::Stop(..) | Decision::AwaitUpdate(_) => {
                return self.follow(Decision::Stop(StopReason::GaveUp, ExitCode::Unavailable.code()), now);
            }
        };
        self.follow(Decision::Retry(RestartReason::Reregistered, after), now)
    }

    pub(super) fn decide(&mut self, exit: Exit, configured: bool) -> Decision {
        decide(Situation {
            exit,
            configured,
            ghost: self.ghost.is_some(),
            word: self.last_word,
            failures: self.failures,
            max_restarts: self.settings.max_restarts,
            jitter: self.rng.f64(),
        })
    }

    pub(super) fn follow(&mut self, decision: Decision, now: Now) -> Vec<Action> {
        self.forget_session();
        match decision {
            Decision::Stop(StopReason::Ghost | StopReason::RemovedByServer, _) if self.may_reregister() => {
                self.reregister(now)
            }
            // The listener has removed its files, since GitHub has removed it.
            Decision::Stop(reason @ StopReason::EphemeralDone, code) if self.settings.one_job => {
                self.leave(reason, code)
            }
            Decision::Stop(reason, code) => self.depart(reason, code, now),
            Decision::Retry(reason, after) => {
                // The session on the server may outlive this registration, but not the next one (`--replace`).
                if reason == RestartReason::SessionConflict && self.may_reregister() {
                    self.registration = RegistrationState::Void;
                }
                self.failures += 1;
                self.count_refusal(reason);
                self.phase = Phase::Launching { due: now.up + after, reason: Some(reason) };
                self.reason = format!("the listener ended ({})", reason.as_str()).into();
                vec![Action::Notify(Notice::RestartScheduled { reason, after, failures: self.failures })]
            }
            Decision::AwaitUpdate(reason) => {
                self.phase = Phase::Updating { until: now.up + UPDATE_WAIT, reason };
                self.reason = "the runner updates itself".into();
                let notice = Notice::UpdateAwaited { at_most: UPDATE_WAIT };
                vec![Action::WatchUpdate, Action::Notify(notice)]
            }
        }
    }

    pub(super) fn update_ended(&mut self, finished: bool, reason: RestartReason, now: Now) -> Vec<Action> {
        let mut actions = vec![Action::Notify(Notice::UpdateEnded { finished })];
        if self.leaving.is_some() {
            actions.extend(self.depart(StopReason::Asked, 0, now));
        } else {
            self.phase = Phase::Launching { due: now.up, reason: Some(reason) };
        }
        actions
    }

    pub(super) fn may_reregister(&self) -> bool {
        self.settings.reregisters
    }
}
