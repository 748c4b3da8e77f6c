//! Waits for the self-updater's marker: told by inotify, never by looking again and again.

use super::door::Dir;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

const MARKER: &str = "update.finished";

/// Blocks until `update.finished` is in the runner's directory, and deletes it; `false` if nothing stirs for `at_most`.
///
/// # Errors
/// If the directory cannot be watched or the marker not deleted.
pub fn wait(runner: &Dir, at_most: Duration) -> io::Result<bool> {
    // The watch comes before the look, so that a marker set in between is not missed.
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    runner.watch(&inotify, "", flags)?;
    let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
    loop {
        if runner.remove(MARKER)? {
            return Ok(true);
        }
        match poll(&mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => drop(inotify.read_events()),
            Err(nix::Error::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
