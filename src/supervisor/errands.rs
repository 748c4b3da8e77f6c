//! GitHub tasks. Errands to GitHub: sent when the lifecycle asks, their ends go back into it; nothing waits for them
//! here.

use super::Supervisor;
use crate::config::vars;
use crate::domain::job::jobs::{JobNumber, QueueAnswer};
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::domain::registration::{Removal, RunnerStatus};
use crate::registration::{Enrolled, Registrar};
use std::sync::Arc;

/// How an errand to GitHub ended.
pub(super) enum Done {
    Enrolled(Enrolled),
    Unlabelled(Result<(), String>),
    Removed(Removal),
    Asked(Option<RunnerStatus>),
    Listed(QueueAnswer),
    Concluded(JobNumber, Option<&'static str>),
}

impl Supervisor {
    /// Sends the registrar on an errand; its end comes back as `Happened::Done`.
    pub(super) fn send<F>(&mut self, errand: impl FnOnce(Arc<Registrar>) -> F)
    where
        F: Future<Output = Done> + Send + 'static,
    {
        if let Some(registrar) = &self.registrar {
            self.errands.spawn(errand(Arc::clone(registrar)));
        }
    }

    pub(super) fn errand_done(&mut self, done: Done) {
        match done {
            Done::Enrolled(Enrolled { result: Ok(registered), jit }) => {
                if let Some(jit) = jit {
                    self.launch.env.retain(|(name, _)| name != vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name);
                    self.launch
                        .env
                        .push((vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name.into(), jit.expose().into()));
                }
                self.feed(Input::Registered(registered));
            }
            Done::Enrolled(Enrolled { result: Err(fault), .. }) => self.feed(Input::NotRegistered(fault)),
            Done::Removed(removal) => self.feed(Input::Deregistered(removal)),
            Done::Asked(Some(standing)) => self.feed(Input::Asked(standing)),
            Done::Asked(None) => {}
            Done::Listed(answer) => {
                let steps = self.jobs.queue_time(answer);
                self.work(steps);
            }
            Done::Concluded(job, conclusion) => self.concluded(job, conclusion),
            Done::Unlabelled(result) => self.telemetry.emit(&Notice::Unlabelled(result)),
        }
    }
}
