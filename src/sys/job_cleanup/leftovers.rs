//! Removal of a job's files. What a killed worker left is removed while no worker lives: nothing through a link or a
//! mount, nothing younger than the look.

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Directories deeper than this stay, with what they are in.
const DEEPEST: usize = 100;

/// A moment in the file systems' own time, which lags behind the wall clock by up to a tick.
pub(super) type FileTime = (i64, u64);

/// Now: whatever is made or changed from here on is not older.
pub(super) fn moment() -> FileTime {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    (now.tv_sec, now.tv_nsec.cast_unsigned())
}

/// Empties the directory `steps` below `base`: of files that are older than `before`, and of directories that thereby
/// become empty. Counts the files. Stops for good once `may` is false.
pub(super) fn empty(
    base: BorrowedFd<'_>,
    steps: &[&str],
    before: FileTime,
    may: &mut dyn FnMut() -> bool,
) -> u64 {
    let dir = base.try_clone_to_owned().map_err(|_| Errno::MFILE);
    let dir = steps.iter().fold(dir, |dir, step| dir.and_then(|dir| inner(dir.as_fd(), *step)));
    dir.map_or(0, |dir| Cleaner { before, may, removed: 0, stopped: false }.sweep(&dir, DEEPEST))
}

/// Opens a directory in `dir` that is neither a link nor another file system mounted there.
fn inner(dir: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match openat2(dir, name, flags, Mode::empty(), resolve) {
        // Linux before 5.6, or a seccomp profile of that time.
        Err(Errno::NOSYS | Errno::PERM) => openat(dir, name, flags, Mode::empty()),
        other => other,
    }
}

struct Cleaner<'a> {
    before: FileTime,
    may: &'a mut dyn FnMut() -> bool,
    removed: u64,
    stopped: bool,
}

impl Cleaner<'_> {
    fn sweep(mut self, dir: &OwnedFd, depth: usize) -> u64 {
        self.contents(dir, depth);
        self.removed
    }

    fn contents(&mut self, dir: &OwnedFd, depth: usize) {
        let Ok(mut entries) = Dir::read_from(dir) else { return };
        while let Some(Ok(entry)) = entries.read() {
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                self.entry(dir, name, depth);
            }
            if self.stopped {
                return;
            }
        }
    }

    fn entry(&mut self, dir: &OwnedFd, name: &CStr, depth: usize) {
        let Ok(found) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let is_dir = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        if is_dir
            && depth > 0
            && let Ok(inner) = inner(dir.as_fd(), name)
        {
            self.contents(&inner, depth - 1);
        }
        if self.stopped || changed(&found) >= self.before {
            return;
        }
        self.stopped = !(self.may)();
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        // A directory in which something stays is not empty; what the runner's user may not remove stays as well.
        if !self.stopped && unlinkat(dir, name, flags).is_ok() && !is_dir {
            self.removed += 1;
        }
    }
}

/// When its inode last changed, which nobody can set.
fn changed(found: &Stat) -> FileTime {
    (found.st_ctime, found.st_ctime_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// In every moment to come this is older than a file made now.
    const LATER: FileTime = (i64::MAX, 0);

    fn tree() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("_temp/a/b")).unwrap();
        for file in ["_temp/x", "_temp/a/y", "_temp/a/b/z", "kept"] {
            fs::write(root.path().join(file), "text").unwrap();
        }
        root
    }

    fn opened(root: &TempDir) -> fs::File {
        fs::File::open(root.path()).unwrap()
    }

    fn left(root: &TempDir) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(root.path().join("_temp"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn everything_in_it_goes_and_nothing_else() {
        let root = tree();
        assert_eq!(empty(opened(&root).as_fd(), &["_temp"], LATER, &mut || true), 3);
        assert_eq!(left(&root), [""; 0]);
        assert!(root.path().join("kept").exists());
        assert_eq!(
            empty(opened(&root).as_fd(), &["_diag", "pages"], LATER, &mut || true),
            0,
            "nothing there"
        );
    }

    #[test]
    fn a_link_goes_and_what_it_leads_to_stays() {
        let root = tree();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "text").unwrap();
        symlink(outside.path(), root.path().join("_temp/a/link")).unwrap();
        assert_eq!(
            empty(opened(&root).as_fd(), &["_temp"], LATER, &mut || true),
            4,
            "three files and the link"
        );
        assert!(outside.path().join("precious").exists());
        symlink(outside.path(), root.path().join("_diag")).unwrap();
        fs::create_dir(outside.path().join("pages")).unwrap();
        fs::write(outside.path().join("pages/1"), "text").unwrap();
        assert_eq!(
            empty(opened(&root).as_fd(), &["_diag", "pages"], LATER, &mut || true),
            0,
            "a link on the way"
        );
        assert!(outside.path().join("pages/1").exists());
    }

    #[test]
    fn what_is_younger_than_the_look_stays_and_so_does_its_directory() {
        let root = tree();
        assert_eq!(empty(opened(&root).as_fd(), &["_temp"], (0, 0), &mut || true), 0);
        assert_eq!(left(&root), ["a", "x"]);
        // By the file system's own clock, which stands still for up to a tick: the wall clock may be set meanwhile.
        let at = |file: &str| changed(&rustix::fs::stat(root.path().join(file)).unwrap());
        let older = ["_temp/x", "_temp/a/y", "_temp/a/b/z"].map(at).into_iter().max().unwrap();
        let look = loop {
            fs::write(root.path().join("_temp/a/b/new"), "text").unwrap();
            let look = at("_temp/a/b/new");
            if look > older {
                break look;
            }
        };
        assert_eq!(empty(opened(&root).as_fd(), &["_temp"], look, &mut || true), 3);
        assert!(root.path().join("_temp/a/b/new").exists());
    }

    #[test]
    fn a_word_stops_it() {
        let root = tree();
        let mut words = [true, true, false].into_iter();
        let removed = empty(opened(&root).as_fd(), &["_temp"], LATER, &mut || words.next().unwrap());
        assert!(removed <= 2 && !left(&root).is_empty(), "asked no more after the first no: {removed}");
    }
}
