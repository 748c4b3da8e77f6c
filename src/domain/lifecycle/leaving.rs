//! Shutdown, as steps of the lifecycle. The way out: the listener is interrupted, what is left of a job climbs its
//! ladder, the registration goes, and we leave.

use super::session::was_told;
use super::{Action, Lifecycle, OneJob, Phase};
use crate::domain::event::{Exit, Now};
use crate::domain::failure::Cause;
use crate::domain::job::JobChange;
use crate::domain::ladder::{Climb, Due};
use crate::domain::notice::Notice;
use crate::domain::registration::Removal;
use crate::domain::restart::{Decision, RestartReason, StopReason};
use std::time::Duration;

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
/// The least a removal gets when nobody waits to kill us.
const UNHURRIED: Duration = Duration::from_secs(10);
/// The most it gets of a long grace, when GitHub does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Lifecycle {
    /// SIGINT, once, to the listener and its group: it cancels its job and leaves. Never TERM after it, that orphans the worker.
    pub(super) fn interrupt(&mut self, now: Now) -> Vec<Action> {
        let cancels_job = self.jobs.taken().is_some();
        let climb = Climb::begin(self.settings.budget.ladder(), cancels_job, now.up);
        let at_most = climb.end().saturating_sub(now.up);
        self.phase = Phase::Stopping(climb);
        self.reason = "stopping the listener".into();
        vec![Action::Interrupt, Action::Notify(Notice::ListenerInterrupted { cancels_job, at_most })]
    }

    /// The next rung, or the end of the listener's time.
    pub(super) fn climb(&mut self, mut climb: Climb, now: Now) -> Vec<Action> {
        match climb.take(now.up) {
            Some(Due::Below(rung)) => {
                self.phase = Phase::Stopping(climb);
                vec![Action::Below(rung)]
            }
            Some(Due::End) => self.kill(),
            None => Vec::new(),
        }
    }

    /// Asked again: the same ladder, but now. Asked once more: nobody is waited for.
    pub(super) fn hurry(&mut self, mut climb: Climb, now: Now) -> Vec<Action> {
        if !climb.hurry(now.up) {
            return self.kill();
        }
        self.hurried = true;
        self.phase = Phase::Stopping(climb);
        let at_most = climb.end().saturating_sub(now.up);
        vec![Action::Notify(Notice::StopHurried { at_most })]
    }

    /// A job's end was told, so GitHub knows it. An interrupted listener has nothing left to do but to leave.
    pub(super) fn told(&mut self, now: Now) {
        self.has_told = self.is_interrupted();
        if let Phase::Stopping(climb) = &mut self.phase {
            climb.told(now.up);
        }
    }

    pub(super) fn is_interrupted(&self) -> bool {
        matches!(self.phase, Phase::Stopping(_) | Phase::Killing)
    }

    pub(super) fn kill(&mut self) -> Vec<Action> {
        self.phase = Phase::Killing;
        vec![Action::KillGroup, Action::Notify(Notice::ListenerKilled)]
    }

    pub(super) fn exited_leaving(
        &mut self,
        exit: Exit,
        configured: bool,
        cause: Cause,
        now: Now,
    ) -> Vec<Action> {
        let killed = self.phase == Phase::Killing;
        let cause = if killed { Cause::Stopped } else { cause };
        let mut actions = vec![Action::Notify(Notice::ListenerExited { exit, cause })];
        actions.extend(self.jobs_ended_by(cause, now));
        let reason = self.leaving.unwrap_or(StopReason::Asked);
        if reason != StopReason::Asked && self.is_spent() {
            actions.extend(self.leave_spent(exit, configured, now));
            return actions;
        }
        let again = [
            (StopReason::Disagreed, RestartReason::StandingDisagreed),
            (StopReason::Muted, RestartReason::Muted),
        ];
        if let Some((_, again)) = again.into_iter().find(|(stop, _)| *stop == reason) {
            self.leaving = None;
            actions.extend(self.follow(Decision::Retry(again, Duration::ZERO), now));
            return actions;
        }
        if reason == StopReason::Ghost && self.may_reregister() {
            self.leaving = None;
            actions.extend(self.reregister(now));
            return actions;
        }
        let code = match (reason, exit) {
            (StopReason::Ghost, _) => 1,
            // What was to happen has happened, whatever the listener says of a session that is gone.
            (StopReason::NoJob, _) => 0,
            // Interrupted before the runtime had its handlers: what we asked for has happened.
            (_, Exit::Signal(SIGINT)) => 0,
            // Its session could not be deleted in time; of its job GitHub knows.
            (_, Exit::Signal(SIGKILL)) if killed && self.has_told => 0,
            (_, Exit::Code(_) | Exit::Signal(_)) => exit.shell_code(),
        };
        // It has done its one job, and GitHub has removed it.
        if exit == Exit::Code(0) && !configured && self.settings.one_job {
            actions.extend(self.leave(reason, code));
        } else {
            actions.extend(self.depart(reason, code, now));
        }
        actions
    }

    pub(super) fn count_job(&mut self, change: &JobChange) {
        self.one_job = match change {
            JobChange::Started(_) => OneJob::Begun,
            JobChange::Finished(_) if was_told(change) => OneJob::Ended,
            JobChange::Finished(_) => OneJob::Begun,
            JobChange::Doubted(_) | JobChange::Dropped(_) => self.one_job,
        }
    }

    /// It takes one job, and that has begun.
    pub(super) fn is_spent(&self) -> bool {
        self.settings.one_job && self.one_job != OneJob::Awaited
    }

    /// However its listener ended: a spent runner leaves, whoever could give it a second job. The code says whether the job's
    /// end was seen.
    pub(super) fn leave_spent(&mut self, exit: Exit, configured: bool, now: Now) -> Vec<Action> {
        self.forget_session();
        let (reason, code) = match (exit, self.one_job) {
            (Exit::Code(result @ 100..=105), _) => (StopReason::JobResult, result),
            (_, OneJob::Ended) => (StopReason::EphemeralDone, 0),
            (_, OneJob::Awaited | OneJob::Begun) => (StopReason::JobLost, exit.shell_code()),
        };
        // GitHub has removed it, and the listener its files.
        if exit == Exit::Code(0) && !configured {
            return self.leave(reason, code);
        }
        // While somebody still works for the job, GitHub does not let the runner go.
        let mut actions = Vec::from_iter((exit != Exit::Code(0)).then_some(Action::KillGroup));
        actions.extend(self.depart(reason, code, now));
        actions
    }

    /// Removes what was registered, then leaves.
    pub(super) fn depart(&mut self, reason: StopReason, code: i32, now: Now) -> Vec<Action> {
        let gone = reason == StopReason::RemovedByServer;
        if !self.settings.removes || gone || !self.registration.may_be_at_github() {
            return self.leave(reason, code);
        }
        let limit = self.removal_limit(now);
        if limit.is_zero() {
            return self.removal_cut_short(reason, code);
        }
        self.phase = Phase::Deregistering { until: now.up + limit, stop: reason, code };
        self.reason = "removing the registration".into();
        vec![Action::Deregister(limit), Action::Notify(Notice::DeregistrationStarted)]
    }

    /// Whatever the steps before it have left of the grace; without an orchestrator waiting there is time for all of it.
    fn removal_limit(&self, now: Now) -> Duration {
        let share = self.settings.budget.deregistration;
        let Some(asked) = self.asked_at.filter(|_| self.was_asked()) else { return share.max(UNHURRIED) };
        let left = (asked + self.settings.budget.removal_ends).saturating_sub(now.up);
        left.min(if self.hurried { share } else { share.max(PATIENCE) })
    }

    pub(super) fn removal_cut_short(&mut self, stop: StopReason, code: i32) -> Vec<Action> {
        let says = "the time for it is over; GitHub removes an offline runner after 14 days".to_owned();
        let mut actions = vec![Action::Notify(Notice::Deregistered(Removal::LeftBehind(says)))];
        actions.extend(self.leave(stop, code));
        actions
    }

    pub(super) fn leave(&mut self, reason: StopReason, code: i32) -> Vec<Action> {
        self.phase = Phase::Done;
        self.reason = format!("left: {}", reason.as_str()).into();
        vec![Action::Notify(Notice::Finished { reason, code }), Action::Leave(code)]
    }
}
