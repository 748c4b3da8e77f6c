//! Safe opening of files that others can write. Files that the runner's user can write are opened here: no link is
//! followed, nothing waits, a regular file only, of bounded size.

mod dir;

pub use dir::{Dir, watch};

use crate::domain::odd_file::{OddFile, Oddity};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Without waiting for whoever would have to come to the other end.
const CAREFULLY: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// Whom the odd files are told to. One that is not heard in time is not told.
#[derive(Clone, Debug, Default)]
pub struct Odd(Option<mpsc::Sender<OddFile>>);

impl Odd {
    /// To whoever has the other end.
    pub fn to(heard: mpsc::Sender<OddFile>) -> Odd {
        Odd(Some(heard))
    }

    /// Tells it, if that is what went wrong.
    fn tell(&self, path: &str, error: &io::Error) {
        let oddity = error.get_ref().and_then(|inner| inner.downcast_ref::<Oddity>());
        if let (Some(heard), Some(oddity)) = (&self.0, oddity) {
            let _ = heard.try_send(OddFile { path: path.to_owned(), oddity: *oddity });
        }
    }
}

/// A path as it is meant at the start: an operator's links in it are followed now, and none later.
pub fn settled(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|dir| Some((dir, std::fs::canonicalize(dir).ok()?)));
    match found {
        Some((dir, known)) => path.strip_prefix(dir).map_or(known.clone(), |rest| known.join(rest)),
        None => path.to_owned(),
    }
}

/// The directory of a [`settled`] path, if no link has come in its way.
///
/// # Errors
/// If it is none, or one has.
pub fn directory(path: &Path) -> io::Result<OwnedFd> {
    match openat2(CWD, path, DIRECTORY | OFlags::PATH, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::NOSYS | Errno::PERM) => {
            openat(CWD, path, DIRECTORY | OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).map_err(said)
        }
        opened => opened.map_err(said),
    }
}

/// Opens a regular file for reading. A pipe, a socket or a device in its place is an error at once, and so is a link, wherever
/// it leads; the directory is taken as it is named.
///
/// # Errors
/// If there is none, or something else in its place.
pub fn open(path: &Path) -> io::Result<File> {
    is_regular(openat(CWD, path, OFlags::RDONLY | CAREFULLY, Mode::empty()))
}

/// Opens a regular file for reading and appending; one that is not there is made, for us only.
///
/// # Errors
/// As [`open`]; or if it cannot be made.
pub fn append(path: &Path) -> io::Result<File> {
    let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | CAREFULLY;
    is_regular(openat(CWD, path, how, Mode::RUSR | Mode::WUSR))
}

/// The name of this file is on disk, where the file system can say so: some shared folders cannot sync a directory.
///
/// # Errors
/// What the disk says.
pub fn sync_dir_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(dir)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// The whole of a small file of ours alone, one that nobody else could have written: what it is instead is told.
///
/// # Errors
/// If there is none, or it is somebody else's.
pub fn read_own(path: &Path, most: u64, odd: &Odd) -> io::Result<Vec<u8>> {
    let is_own = |file: File| {
        let found = file.metadata()?;
        let is_own = found.uid() == nix::unistd::geteuid().as_raw() && found.nlink() == 1;
        if is_own { Ok(file) } else { Err(Oddity::Foreign.into()) }
    };
    let text = open(path).and_then(is_own).and_then(|file| whole(file, most));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    text.inspect_err(|error| odd.tell(&name, error))
}

fn whole(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(most + 1).read_to_end(&mut text)?;
    if text.len() as u64 > most { Err(Oddity::Long(most).into()) } else { Ok(text) }
}

fn regular(base: BorrowedFd<'_>, path: &str, how: OFlags) -> io::Result<File> {
    let (dir, name) = split(path);
    match resolve(base, path, how | CAREFULLY) {
        // Linux before 5.6, or a seccomp profile of that time: step by step.
        Err(Errno::NOSYS | Errno::PERM) => {
            let dir = steps(base, dir, OFlags::PATH)?;
            is_regular(openat(dir, name, how | CAREFULLY, Mode::empty()))
        }
        opened => is_regular(opened),
    }
}

fn is_regular(opened: Result<OwnedFd, Errno>) -> io::Result<File> {
    let file = File::from(opened.map_err(said)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(Oddity::Kind.into()) }
}

fn beneath(base: BorrowedFd<'_>, dir: &str, how: OFlags) -> io::Result<OwnedFd> {
    match resolve(base, dir, how) {
        Err(Errno::NOSYS | Errno::PERM) => steps(base, dir, how),
        opened => opened.map_err(said),
    }
}

fn resolve(base: BorrowedFd<'_>, path: &str, how: OFlags) -> Result<OwnedFd, Errno> {
    openat2(base, path, how, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// One directory below the other.
fn steps(base: BorrowedFd<'_>, dir: &str, how: OFlags) -> io::Result<OwnedFd> {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    let mut here = openat(base, ".", DIRECTORY | how, Mode::empty())?;
    for step in dir.split('/').filter(|step| !step.is_empty() && *step != ".") {
        here = openat(&here, step, flags | how, Mode::empty()).map_err(said)?;
    }
    Ok(here)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn or_here(dir: &str) -> &str {
    if dir.is_empty() { "." } else { dir }
}

/// In words what the kernel says by numbers that would tell an operator nothing.
fn said(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => Oddity::Link.into(),
        Errno::NXIO | Errno::NODEV | Errno::ISDIR => Oddity::Kind.into(),
        Errno::NOTDIR => Oddity::Way.into(),
        error => error.into(),
    }
}

impl From<Oddity> for io::Error {
    fn from(oddity: Oddity) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, oddity)
    }
}

#[cfg(test)]
mod tests;
