//! Where a demo writes: one temporary directory, gone after it; a demo that was killed is cleaned up after by the next one.

use nix::fcntl::Flock;
use nix::unistd::geteuid;
use runner_sim::tether;
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PREFIX: &str = "runner-init-demo-";

/// The directory of a demo that lives.
pub(super) struct Place {
    dir: TempDir,
    /// While it is held the simulated processes live, and no other demo takes the directory for a dead one's.
    _owner: Flock<File>,
}

impl Place {
    /// Makes one.
    pub(super) fn make() -> io::Result<Place> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let owner = tether::own(&runner(dir.path()))?;
        Ok(Place { dir, _owner: owner })
    }

    /// All of it.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The simulated runner's root.
    pub(super) fn runner(&self) -> PathBuf {
        runner(self.path())
    }
}

fn runner(dir: &Path) -> PathBuf {
    dir.join("runner")
}

/// Removes what demos of this user have left that came to no end of their own.
pub(super) fn clear() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries.filter(is_ours) {
        if let Some(orphaned) = tether::orphaned(&runner(&entry.path())) {
            // What cannot be removed is for the next one to try.
            _ = fs::remove_dir_all(entry.path());
            drop(orphaned);
        }
    }
}

/// By name and owner; a link is nobody's demo.
fn is_ours(entry: &DirEntry) -> bool {
    let owned = || entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
    entry.file_name().to_string_lossy().starts_with(PREFIX) && owned()
}
