//! We sit in the root before the child runs, which starts where we were called: ours would only keep a mount busy.

use super::raw;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Command;
use std::sync::Arc;

/// The standard three, and the two a process is started with.
const NEEDED: u64 = 5;

/// The directory we were called in, while we sit in the root already.
pub(super) struct Home(Option<Arc<OwnedFd>>);

impl Home {
    /// Moves us to the root, and `command` to start its child where we were.
    ///
    /// Does nothing where there is no descriptor to spare, or where we could not come back: by [`Home::left`], then, the
    /// child is gone ahead.
    pub(super) fn leave(command: &mut Command) -> Home {
        let spare = getrlimit(Resource::RLIMIT_NOFILE).is_ok_and(|(soft, _)| soft > NEEDED);
        let home = spare
            .then(|| open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok());
        // Who was put into a directory that it may not search stays there, and cannot enter it.
        let Some(home) = home.flatten().filter(|home| fchdir(home).is_ok()).map(Arc::new) else {
            return Home(None);
        };
        if chdir("/").is_err() {
            return Home(None);
        }
        raw::start_in(command, Arc::clone(&home));
        Home(Some(home))
    }

    /// There is no child: the reason is looked for where it was called.
    pub(super) fn back(&self) {
        if let Some(home) = &self.0 {
            let _ = fchdir(home.as_fd());
        }
    }

    /// There is a child: we go after all, if we could not before. If `/` is refused, we stay.
    pub(super) fn left(self) {
        if self.0.is_none() {
            let _ = chdir("/");
        }
    }
}
