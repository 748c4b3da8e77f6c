//! PID 1 forwards, reaps and sweeps, and does nothing else: no runtime, no configuration, no growing memory.
//!
//! Every signal is blocked before the child is spawned and read one at a time from a signalfd. A handler (as
//! signal-hook installs) would refuse ILL, FPE, SEGV and BUS, and would need a second thread for the sweep's timed
//! wait; a blocked signal is never dropped, not even by the kernel's rule that PID 1 hears only what it handles.
//! A genuine fault of ours still ends us: the kernel unblocks the signals it forces. Not seen are 32 and 33 (34 with
//! musl), which the C libraries keep for themselves.
//!
//! The pid of the child is signalled only while its exit has not been taken, and exits are taken only here.
//!
//! Job control: the child leads its own process group and gets the terminal's foreground if ours had it. TSTP, TTIN
//! and TTOU are passed on like any signal; if the child then stops, or stops on a terminal, we stop too, so that the
//! shell above sees its job stopped; CONT resumes both. PID 1 has no shell above it and never stops.

mod raw;
mod report;
mod sweep;

use crate::shield;
use crate::spawn::{self, Group};
use nix::errno::Errno;
use nix::libc::{self, c_int, pid_t};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, killpg, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, chdir, getpgrp, getpid, tcgetpgrp, tcsetpgrp};
use raw::Waited;
use report::say;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// The path of the running program, which works when the file has been replaced or the process is non-dumpable.
const SELF: &str = "/proc/self/exe";

/// How init treats its child.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Signals go to the child's process group instead of the child alone.
    pub group: bool,
    /// How long processes that outlive the child may take to end after SIGTERM, before they get SIGKILL.
    pub sweep_grace: Duration,
}

impl Default for Options {
    /// To the child alone; 2 s, which the stop budget counts on.
    fn default() -> Options {
        Options { group: false, sweep_grace: Duration::from_secs(2) }
    }
}

/// Runs `argv` (a command, looked up in `PATH`, and its arguments) under init; returns the exit code to leave with.
///
/// The command's own code, or 128 + n if signal n ended it; 127 if there is no such command, 126 if it cannot be
/// executed, 64 if `argv` is empty, 71 if the operating system refused anything else. Every code that is not the
/// command's own comes with a reason on standard error. (glibc's `execvp` hands a file of no known format to
/// `/bin/sh`; musl's refuses it, which is 126.)
///
/// Takes over the whole process: blocks its signals, closes its descriptors from 3 on, moves to `/`, reaps any child.
pub fn run(argv: &[OsString], options: &Options) -> i32 {
    let Some((program, arguments)) = argv.split_first() else {
        say("no command to run: expected one after --");
        return report::USAGE;
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "init is where exec mode's command starts, and init waits for it"
    )]
    let mut command = Command::new(program);
    command.args(arguments);
    lead(command, options).unwrap_or_else(|error| {
        #[expect(clippy::disallowed_methods, reason = "where execvp looked; the value is not shown")]
        let path = std::env::var_os("PATH").unwrap_or_default();
        let (code, reason) = report::refusal(program, &path, &error);
        say(&reason);
        code
    })
}

/// The role of PID 1: starts this same program with the same arguments as its child, and returns the exit code to
/// leave with: the child's own, 128 + n, or 71 if it cannot be started. Takes over the whole process as [`run`] does.
pub fn run_self(options: &Options) -> i32 {
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
    lead(command, options).unwrap_or_else(|error| {
        say(&format!("cannot start the supervisor from {SELF}: {error}"));
        report::OS_REFUSED
    })
}

/// From the first descriptor closed to the last orphan reaped.
fn lead(command: Command, options: &Options) -> io::Result<i32> {
    let role = Role::take();
    let outcome = Init::start(command, role, options.group).map(|init| init.attend(options.sweep_grace));
    if role == Role::Subreaper {
        retake_terminal();
    }
    outcome
}

/// Whose orphans come to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Everybody's in the PID namespace.
    Pid1,
    /// Those of our descendants.
    Subreaper,
}

impl Role {
    fn take() -> Role {
        if getpid().as_raw() == 1 {
            return Role::Pid1;
        }
        if let Err(error) = set_child_subreaper(true) {
            say(&format!("not PID 1 and not a subreaper ({error}): orphans will not be reaped"));
        }
        Role::Subreaper
    }
}

/// The child, while its exit has not been taken.
struct Init {
    child: pid_t,
    role: Role,
    signals: SignalFd,
    /// Signals go to the child's group.
    group: bool,
    /// Descriptor 0 is our controlling terminal.
    terminal: bool,
    /// A stop signal has been passed on since the last CONT.
    asked_to_stop: bool,
    orphans: u64,
}

impl Init {
    /// std has opened `/dev/null` for each closed one of descriptors 0 to 2 before `main`, so ours start at 3.
    fn start(mut command: Command, role: Role, group: bool) -> io::Result<Init> {
        spawn::close_inherited()?;
        // Inherited as ignored, it would have the kernel reap our child and forget its code.
        spawn::default_disposition(libc::SIGCHLD);
        let signals = blocked_signals()?;
        let foreground = foreground();
        let place = if foreground == Some(getpgrp()) { Group::Foreground } else { Group::Own };
        spawn::fresh(&mut command, place);
        let child = command.spawn()?.id().cast_signed();
        // It has its own copy, and who only forwards and reaps needs none.
        shield::wipe_environment(|_| true);
        // The child has the caller's directory; ours would only keep a mount busy. If `/` is refused, it does.
        let _ = chdir("/");
        let terminal = foreground.is_some();
        Ok(Init { child, role, signals, group, terminal, asked_to_stop: false, orphans: 0 })
    }

    /// Forwards and reaps until the child is gone, sweeps, and gives the exit code.
    fn attend(mut self, grace: Duration) -> i32 {
        let status = loop {
            wait(&self.signals, PollTimeout::NONE);
            let signal = next_signal(&self.signals);
            // Between the two: read first, or an exit could hide behind the SIGCHLD being read; reap before
            // forwarding, or the signal could hit a stranger. One signal a turn, so a storm cannot starve the reaping.
            if let Some(status) = self.reap() {
                break status;
            }
            if let Some(signal) = signal {
                self.forward(signal);
            }
        };
        if let Some(signal) = status.signal() {
            say(&format!("child was killed by {}", report::signal_label(signal)));
        }
        // What was sent to the child that is gone is no wish to cut the sweep short.
        while next_signal(&self.signals).is_some() {}
        let swept = sweep::sweep(self.role, &self.signals, grace);
        if let Some(text) = report::orphans(self.orphans, &swept) {
            say(&text);
        }
        report::exit_code(status)
    }

    /// Takes every exit there is, since SIGCHLDs coalesce; gives the child's when it was among them.
    fn reap(&mut self) -> Option<ExitStatus> {
        let mut ended = None;
        loop {
            match raw::wait_any() {
                Waited::Child(pid, status) if status.stopped_signal().is_some() => {
                    if pid == self.child
                        && self.role == Role::Subreaper
                        && (self.terminal || self.asked_to_stop)
                    {
                        // Fails for no process that is not PID 1; returns when we are continued.
                        let _ = raise(Signal::SIGSTOP);
                    }
                }
                Waited::Child(pid, status) if pid == self.child => ended = Some(status),
                Waited::Child(..) => self.orphans += 1,
                Waited::NothingNew | Waited::NoChildren => return ended,
            }
        }
    }

    fn forward(&mut self, signal: c_int) {
        let mut whole_group = self.group;
        match signal {
            libc::SIGCHLD => return,
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => self.asked_to_stop = true,
            libc::SIGCONT => {
                self.asked_to_stop = false;
                // The terminal stops a whole group, and the shell above continues only ours.
                whole_group |= self.terminal;
                if self.terminal && foreground() == Some(getpgrp()) {
                    let _ = tcsetpgrp(io::stdin(), Pid::from_raw(self.child));
                }
            }
            _ => {}
        }
        let target = if whole_group { -self.child } else { self.child };
        if let Err(error) = raw::kill(target, signal) {
            say(&format!("cannot pass {} on to the child: {error}", report::signal_label(signal)));
        }
    }
}

/// Blocks every signal that can be blocked, and gives the descriptor they are read from.
fn blocked_signals() -> io::Result<SignalFd> {
    let every = SigSet::all();
    every.thread_block()?;
    Ok(SignalFd::with_flags(&every, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// Waits until a signal can be read, or for `patience`. EINTR, when we were stopped, is a wake-up like any other.
fn wait(signals: &SignalFd, patience: PollTimeout) {
    let _ = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], patience);
}

/// The next pending signal's number. Our own are not for the child: a write to a closed standard error sends SIGPIPE.
fn next_signal(signals: &SignalFd) -> Option<c_int> {
    loop {
        let info = signals.read_signal().ok().flatten()?;
        if info.ssi_code != libc::SI_USER || info.ssi_pid != std::process::id() {
            return Some(info.ssi_signo.cast_signed());
        }
    }
}

/// The foreground group of the terminal on descriptor 0; `None` unless that is our controlling terminal.
fn foreground() -> Option<Pid> {
    tcgetpgrp(io::stdin()).ok()
}

/// Takes the terminal back once the group we gave it to is empty, so that whoever started us can read from it.
fn retake_terminal() {
    if foreground().is_some_and(|group| killpg(group, None) == Err(Errno::ESRCH)) {
        let _ = tcsetpgrp(io::stdin(), getpgrp());
    }
}
