//! The foreground of the terminal on descriptor 0: whose it is, given to the child and taken back.

use nix::errno::Errno;
use nix::libc::pid_t;
use nix::sys::signal::killpg;
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};
use std::io;

/// The foreground group of the terminal on descriptor 0; `None` unless that is our controlling terminal.
pub(super) fn foreground() -> Option<Pid> {
    tcgetpgrp(io::stdin()).ok()
}

/// Descriptor 0 is our controlling terminal.
pub(super) fn is_ours() -> bool {
    foreground().is_some()
}

/// Gives the child's group the foreground, if it is ours.
pub(super) fn hand_over(child: pid_t) {
    if foreground() == Some(getpgrp()) {
        let _ = tcsetpgrp(io::stdin(), Pid::from_raw(child));
    }
}

/// Takes the terminal back once the group we gave it to is empty, so that whoever started us can read from it.
pub(super) fn retake() {
    if foreground().is_some_and(|group| killpg(group, None) == Err(Errno::ESRCH)) {
        let _ = tcsetpgrp(io::stdin(), getpgrp());
    }
}
