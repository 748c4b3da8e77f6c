//! The Worker's life: one job, from the message to exit code 100 + result; whether the listener lives does not matter.
//!
//! SIGINT is swallowed, and noted: its group got it too. SIGTERM ends the job as a shutdown does, within 30 s.

mod crash;
mod hooks;
mod logs;
mod message;
mod node;
mod process;
mod shutdown;
mod standin;
mod steps;
pub(crate) mod wire;
mod workspace;

pub(crate) use message::job_message;
pub(crate) use node::main as node;

use super::clock::{self, Pace};
use super::environment::Environment;
use super::scenario::{self, Setup, TaskResult};
use super::signals;
use super::terminal::{Console, Trace};
use super::tether;
use logs::JobLog;
use shutdown::Shutdown;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use wire::{Assignment, Message};
use workspace::Workspace;

/// What can wake the Worker.
#[derive(Debug)]
enum Event {
    /// The listener says something.
    Message(Message),
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// A shutdown that was told takes effect.
    Shutdown,
    /// A line of a step's process.
    Line(u32, String),
    /// A step's process has one pipe less.
    Closed(u32),
    /// A step's process has ended and waits to be reaped.
    Ended(u32),
}

/// Why the job ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The server cancelled it: `always()` steps and the completed hook still run.
    Server,
    /// The runner goes down: nothing more runs.
    Shutdown,
}

/// One job being run. A `Break` carries the exit code of a Worker that leaves everything as it is.
#[derive(Debug)]
struct WorkerRun {
    root: PathBuf,
    env: Environment,
    console: Console,
    trace: Trace,
    pace: Pace,
    task: Assignment,
    workspace: Workspace,
    log: JobLog,
    events: Receiver<Event>,
    sender: Sender<Event>,
    /// Where the listener hears that the workspace is made.
    answers: File,
    stop: Option<Stop>,
    shutdown: Shutdown,
    told_to_cancel: bool,
    failed: bool,
    crash_at: Option<Instant>,
    term_deadline: Option<Instant>,
}

/// The program `Runner.Worker spawnclient <fd> <fd>`; the working directory is `bin`.
pub(crate) fn main(args: &[String]) -> i32 {
    match start(args) {
        Ok(code) => code,
        Err(error) => {
            // The listener keeps it for its crash report.
            _ = writeln!(io::stderr(), "Unhandled exception. {error}");
            1
        }
    }
}

/// Up to the job message, and on with it; the exit code.
fn start(args: &[String]) -> io::Result<i32> {
    let [command, commands, answers] = args else {
        return Err(io::Error::other("usage: Runner.Worker spawnclient <fd> <fd>"));
    };
    if command != "spawnclient" {
        return Err(io::Error::other("usage: Runner.Worker spawnclient <fd> <fd>"));
    }
    let (sender, events) = channel();
    let terminator = sender.clone();
    signals::listen(move |signal| match signal {
        SIGTERM => _ = terminator.send(Event::Terminate),
        SIGINT => _ = terminator.send(Event::Interrupt),
        _ => {}
    })?;
    let pipe = wire::open(commands, false)?;
    let answers = wire::open(answers, true)?;
    let mut messages = wire::messages(pipe);
    let bin = std::env::current_dir()?;
    let root = bin.parent().map_or_else(|| bin.clone(), PathBuf::from);
    tether::tie(&root);
    match messages.next() {
        Some(Message::NewJobRequest(task)) => {
            match run(root, *task, messages, answers, (sender, events))?.live() {
                ControlFlow::Break(code) => Ok(code),
                ControlFlow::Continue(result) => Ok(result.exit_code()),
            }
        }
        Some(Message::StandIn) => standin::live(&root, messages, &answers),
        Some(_) | None => Err(io::Error::other("no job message")),
    }
}

/// A Worker that has its job.
fn run(
    root: PathBuf,
    task: Assignment,
    messages: impl Iterator<Item = Message> + Send + 'static,
    answers: File,
    (sender, events): (Sender<Event>, Receiver<Event>),
) -> io::Result<WorkerRun> {
    let listener = sender.clone();
    std::thread::spawn(move || messages.for_each(|message| _ = listener.send(Event::Message(message))));
    let mut env = Environment::of_process();
    let pace = Pace::new(task.speed);
    let trace = Trace::open(&root, "Worker", &env)?;
    let console = Console::new(&env, &scenario::Console::default(), pace);
    workspace::prepare_env(&mut env);
    let workspace = Workspace::new(&root, &task)?;
    let log = JobLog::open(&root, &task.job_id, pace)?;
    let shutdown = Shutdown::new(task.job.worker.shutdown_ms);
    let crash_at = task.job.worker.crash.map(|crash| pace.deadline(crash.after_ms));
    Ok(WorkerRun {
        root,
        env,
        console,
        trace,
        pace,
        task,
        workspace,
        log,
        events,
        sender,
        answers,
        stop: None,
        shutdown,
        told_to_cancel: false,
        failed: false,
        crash_at,
        term_deadline: None,
    })
}

impl WorkerRun {
    fn live(&mut self) -> ControlFlow<i32, TaskResult> {
        let message = message::job_message(&self.task, self.log.timeline());
        let text = serde_json::to_string_pretty(&message).expect("a JSON value is plain data");
        self.info("Worker", &format!("Job message:\n {text}"));
        if self.set_up()? {
            self.run_steps()?;
        }
        self.complete();
        let result = self.result();
        self.info("JobRunner", &format!("Job result after all job steps finish: {result:?}"));
        self.info("JobRunner", "Completing the job execution context.");
        self.upload()?;
        self.info("JobRunner", "Raising job completed against run service");
        // One that was told to cancel is silent once it has reported.
        if !self.told_to_cancel {
            self.info("Worker", "Job completed.");
        }
        ControlFlow::Continue(result)
    }

    /// `Set up job`; false if it failed or was cancelled, and then no step and no hook runs.
    fn set_up(&mut self) -> ControlFlow<i32, bool> {
        let record = self.begin_step("runner", "setup_job", "Pre");
        self.log.line("Current runner version: '2.336.0'");
        self.log.line(&format!("Runner name: '{}'", self.task.runner_name));
        self.log.line("Prepare workflow directory");
        self.log.line(&format!("Complete job name: {}", self.task.job.name));
        let ready = match self.task.job.worker.setup {
            Setup::Ok => self.workspace.create(&self.task.context).map_err(|error| error.to_string()),
            Setup::Fail => Err("Unable to resolve action `octo-org/gone@v1`, repository not found".into()),
        };
        // A listener that has died does not want to know.
        _ = self.answers.write_all(b"\n");
        let end = self.pace.deadline(self.task.job.worker.setup_ms);
        let mut going = true;
        while going && self.stop.is_none() {
            going = self.next_event(Some(end))?.is_some();
        }
        if let Err(problem) = &ready {
            self.log.line(&format!("##[error]{problem}"));
            self.failed = true;
        }
        let result = match self.stop {
            Some(_) => "canceled",
            None if ready.is_err() => "failed",
            None => "succeeded",
        };
        self.close_step(&record, result, ready.as_ref().err().map(String::as_str));
        ControlFlow::Continue(ready.is_ok() && self.stop.is_none())
    }

    /// `Complete job`: orphans are killed, the temporary directory is emptied.
    fn complete(&mut self) {
        let record = self.begin_step("runner", "complete_job", "Post");
        if !self.task.job.worker.keep_orphans && self.workspace.is_created() {
            self.log.line("Cleaning up orphan processes");
            let tracking = self.env.get("RUNNER_TRACKING_ID").unwrap_or_default();
            for line in workspace::kill_orphans(tracking) {
                self.log.line(&line);
            }
        }
        self.workspace.empty_temp();
        self.close_step(&record, "succeeded", None);
    }

    /// What has been written is uploaded, and the log files are closed.
    fn upload(&mut self) -> ControlFlow<i32> {
        let end = self.pace.deadline(self.task.job.worker.upload_ms);
        while self.next_event(Some(end))?.is_some() {}
        self.log.close();
        ControlFlow::Continue(())
    }

    /// What the job has come to so far.
    fn result(&self) -> TaskResult {
        match self.stop {
            // A shutdown is reported as a failure, though the listener prints `Canceled`.
            Some(Stop::Shutdown) => TaskResult::Failed,
            Some(Stop::Server) => TaskResult::Canceled,
            None if self.failed => TaskResult::Failed,
            None => self.task.job.result,
        }
    }

    /// The next event before `end`, or `None`; what it means for the whole job is noted here. Breaks at the crash and
    /// at SIGTERM's 30 s.
    fn next_event(&mut self, end: Option<Instant>) -> ControlFlow<i32, Option<Event>> {
        let first = [end, self.crash_at, self.term_deadline, self.shutdown.due()].into_iter().flatten().min();
        let event = match first {
            None => self.events.recv().ok(),
            Some(at) => self.events.recv_timeout(at.saturating_duration_since(clock::instant())).ok(),
        };
        if let Some(Event::Message(Message::CancelRequest | Message::RunnerShutdown)) = &event {
            self.info("Worker", "Cancellation/Shutdown message received.");
            self.told_to_cancel = true;
        }
        match &event {
            Some(Event::Message(Message::CancelRequest)) => _ = self.stop.get_or_insert(Stop::Server),
            Some(Event::Message(Message::RunnerShutdown)) => self.shutdown.told(),
            Some(Event::Interrupt) => self.shutdown.interrupt(),
            Some(Event::Terminate) if self.term_deadline.is_none() => {
                self.stop = Some(Stop::Shutdown);
                self.term_deadline = Some(self.pace.deadline(30_000));
            }
            Some(_) => {}
            None => self.check_deadlines()?,
        }
        if self.shutdown.take(clock::instant()) {
            self.info("HostContext", "Runner will be shutdown for UserCancelled");
            self.stop = Some(Stop::Shutdown);
            return ControlFlow::Continue(event.or(Some(Event::Shutdown)));
        }
        ControlFlow::Continue(event)
    }

    fn info(&self, source: &str, message: &str) {
        self.trace.info(&self.console, source, message);
    }
}
