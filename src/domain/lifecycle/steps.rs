//! The steps the table calls: each leaves the old phase, enters the next and says what must be done.

use super::session::change_to_action;
use super::{Action, Lifecycle, Phase, Session};
use crate::domain::event::{Exit, Now};
use crate::domain::notice::Notice;
use crate::domain::restart::{Decision, RestartReason, Situation, StopReason, UPDATE_WAIT, decide};
use std::time::Duration;

const SIGINT: i32 = 2;

impl Lifecycle {
    /// Nothing is sent: the job may end in peace. Without a job there is nothing to wait for.
    pub(super) fn drain(&mut self, at_most: Option<Duration>, now: Now) -> Vec<Action> {
        let Some(job) = self.jobs.open().filter(|_| at_most != Some(Duration::ZERO)) else {
            return self.interrupt(now);
        };
        let notice = Notice::DrainStarted { at_most, job: job.name.clone() };
        self.phase = Phase::Draining { until: at_most.map(|d| now.up + d) };
        self.reason = "letting the running job finish, then leaving".into();
        vec![Action::Notify(notice)]
    }

    /// SIGINT, once: the listener cancels its job and leaves. Never TERM after it, that orphans the worker.
    pub(super) fn interrupt(&mut self, now: Now) -> Vec<Action> {
        let at_most = self.settings.stopping;
        let notice = Notice::ListenerInterrupted { cancels_job: self.jobs.open().is_some(), at_most };
        self.phase = Phase::Stopping { until: now.up + at_most };
        self.reason = "stopping the listener".into();
        vec![Action::Interrupt, Action::Notify(notice)]
    }

    pub(super) fn kill(&mut self) -> Vec<Action> {
        self.phase = Phase::Killing;
        vec![Action::KillGroup, Action::Notify(Notice::ListenerKilled)]
    }

    pub(super) fn launch(&mut self) -> Vec<Action> {
        self.session = Session::Starting;
        self.reason = "waiting for the listener's session".into();
        vec![Action::Spawn]
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

    pub(super) fn exited(&mut self, exit: Exit, configured: bool, now: Now) -> Vec<Action> {
        let mut actions = vec![Action::Notify(Notice::ListenerExited { exit })];
        actions.extend(self.jobs.listener_exited(now).map(change_to_action));
        let decision = self.decide(exit, configured);
        // What a crashed listener leaves behind still works in the job's directory, for a job nobody will renew.
        if matches!(decision, Decision::Retry(..)) {
            actions.push(Action::KillGroup);
        }
        actions.extend(self.follow(decision, now));
        actions
    }

    pub(super) fn decide(&mut self, exit: Exit, configured: bool) -> Decision {
        decide(Situation {
            exit,
            configured,
            ghost: self.ghost.is_some(),
            failures: self.failures,
            max_restarts: self.settings.max_restarts,
            jitter: self.rng.f64(),
        })
    }

    pub(super) fn follow(&mut self, decision: Decision, now: Now) -> Vec<Action> {
        self.session = Session::Starting;
        match decision {
            Decision::Stop(reason, code) => self.leave(reason, code),
            Decision::Retry(reason, after) => {
                self.failures += 1;
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
            actions.extend(self.leave(StopReason::Asked, 0));
        } else {
            self.phase = Phase::Launching { due: now.up, reason: Some(reason) };
        }
        actions
    }

    pub(super) fn exited_leaving(&mut self, exit: Exit, now: Now) -> Vec<Action> {
        let mut actions = vec![Action::Notify(Notice::ListenerExited { exit })];
        actions.extend(self.jobs.listener_exited(now).map(change_to_action));
        let reason = self.leaving.unwrap_or(StopReason::Asked);
        let code = match (reason, exit) {
            (StopReason::Ghost, _) => 1,
            // Interrupted before the runtime had its handlers: what we asked for has happened.
            (_, Exit::Signal(SIGINT)) => 0,
            (_, Exit::Code(_) | Exit::Signal(_)) => exit.shell_code(),
        };
        actions.extend(self.leave(reason, code));
        actions
    }

    pub(super) fn leave(&mut self, reason: StopReason, code: i32) -> Vec<Action> {
        self.phase = Phase::Done;
        self.reason = format!("left: {}", reason.as_str()).into();
        vec![Action::Notify(Notice::Finished { reason, code }), Action::Leave(code)]
    }
}
