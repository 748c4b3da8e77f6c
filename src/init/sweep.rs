//! Nothing outlives the sweep: whoever is left gets SIGTERM, a grace, then SIGKILL, and is reaped.

use super::raw::{self, Waited};
use super::{InitOptions, ReaperRole, is_pid_1, report};
use nix::libc::{self, c_int, pid_t};
use nix::unistd::getpid;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

/// How long a killed process may take to vanish; one in uninterruptible sleep may take for ever.
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// How often a subreaper looks for newcomers: a grandchild whose parent ended is ours without a signal to say so.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SweepResult {
    /// Reaped before any SIGKILL.
    pub(super) ended: u64,
    /// Reaped after SIGKILL.
    pub(super) killed: u64,
    /// There were still children at the end.
    pub(super) left: bool,
}

/// Ends and reaps every process that is left to us; returns at once when there is none, or none that would obey.
///
/// At most the grace and then 1 s. SIGTERM, SIGINT or SIGQUIT cut the grace short.
pub(super) fn sweep(role: ReaperRole, options: &InitOptions) -> SweepResult {
    let (ended, none_left) = end_all(role, libc::SIGTERM, options.sweep_grace, options);
    if none_left {
        return SweepResult { ended, killed: 0, left: false };
    }
    let (killed, none_left) = end_all(role, libc::SIGKILL, KILL_PATIENCE, options);
    SweepResult { ended, killed, left: !none_left }
}

/// Sends `signal` to everyone left and reaps for `patience`: how many were reaped, and whether that was all.
fn end_all(role: ReaperRole, signal: c_int, patience: Duration, options: &InitOptions) -> (u64, bool) {
    let deadline = now() + patience;
    let mut told = BTreeSet::new();
    let mut reaped = 0;
    let mut quiet = true;
    loop {
        let childless = loop {
            match raw::wait_any() {
                Waited::Child(pid, status) => {
                    if let Some(stopped_by) = status.stopped_signal() {
                        raw::release(pid, stopped_by);
                    } else {
                        told.remove(&pid);
                        reaped += 1;
                        report::reaped(options, pid, status);
                    }
                }
                Waited::NothingNew => break false,
                Waited::NoChildren => break true,
            }
        };
        // `docker exec` brings in processes whose parent is outside; the kernel ends them with us.
        if childless && (role == ReaperRole::Subreaper || signal == libc::SIGKILL || alone()) {
            return (reaped, true);
        }
        signal_all(role, signal, &mut told);
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() || quiet && all_refuse(role) {
            return (reaped, false);
        }
        quiet = true;
        let mut patience = left.min(LOOK_EVERY);
        while let Some(heard) = raw::next_signal(raw::EVERY, Some(std::mem::take(&mut patience))) {
            quiet = false;
            if signal == libc::SIGTERM && matches!(heard, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT) {
                return (reaped, false);
            }
        }
    }
}

/// Sends `signal` once to everyone it has not been sent to, and SIGCONT, without which a stopped process hears nothing.
fn signal_all(role: ReaperRole, signal: c_int, told: &mut BTreeSet<pid_t>) {
    match role {
        ReaperRole::Pid1 => {
            if told.insert(getpid().as_raw()) {
                let _ = everyone(signal);
                let _ = everyone(libc::SIGCONT);
            }
        }
        ReaperRole::Subreaper => {
            for child in children().into_iter().filter(|child| told.insert(*child)) {
                // An error means that it has ended, or is not ours to signal; both show when reaping.
                let _ = raw::kill(child, signal);
                let _ = raw::kill(child, libc::SIGCONT);
            }
        }
    }
}

/// Nobody else is in PID 1's namespace.
fn alone() -> bool {
    everyone(0).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

/// There is somebody, and nobody may be signalled by us; an answer about everybody at once (-1) would not say so.
fn all_refuse(role: ReaperRole) -> bool {
    let refuses = |pid| raw::kill(pid, 0).is_err_and(|error| error.raw_os_error() == Some(libc::EPERM));
    let mut left = match role {
        ReaperRole::Pid1 => pids(),
        ReaperRole::Subreaper => children(),
    }
    .into_iter()
    .peekable();
    left.peek().is_some() && left.all(refuses)
}

/// The only broadcast. Anywhere but in PID 1 of a namespace it would reach the whole host.
fn everyone(signal: c_int) -> io::Result<()> {
    if is_pid_1() { raw::kill(-1, signal) } else { Ok(()) }
}

/// Our children; none where the kernel was built without the list (`CONFIG_PROC_CHILDREN`).
fn children() -> Vec<pid_t> {
    if !numbered_as_we_are() {
        return Vec::new();
    }
    let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Every process but us.
fn pids() -> Vec<pid_t> {
    if !numbered_as_we_are() {
        return Vec::new();
    }
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != getpid().as_raw()).collect()
}

/// `/proc` may be that of another PID namespace, where the same numbers are other processes.
fn numbered_as_we_are() -> bool {
    std::fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == getpid().to_string().as_str())
}

#[expect(clippy::disallowed_methods, reason = "the sweep's two deadlines are init's only clock")]
fn now() -> Instant {
    Instant::now()
}
