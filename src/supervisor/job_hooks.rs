//! What a job says of itself: hooks of ours are there before the listener is, and their word is added to the open job.

use super::clock::utc_now;
use super::effect::Effect;
use crate::config::{Config, vars};
use crate::domain::context::{Report, ReportFault};
use crate::domain::notice::Notice;
use crate::domain::start_notice::StartNotice;
use crate::sys::child::Launch;
use crate::sys::door::Dir;
use crate::sys::hooks::{self, Received, Shims, Socket};
use crate::sys::run_dir;
use crate::telemetry::emit::tell_start;
use std::io;

/// What has come in.
pub(super) type Reception = io::Result<Box<Received>>;

/// How the jobs tell us.
pub(super) struct JobHooks {
    socket: Option<Socket>,
    /// Each job is to have a summary.
    summary: bool,
}

impl JobHooks {
    /// Installs the hooks, into the listener's environment too. Without them the runner works as well.
    pub(super) fn open(config: &Config, launch: &mut Launch, runner: &Dir) -> JobHooks {
        let socket = match install(config, launch, runner) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let variable = vars::RUNNER_RUN_DIR.name;
                let (cause, error) = (error.source().map(ToString::to_string), error.to_string());
                tell_start(&StartNotice::NoJobHooks { error, cause, variable });
                None
            }
        };
        JobHooks { socket, summary: config.runner.job_summary }
    }

    /// The next report; never, if there is no way to get one.
    pub(super) async fn next(&self) -> Reception {
        match &self.socket {
            Some(socket) => socket.recv().await.map(Box::new),
            None => std::future::pending().await,
        }
    }

    /// What was received; without the socket nothing ever is again.
    pub(super) fn handle(&mut self, received: Reception) -> Result<Box<Received>, Effect> {
        received.map_err(|error| {
            self.socket = None;
            Notice::JobHooksLost { error: error.to_string() }.into()
        })
    }

    /// Whether this is to be answered with a summary of the job.
    pub(super) fn wants_summary(&self, received: &Received) -> bool {
        self.summary && matches!(received.report, Ok(Report::Completed(_)))
    }

    /// Tells its sender what became of it, and `more` if there is more to tell; a refusal is told here too.
    pub(super) fn answer(
        &self,
        to: &Received,
        taken: Result<Vec<Effect>, ReportFault>,
        more: Option<String>,
    ) -> Vec<Effect> {
        let (effects, outcome) = match taken {
            Ok(effects) => (effects, Ok(more)),
            Err(fault) => (vec![Notice::ReportRefused(fault).into()], Err(fault)),
        };
        if let Some(socket) = &self.socket {
            socket.answer(to, outcome);
        }
        effects
    }
}

type Refused = Box<dyn std::error::Error>;

fn install(config: &Config, launch: &mut Launch, runner: &Dir) -> Result<Socket, Refused> {
    let dir = run_dir::create(&run_dir::candidates(config.run_dir.as_deref()))?;
    let user = launch.user.as_ref().map(|user| (user.uid, user.gid));
    let dir = hooks::make_dir(&dir, user.is_some())?;
    let socket = Socket::bind(&dir, user, utc_now)?;
    let exe = std::env::current_exe()?;
    let shims = Shims::install(&dir, &exe, runner, &launch.env, socket.path(), config.runner.job_summary)?;
    for kept in shims.kept() {
        let (variable, says) = (kept.hook.variable(), kept.reason.to_string());
        tell_start(&StartNotice::JobHookLeftAlone { variable, says });
    }
    let ours = shims.environment();
    launch.env.retain(|(name, _)| ours.iter().all(|(own, _)| own != name));
    launch.env.extend(ours);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_lost_is_told_and_not_asked_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let _within = runtime.enter();
        let socket = Socket::bind(dir.path(), None, utc_now).expect("a socket");
        let mut hooks = JobHooks { socket: Some(socket), summary: false };
        let lost = hooks.handle(Err(io::Error::other("gone"))).expect_err("nothing was received");
        assert!(matches!(lost, Effect::Notice(Notice::JobHooksLost { error }) if error == "gone"));
        assert!(hooks.socket.is_none());
    }
}
