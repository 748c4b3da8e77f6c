//! The listener's life: a launch is a session and a script, and a signal can end it wherever it waits.

use super::clock::{self, Pace};
use super::configure::{self, Registration};
use super::environment::Environment;
use super::options::Options;
use super::player;
use super::scenario::{Launch, Scenario, Update};
use super::signals;
use super::state::State;
use super::terminal::{Console, Terminal, Trace};
use super::tether;
use signal_hook::consts::SIGTERM;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

const USAGE: &str = "
Commands:
 ./config.sh         Configures the runner
 ./config.sh remove  Unconfigures the runner
 ./run.sh            Runs the runner interactively. Does not require any options.
";
pub(crate) const NOT_CONFIGURED: &str =
    "An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.";

/// Go on, or leave with this exit code.
pub(crate) type Flow = ControlFlow<i32>;

/// What can wake the listener.
#[derive(Debug)]
pub(crate) enum Event {
    /// A signal arrived.
    Signal(i32),
    /// The Worker has made its workspace and goes on to the first step.
    WorkerReady,
    /// The Worker has ended and waits to be reaped.
    WorkerEnded,
}

/// A shutdown under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// By SIGINT or SIGQUIT: exit 0, without bound. Otherwise by SIGTERM.
    interrupted: bool,
    /// SIGTERM's 30 s.
    pub(crate) deadline: Option<Instant>,
}

/// One running listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) root: PathBuf,
    pub(crate) env: Environment,
    pub(crate) scenario: Scenario,
    pub(crate) launch: Launch,
    pub(crate) state: State,
    pub(crate) registration: Registration,
    pub(crate) terminal: Arc<Terminal>,
    pub(crate) pace: Pace,
    pub(crate) once: bool,
    pub(crate) update: Option<Update>,
    pub(crate) stop: Option<Stop>,
    /// A signal has come; it may still be on its way to `events`.
    pub(crate) interrupted: Arc<AtomicBool>,
    pub(crate) events: Receiver<Event>,
    pub(crate) sender: Sender<Event>,
}

/// The program `Runner.Listener`; the working directory is the runner's root.
pub(crate) fn main(args: &[String]) -> i32 {
    let mut env = Environment::of_process();
    let root = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    tether::tie(&root);
    let scenario = match Scenario::load(&root) {
        Ok(scenario) => scenario,
        Err(error) => return fail(&format!("An error occurred: sim.json: {error}")),
    };
    if scenario.record_calls {
        record_call(&root, args, &env);
    }
    env.load_file(&root.join(".env"));
    let options = Options::read(args, &mut env);
    let state = State::load(&root);
    if options.flag("version") {
        configure::print(&env, state.version.as_ref().unwrap_or(&scenario.version));
        return 0;
    }
    if let (Some(play), "run") = (&scenario.play, options.command.as_str()) {
        let mut state = State::load(&root);
        match player::run(root.clone(), env.clone(), &scenario, play, &mut state, &options) {
            Ok(Some(code)) => return code,
            // The recording is over: a runner that connects and idles.
            Ok(None) => {}
            Err(error) => return fail(&format!("An error occurred: {}: {error}", play.recording.display())),
        }
    }
    let pace = Pace::new(scenario.speed);
    let trace = match Trace::open(&root, "Runner", &env) {
        Ok(trace) => trace,
        Err(error) => {
            return fail(&format!("Unhandled exception. System.UnauthorizedAccessException: {error}"));
        }
    };
    let console = Console::new(&env, &scenario.console, pace);
    let terminal = Arc::new(Terminal::new(console, trace, scenario.console.splice));
    terminal.info("Listener", &format!("Runner is built for Linux (X64) - {}.", options.command));
    let unknown = options.unknown().join(", ");
    if !unknown.is_empty() {
        let command = &options.command;
        let usage = r"For usage refer to: .\config.cmd --help or ./config.sh --help";
        terminal.error(&format!(
            "Unrecognized command-line input arguments for command {command}: '{unknown}'. {usage}"
        ));
    }
    let code = match options.command.as_str() {
        "run" if !options.flag("help") => run(root, env, scenario, state, &options, &terminal),
        "configure" => configure::configure(&root, &options, &scenario, &terminal),
        "remove" => configure::remove(&root, &options, &scenario, &terminal),
        _ => {
            terminal.line(USAGE);
            0
        }
    };
    terminal.info("Runner", &format!("Runner execution has finished with return code {code}"));
    code
}

/// `run`, up to the script.
fn run(
    root: PathBuf,
    env: Environment,
    scenario: Scenario,
    mut state: State,
    options: &Options,
    terminal: &Arc<Terminal>,
) -> i32 {
    if let Some(Err(error)) = options.value("jitconfig").map(|text| configure::unpack_jit(&root, text)) {
        terminal.error(&error.to_string());
        return 1;
    }
    let registration = match Registration::load(&root) {
        Ok(Some(registration)) => registration,
        Ok(None) => {
            terminal.error(NOT_CONFIGURED);
            return 1;
        }
        Err(error) => {
            terminal.error(&format!("An error occurred: {error}"));
            return 1;
        }
    };
    let (sender, events) = channel();
    let signals = sender.clone();
    let interrupted = match signals::listen(move |signal| _ = signals.send(Event::Signal(signal))) {
        Ok(interrupted) => interrupted,
        Err(error) => {
            terminal.error(&format!("An error occurred: {error}"));
            return 1;
        }
    };
    let launch = scenario.launch(state.launches);
    state.launches += 1;
    _ = state.save(&root);
    if options.flag("once") {
        terminal.line("Warning: '--once' is going to be deprecated in the future, please consider using '--ephemeral' during runner registration.");
        terminal.line("https://docs.github.com/en/actions/hosting-your-own-runners/autoscaling-with-self-hosted-runners#using-ephemeral-runners-for-autoscaling");
    }
    let hosted = env.is_true("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED");
    let once = options.flag("once") || registration.ephemeral || hosted;
    let pace = Pace::new(scenario.speed);
    let terminal = Arc::clone(terminal);
    let mut listener = Listener {
        root,
        env,
        scenario,
        launch,
        state,
        registration,
        terminal,
        pace,
        once,
        update: None,
        stop: None,
        interrupted,
        events,
        sender,
    };
    listener.live()
}

impl Listener {
    fn live(&mut self) -> i32 {
        let flow = match self.connect() {
            ControlFlow::Continue(()) => self.play(),
            leaving @ ControlFlow::Break(_) => leaving,
        };
        match flow {
            ControlFlow::Break(code) => code,
            ControlFlow::Continue(()) => 0,
        }
    }

    /// Waits so long, or for ever, for a signal; one of them ends the session.
    pub(crate) fn idle(&mut self, ms: Option<u64>) -> Flow {
        let end = ms.map(|ms| self.pace.deadline(ms));
        while let Some(event) = self.next_event(end) {
            if let Event::Signal(signal) = event {
                self.heed(signal)?;
                self.leave(None)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Waits so long; a signal is noted, for the caller to see in `stop`.
    pub(crate) fn pause(&mut self, ms: u64) -> Flow {
        let end = self.pace.deadline(ms);
        while let Some(event) = self.next_event(Some(end)) {
            if let Event::Signal(signal) = event {
                self.heed(signal)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The next event before `end`, if there is one.
    pub(crate) fn next_event(&self, end: Option<Instant>) -> Option<Event> {
        let Some(end) = end else { return self.events.recv().ok() };
        self.events.recv_timeout(end.saturating_duration_since(clock::instant())).ok()
    }

    /// What a signal changes (runner-facts §3). SIGTERM after SIGINT leaves at once, whatever is running.
    pub(crate) fn heed(&mut self, signal: i32) -> Flow {
        match (signal, self.stop) {
            (SIGTERM, Some(Stop { interrupted: true, .. })) => {
                return ControlFlow::Break(self.scenario.term_exit);
            }
            (SIGTERM, Some(_)) => {}
            (SIGTERM, None) => {
                let deadline = Some(self.pace.deadline(30_000));
                self.stop = Some(Stop { interrupted: false, deadline });
                self.terminal.info("Runner", "Runner will be shutdown for OperatingSystemShutdown");
            }
            (_, stop) => {
                self.terminal.line("Exiting...");
                if stop.is_none() {
                    self.terminal.info("Runner", "Runner will be shutdown for UserCancelled");
                    self.stop = Some(Stop { interrupted: true, deadline: None });
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Deletes the session and leaves: with `code`, or with what the shutdown under way says.
    pub(crate) fn leave(&mut self, code: Option<i32>) -> Flow {
        let done = self.pace.deadline(self.launch.shutdown_ms);
        loop {
            let cap = self.stop.and_then(|stop| stop.deadline);
            let end = cap.map_or(done, |cap| done.min(cap));
            match self.next_event(Some(end)) {
                Some(Event::Signal(signal)) => self.heed(signal)?,
                Some(Event::WorkerReady | Event::WorkerEnded) => {}
                None => break,
            }
        }
        let by_signal =
            self.stop.map_or(0, |stop| if stop.interrupted { 0 } else { self.scenario.term_exit });
        ControlFlow::Break(code.unwrap_or(by_signal))
    }
}

fn fail(text: &str) -> i32 {
    // Nothing is left to tell it to if stderr is closed.
    _ = writeln!(io::stderr(), "{text}");
    1
}

/// Appends how this process was started to `<root>/sim-calls.jsonl`.
fn record_call(root: &Path, args: &[String], env: &Environment) {
    let call = serde_json::json!({
        "argv": args,
        "env": env.0,
        "cwd": root,
        "pid": std::process::id(),
        "SigBlk": signals::mask("SigBlk"),
        "SigIgn": signals::mask("SigIgn"),
    });
    let file = std::fs::OpenOptions::new().create(true).append(true).open(root.join("sim-calls.jsonl"));
    // A read-only root has no record.
    _ = file.and_then(|mut file| file.write_all(format!("{call}\n").as_bytes()));
}
