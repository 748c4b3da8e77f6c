//! A directory handle. A directory is opened once, as its operator names it; what is in it is reached from there, and
//! no link leads on the way.

use super::{DIRECTORY, Odd, beneath, or_here, regular, said, split, whole};
use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chownat, fstat, openat, openat2,
    statat, unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The one directory below that an operator may have linked elsewhere.
pub(super) const DIAG: &str = "_diag";

/// A directory, as it was when it was opened: whatever its path means later.
#[derive(Clone, Debug)]
pub struct Dir {
    path: Arc<Path>,
    here: Arc<OwnedFd>,
    /// Where `_diag` leads, if it is an operator's link.
    diag: Option<Arc<OwnedFd>>,
    odd: Odd,
}

impl Dir {
    /// Links on the way to it are the operator's.
    ///
    /// # Errors
    /// If there is no such directory, or we may not pass through.
    pub fn open(path: &Path) -> io::Result<Dir> {
        let here = Arc::new(openat(CWD, path, DIRECTORY | OFlags::PATH, Mode::empty())?);
        Ok(Dir { path: path.into(), here, diag: None, odd: Odd::default() })
    }

    /// What it finds odd is told.
    #[must_use]
    pub fn telling(mut self, odd: Odd) -> Dir {
        self.odd = odd;
        self
    }

    /// A link for `_diag` that is there before the first job is the operator's, unless it is that of `jobs`, who are somebody
    /// else than we: it is followed once, here.
    #[must_use]
    pub fn with_linked_diag(mut self, jobs: Option<u32>) -> Dir {
        let is_link = |found: &Stat| FileType::from_raw_mode(found.st_mode) == FileType::Symlink;
        let found = statat(&self.here, DIAG, AtFlags::SYMLINK_NOFOLLOW).ok().filter(is_link);
        self.diag = found.filter(|found| jobs != Some(found.st_uid)).and_then(|_| {
            openat(&self.here, DIAG, DIRECTORY | OFlags::PATH, Mode::empty()).ok().map(Arc::new)
        });
        self
    }

    /// Its path, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whom it tells.
    pub fn odd(&self) -> &Odd {
        &self.odd
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// If there is none, or something else in its place.
    pub fn file(&self, path: &str) -> io::Result<File> {
        self.told(path, |base, path| regular(base, path, OFlags::RDONLY))
    }

    /// The whole of a regular file that has at most so many bytes.
    ///
    /// # Errors
    /// As [`Dir::file`]; and if it is longer.
    pub fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        self.told(path, |base, path| whole(regular(base, path, OFlags::RDONLY)?, most))
    }

    /// What is there, whatever it is.
    ///
    /// # Errors
    /// If nothing is, or a link leads there.
    pub fn find(&self, path: &str) -> io::Result<Stat> {
        let (dir, name) = split(path);
        Ok(statat(self.inner(dir)?, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Removes a file, or whatever stands in its place but a directory; whether it was there.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, path: &str) -> io::Result<bool> {
        let (dir, name) = split(path);
        let dir = self.inner(dir)?;
        match unlinkat(&dir, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            removed => self.told(path, |_, _| removed.map(|()| true).map_err(said)),
        }
    }

    /// Gives a regular file or a link of root's in this directory to a user; whether it was one. What has another name as
    /// well, or is mounted there, may be meant for something else and stays as it is.
    ///
    /// # Errors
    /// If it is not there, or the system refuses.
    pub fn give(&self, name: &str, (user, group): (u32, u32)) -> io::Result<bool> {
        let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
        let file = openat2(&self.here, name, how, Mode::empty(), within).map_err(said)?;
        let found = fstat(&file)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        let is_roots = found.st_uid == 0 && found.st_nlink == 1;
        if !is_roots || !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            return Ok(false);
        }
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        chownat(&file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
        Ok(true)
    }

    /// The names in a directory below, or in this one (`""`).
    ///
    /// # Errors
    /// If it is none, or cannot be read.
    pub fn names(&self, dir: &str) -> io::Result<impl Iterator<Item = String>> {
        let entries = rustix::fs::Dir::new(self.readable(dir)?)?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned)))
    }

    /// A directory below, to pass through, or this one (`""`).
    ///
    /// # Errors
    /// If it is none; also if a link leads there.
    pub fn inner(&self, dir: &str) -> io::Result<OwnedFd> {
        self.told(dir, |base, dir| beneath(base, or_here(dir), DIRECTORY | OFlags::PATH))
    }

    /// A directory below, to be read.
    ///
    /// # Errors
    /// As [`Dir::inner`]; and if we may not read it.
    pub fn readable(&self, dir: &str) -> io::Result<OwnedFd> {
        self.told(dir, |base, dir| beneath(base, or_here(dir), DIRECTORY))
    }

    /// Watches a directory below.
    ///
    /// # Errors
    /// As [`Dir::inner`]; and if the system refuses the watch.
    pub fn watch(&self, inotify: &Inotify, dir: &str, what: AddWatchFlags) -> io::Result<WatchDescriptor> {
        watch(inotify, &self.inner(dir)?, &self.path.join(dir), what)
    }

    /// Does something from where the path begins; what is odd about it is told.
    fn told<T>(&self, path: &str, deed: impl FnOnce(BorrowedFd<'_>, &str) -> io::Result<T>) -> io::Result<T> {
        let rest = path.strip_prefix(DIAG).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let done = match (&self.diag, rest) {
            (Some(diag), Some(rest)) => deed(diag.as_fd(), rest.trim_start_matches('/')),
            (Some(_) | None, _) => deed(self.here.as_fd(), path),
        };
        done.inspect_err(|error| self.odd.tell(path, error))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.here.as_fd()
    }
}

/// Watches what is open, which its path may no longer mean; `path` serves where `/proc` is not there.
///
/// # Errors
/// If the system refuses the watch.
pub fn watch(
    inotify: &Inotify,
    what: &impl AsFd,
    path: &Path,
    events: AddWatchFlags,
) -> io::Result<WatchDescriptor> {
    let own = PathBuf::from(format!("/proc/self/fd/{}", what.as_fd().as_raw_fd()));
    let refused = match inotify.add_watch(&own, events) {
        Ok(watch) => return Ok(watch),
        Err(error) => error,
    };
    if refused != nix::Error::ENOENT {
        return Err(refused.into());
    }
    Ok(inotify.add_watch(path, events | AddWatchFlags::IN_DONT_FOLLOW)?)
}
