//! What a job says of itself: hooks of ours are there before the listener is, and their word is added to the open job.

use super::{Supervisor, utc_now};
use crate::config::{Config, vars};
use crate::domain::context::{Report, ReportFault};
use crate::domain::notice::Notice;
use crate::sys::child::Launch;
use crate::sys::door::Dir;
use crate::sys::hooks::{self, Received, Shims, Socket};
use crate::sys::run_dir;
use std::io;

/// How the jobs tell us.
pub(super) struct JobHooks {
    socket: Option<Socket>,
}

impl JobHooks {
    /// Installs the hooks, into the listener's environment too. Without them the runner works as well.
    pub(super) fn open(config: &Config, launch: &mut Launch, runner: &Dir) -> JobHooks {
        let socket = match install(config, launch, runner) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let variable = vars::RUNNER_RUN_DIR.name;
                tracing::warn!(event = "no_job_hooks", error = %error, cause = error.source().map(tracing::field::display), variable);
                None
            }
        };
        JobHooks { socket }
    }

    /// The next report; never, if there is no way to get one.
    pub(super) async fn next(&self) -> io::Result<Box<Received>> {
        match &self.socket {
            Some(socket) => socket.recv().await.map(Box::new),
            None => std::future::pending().await,
        }
    }
}

type Refused = Box<dyn std::error::Error>;

fn install(config: &Config, launch: &mut Launch, runner: &Dir) -> Result<Socket, Refused> {
    let dir = run_dir::create(&run_dir::candidates(config.run_dir.as_deref()))?;
    let user = launch.user.as_ref().map(|user| (user.uid, user.gid));
    let dir = hooks::make_dir(&dir, user.is_some())?;
    let socket = Socket::bind(&dir, user, utc_now)?;
    let exe = std::env::current_exe()?;
    let shims = Shims::install(&dir, &exe, runner, &launch.env, socket.path())?;
    for kept in shims.kept() {
        let (variable, says) = (kept.hook.variable(), kept.reason.to_string());
        tracing::warn!(event = "job_hook_left_alone", variable, says);
    }
    let ours = shims.environment();
    launch.env.retain(|(name, _)| ours.iter().all(|(own, _)| own != name));
    launch.env.extend(ours);
    Ok(socket)
}

impl Supervisor {
    pub(super) fn reported(&mut self, received: io::Result<Box<Received>>) {
        match received {
            Ok(received) => {
                let may_speak = received.report.clone().and_then(|_| self.may_speak(received.pid));
                let outcome = may_speak.and_then(|()| self.take(received.report.clone()?));
                if let Err(fault) = outcome {
                    self.telemetry.emit(&Notice::ReportRefused(fault));
                }
                self.job_hooks.socket.iter().for_each(|socket| socket.answer(&received, outcome));
            }
            Err(error) => {
                tracing::error!(event = "job_hooks_lost", error = %error);
                self.job_hooks.socket = None;
            }
        }
    }

    fn take(&mut self, report: Report) -> Result<(), ReportFault> {
        if self.life.open_job().is_none() {
            // Whoever reports has a worker: its job may not have been seen yet.
            self.look();
        }
        let up = self.clock.now().up;
        let steps = match report {
            Report::Started(context) => self.jobs.started(context, up),
            Report::Completed(context) => self.jobs.completed(context),
            Report::Cache { kind, result } => self.cache_reported(&kind, result).map(|()| Vec::new()),
        }?;
        self.work(steps);
        Ok(())
    }
}
