//! PID 1 or not: whose orphans come to us, and what a signal does before init listens.

use super::report::say;
use crate::spawn;
use nix::sys::prctl::set_child_subreaper;
use nix::unistd::getpid;

/// Whose orphans come to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Everybody's in the PID namespace.
    Pid1,
    /// Those of our descendants.
    Subreaper,
}

impl Role {
    /// Our own from now on; not being PID 1 this process asks for its descendants' orphans.
    pub(super) fn take() -> Role {
        if is_pid_1() {
            return Role::Pid1;
        }
        if let Err(error) = set_child_subreaper(true) {
            say(&format!("not PID 1 and not a subreaper ({error}): orphans will not be reaped"));
        }
        Role::Subreaper
    }
}

/// Holds every signal back if we are PID 1, which would otherwise lose what comes before it listens; before anything else.
pub(crate) fn hold_signals() {
    if is_pid_1() {
        spawn::set_mask(u64::MAX);
    }
}

/// For PID 1 in another role than init's: what was held back and all that comes has its usual effect.
pub(crate) fn release_signals() {
    if is_pid_1() {
        spawn::set_mask(0);
    }
}

/// Whether everybody's orphans come to us.
pub(crate) fn is_pid_1() -> bool {
    getpid().as_raw() == 1
}
