//! A directory the runner cannot write is found before it starts, and named with its owner and the command that mends it.

use super::runner_user::RunnerUser;
use crate::domain::text::spelt;
use nix::errno::Errno;
use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access, getegid, geteuid};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A group that may do everything.
const GROUP: u32 = 0o070;

/// A directory the runner's user cannot write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// The directory that was asked for.
    dir: PathBuf,
    /// It, or the nearest above it that exists.
    existing: PathBuf,
    /// Its owner and group; `None` if they cannot be seen.
    owner: Option<(u32, u32)>,
    /// Its permission bits.
    mode: u32,
    /// The runner's user and group.
    runner: (u32, u32),
    error: Errno,
}

impl std::error::Error for Unwritable {}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unwritable { dir, existing, owner, mode, runner: (uid, gid), error } = self;
        write!(f, "uid {uid} cannot write {}", shown(existing))?;
        match (error, owner) {
            (Errno::EROFS, _) => write!(f, ": the file system is read-only, mount a volume there"),
            (Errno::ENOTDIR, _) => write!(f, ": it is a file, not a directory: name another, or remove it"),
            (Errno::EOPNOTSUPP, _) => {
                write!(f, ": it is the kernel's own and takes no files, name a directory")
            }
            (Errno::EACCES | Errno::EPERM, Some((owner, group))) => {
                let fix = if dir == existing { "chown -R" } else { "mkdir -p it, then chown" };
                write!(
                    f,
                    ", which belongs to {owner}:{group} (mode {mode:o}): {fix} {uid}:{gid} {}",
                    shown(dir)
                )?;
                // As images are made whose user is any number, and whose group is root's.
                if mode & GROUP == GROUP && group != gid {
                    write!(f, ", or run it as {uid}:{group}")?;
                }
                Ok(())
            }
            (error, _) => write!(f, ": {}", error.desc()),
        }
    }
}

/// Fit for a line, and for a shell where it is an ordinary path.
fn shown(path: &Path) -> String {
    spelt(&path.to_string_lossy(), |_, out| out.push('?'))
}

/// Checks that the runner can write `dir`, or make it where it is not there yet; or a file that is there. `who` is `None` if
/// it runs as we do.
///
/// The system is asked with the runner's own rights, so read-only mounts and access lists are seen as it will see them.
///
/// # Errors
/// [`Unwritable`] inside, if it cannot; outside if the question cannot be asked.
pub fn check(dir: &Path, who: Option<&RunnerUser>) -> io::Result<Result<(), Unwritable>> {
    let existing = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    let refused = if existing != dir && existing.metadata().is_ok_and(|found| !found.is_dir()) {
        Some(Errno::ENOTDIR)
    } else {
        statfs(existing)
            .is_ok_and(|found| [PROC_SUPER_MAGIC, SYSFS_MAGIC].contains(&found.filesystem_type()))
            .then_some(Errno::EOPNOTSUPP)
    };
    let search = if existing == dir && dir.is_file() { AccessFlags::empty() } else { AccessFlags::X_OK };
    let ask = || access(existing, AccessFlags::W_OK | search);
    let answer = match (refused, who) {
        (Some(error), _) => Err(error),
        (None, Some(identity)) => identity.run_as(ask)?,
        (None, None) => ask(),
    };
    Ok(answer.map_err(|error| {
        // Of a read-only mount of somebody else's the system says the latter, and changing that would not help.
        let error = if refused.is_none() && is_read_only(existing) { Errno::EROFS } else { error };
        let found = existing.metadata().ok();
        Unwritable {
            dir: dir.to_owned(),
            existing: existing.to_owned(),
            owner: found.as_ref().map(|found| (found.uid(), found.gid())),
            mode: found.map_or(0, |found| found.mode() & 0o7777),
            runner: who
                .map_or_else(|| (geteuid().as_raw(), getegid().as_raw()), |who| (who.ids.uid, who.ids.gid)),
            error,
        }
    }))
}

fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwritable(dir: &str, error: Errno) -> String {
        of_mode(0o755, dir, error)
    }

    fn of_mode(mode: u32, dir: &str, error: Errno) -> String {
        let (owner, runner) = (Some((0, 0)), (1001, 1001));
        let existing = "/home/runner/_work".into();
        Unwritable { dir: dir.into(), existing, owner, mode, runner, error }.to_string()
    }

    #[test]
    fn a_group_that_may_write_is_named() {
        assert_eq!(
            of_mode(0o770, "/home/runner/_work", Errno::EACCES),
            "uid 1001 cannot write /home/runner/_work, which belongs to 0:0 (mode 770): \
             chown -R 1001:1001 /home/runner/_work, or run it as 1001:0"
        );
    }

    #[test]
    fn the_error_names_the_directory_its_owner_the_user_and_the_fix() {
        assert_eq!(
            unwritable("/home/runner/_work", Errno::EACCES),
            "uid 1001 cannot write /home/runner/_work, which belongs to 0:0 (mode 755): \
             chown -R 1001:1001 /home/runner/_work"
        );
        assert_eq!(
            unwritable("/home/runner/_work/a/b", Errno::EACCES),
            "uid 1001 cannot write /home/runner/_work, which belongs to 0:0 (mode 755): \
             mkdir -p it, then chown 1001:1001 /home/runner/_work/a/b"
        );
        assert_eq!(
            unwritable("/home/runner/_work", Errno::EROFS),
            "uid 1001 cannot write /home/runner/_work: the file system is read-only, mount a volume there"
        );
        assert_eq!(
            unwritable("/home/runner/_work", Errno::ENOTDIR),
            "uid 1001 cannot write /home/runner/_work: it is a file, not a directory: name another, or remove it"
        );
    }

    #[test]
    fn our_own_directory_can_be_written_and_what_is_below_it_made() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check(dir.path(), None).unwrap(), Ok(()));
        assert_eq!(check(&dir.path().join("a/b"), None).unwrap(), Ok(()));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(check(&file, None).unwrap(), Ok(()), "a file need not be executable");
        let said = |path: &Path| check(path, None).unwrap().unwrap_err().to_string();
        // Root may do anything but that.
        assert!(
            said(&file.join("below")).contains(": it is a file, not a directory"),
            "{}",
            said(&file.join("below"))
        );
        assert!(
            said(Path::new("/proc/nope")).contains("/proc: it is the kernel's own"),
            "{}",
            said(Path::new("/proc/nope"))
        );
    }
}
