//! The programs that a token is handed to, as the kernel tells them apart: nobody can choose the time of a change.

use procfs::process::Process;
use ring::digest::{Context, SHA256};
use std::fmt::Write as _;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What `config.sh` runs and reads of the runner's directory, besides what it writes itself.
const PARTS: [&str; 3] = ["config.sh", "env.sh", "bin"];
/// Far more than a runner has there.
const MOST: usize = 20_000;
/// Who may write, other than the owner.
const OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// What was seen of them at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Programs {
    /// The same only as long as nobody has written, replaced, or renamed any of them.
    pub(crate) print: String,
    /// That user cannot have changed any of them.
    pub(crate) out_of_reach: bool,
}

/// Looks at the programs in the runner's directory, with that user's reach in mind.
///
/// # Errors
/// If one of them cannot be looked at, or there are too many.
pub(crate) fn look(dir: &Path, user: u32) -> io::Result<Programs> {
    let dir = std::fs::canonicalize(dir)?;
    let root = dir.symlink_metadata()?;
    let mut seen =
        Seen { digest: Context::new(&SHA256), count: 0, user, out_of_reach: is_closed(&root, user) };
    let above = dir.ancestors().skip(1).map(Path::symlink_metadata);
    for above in above {
        seen.out_of_reach &= is_closed(&above?, user);
    }
    for part in PARTS {
        seen.take(&dir.join(part))?;
    }
    let digest = seen.digest.finish();
    let print = digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(Programs { print, out_of_reach: seen.out_of_reach })
}

struct Seen {
    digest: Context,
    count: usize,
    user: u32,
    out_of_reach: bool,
}

impl Seen {
    fn take(&mut self, path: &Path) -> io::Result<()> {
        self.count += 1;
        if self.count > MOST {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let numbers = [found.ino(), found.size(), u64::from(found.mode()), u64::from(found.uid())];
        let times = [found.ctime(), found.ctime_nsec()].map(i64::cast_unsigned);
        self.digest.update(path.as_os_str().as_bytes());
        for number in [0].into_iter().chain(numbers).chain(times) {
            self.digest.update(&number.to_le_bytes());
        }
        if found.is_symlink() {
            // Its own mode says nothing, and what it leads to is looked at as well.
            self.out_of_reach &= found.uid() != self.user;
            return match std::fs::canonicalize(path) {
                Ok(target) => self.take(&target),
                Err(_) => Ok(()),
            };
        }
        self.out_of_reach &= is_closed(&found, self.user);
        if found.is_dir() {
            let mut inside: Vec<PathBuf> =
                std::fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<io::Result<_>>()?;
            inside.sort();
            inside.iter().try_for_each(|path| self.take(path))?;
        }
        Ok(())
    }
}

/// Whether this user can change neither what it is nor what is called by the names in it. In a sticky directory everybody
/// may make files, and nobody take those of others away.
fn is_closed(found: &Metadata, user: u32) -> bool {
    let others_write = found.mode() & OTHERS != 0;
    let is_sticky = found.is_dir() && found.mode() & STICKY != 0;
    found.uid() != user && (!others_write || is_sticky)
}

/// The layer or volume in which this directory lies, which is the same as long as the container is: no job can choose it.
pub(crate) fn place(dir: &Path) -> Option<String> {
    let dir = std::fs::canonicalize(dir).ok()?;
    let mounts = Process::myself().and_then(|us| us.mountinfo()).ok()?;
    let holds = mounts.0.into_iter().filter(|mount| dir.starts_with(&mount.mount_point));
    // Of two at one place the later one is on top.
    let mount = holds.max_by_key(|mount| mount.mount_point.as_os_str().len())?;
    let upper = mount.super_options.get("upperdir").cloned().flatten().unwrap_or_default();
    let source = mount.mount_source.unwrap_or_default();
    Some(format!("{} {} {source} {upper} {}", mount.fs_type, mount.root, dir.display()))
}

/// Whether a worker has left its log there, by the runner's own hand.
pub(crate) fn have_worked(dir: &Path) -> bool {
    let logs = std::fs::read_dir(dir.join("_diag")).into_iter().flatten().flatten();
    logs.into_iter().any(|log| log.file_name().as_bytes().starts_with(b"Worker_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const JOBS: u32 = 4321;

    fn runner() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("bin.2.336.0/deep")).unwrap();
        symlink("bin.2.336.0", at("bin")).unwrap();
        for file in ["config.sh", "env.sh", "bin/Runner.Listener", "bin/deep/lib.so"] {
            std::fs::write(at(file), "text").unwrap();
        }
        dir
    }

    fn print(dir: &Path) -> String {
        look(dir, JOBS).unwrap().print
    }

    #[test]
    fn whatever_is_done_to_them_shows() {
        let dir = runner();
        let at = |name: &str| dir.path().join(name);
        let mut before = print(dir.path());
        assert_eq!(print(dir.path()), before);
        std::fs::create_dir(at("_diag")).unwrap();
        std::fs::write(at(".runner"), "{}").unwrap();
        assert_eq!(print(dir.path()), before, "what the runner writes is none of them");
        let changes: [&dyn Fn(); 6] = [
            &|| std::fs::write(at("config.sh"), "tex2").unwrap(),
            &|| std::fs::write(at("bin/deep/lib.so"), "tex2").unwrap(),
            &|| {
                std::fs::copy(at("env.sh"), at("new"))
                    .and_then(|_| std::fs::rename(at("new"), at("env.sh")))
                    .unwrap();
            },
            &|| std::fs::write(at("bin/another"), "").unwrap(),
            &|| std::fs::set_permissions(at("config.sh"), PermissionsExt::from_mode(0o700)).unwrap(),
            &|| {
                std::fs::create_dir(at("mine")).unwrap();
                std::fs::remove_file(at("bin")).and_then(|()| symlink("mine", at("bin"))).unwrap();
            },
        ];
        for (at, change) in changes.iter().enumerate() {
            // The kernel's clock for files moves in ticks.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change();
            let after = print(dir.path());
            assert_ne!(after, before, "change {at}");
            before = after;
        }
    }

    #[test]
    fn out_of_reach_is_what_root_owns_all_the_way_in_a_sticky_directory() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = runner();
        let reach = || !look(dir.path(), JOBS).unwrap().out_of_reach;
        let root = |mode: u32| std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).unwrap();
        assert!(!reach(), "all of it root's and closed");
        root(0o777);
        assert!(reach());
        root(0o1777);
        assert!(!reach());
        chown(dir.path().join("bin/deep/lib.so"), Some(JOBS), None).unwrap();
        assert!(reach());
        chown(dir.path().join("bin/deep/lib.so"), Some(0), None).unwrap();
        chown(dir.path(), Some(JOBS), None).unwrap();
        assert!(reach(), "whose directory it is may rename what is in it");
        assert!(!look(dir.path(), 0).unwrap().out_of_reach, "root is root");
    }

    #[test]
    fn a_place_is_told_and_a_worker_s_log_is_a_trace() {
        let dir = runner();
        assert!(place(dir.path()).is_some_and(|place| place.contains(dir.path().to_str().unwrap())));
        assert_eq!(place(&dir.path().join("nowhere")), None);
        assert!(!have_worked(dir.path()));
        std::fs::create_dir(dir.path().join("_diag")).unwrap();
        std::fs::write(dir.path().join("_diag/Runner_1.log"), "").unwrap();
        assert!(!have_worked(dir.path()));
        std::fs::write(dir.path().join("_diag/Worker_1.log"), "").unwrap();
        assert!(have_worked(dir.path()));
    }
}
