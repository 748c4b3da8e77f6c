//! One loop: what happens goes into the lifecycle, what it answers is done. No decision is taken here.
//!
//! Each component has its own state; `next` says what has happened to it, `handle` takes that in and answers with [`Effect`]s.

mod aftermath;
mod caches;
mod cleanup;
mod clock;
mod closing;
mod effect;
mod engine;
mod fault;
mod files;
mod github_tasks;
mod happened;
mod http_handle;
mod job_events;
mod job_hooks;
mod job_keeper;
mod job_log;
mod job_traces;
mod listener;
mod look;
mod odd_files;
mod predecessor;
mod preparation;
mod push;
mod registrar_setup;
mod runner;
mod sampler;
mod shutdown;
mod startup;
mod summary;
mod trace_watch;
mod workers;

pub(crate) use fault::StartError;
pub(crate) use look::{Finding, look};
pub(crate) use startup::{Setup, Tcp};

use crate::domain::context::ReportFault;
use crate::domain::event::StopRequest;
use crate::domain::lifecycle::{Action, Input, Lifecycle};
use crate::domain::notice::Notice;
use crate::domain::record::{JobRecord, RowStatus};
use crate::sys::hooks::Received;
use crate::sys::signals::{OperatorSignal, Signals};
use crate::telemetry::emit::Telemetry;
use aftermath::Aftermath;
use chrono::{DateTime, Utc};
use clock::Clock;
use closing::Pending;
use effect::Effect;
use files::RunnerFiles;
use github_tasks::GithubTasks;
use happened::Happened;
use http_handle::HttpHandle;
use job_hooks::JobHooks;
use job_keeper::JobKeeper;
use listener::{LastSight, ListenerEvent, ListenerProcess};
use preparation::Preparation;
use push::MetricsPush;
use sampler::Sampler;
use shutdown::Limits;
use trace_watch::TraceWatch;
use workers::Workers;

/// Runs the supervisor until the listener has ended for good; the container's exit code.
///
/// # Errors
/// If it could not even begin; [`StartError::code`] is the exit code.
pub(crate) async fn run(setup: Setup) -> Result<i32, StartError> {
    let Some(mut supervisor) = startup::begin(setup).await? else { return Ok(startup::ASKED_TO_GO) };
    let code = supervisor.run_loop().await;
    shutdown::wrap_up(&mut supervisor).await;
    Ok(code)
}

struct Supervisor {
    life: Lifecycle,
    clock: Clock,
    signals: Signals,
    listener: ListenerProcess,
    workers: Workers,
    trace: TraceWatch,
    jobs: JobKeeper,
    job_hooks: JobHooks,
    sampler: Sampler,
    aftermath: Aftermath,
    preparation: Preparation,
    github: GithubTasks,
    files: RunnerFiles,
    telemetry: Telemetry,
    push: MetricsPush,
    http: HttpHandle,
    limits: Limits,
    leaving: Option<i32>,
}

impl Supervisor {
    async fn run_loop(&mut self) -> i32 {
        loop {
            let happened = self.next().await;
            self.handle(happened).await;
            if let Some(code) = self.leaving {
                return code;
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let (look, deadline) = (self.life.next_look(), self.life.next_deadline());
        tokio::select! {
            asked = self.signals.next() => Happened::Signal(asked),
            event = self.listener.next() => Happened::Listener(event),
            () = self.workers.next() => Happened::WorkerEnded,
            () = self.clock.until(look) => Happened::LookDue,
            () = self.clock.until(deadline) => Happened::Deadline,
            word = self.trace.next() => Happened::Traced(word),
            event = self.jobs.next() => Happened::Job(event),
            report = self.job_hooks.next() => Happened::Reported(report),
            space = self.sampler.next() => Happened::Sample(space),
            event = self.aftermath.next() => Happened::Aftermath(event),
            notice = self.preparation.next() => Happened::Prepared(notice),
            reply = self.github.next() => Happened::Github(reply),
            pulse = self.http.next() => Happened::Pulse(pulse),
            event = self.push.next(self.clock) => Happened::Push(event),
        }
    }

    async fn handle(&mut self, happened: Happened) {
        let effects = match happened {
            Happened::Signal(OperatorSignal::Other(signal)) => vec![Notice::Ignored { signal }.into()],
            Happened::Signal(OperatorSignal::Stop(kind)) => self.stop(kind),
            Happened::Listener(event) => self.hear(event).into_iter().collect(),
            Happened::WorkerEnded | Happened::LookDue => vec![Effect::Look],
            Happened::Deadline => vec![Input::Deadline.into()],
            Happened::Traced(word) => self.trace.handle(word),
            Happened::Job(event) => self.jobs.handle(event, self.clock.now().utc),
            Happened::Reported(received) => match self.job_hooks.handle(received) {
                Ok(received) => {
                    let taken = self.take(&received).await;
                    let more =
                        if taken.is_ok() { summary::for_the_hook(self, &received).await } else { None };
                    self.job_hooks.answer(&received, taken, more)
                }
                Err(lost) => vec![lost],
            },
            Happened::Sample(space) => self.sampler.handle(space, self.clock.now(), self.listener.output()),
            Happened::Aftermath(event) => self.aftermath.handle(event),
            Happened::Prepared(notice) => {
                let (renewed, effect) = self.preparation.handle(notice);
                self.github.renew(renewed);
                vec![effect]
            }
            Happened::Github(reply) => self.github.handle(reply),
            Happened::Pulse(pulse) => return HttpHandle::handle(pulse),
            Happened::Push(event) => self.push.handle(event, &self.telemetry, self.clock),
        };
        self.apply(effects).await;
    }

    /// Does all of it in its order, and what comes of each before the next; then the world is shown what is new.
    async fn apply<E: Into<Effect>>(&mut self, effects: impl IntoIterator<Item = E>) {
        let mut stack: Vec<Effect> = effects.into_iter().map(Into::into).collect();
        stack.reverse();
        while let Some(effect) = stack.pop() {
            stack.extend(self.effect(effect).await.into_iter().rev());
        }
        let status = self.jobs.known(self.life.status(self.clock.now()));
        if let Some(status) = self.http.publish(status) {
            self.telemetry.show(&status);
        }
    }

    async fn effect(&mut self, effect: Effect) -> Vec<Effect> {
        match effect {
            Effect::Input(input) => {
                let actions = self.life.handle(input, self.clock.now());
                return actions.into_iter().flat_map(|action| self.execute(action)).collect();
            }
            Effect::Line(reading) => return workers::line(reading, self.life.subject().is_some()),
            Effect::LineAsSeen(reading, is_evident) => {
                let evidence = self.workers.evidence(self.life.subject().filter(|_| is_evident));
                return vec![Input::Line(reading, evidence).into()];
            }
            Effect::Look => {
                let logs = self.http.alive_while(self.workers.logs().take()).await.flatten();
                self.workers.look(logs, self.listener.is_exited(), self.clock.now());
                return vec![Effect::Judge(None)];
            }
            Effect::Judge(before) => return self.workers.judge(self.life.subject(), before),
            Effect::Gone(last) => return vec![Effect::Look, Effect::Exited(last)],
            Effect::Exited(LastSight { exit, configured, space }) => {
                self.listener.forget();
                let cause = self.sampler.cause(exit, space, self.clock.now().up);
                return vec![Input::Exited { exit, configured, cause }.into()];
            }
            Effect::Spawn => {
                let before = self.http.alive_while(self.workers.logs_before().take()).await;
                let started = self.listener.spawn();
                self.workers.begin(started.as_ref().ok().copied(), before);
                return vec![started.map_or_else(Effect::not_started, Effect::started)];
            }
            Effect::Notice(notice) => self.telemetry.emit(self.jobs.heed(&notice)),
            Effect::Sample(sample) => self.sampler.show(*sample, &self.telemetry),
            Effect::Jit(jit) => self.listener.give(&jit),
            Effect::Close { began, failed } => return self.close(began, failed),
            Effect::Sweep => self.aftermath.job_closed(self.life.subject().is_some()),
            Effect::AskQueueTime { job, question, again } => self.github.ask_queue_time(job, question, again),
            Effect::AskConclusion { job, question } => {
                self.github.ask_conclusion(job, question, self.life.was_asked());
            }
            Effect::QueueTime(answer) => return self.jobs.queue_time(answer),
            Effect::Concluded(job, word) => return self.jobs.concluded(job, word),
        }
        Vec::new()
    }

    fn execute(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Prepare => self.preparation.begin(self.listener.launch(), self.listener.output()),
            Action::Register { anew } => self.github.register(anew),
            Action::AbortRegistration => self.github.abort(),
            Action::AskStatus => self.github.ask_status(),
            Action::Unlabel => self.github.unlabel(),
            Action::Deregister(limit) => self.github.remove(limit),
            Action::LookForWork => {
                self.workers.look(None, self.listener.is_exited(), self.clock.now());
                return vec![Input::LookedForWork(self.workers.any_lives()).into()];
            }
            Action::FollowTrace => return self.trace.follow(&self.files.dir),
            Action::LeaveTrace => self.trace.leave(),
            Action::Spawn => return vec![Effect::Spawn],
            Action::Interrupt => self.listener.interrupt(self.aftermath.sweeper.plan()),
            Action::Below(rung) => self.listener.signal_below(self.aftermath.sweeper.plan(), rung),
            Action::KillGroup => self.listener.kill_group(),
            Action::WatchUpdate => self.listener.watch_update(),
            Action::Append(row) => return self.append(*row),
            Action::Notify(notice) => return vec![notice.into()],
            Action::Leave(code) => self.leaving = Some(code),
        }
        Vec::new()
    }

    /// A job begins, or is over: everybody who has a part in that is told.
    fn append(&mut self, row: JobRecord) -> Vec<Effect> {
        let now = self.clock.now();
        match row.status {
            RowStatus::Running => {
                self.aftermath.job_began(row.started_at.unwrap_or(now.utc));
                self.github.job_began();
                self.jobs.begin(row, self.sampler.job_began(now.up), now.up)
            }
            RowStatus::Finished(_) => {
                self.aftermath.job_ended();
                self.jobs.end(row, self.sampler.job_ended(now.up))
            }
        }
    }

    fn close(&mut self, began: Option<DateTime<Utc>>, failed: bool) -> Vec<Effect> {
        let log = began.and_then(|began| self.workers.log(began));
        let launch = self.listener.launch();
        let word = log.clone().map(|log| self.files.last_word(log, launch));
        let steps = log.map(|log| self.files.steps(log, launch, self.clock.now().utc));
        let space = failed.then(|| self.sampler.least_space());
        self.jobs.close(Pending { word, space, steps })
    }

    /// What was said before now comes before what is asked now.
    fn stop(&mut self, kind: StopRequest) -> Vec<Effect> {
        self.aftermath.engine.stop_asked();
        let waiting = std::iter::from_fn(|| self.listener.waiting()).collect::<Vec<_>>();
        let said = waiting.into_iter().filter_map(|event| self.hear(event));
        said.chain([Input::Stop(kind).into()]).collect()
    }

    fn hear(&mut self, event: ListenerEvent) -> Option<Effect> {
        self.listener.handle(event, || self.sampler.free_space())
    }

    /// Takes a report in, if its sender lives below the worker that was born last; a job not seen yet is looked for.
    async fn take(&mut self, received: &Received) -> Result<Vec<Effect>, ReportFault> {
        let report = received.report.clone()?;
        if !self.listener.is_running() {
            return Err(ReportFault::Late);
        }
        let worker = self.workers.speaker(received.pid)?;
        if !self.workers.is_youngest(worker) || self.life.open_job().is_none() {
            self.apply([Effect::Look]).await;
        }
        if !self.workers.is_youngest(worker) {
            return Err(ReportFault::Foreign);
        }
        self.jobs.reported(report, self.life.open_job().is_some(), self.clock.now().up)
    }
}
