//! PID 1 or not: whose orphans come to us, and what a signal does before init listens.

use super::report::say;
use crate::child_setup;
use nix::sys::prctl::set_child_subreaper;
use nix::unistd::getpid;

/// Whose orphans come to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReaperRole {
    /// Everybody's in the PID namespace.
    Pid1,
    /// Those of our descendants.
    Subreaper,
}

impl ReaperRole {
    /// Our own from now on; not being PID 1 this process asks for its descendants' orphans.
    pub(super) fn take() -> ReaperRole {
        if is_pid_1() {
            return ReaperRole::Pid1;
        }
        if let Err(error) = set_child_subreaper(true) {
            say(&format!("not PID 1 and not a subreaper ({error}): orphans will not be reaped"));
        }
        ReaperRole::Subreaper
    }
}

/// Holds every signal back if we are PID 1, which would otherwise lose what comes before it listens; before anything else.
pub(crate) fn hold_signals() {
    if is_pid_1() {
        child_setup::set_mask(u64::MAX);
    }
}

/// For PID 1 in another role than init's: what was held back and all that comes has its usual effect.
pub(crate) fn release_signals() {
    if is_pid_1() {
        child_setup::set_mask(0);
    }
}

/// Whether everybody's orphans come to us.
pub(crate) fn is_pid_1() -> bool {
    getpid().as_raw() == 1
}
