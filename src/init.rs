//! PID 1 forwards, reaps and sweeps, and does nothing else: no runtime, no configuration, no growing memory.
//!
//! Every signal is blocked before the child is spawned, as PID 1 first thing of all, and read one at a time. A handler (as
//! signal-hook installs) would refuse ILL, FPE, SEGV and BUS, and would need a second thread for the sweep's timed
//! wait; a blocked signal is never dropped, not even by the kernel's rule that PID 1 hears only what it handles.
//! A genuine fault of ours still ends us: the kernel unblocks the signals it forces.
//!
//! The pid of the child is signalled only while its exit has not been taken, and exits are taken only here.
//!
//! Job control: the child leads its own process group and gets the terminal's foreground if ours had it. TSTP, TTIN
//! and TTOU are passed on like any signal; if the child then stops, or stops on a terminal, we stop too, so that the
//! shell above sees its job stopped; CONT resumes both. PID 1 has no shell above it and never stops, and nobody who could
//! resume its child: what the terminal stops (^Z) goes on at once, and a child that is stopped otherwise goes on when it
//! is asked to end, without which it would not hear that.

mod directory;
mod options;
mod raw;
mod report;
mod role;
mod sweep;
mod terminal;

use crate::child_setup::{self, ProcessGroup};
use crate::exit_code::ExitCode;
use crate::footprint;
use crate::hardening;
use child_setup::StartStep;
use directory::Home;
use nix::libc::{self, c_int, pid_t};
use nix::sys::signal::{Signal, raise};
use nix::unistd::getpgrp;
pub(crate) use options::{InitOptions, Rewrite, rewrite, signal};
use raw::{Progress, Waited};
use report::say;
pub(crate) use report::say_within;
use role::ReaperRole;
pub(crate) use role::{hold_signals, is_pid_1, release_signals};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// The path of the running program, which works when the file has been replaced or the process is non-dumpable.
const SELF: &str = "/proc/self/exe";

/// How long an orphan may wait for others when one has just been reaped; any other signal is heard at once.
const GATHER: Duration = Duration::from_millis(2);

/// What tells a program which descriptors it was handed, and a child of ours is handed none.
const HANDED: [&str; 3] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Runs `argv` (a command, looked up in `PATH`, and its arguments) under init; returns the exit code to leave with.
///
/// The command's own code, or 128 + n if signal n ended it; 127 if there is no such command, 126 if it cannot be
/// executed, 64 if `argv` is empty, 71 if the operating system refused anything else. Every code that is not the
/// command's own comes with a reason on standard error. (glibc's `execvp` hands a file of no known format to
/// `/bin/sh`; musl's refuses it, which is 126.)
///
/// Takes over the whole process: blocks its signals, closes its descriptors from 3 on, moves to `/`, reaps any child.
pub(crate) fn run(argv: &[OsString], options: &InitOptions) -> i32 {
    let Some((program, arguments)) = argv.split_first() else {
        say("no command to run: expected one after --");
        return ExitCode::Usage.code();
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "init is where exec mode's command starts, and init waits for it"
    )]
    let mut command = Command::new(program);
    command.args(arguments);
    run_child(command, options).unwrap_or_else(|(step, error)| {
        if step != StartStep::Exec {
            let name = report::shown(program);
            say(&format!("cannot start a process for {name}: {}: {error}", step.call()));
            return ExitCode::Os.code();
        }
        #[expect(clippy::disallowed_methods, reason = "where execvp looked; the value is not shown")]
        let path = std::env::var_os("PATH").unwrap_or_default();
        let (code, reason) = report::refusal(program, &path, &error);
        say(&reason);
        code
    })
}

/// The role of PID 1: starts this same program with the same arguments as its child, and returns the exit code to
/// leave with: the child's own, 128 + n, or 71 if it cannot be started. Takes over the whole process as [`run`] does.
pub(crate) fn run_self(options: &InitOptions) -> i32 {
    let mut arguments = std::env::args_os();
    #[expect(
        clippy::disallowed_methods,
        reason = "init is where the supervisor starts, and init waits for it"
    )]
    let mut command = Command::new(SELF);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    run_child(command, options).unwrap_or_else(|(step, error)| {
        say(&format!("cannot start the supervisor from {SELF}: {}: {error}", step.call()));
        ExitCode::Os.code()
    })
}

/// From the first descriptor closed to the last orphan reaped; an error is why there is no child, and at which step.
fn run_child(command: Command, options: &InitOptions) -> Result<i32, (StartStep, io::Error)> {
    let role = ReaperRole::take();
    if let Some(signal) = options.parent_death
        && let Err(error) = raw::die_with_parent(signal)
    {
        say(&format!("will not hear of the parent's end: prctl: {error}"));
    }
    let outcome = Init::start(command, role, options).map(Init::run_loop);
    if role == ReaperRole::Subreaper {
        terminal::retake();
    }
    outcome
}

/// The child, while its exit has not been taken.
struct Init<'a> {
    child: pid_t,
    role: ReaperRole,
    options: &'a InitOptions,
    /// A stop signal has been passed on since the last CONT.
    asked_to_stop: bool,
    /// It has been asked to end.
    asked_to_end: bool,
    /// It was seen stopped, and we have not continued it.
    stopped: bool,
    orphans: u64,
}

impl Init<'_> {
    /// std has opened `/dev/null` for each closed one of descriptors 0 to 2 before `main`, so what we were given starts at 3.
    fn start(
        mut command: Command,
        role: ReaperRole,
        options: &InitOptions,
    ) -> Result<Init<'_>, (StartStep, io::Error)> {
        if let Err(error) = child_setup::close_inherited() {
            say(&format!("what was open at the start stays open, for the child too: close_range: {error}"));
        }
        // Inherited as ignored, it would have the kernel reap our child and forget its code.
        child_setup::default_disposition(libc::SIGCHLD);
        child_setup::set_mask(u64::MAX);
        let foreground = terminal::foreground();
        let place = if foreground == Some(getpgrp()) { ProcessGroup::Foreground } else { ProcessGroup::Own };
        let home = Home::leave(&mut command);
        let progress = Progress::of(&mut command, place);
        // Not by the command: it would copy the whole environment, secrets and all, to where nothing wipes it.
        hardening::forget(|name| HANDED.iter().any(|handed| handed.as_bytes() == name));
        let spawned = command.spawn().map_err(|error| {
            home.back();
            (progress.step(), error)
        });
        let child = spawned?.id().cast_signed();
        // It has its own copy, and who only forwards and reaps needs none.
        hardening::wipe_environment(|_| true);
        home.left();
        footprint::shed();
        Ok(Init {
            child,
            role,
            options,
            asked_to_stop: false,
            asked_to_end: false,
            stopped: false,
            orphans: 0,
        })
    }

    /// Forwards and reaps until the child is gone, sweeps, and gives the exit code.
    fn run_loop(mut self) -> i32 {
        let mut gathers = false;
        let status = loop {
            // An orphan rarely comes alone: a storm of them is taken a few at a time, not with a wake-up for each.
            let signal = if gathers {
                raw::next_signal(raw::BUT_CHILDREN, Some(GATHER))
            } else {
                raw::next_signal(raw::EVERY, None)
            };
            let before = self.orphans;
            // Between the two: read first, or an exit could hide behind the SIGCHLD being read; reap before
            // forwarding, or the signal could hit a stranger. One signal a turn, so a storm cannot starve the reaping.
            if let Some(status) = self.reap() {
                break status;
            }
            gathers = self.orphans > before;
            if let Some(signal) = signal {
                self.forward(signal);
            }
        };
        if let Some(signal) = status.signal() {
            say(&format!("child was killed by {}", report::signal_label(signal)));
        }
        // What was sent to the child that is gone is no wish to cut the sweep short.
        while raw::next_signal(raw::EVERY, Some(Duration::ZERO)).is_some() {}
        let swept = sweep::sweep(self.role, self.options);
        if let Some(text) = report::orphans(self.orphans, &swept) {
            say(&text);
        }
        self.options.exit_code(report::exit_code(status))
    }

    /// Takes every exit there is, since SIGCHLDs coalesce; gives the child's when it was among them.
    fn reap(&mut self) -> Option<ExitStatus> {
        let mut ended = None;
        loop {
            match raw::wait_any() {
                Waited::Child(pid, status) => {
                    if let Some(signal) = status.stopped_signal() {
                        // A plain stop of a stranger's concerns us no more than a traced one's, once it is let go.
                        if !raw::release(pid, signal) && pid == self.child {
                            self.stopped(signal);
                        }
                    } else if pid == self.child {
                        ended = Some(status);
                    } else {
                        self.orphans += 1;
                        report::reaped(self.options, pid, status);
                    }
                }
                Waited::NothingNew | Waited::NoChildren => return ended,
            }
        }
    }

    /// The child was stopped by `signal`.
    fn stopped(&mut self, signal: c_int) {
        self.stopped = true;
        let terminal = terminal::is_ours();
        match self.role {
            ReaperRole::Subreaper if terminal || self.asked_to_stop => {
                // Fails for no process that is not PID 1; returns when we are continued.
                let _ = raise(Signal::SIGSTOP);
            }
            // TTIN and TTOU would come again at once.
            ReaperRole::Pid1 if self.asked_to_end || terminal && signal == libc::SIGTSTP => self.resume(),
            ReaperRole::Subreaper | ReaperRole::Pid1 => {}
        }
    }

    fn forward(&mut self, heard: c_int) {
        if heard == libc::SIGCHLD {
            return;
        }
        let Some(signal) = self.options.rewritten(heard) else { return };
        match signal {
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => self.asked_to_stop = true,
            libc::SIGCONT => return self.resume(),
            _ => {}
        }
        self.send(self.options.group, signal);
        if matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT) {
            self.asked_to_end = true;
            if self.stopped {
                self.resume();
            }
        }
    }

    /// Continues the child.
    fn resume(&mut self) {
        self.asked_to_stop = false;
        self.stopped = false;
        terminal::hand_over(self.child);
        // The terminal stops a whole group, and the shell above continues only ours.
        self.send(self.options.group || terminal::is_ours(), libc::SIGCONT);
    }

    fn send(&self, whole_group: bool, signal: c_int) {
        // A child that has left its group, or could not lead one, is still ours.
        let sent = match raw::kill(if whole_group { -self.child } else { self.child }, signal) {
            Err(error) if whole_group && error.raw_os_error() == Some(libc::ESRCH) => {
                raw::kill(self.child, signal)
            }
            sent => sent,
        };
        if let Err(error) = sent {
            say(&format!("cannot pass {} on to the child: {error}", report::signal_label(signal)));
        }
    }
}
