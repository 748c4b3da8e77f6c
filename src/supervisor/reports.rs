//! What a job says of itself: hooks of ours are there before the listener is, and their word is added to the open job.

use super::errands::Done;
use super::{Supervisor, utc_now};
use crate::config::{Config, vars};
use crate::domain::context::{Report, ReportFault};
use crate::domain::dossier::Dossiers;
use crate::domain::notice::Notice;
use crate::domain::queue::{Question, QueueFault};
use crate::domain::record::{JobRecord, RowStatus};
use crate::sys::child::Launch;
use crate::sys::door::Dir;
use crate::sys::hooks::{self, Received, Shims, Socket};
use crate::sys::run_dir;
use chrono::{DateTime, Utc};
use std::io;
use std::time::Duration;

/// What the jobs have told, and how they tell it.
pub(super) struct Reports {
    socket: Option<Socket>,
    pub(super) dossiers: Dossiers,
    /// Came while a row waited for its worker's word.
    early: Vec<Answer>,
    /// GitHub did not know yet how long the job that began then had waited.
    late: Option<DateTime<Utc>>,
}

/// GitHub's answer to a question about a job.
pub(super) struct Answer {
    question: Question,
    /// The second and last time.
    again: bool,
    waited: Result<Duration, QueueFault>,
}

impl Reports {
    /// Installs the hooks, into the listener's environment too. Without them the runner works as well.
    pub(super) fn open(config: &Config, launch: &mut Launch, runner: &Dir) -> Reports {
        let socket = match install(config, launch, runner) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let variable = vars::RUNNER_RUN_DIR.name;
                tracing::warn!(event = "no_job_hooks", error = %error, cause = error.source().map(tracing::field::display), variable);
                None
            }
        };
        Reports { socket, dossiers: Dossiers::default(), early: Vec::new(), late: None }
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
                self.reports.socket.iter().for_each(|socket| socket.answer(&received, outcome));
            }
            Err(error) => {
                tracing::error!(event = "job_hooks_lost", error = %error);
                self.reports.socket = None;
            }
        }
    }

    fn take(&mut self, report: Report) -> Result<(), ReportFault> {
        if self.life.open_job().is_none() {
            // Whoever reports has a worker: its job may not have been seen yet.
            self.look();
        }
        let up = self.clock.now().up;
        let row = match report {
            Report::Started(context) => self.reports.dossiers.started(context, up),
            Report::Completed(context) => self.reports.dossiers.completed(context),
            Report::Cache { kind, result } => self.cache_reported(&kind, result).map(|()| None),
        }?;
        if let Some(row) = row {
            self.write(row);
            self.ask_queue_time();
        }
        Ok(())
    }

    /// Adds to the row of a job's start or end what else is known, and hands it over.
    pub(super) fn write_known(&mut self, row: JobRecord) {
        match row.status {
            RowStatus::Running => {
                let row = self.reports.dossiers.begin(row, self.clock.now().up);
                self.write(row);
                self.ask_queue_time();
            }
            RowStatus::Finished(_) => {
                let row = self.reports.dossiers.end(row);
                self.close(row);
                self.ask_again();
            }
        }
    }

    fn ask_queue_time(&mut self) {
        if let Some(question) = self.reports.dossiers.question() {
            self.ask(question, false);
        }
    }

    /// After the job GitHub is asked once more, if it was late.
    fn ask_again(&mut self) {
        let question = self.reports.dossiers.last_question();
        let late = |question: &Question| self.reports.late == Some(question.started_at);
        if let Some(question) = question.filter(late) {
            self.reports.late = None;
            self.ask(question, true);
        }
    }

    fn ask(&mut self, question: Question, again: bool) {
        if self.registrar.as_ref().is_some_and(|registrar| registrar.can_ask()) {
            self.send(move |registrar| async move {
                let waited = registrar.queue_time(&question).await;
                Done::Listed(Answer { question, again, waited })
            });
        }
    }

    /// What came meanwhile, now that no row waits.
    pub(super) fn answer_late(&mut self) {
        for answer in std::mem::take(&mut self.reports.early) {
            self.answered(answer);
        }
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        if !self.closing.is_empty() {
            return self.reports.early.push(answer);
        }
        let Answer { question, again, waited } = answer;
        match waited {
            Ok(waited) => {
                let amended = self.reports.dossiers.queued(question.started_at, waited);
                if let Some(row) = amended {
                    self.write(row);
                }
            }
            Err(fault) if fault.may_pass() && !again => {
                self.reports.late = Some(question.started_at);
                self.ask_again();
            }
            Err(fault) => self.telemetry.emit(&Notice::QueueTimeUnknown(fault)),
        }
    }
}
