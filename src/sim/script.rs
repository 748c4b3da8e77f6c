//! The script of a launch, played one step after the other; what a step does is the same inside a job and outside.

use super::job::Running;
use super::listener::{Flow, Listener};
use super::scenario::{Bytes, Disconnect, Race, Recovery, Step, Then};
use super::terminal::Stream;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ops::ControlFlow;
use std::process::{Child, Stdio};

/// One thing to do now; a [`Step`] that takes time is several of these with pauses between them.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Any step that takes no time.
    Now(Step),
    /// A poll has failed.
    Lost(Disconnect),
    /// `Runner reconnected.`
    Reconnected,
    /// The next poll goes out, with a fresh token.
    Polls,
}

/// The deeds of some steps, each with its distance in ms from the beginning; the last number is the whole length.
pub(crate) fn schedule(steps: &[Step]) -> (Vec<(u64, Deed)>, u64) {
    let (mut at, mut deeds) = (0, Vec::new());
    for step in steps {
        match step {
            Step::IdleMs(ms) => at += ms,
            Step::Disconnect(lost) => {
                deeds.push((at, Deed::Lost(lost.clone())));
                at += lost.ms;
                match lost.recovery {
                    Recovery::Printed => deeds.push((at, Deed::Reconnected)),
                    Recovery::Silent => deeds.push((at, Deed::Polls)),
                }
            }
            other => deeds.push((at, Deed::Now(other.clone()))),
        }
    }
    (deeds, at)
}

impl Listener {
    /// Plays the launch's steps, then what comes after them.
    pub(crate) fn play(&mut self) -> Flow {
        let steps = std::mem::take(&mut self.launch.steps);
        let last = self.state.launches >= self.scenario.launches.len();
        let again = last && self.scenario.then == Then::Repeat && !steps.is_empty();
        loop {
            for step in &steps {
                self.step(step)?;
            }
            if !again || self.spent() {
                return self.idle(None);
            }
        }
    }

    /// Whether the scenario's jobs have all been played.
    fn spent(&self) -> bool {
        self.scenario.max_jobs.is_some_and(|max| self.state.jobs >= max)
    }

    fn step(&mut self, step: &Step) -> Flow {
        if let Step::Job(job) = step {
            return if self.spent() { self.idle(None) } else { self.job(job) };
        }
        let (deeds, length) = schedule(std::slice::from_ref(step));
        let mut now = 0;
        for (at, deed) in deeds {
            self.idle(Some(at - now))?;
            now = at;
            self.deed(&deed, None)?;
        }
        self.idle(Some(length - now))
    }

    /// Does one thing; `running` is the job it happens in.
    pub(crate) fn deed(&mut self, deed: &Deed, running: Option<&mut Running>) -> Flow {
        match deed {
            Deed::Lost(lost) => self.lost(lost),
            Deed::Polls => {
                let text = "AAD Correlation ID for this token request: Unknown";
                self.terminal.info("GitHubActionsService", text);
            }
            Deed::Reconnected => self.terminal.stamped("Runner reconnected."),
            Deed::Now(step) => return self.now(step, running),
        }
        ControlFlow::Continue(())
    }

    fn now(&mut self, step: &Step, running: Option<&mut Running>) -> Flow {
        match step {
            // They take time and never come here on their own.
            Step::IdleMs(_) | Step::Disconnect(_) => {}
            Step::Job(_) => {
                self.terminal.info("Runner", "Received job message while busy. Skip message deletion.");
            }
            Step::Stdout(text) => self.terminal.console.bytes(Stream::Stdout, text.as_bytes()),
            Step::Stderr(text) => self.terminal.console.bytes(Stream::Stderr, text.as_bytes()),
            Step::Bytes(bytes) => self.raw(bytes),
            Step::Race(race) => self.race(race),
            Step::Banner(banner) => {
                self.banner();
                if banner.listening {
                    self.listening();
                }
            }
            Step::Update(update) => match running {
                Some(running) => self.begin_update_in_job(update, running),
                None => return self.update_idle(update),
            },
            Step::CloseStdout {} => {
                let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null");
                _ = nowhere.map(nix::unistd::dup2_stdout);
            }
            Step::DeletedOnServer {} => return self.deleted_on_server(),
            Step::HoldOutputMs(ms) => self.hold_output(*ms),
            Step::Exit(code) => return self.exit(*code, running),
            Step::LastWords(last) => return self.refuse(&[&last.text], last.code),
            Step::Signal(signal) => kill_self(*signal),
            Step::KillWorker(signal) => {
                if let Some(running) = running {
                    running.kill(*signal);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn raw(&self, bytes: &Bytes) {
        let stream = if bytes.stderr { Stream::Stderr } else { Stream::Stdout };
        let digits: Vec<u8> = bytes.hex.chars().filter_map(|c| c.to_digit(16)?.try_into().ok()).collect();
        let all: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, d| byte << 4 | d)).collect();
        let mut rest = all.as_slice();
        for size in &bytes.split {
            let (part, after) = rest.split_at((*size).min(rest.len()));
            self.terminal.console.bytes(stream, part);
            self.pace.sleep(bytes.gap_ms);
            rest = after;
        }
        self.terminal.console.bytes(stream, rest);
    }

    fn race(&self, race: &Race) {
        let console = &self.terminal.console;
        std::thread::scope(|scope| {
            for (stream, line) in [(Stream::Stdout, &race.stdout), (Stream::Stderr, &race.stderr)] {
                scope.spawn(move || (0..race.count).for_each(|_| console.line(stream, line)));
            }
        });
    }

    /// Starts a process that does nothing but hold the pipes.
    fn hold_output(&self, ms: u64) {
        let mut command = self.env.command(self.root.join("externals/node20/bin/node"));
        let millis = self.pace.ms(ms).as_millis().to_string();
        match command.args(["sleep", &millis]).stdin(Stdio::null()).spawn() {
            Ok(child) => reap_later(child),
            Err(error) => self.terminal.error(&format!("An error occurred: {error}")),
        }
    }

    /// Leaves with a code and its text. In a job, code 2 (the poll failed for good) cancels it first; the rest just go.
    fn exit(&mut self, code: i32, running: Option<&mut Running>) -> Flow {
        match running {
            Some(running) if code == 2 => {
                running.shut_down_for(code);
                ControlFlow::Continue(())
            }
            _ => self.exit_now(code),
        }
    }

    /// Leaves with a code and the text that goes with it (runner-facts §1.2, §2.2).
    pub(crate) fn exit_now(&self, code: i32) -> Flow {
        let text = match code {
            1 => "An error occurred: Access denied. System.Exception: simulated.".to_owned(),
            2 => "An error occurred: Resource temporarily unavailable (broker.actions.example:443)".to_owned(),
            5 => "Failed to create session. Error: Conflict".to_owned(),
            7 => self.deprecation(),
            134 => "Unhandled exception. System.InvalidOperationException: Operation is not valid due to the current \
                    state of the object.\n   at GitHub.Runner.Listener.Runner.RunAsync(RunnerSettings settings)"
                .to_owned(),
            _ => return ControlFlow::Break(code),
        };
        self.refuse(&[&text], code)
    }
}

/// Reaps a child whenever it ends, as the .NET runtime does.
pub(crate) fn reap_later(mut child: Child) {
    std::thread::spawn(move || child.wait());
}

/// Ends this process by a signal, past any handler.
fn kill_self(signal: i32) {
    if signal_hook::low_level::emulate_default_handler(signal).is_err() {
        // KILL has no handler to restore; a number that is no signal does nothing.
        _ = Signal::try_from(signal).map(|signal| kill(Pid::this(), signal));
    }
}
