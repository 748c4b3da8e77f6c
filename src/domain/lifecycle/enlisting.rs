//! The steps between the decision to launch and the launch: preparing, registering, and GitHub's word on it.

use super::steps::UNAVAILABLE;
use super::{Action, Lifecycle, Phase, Session};
use crate::domain::event::{Exit, Now};
use crate::domain::notice::Notice;
use crate::domain::registration::{Registered, RegistrationFault, Standing};
use crate::domain::restart::{Decision, RestartReason, StopReason};
use std::time::Duration;

/// One attempt to register: a token, then `config.sh` with the retries of its own.
const REGISTRATION: Duration = Duration::from_secs(180);

impl Lifecycle {
    pub(super) fn launch(&mut self, reason: Option<RestartReason>, now: Now) -> Vec<Action> {
        self.session = Session::Starting;
        self.plan_questions(now);
        if self.settings.prepares {
            self.phase = Phase::Preparing;
            self.reason = "preparing the first launch".into();
            return vec![Action::Prepare];
        }
        if self.registered {
            self.reason = "waiting for the listener's session".into();
            return vec![Action::Spawn];
        }
        self.attempted = true;
        self.phase = Phase::Registering { until: now.up + REGISTRATION, reason };
        self.reason = "registering with GitHub".into();
        vec![Action::Register { anew: self.void }, Action::Notify(Notice::RegistrationStarted)]
    }

    pub(super) fn prepared(&mut self, now: Now) -> Vec<Action> {
        self.settings.prepares = false;
        self.phase = Phase::Launching { due: now.up, reason: None };
        Vec::new()
    }

    pub(super) fn registered(
        &mut self,
        how: Registered,
        reason: Option<RestartReason>,
        now: Now,
    ) -> Vec<Action> {
        self.registered = true;
        self.void = false;
        self.ghost = None;
        self.phase = Phase::Launching { due: now.up, reason };
        vec![Action::Notify(Notice::Registered(how))]
    }

    pub(super) fn not_registered(&mut self, fault: RegistrationFault, now: Now) -> Vec<Action> {
        let retry = fault.retry;
        let mut actions = vec![Action::Notify(Notice::RegistrationFailed(fault))];
        let decision = match self.decide(Exit::Code(UNAVAILABLE), true) {
            Decision::Retry(_, after) if retry => Decision::Retry(RestartReason::RegistrationFailed, after),
            Decision::Retry(..) | Decision::Stop(..) | Decision::AwaitUpdate(_) => {
                Decision::Stop(StopReason::Unregistered, UNAVAILABLE)
            }
        };
        actions.extend(self.follow(decision, now));
        actions
    }

    /// The session has changed: the next question is a whole interval away, what was answered before says nothing of it.
    pub(super) fn plan_questions(&mut self, now: Now) {
        self.disagreements = 0;
        self.ask_at = self.ask_every().map(|every| now.up + every);
    }

    fn ask_every(&self) -> Option<Duration> {
        match self.session {
            Session::Starting => None,
            Session::Live => self.settings.check_every,
            Session::Disconnected => self.settings.look_every,
        }
    }

    pub(super) fn question_is_due(&self, now: Now) -> bool {
        self.jobs.open().is_none() && self.ask_at.is_some_and(|at| now.up >= at)
    }

    pub(super) fn ask(&mut self, now: Now) -> Vec<Action> {
        self.ask_at = self.ask_every().map(|every| now.up + every);
        vec![Action::Ask]
    }

    /// Neither side is trusted alone (actions/runner#3458, #3448): only without a job, and only the second time in a row.
    pub(super) fn asked(&mut self, standing: Standing, now: Now) -> Vec<Action> {
        let agrees = (standing == Standing::Online) == (self.session == Session::Live);
        if agrees || self.session == Session::Starting || self.jobs.open().is_some() || self.ghost.is_some() {
            self.disagreements = 0;
            return Vec::new();
        }
        self.disagreements += 1;
        let settled = self.disagreements >= 2;
        if self.session == Session::Disconnected {
            // Its V2 message loop never says that it is back.
            let back = settled.then(|| Action::Notify(self.reconnected(now)));
            return back.into_iter().collect();
        }
        let mut actions = vec![Action::Notify(Notice::StandingDisagreed(standing))];
        if settled {
            self.disagreements = 0;
            let unknown = standing == Standing::Unknown;
            self.leaving = Some(if unknown { StopReason::Ghost } else { StopReason::Disagreed });
            actions.extend(self.interrupt(now));
        }
        actions
    }

    pub(super) fn registration_late(&mut self, now: Now) -> Vec<Action> {
        let says = format!("config.sh did not end within {} s", REGISTRATION.as_secs());
        let mut actions = vec![Action::AbortRegistration];
        actions.extend(self.not_registered(RegistrationFault { retry: true, says }, now));
        actions
    }
}
