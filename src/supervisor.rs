//! One loop: what happens goes into the lifecycle, what it answers is done. No decision is taken here.

mod caches;
mod closing;
mod engine;
mod enlist;
mod errands;
mod fault;
mod files;
mod hall;
mod job_hooks;
mod job_log;
mod leave;
mod listening;
mod look;
mod maybe;
mod preparation;
mod runner;
mod sampler;
mod start;
mod sweeping;
mod traced;
mod workers;

pub(crate) use fault::StartError;
pub(crate) use look::{Finding, look};
pub(crate) use start::{Setup, Tcp};

use crate::domain::dora::DeploymentRule;
use crate::domain::event::Now;
use crate::domain::failure::Space;
use crate::domain::job::jobs::Jobs;
use crate::domain::lifecycle::{Action, Input, Lifecycle};
use crate::domain::notice::Notice;
use crate::domain::polls::TraceWord;
use crate::domain::status::Status;
use crate::domain::sweep::Swept;
use crate::registration::Registrar;
use crate::sys::below::{Told, Whom};
use crate::sys::child::{Heard, Launch, Listener, Output};
use crate::sys::engine::Word as EngineWord;
use crate::sys::hooks::Received;
use crate::sys::job_log_tail::Batch;
use crate::sys::journal_writer::{JournalEvent, JournalWriter};
use crate::sys::signals::{Asked, Signals};
use crate::telemetry::emit::Telemetry;
use caches::CacheWatch;
use chrono::{DateTime, Utc};
use closing::{Closing, JobEnding};
use engine::EngineWatch;
use errands::Done;
use files::Files;
use hall::Hall;
use job_hooks::JobHooks;
use job_log::JobLog;
use listening::{ListenerEnd, Listening};
use maybe::{next_done, until, updated};
use preparation::Preparation;
use sampler::Sampler;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use sweeping::Sweeper;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use traced::Traced;
use workers::Workers;

/// Runs the supervisor until the listener has ended for good; the container's exit code.
///
/// # Errors
/// If it could not even begin; [`StartError::code`] is the exit code.
pub(crate) async fn run(setup: Setup) -> Result<i32, StartError> {
    let mut supervisor = start::begin(setup)?;
    let code = supervisor.turn().await;
    supervisor.wrap_up().await;
    Ok(code)
}

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn now(self) -> Now {
        Now { up: self.start.elapsed(), utc: utc_now() }
    }

    fn at(self, up: Duration) -> Instant {
        self.start + up
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the supervisor's clock")]
fn utc_now() -> DateTime<Utc> {
    Utc::now()
}

struct Supervisor {
    life: Lifecycle,
    clock: Clock,
    signals: Signals,
    sampler: Sampler,
    sweeper: Sweeper,
    engine: EngineWatch,
    preparation: Preparation,
    job_hooks: JobHooks,
    jobs: Jobs,
    caches: CacheWatch,
    traced: Traced,
    launch: Launch,
    files: Files,
    listening: Listening,
    workers: Workers,
    closing: Closing,
    below: (mpsc::UnboundedSender<Told>, mpsc::UnboundedReceiver<Told>),
    update: Option<JoinHandle<std::io::Result<bool>>>,
    output: Output,
    heard: (mpsc::Sender<Heard>, mpsc::Receiver<Heard>),
    scribe: Option<JournalWriter>,
    deployments: DeploymentRule,
    words: mpsc::UnboundedReceiver<JournalEvent>,
    telemetry: Telemetry,
    hall: Hall,
    registrar: Option<Arc<Registrar>>,
    errands: JoinSet<Done>,
    job_log: JobLog,
    shown: Arc<Status>,
    linger: Duration,
    wrap_up_limit: Duration,
    leaving: Option<i32>,
}

/// One thing that has happened.
enum Happened {
    Asked(Asked),
    Heard(Heard),
    Word(JournalEvent),
    Listener(ListenerEnd),
    Odd(crate::domain::odd_file::OddFile),
    WorkerEnded,
    Closed(JobEnding),
    LookDue,
    Deadline,
    Sample(Option<Space>),
    Pulse(oneshot::Sender<()>),
    Updated(bool),
    Prepared(Option<Box<Notice>>),
    Reported(std::io::Result<Box<Received>>),
    CachesUsed(Batch),
    Traced(Option<TraceWord>),
    Done(Done),
    Swept(Swept),
    Engine(EngineWord),
    Told(Told),
}

impl Supervisor {
    async fn turn(&mut self) -> i32 {
        loop {
            let happened = self.next().await;
            self.handle(happened);
            if let Some(code) = self.leaving {
                return code;
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let deadline = self.life.next_deadline().map(|up| self.clock.at(up));
        let look = self.life.next_look().map(|up| self.clock.at(up));
        tokio::select! {
            asked = self.signals.next() => Happened::Asked(asked),
            Some(heard) = self.heard.1.recv() => Happened::Heard(heard),
            Some(word) = self.words.recv() => Happened::Word(word),
            end = self.listening.next() => Happened::Listener(end),
            finished = updated(self.update.as_mut()) => Happened::Updated(finished),
            report = self.job_hooks.next() => Happened::Reported(report),
            said = self.preparation.next() => Happened::Prepared(said),
            batch = self.caches.next() => Happened::CachesUsed(batch),
            () = self.workers.ended() => Happened::WorkerEnded,
            found = self.closing.next() => Happened::Closed(found),
            () = until(look) => Happened::LookDue,
            word = self.traced.next() => Happened::Traced(word),
            Some(odd) = self.files.odd.recv() => Happened::Odd(odd),
            () = until(deadline) => Happened::Deadline,
            space = self.sampler.next() => Happened::Sample(space),
            Some(reply) = self.hall.pulse.recv() => Happened::Pulse(reply),
            done = next_done(&mut self.errands) => Happened::Done(done),
            Some(told) = self.below.1.recv() => Happened::Told(told),
            swept = self.sweeper.next() => Happened::Swept(swept),
            word = self.engine.next() => Happened::Engine(word),
        }
    }

    fn handle(&mut self, happened: Happened) {
        match happened {
            Happened::Asked(Asked::Stop(kind)) => {
                self.engine.stop_asked();
                self.hear_all();
                self.feed(Input::Stop(kind));
            }
            Happened::Asked(Asked::Nothing(signal)) => self.telemetry.emit(&Notice::Ignored { signal }),
            Happened::Heard(heard) => self.hear(heard),
            Happened::Word(word) => self.journal_said(word),
            Happened::Listener(ListenerEnd::Exited(exit)) => self.exit_taken(exit),
            Happened::WorkerEnded | Happened::LookDue => self.look(),
            Happened::Closed(found) => self.closed(found),
            Happened::Listener(ListenerEnd::Silent(space)) => self.listener_is_gone(space),
            Happened::Odd(odd) => self.odd_file(odd),
            Happened::Deadline => self.feed(Input::Deadline),
            Happened::Sample(space) => self.sample(space),
            Happened::Done(done) => self.errand_done(done),
            Happened::Swept(swept) => self.swept(swept),
            Happened::Engine(word) => self.engine_said(word),
            Happened::Told(Told { processes: 0, .. }) => {}
            Happened::Told(Told { rung, processes }) => {
                self.telemetry.emit(&Notice::BelowSignalled { rung, processes });
            }
            // Nobody waits for the answer any more: then it was not needed.
            Happened::Pulse(reply) => drop(reply.send(())),
            Happened::Prepared(Some(notice)) => self.telemetry.emit(&notice),
            Happened::Prepared(None) => self.prepared(),
            Happened::Reported(report) => self.reported(report),
            Happened::CachesUsed(batch) => self.caches_used(batch),
            Happened::Traced(word) => self.feed(Input::Traced(word)),
            Happened::Updated(finished) => {
                self.update = None;
                if finished {
                    self.feed(Input::UpdateFinished);
                }
            }
        }
    }

    /// Into the lifecycle, and what it answers is done; what comes of that goes in again.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in self.life.handle(input, self.clock.now()) {
                inputs.extend(self.perform(action));
            }
        }
        self.show();
    }

    fn perform(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Prepare => self.preparation.begin(&self.launch, &self.output),
            Action::Register { anew } => {
                self.send(move |registrar| async move { Done::Enrolled(registrar.register(anew).await) });
            }
            Action::AbortRegistration => self.errands.abort_all(),
            Action::Ask => self.send(|registrar| async move { Done::Asked(registrar.runner_status().await) }),
            Action::Unlabel => {
                self.send(|registrar| async move { Done::Unlabelled(registrar.unlabel().await) });
            }
            Action::Deregister(limit) => {
                self.send(move |registrar| async move { Done::Removed(registrar.remove(limit).await) });
            }
            Action::LookForWork => return Some(self.looked_for_work()),
            Action::FollowTrace => return self.traced.follow(&self.files.dir),
            Action::LeaveTrace => self.traced.leave(),
            Action::Spawn => return Some(self.spawn()),
            Action::Interrupt => self.interrupt(),
            Action::Below(rung) => self.tell_below(Whom::All, rung),
            Action::KillGroup => self.listening.listener.iter().for_each(Listener::kill_group),
            Action::WatchUpdate => self.update = Some(self.files.watch_update()),
            Action::Append(row) => self.append(*row),
            Action::Notify(notice) => self.telemetry.emit(&notice),
            Action::Leave(code) => self.leaving = Some(code),
        }
        None
    }

    /// Tells HTTP and metrics, if there is anything new.
    fn show(&mut self) {
        let mut status = Status {
            recent: Arc::clone(&self.hall.recent),
            finished: self.job_log.history.totals().finished,
            caches: Arc::clone(&self.hall.caches),
            ..self.life.status(self.clock.now())
        };
        if let Some(context) = self.jobs.context() {
            status.job = status.job.map(|job| job.known_by(context));
        }
        if *self.shown != status {
            self.shown = Arc::new(status);
            self.telemetry.show(&self.shown);
            self.hall.status.send_replace(Arc::clone(&self.shown));
        }
    }
}
