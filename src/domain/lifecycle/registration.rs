//! Registration, as steps of the lifecycle. The steps between the decision to launch and the launch: preparing and
//! registering.

use super::{Action, Lifecycle, Phase, RegistrationState};
use crate::domain::event::{Exit, Now};
use crate::domain::notice::Notice;
use crate::domain::registration::{Registered, RegistrationFault};
use crate::domain::restart::{Decision, RestartReason, StopReason};
use crate::exit_code::ExitCode;
use std::time::Duration;

/// One attempt to register: a token, then `config.sh` with the retries of its own.
const REGISTRATION: Duration = Duration::from_secs(180);

impl RegistrationState {
    /// Something of ours may have to be removed there.
    pub(super) fn may_be_at_github(self) -> bool {
        match self {
            RegistrationState::Given | RegistrationState::Absent => false,
            RegistrationState::Attempted | RegistrationState::Held | RegistrationState::Void => true,
        }
    }
}

impl Lifecycle {
    pub(super) fn launch(&mut self, reason: Option<RestartReason>, now: Now) -> Vec<Action> {
        self.forget_session();
        if self.settings.prepares {
            self.phase = Phase::Preparing;
            self.reason = "preparing the first launch".into();
            return vec![Action::Prepare];
        }
        if let RegistrationState::Given | RegistrationState::Held = self.registration {
            self.reason = "waiting for the listener's session".into();
            return vec![Action::Spawn];
        }
        let anew = self.registration == RegistrationState::Void;
        if !anew {
            self.registration = RegistrationState::Attempted;
        }
        self.phase = Phase::Registering { until: now.up + REGISTRATION, reason };
        self.reason = "registering with GitHub".into();
        vec![Action::Register { anew }, Action::Notify(Notice::RegistrationStarted)]
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
        self.registration = RegistrationState::Held;
        self.ghost = None;
        self.phase = Phase::Launching { due: now.up, reason };
        vec![Action::Notify(Notice::Registered(how))]
    }

    pub(super) fn not_registered(&mut self, fault: RegistrationFault, now: Now) -> Vec<Action> {
        let retry = fault.retry;
        let mut actions = vec![Action::Notify(Notice::RegistrationFailed(fault))];
        let decision = match self.decide(Exit::Code(ExitCode::Unavailable.code()), true) {
            Decision::Retry(_, after) if retry => Decision::Retry(RestartReason::RegistrationFailed, after),
            Decision::Retry(..) | Decision::Stop(..) | Decision::AwaitUpdate(_) => {
                Decision::Stop(StopReason::Unregistered, ExitCode::Unavailable.code())
            }
        };
        actions.extend(self.follow(decision, now));
        actions
    }

    pub(super) fn registration_late(&mut self, now: Now) -> Vec<Action> {
        let says = format!("config.sh did not end within {} s", REGISTRATION.as_secs());
        let mut actions = vec![Action::AbortRegistration];
        actions.extend(self.not_registered(RegistrationFault { retry: true, says }, now));
        actions
    }
}
