//! Wait and kill by number, and nothing else: the two calls nix has only for the signals it has names for.
//!
//! `nix::sys::wait::waitpid` takes a child that died of a real-time signal and then answers EINVAL: the status is
//! lost, and with it our exit code. `nix::sys::signal::kill` cannot name those signals at all.

use nix::libc::{self, c_int, pid_t};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// What a look for changed children found.
pub(super) enum Waited {
    /// This child ended (its exit is now taken, its pid free) or was stopped.
    Child(pid_t, ExitStatus),
    /// There are children, and none has changed.
    NothingNew,
    /// There are no children.
    NoChildren,
}

/// Takes the status of one child that ended or was stopped, without waiting.
pub(super) fn wait_any() -> Waited {
    let mut status: c_int = 0;
    // SAFETY: the kernel writes one int to `status`, which outlives the call.
    #[expect(unsafe_code, reason = "nix loses the status of a child killed by a real-time signal")]
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    match pid {
        1.. => Waited::Child(pid, ExitStatus::from_raw(status)),
        0 => Waited::NothingNew,
        // ECHILD: with WNOHANG and these arguments no other error is possible.
        _ => Waited::NoChildren,
    }
}

/// `kill(2)`: `target` is a pid, or a process group's id negated.
///
/// # Errors
/// As the kernel answers: EPERM, ESRCH.
pub(super) fn kill(target: pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: two integers.
    #[expect(unsafe_code, reason = "nix cannot send a real-time signal")]
    let sent = unsafe { libc::kill(target, signal) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
