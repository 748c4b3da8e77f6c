//! A simulated runner does not outlive its owner: a lock is held while the owner lives, and whoever waits for it in vain lives on.
//!
//! The kernel frees the lock however the owner ends. A parent's death tells less: the Worker outlives its listener, and should.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

fn lock_of(root: &Path) -> PathBuf {
    root.join("sim-owner.lock")
}

/// Who keeps this owns the simulated runner in `root`, made if need be; its processes end when this does.
///
/// # Errors
/// If the lock cannot be made, or another one holds it.
pub fn own(root: &Path) -> io::Result<Flock<File>> {
    fs::create_dir_all(root)?;
    // It gets its name when it is held: without that, it would look like that of an owner who is gone.
    let unnamed = root.join("sim-owner.new");
    let held = try_lock(File::create(&unnamed)?)?;
    fs::rename(unnamed, lock_of(root))?;
    Ok(held)
}

/// The lock of an owner that is gone; `None` if it lives, or there has been none.
pub fn orphaned(root: &Path) -> Option<Flock<File>> {
    File::open(lock_of(root)).and_then(try_lock).ok()
}

fn try_lock(file: File) -> io::Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

/// Ends this process when the owner of `root` is gone; nothing if nobody owns it.
pub(super) fn tie(root: &Path) {
    let Ok(mut lock) = File::open(lock_of(root)) else { return };
    std::thread::spawn(move || {
        while let Err((again, Errno::EINTR)) = Flock::lock(lock, FlockArg::LockShared).map(drop) {
            lock = again;
        }
        // Nobody is left to tell, nor to leave for in order.
        _ = kill(Pid::this(), Signal::SIGKILL);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_is_orphaned_when_its_owner_is_gone_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        assert!(orphaned(root.path()).is_none(), "nobody has owned it");
        let owner = own(root.path()).unwrap();
        assert!(orphaned(root.path()).is_none());
        drop(owner);
        let found = orphaned(root.path()).expect("nobody owns it");
        assert!(orphaned(root.path()).is_none(), "one finds it");
        drop(found);
    }
}
