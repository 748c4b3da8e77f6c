//! A listener that does what a recorded one did: the same writes, Worker, files and exit, each at its time.
//!
//! Its clock is the recording's. It stands still where the laboratory sent a signal to the listener or its group, until such a
//! signal comes, so the answer has the recorded distances from it; a signal that comes sooner makes everything before it due at
//! once. What ends sooner than recorded, because somebody killed it, moves the clock to its recorded end.

mod files;
mod hearing;
mod standin;

use super::clock::{self, Pace};
use super::environment::Environment;
use super::listener::{Flow, NOT_CONFIGURED};
use super::options::Options;
use super::recording::made;
use super::recording::trace::{self, Record};
use super::recording::{Event, Recording, Target, What};
use super::scenario::{self, Play, Scenario};
use super::state::State;
use super::terminal::{Console, Stream};
use super::{configure, signals};
use files::Files;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::SIGTERM;
use standin::StandIn;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What can wake the player.
#[derive(Debug)]
enum Heard {
    /// A signal arrived.
    Signal(i32),
    /// The stand-in with this pid has ended and waits to be reaped.
    WorkerEnded(u32),
    /// A step below the stand-in with this pid has ended.
    StepEnded(u32),
}

/// A recording being played.
#[derive(Debug)]
struct Player {
    env: Environment,
    pace: Pace,
    recording: Recording,
    /// Of this launch.
    events: Vec<Event>,
    console: Console,
    files: Files,
    /// The listener's trace, what is due next first.
    trace: VecDeque<Record>,
    /// The Worker's.
    work: VecDeque<Record>,
    worker: Option<StandIn>,
    /// When the recording's second 0 was.
    origin: Instant,
    /// Signals of the recording that have been answered, by their place.
    answered: BTreeSet<usize>,
    heard: Receiver<Heard>,
    sender: Sender<Heard>,
}

/// Plays the next launch of the recording; `None` if it has no more.
pub(super) fn run(
    root: PathBuf,
    env: Environment,
    scenario: &Scenario,
    play: &Play,
    state: &mut State,
    options: &Options,
) -> io::Result<Option<i32>> {
    let recording = Recording::parse(&std::fs::read_to_string(&play.recording)?)?;
    let Some(events) = recording.launches().get(state.launches).map(|events| events.to_vec()) else {
        return Ok(None);
    };
    if !(root.join(".runner").exists() || options.value("jitconfig").is_some()) {
        let console = Console::new(&env, &scenario::Console::default(), Pace::new(1.0));
        console.line(Stream::Stderr, NOT_CONFIGURED);
        return Ok(Some(1));
    }
    if let Some(text) = options.value("jitconfig") {
        configure::unpack_jit(&root, text)?;
    }
    state.launches += 1;
    state.save(&root)?;
    let kept = |name: &str| play.logs.as_ref().and_then(|dir| std::fs::read_to_string(dir.join(name)).ok());
    let trace = match kept("listener.log") {
        Some(log) => trace::kept(&log, &events),
        None => made::listener(&recording, &events),
    };
    let (sender, heard) = channel();
    let signals = sender.clone();
    signals::listen(move |signal| _ = signals.send(Heard::Signal(signal)))?;
    let pace = Pace::new(scenario.speed);
    let mut player = Player {
        console: Console::new(&env, &scenario.console, pace),
        files: Files::new(root, &events, play.logs.clone()),
        env,
        pace,
        trace: trace.into(),
        work: VecDeque::new(),
        worker: None,
        origin: clock::instant(),
        answered: BTreeSet::new(),
        recording,
        events,
        heard,
        sender,
    };
    Ok(Some(match player.play() {
        ControlFlow::Break(code) => code,
        ControlFlow::Continue(()) => 0,
    }))
}

impl Player {
    fn play(&mut self) -> Flow {
        for index in 0..self.events.len() {
            let Event { at, what } = self.events[index].clone();
            if let What::Signalled { to: Target::Listener | Target::Group, .. } = &what {
                self.await_signal(index, at)?;
                continue;
            }
            self.wait(index, at)?;
            self.happen(at, what)?;
        }
        ControlFlow::Continue(())
    }

    /// Waits for the recording's second `at`, which may come sooner than it would.
    fn wait(&mut self, index: usize, at: f64) -> Flow {
        loop {
            let now = clock::instant();
            self.write_traces(now);
            let due = self.moment(at);
            if due <= now {
                return ControlFlow::Continue(());
            }
            let next = self.next_record().unwrap_or(due);
            if let Ok(heard) = self.heard.recv_timeout(next.min(due).saturating_duration_since(now)) {
                self.hear(index, &heard)?;
            }
        }
    }

    /// Waits until the signal that the laboratory sent is sent again; a KILL or HUP ends the waiting by itself.
    fn await_signal(&mut self, index: usize, at: f64) -> Flow {
        self.wait(index, at)?;
        while !self.answered.contains(&index) {
            let Ok(heard) = self.heard.recv() else { return self.leave(SIGTERM) };
            self.hear(index, &heard)?;
        }
        ControlFlow::Continue(())
    }

    fn happen(&mut self, at: f64, what: What) -> Flow {
        match what {
            What::Wrote { stderr, text } => {
                let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
                let text = files::restamp(&text).replace("{root}", &self.files.root.display().to_string());
                self.console.bytes(stream, text.as_bytes());
            }
            What::WorkerStarted => self.start_worker(at)?,
            What::WorkerExited => self.end_worker(at),
            What::Exited(code) => return self.exit(code),
            What::Signalled { signal, to } => self.signal(&signal, to),
            What::Created(path) => self.create(&path),
            What::Deleted(path) => self.files.delete(&path),
            What::Closed(path) => self.files.close(&path),
            What::Moved(path) => self.files.rename(&path),
            What::Service { .. } => {}
        }
        ControlFlow::Continue(())
    }

    fn create(&mut self, path: &str) {
        // What cannot be made is missing, and the reader of it will say so.
        if let Err(error) = self.files.create(path) {
            self.console.line(Stream::Stderr, &format!("player: {path}: {error}"));
        }
    }

    fn start_worker(&mut self, at: f64) -> Flow {
        self.work = self.files.begin_work(&self.recording, &self.events, at).into();
        let tested = self.events.iter().any(|event| {
            matches!(event.what, What::Signalled { to: Target::Steps | Target::Group | Target::Worker, .. })
        });
        match StandIn::start(&self.env, &self.files.root, &self.sender) {
            Ok(mut worker) => {
                if tested {
                    worker.begin_step(self.is_stubborn());
                }
                self.worker = Some(worker);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.console.line(Stream::Stderr, &format!("player: Runner.Worker: {error}"));
                ControlFlow::Break(1)
            }
        }
    }

    /// The step did not end of the first signal that reached it: nothing was closed within a second.
    fn is_stubborn(&self) -> bool {
        let reaches = |what: &What| matches!(what, What::Signalled { signal, to: Target::Steps | Target::Group } if signal != "SIGKILL");
        let Some(first) = self.events.iter().find(|event| reaches(&event.what)) else { return false };
        let within = |event: &Event| event.at > first.at && event.at < first.at + 1.0;
        !self.events.iter().any(|event| within(event) && matches!(event.what, What::Closed(_)))
    }

    fn end_worker(&mut self, at: f64) {
        let work = super::recording::work::work(&self.recording, &self.events, at);
        self.write_work();
        if let Some(worker) = self.worker.take() {
            worker.leave(work.exit_code());
        }
    }

    /// The laboratory's own signals, but for those that ask the listener to go.
    fn signal(&mut self, name: &str, to: Target) {
        let Some(worker) = &mut self.worker else { return };
        match (to, name) {
            (Target::Worker, "SIGKILL") => worker.kill(),
            // What the step does with them is in the recording; the last one ends it.
            (Target::Steps, "SIGKILL") => worker.end_step(),
            (Target::Worker | Target::Steps | Target::Listener | Target::Group, _) => {}
        }
    }

    /// A signal that the recording does not know.
    fn leave(&mut self, signal: i32) -> Flow {
        if signal != SIGTERM {
            self.console.line(Stream::Stdout, "Exiting...");
        }
        if let Some(worker) = self.worker.take() {
            worker.leave(102);
        }
        ControlFlow::Break(if signal == SIGTERM { 143 } else { 0 })
    }

    fn exit(&mut self, code: i32) -> Flow {
        self.write_traces(clock::instant() + Duration::from_secs(3600));
        if let Some(signal) = code.checked_neg().filter(|signal| *signal > 0) {
            _ = Signal::try_from(signal).map(|signal| kill(Pid::this(), signal));
        }
        if let Err(error) = self.files.afterwards(&self.recording, &self.events, &self.env, self.pace) {
            self.console.line(Stream::Stderr, &format!("player: {error}"));
        }
        ControlFlow::Break(code)
    }

    /// Writes what is due of both traces.
    fn write_traces(&mut self, now: Instant) {
        let (origin, pace) = (self.origin, self.pace);
        let is_due = |record: &Record| origin + pace.seconds(record.at) <= now;
        while self.files.has_trace() && self.trace.front().is_some_and(is_due) {
            self.files.trace(self.trace.pop_front());
        }
        while self.files.has_work() && self.work.front().is_some_and(is_due) {
            self.files.work_trace(self.work.pop_front());
        }
    }

    /// When the next record of a trace that has begun is due.
    fn next_record(&self) -> Option<Instant> {
        let trace = self.trace.front().filter(|_| self.files.has_trace());
        let work = self.work.front().filter(|_| self.files.has_work());
        trace.into_iter().chain(work).map(|record| self.moment(record.at)).min()
    }

    /// The rest of the Worker's trace: it has ended.
    fn write_work(&mut self) {
        while let Some(record) = self.work.pop_front() {
            self.files.work_trace(Some(record));
        }
    }

    fn moment(&self, at: f64) -> Instant {
        self.origin + self.pace.seconds(at)
    }

    /// From now on it is this second of the recording.
    fn jump(&mut self, at: f64) {
        let now = clock::instant();
        self.origin = now.checked_sub(self.pace.seconds(at)).unwrap_or(now);
    }
}
