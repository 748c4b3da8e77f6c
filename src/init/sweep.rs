//! Nothing outlives the sweep: whoever is left gets SIGTERM, a grace, then SIGKILL, and is reaped.

use super::raw::{self, Waited};
use super::{Role, next_signal, wait};
use nix::libc::{self, c_int, pid_t};
use nix::poll::PollTimeout;
use nix::sys::signalfd::SignalFd;
use nix::unistd::getpid;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

/// How long a killed process may take to vanish; one in uninterruptible sleep may take for ever.
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// How often a subreaper looks for newcomers: a grandchild whose parent ended is ours without a signal to say so.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// Reaped before any SIGKILL.
    pub(super) ended: u64,
    /// Reaped after SIGKILL.
    pub(super) killed: u64,
    /// There were still children at the end.
    pub(super) left: bool,
}

/// Ends and reaps every process that is left to us; returns at once when there is none.
///
/// At most `grace` and then 1 s. SIGTERM, SIGINT or SIGQUIT cut the grace short.
pub(super) fn sweep(role: Role, signals: &SignalFd, grace: Duration) -> Swept {
    let (ended, none_left) = end_all(role, libc::SIGTERM, signals, grace);
    if none_left {
        return Swept { ended, killed: 0, left: false };
    }
    let (killed, none_left) = end_all(role, libc::SIGKILL, signals, KILL_PATIENCE);
    Swept { ended, killed, left: !none_left }
}

/// Sends `signal` to everyone left and reaps for `patience`: how many were reaped, and whether that was all.
fn end_all(role: Role, signal: c_int, signals: &SignalFd, patience: Duration) -> (u64, bool) {
    let deadline = now() + patience;
    let mut told = BTreeSet::new();
    let mut reaped = 0;
    loop {
        loop {
            match raw::wait_any() {
                Waited::Child(_, status) if status.stopped_signal().is_some() => {}
                Waited::Child(pid, _) => {
                    told.remove(&pid);
                    reaped += 1;
                }
                Waited::NothingNew => break,
                Waited::NoChildren => return (reaped, true),
            }
        }
        tell(role, signal, &mut told);
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return (reaped, false);
        }
        let patience = PollTimeout::try_from(left.min(LOOK_EVERY)).unwrap_or(PollTimeout::ZERO);
        wait(signals, patience);
        while let Some(heard) = next_signal(signals) {
            if signal == libc::SIGTERM && matches!(heard, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT) {
                return (reaped, false);
            }
        }
    }
}

/// Sends `signal` once to everyone it has not been sent to, and SIGCONT, without which a stopped process hears nothing.
fn tell(role: Role, signal: c_int, told: &mut BTreeSet<pid_t>) {
    match role {
        Role::Pid1 => {
            if told.insert(getpid().as_raw()) {
                tell_everyone(signal);
                tell_everyone(libc::SIGCONT);
            }
        }
        Role::Subreaper => {
            for child in children().into_iter().filter(|child| told.insert(*child)) {
                // An error means that it has ended, or is not ours to signal; both show when reaping.
                let _ = raw::kill(child, signal);
                let _ = raw::kill(child, libc::SIGCONT);
            }
        }
    }
}

/// The only broadcast. Anywhere but in PID 1 of a namespace it would reach the whole host.
fn tell_everyone(signal: c_int) {
    if getpid().as_raw() == 1 {
        let _ = raw::kill(-1, signal);
    }
}

/// Our children's pids; none where the kernel was built without the list (`CONFIG_PROC_CHILDREN`).
fn children() -> Vec<pid_t> {
    let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the sweep's two deadlines are init's only clock")]
fn now() -> Instant {
    Instant::now()
}
