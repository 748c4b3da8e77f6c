//! File operations of the journal. Every change of the disk passes through here, one function per system call, so that
//! a test can fail each of them.

use crate::child_setup::Ids;
use crate::sys::door;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The job log and the files beside it.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) log_new: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) foreign: PathBuf,
    pub(super) snapshot: PathBuf,
    pub(super) snapshot_new: PathBuf,
    pub(super) snapshot_bad: PathBuf,
    pub(super) checkpoint: PathBuf,
    pub(super) checkpoint_new: PathBuf,
    pub(super) steps: PathBuf,
    pub(super) steps_new: PathBuf,
}

impl Paths {
    /// An operator's link is followed once, here: a rename over it would replace the link instead of the log. Somebody else's
    /// is not followed at all: it leads where its maker may not write.
    pub(super) fn new(path: &Path) -> Paths {
        let own = [0, nix::unistd::geteuid().as_raw()];
        let is_own = fs::symlink_metadata(path).is_ok_and(|found| own.contains(&found.uid()));
        let log = fs::canonicalize(path).ok().filter(|_| is_own).unwrap_or_else(|| path.to_owned());
        let dir = log.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let beside = |suffix: &str| {
            let mut name = OsString::from(&log);
            name.push(suffix);
            PathBuf::from(name)
        };
        Paths {
            dir,
            log_new: beside(".new"),
            lock: beside(".lock"),
            foreign: beside(".foreign"),
            snapshot: beside(".snapshot"),
            snapshot_new: beside(".snapshot.new"),
            snapshot_bad: beside(".snapshot.bad"),
            checkpoint: beside(".checkpoint"),
            checkpoint_new: beside(".checkpoint.new"),
            steps: beside(".steps"),
            steps_new: beside(".steps.new"),
            log,
        }
    }
}

pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() { Ok(()) } else { DirBuilder::new().recursive(true).mode(0o700).create(dir) }
}

/// Refuses a directory that the user of the jobs could write, where that is another one than ours: with our rights we would
/// write where a job's links lead, and read what it invents.
pub(super) fn guard(dir: &Path, jobs: Option<&Ids>) -> io::Result<()> {
    let Some(Ids { uid: jobs, gid, groups }) =
        jobs.filter(|jobs| jobs.uid != nix::unistd::geteuid().as_raw())
    else {
        return Ok(());
    };
    // A link in its place is whose it is, and so is what it leads to.
    let (link, found) = (fs::symlink_metadata(dir)?, fs::metadata(dir)?);
    let of_their_group = found.gid() == *gid || groups.contains(&found.gid());
    let open = if of_their_group { 0o022 } else { 0o002 };
    if link.uid() != *jobs && found.uid() != *jobs && found.mode() & open == 0 {
        return Ok(());
    }
    let (own, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let dir = dir.display();
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "jobs of uid {jobs} can write {dir}, and we would follow their links with our rights: give it a directory of \
             its own, or chown -R {own}:{group} {dir} && chmod 755 {dir}"
        ),
    ))
}

/// Opens for reading and appending; a new file is readable by us only.
pub(super) fn open_append(path: &Path) -> io::Result<File> {
    step()?;
    door::append(path)
}

/// An empty file for appending, with owner and mode of the one it is to replace.
pub(super) fn create_like(path: &Path, like: &Path) -> io::Result<File> {
    remove(path)?;
    step()?;
    let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
    if let Ok(like) = fs::symlink_metadata(like) {
        adopt(&file, &like)?;
    }
    Ok(file)
}

fn adopt(file: &File, like: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        // Only root may give a file away; for others it stays theirs, which is how they came to write it.
        let _ = fchown(file, Some(like.uid()), Some(like.gid()));
    }
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))
}

/// One `write(2)`. A short one is an error: the rest would be a second write, and a crash between them a torn row.
pub(super) fn write_once(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Err(fault) = step() {
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(fault);
    }
    loop {
        match file.write(bytes) {
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::WriteZero, "the row was written in part")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes and length are on disk.
pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

/// Names are on disk, where the file system can say so: some shared folders cannot sync a directory.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    step()?;
    match File::open(dir)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

pub(super) fn truncate(file: &File, len: u64) -> io::Result<()> {
    step()?;
    file.set_len(len)
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

/// Removes a file; one that is not there is removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    step()?;
    crate::sys::remove::remove(path).map(drop)
}

/// Removes what a crash left behind. Not being able to is no harm: both are made anew when needed.
pub(super) fn sweep(paths: &Paths) {
    let _ = remove(&paths.log_new);
    let _ = remove(&paths.snapshot_new);
    let _ = remove(&paths.checkpoint_new);
    let _ = remove(&paths.steps_new);
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails when told to")]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use fault::{Plan, plan, step};

/// Faults on demand: the n-th change of the disk fails, and after a crash all later ones do.
#[cfg(test)]
mod fault {
    use std::cell::Cell;
    use std::io;

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(in super::super) enum Plan {
        Never,
        /// The n-th change from now fails, once.
        Once(u32),
        /// From the n-th change on nothing reaches the disk.
        Crash(u32),
    }

    thread_local! {
        static PLAN: Cell<Plan> = const { Cell::new(Plan::Never) };
    }

    /// Sets the plan; returns what was left of the one before.
    pub(in super::super) fn plan(plan: Plan) -> Plan {
        PLAN.replace(plan)
    }

    pub(in super::super) fn step() -> io::Result<()> {
        let (next, fails) = match PLAN.get() {
            Plan::Never => (Plan::Never, false),
            Plan::Once(0) => (Plan::Never, true),
            Plan::Once(n) => (Plan::Once(n - 1), false),
            Plan::Crash(0) => (Plan::Crash(0), true),
            Plan::Crash(n) => (Plan::Crash(n - 1), false),
        };
        PLAN.set(next);
        if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}
