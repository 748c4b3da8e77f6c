//! What the file system of a directory has left.

use crate::domain::failure::Space;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file system of `dir`, or of the nearest directory above it that exists; `None` if it cannot be asked.
pub fn space(dir: &Path) -> Option<Space> {
    let found = dir.ancestors().find_map(|dir| nix::sys::statvfs::statvfs(dir).ok())?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    let no_file_can_be_made = found.files() > 0 && found.files_available() == 0;
    let free = if no_file_can_be_made { 0 } else { bytes(found.blocks_available()) };
    Some(Space { free, size: bytes(found.blocks()) })
}

/// The least a file system had while a job ran: what filled it may be gone by the time anybody asks.
#[derive(Debug, Default)]
pub struct Lowest {
    dir: PathBuf,
    seen: Mutex<Option<Space>>,
}

impl Lowest {
    /// Of this directory's.
    pub fn of(dir: PathBuf) -> Lowest {
        Lowest { dir, seen: Mutex::default() }
    }

    /// A job begins: what was before does not count.
    pub fn begin(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What there is now.
    pub fn now(&self) -> Option<Space> {
        space(&self.dir)
    }

    /// Looks now; the least since the job began.
    pub fn look(&self) -> Option<Space> {
        let now = self.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.into_iter().chain(now).min_by_key(|space| space.free);
        *seen
    }
}

/// How large the file system of `dir` is, bytes; `None` if there is no such directory.
pub fn size(dir: &Path) -> Option<u64> {
    dir.is_dir().then(|| space(dir)).flatten().map(|space| space.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_since_the_job_began_counts() {
        let dir = tempfile::tempdir().unwrap();
        let lowest = Lowest::of(dir.path().into());
        *lowest.seen.lock().unwrap() = Some(Space { free: 1, size: 2 });
        assert_eq!(lowest.look(), Some(Space { free: 1, size: 2 }));
        lowest.begin();
        assert!(lowest.look().unwrap().free > 1);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_space_of_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let here = space(dir.path()).unwrap();
        assert!(here.size > 0 && here.free <= here.size, "{here:?}");
        assert_eq!(space(&dir.path().join("a/b/c")).unwrap().size, here.size);
        assert_eq!((size(dir.path()), size(&dir.path().join("a"))), (Some(here.size), None));
    }
}
