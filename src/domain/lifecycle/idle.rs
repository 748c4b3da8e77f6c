//! A runner of one job that nobody gives one. It is removed at GitHub first, which refuses that under a job, and only then
//! is its listener interrupted: no job is lost between the two.

use super::{Action, Lifecycle, RegistrationState};
use crate::domain::event::Now;
use crate::domain::notice::Notice;
use crate::domain::registration::Removal;
use crate::domain::restart::StopReason;
use std::time::Duration;

/// One look at whose the runner is and one removal, with a retry each.
const REMOVAL: Duration = Duration::from_secs(10);

/// How far the wait for a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Idle {
    /// Nobody waits for one, or not with an end.
    #[default]
    Endless,
    /// Until then.
    Until(Duration),
    /// It is over, and GitHub is asked to remove us; until then at most.
    Removing(Duration),
}

impl Idle {
    pub(super) fn next(self) -> Option<Duration> {
        match self {
            Idle::Endless => None,
            Idle::Until(at) | Idle::Removing(at) => Some(at),
        }
    }
}

impl Lifecycle {
    /// Nobody could give us one now: that is no wait.
    pub(super) fn await_nothing(&mut self) {
        self.idle = Idle::Endless;
    }

    /// The session is there, or back: the wait begins.
    pub(super) fn await_job(&mut self, now: Now) {
        let limit = self.settings.idle.filter(|_| self.settings.one_job && !self.is_spent());
        self.idle = limit.map_or(Idle::Endless, |limit| Idle::Until(now.up + limit));
    }

    /// The wait is over, or the removal that followed it.
    pub(super) fn waited_in_vain(&mut self, now: Now) -> Vec<Action> {
        let removes = self.settings.removes && self.registration.may_be_at_github();
        if matches!(self.idle, Idle::Removing(_)) {
            return self.leave_unwanted(now);
        }
        let waited = self.settings.idle.unwrap_or_default();
        let told = Action::Notify(Notice::NoJobCame { waited, put_off: None });
        if !removes {
            let mut actions = vec![told];
            actions.extend(self.leave_unwanted(now));
            return actions;
        }
        self.idle = Idle::Removing(now.up + REMOVAL);
        vec![told, Action::Deregister(REMOVAL), Action::Notify(Notice::DeregistrationStarted)]
    }

    /// What became of the removal. A job that came first keeps us; where GitHub could not be asked, or knows of a job that we
    /// do not see yet, the wait begins anew.
    pub(super) fn unwanted(&mut self, removal: &Removal, now: Now) -> Vec<Action> {
        if !matches!(self.idle, Idle::Removing(_)) {
            return Vec::new();
        }
        self.idle = Idle::Endless;
        match removal {
            Removal::LeftBehind(_) if self.jobs.taken().is_some() => Vec::new(),
            Removal::LeftBehind(says) => {
                self.await_job(now);
                let waited = self.settings.idle.unwrap_or_default();
                vec![Action::Notify(Notice::NoJobCame { waited, put_off: Some(says.clone()) })]
            }
            Removal::Removed | Removal::Deleted | Removal::NothingLeft | Removal::NeverMade => {
                self.registration = RegistrationState::Absent;
                let mut actions = vec![Action::Notify(Notice::Deregistered(removal.clone()))];
                if self.jobs.taken().is_none() {
                    actions.extend(self.leave_unwanted(now));
                }
                actions
            }
        }
    }

    fn leave_unwanted(&mut self, now: Now) -> Vec<Action> {
        self.idle = Idle::Endless;
        self.leaving = Some(StopReason::NoJob);
        self.interrupt(now)
    }
}
