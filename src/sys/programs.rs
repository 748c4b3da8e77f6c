//! The programs that a token is handed to, as the kernel tells them apart: nobody can choose the time of a change.

use super::door::Dir;
use super::ownership;
use super::runner_user::{self, RunnerUser};
use procfs::process::Process;
use ring::digest::{Context, SHA256};
use rustix::fs::FileType;
use std::fmt::Write as _;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What `config.sh` runs and reads of the runner's directory, besides what it writes itself.
const PARTS: [&str; 3] = ["config.sh", "env.sh", "bin"];
/// What a self-update puts new versions in the place of; the scripts beside them are replaced one by one.
const UPDATED: [&str; 2] = ["bin", "externals"];
const SCRIPTS: [&str; 2] = [".sh", ".template"];
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

/// Gives the runner's user what a self-update takes away, where the programs lie beside it: `bin` and `externals` are links,
/// as an update leaves them and our images have them. Whether there was anything to give.
///
/// # Errors
/// If the directory cannot be read, or the system refuses.
pub(crate) fn hand_over(dir: &Dir, user: &RunnerUser) -> io::Result<bool> {
    let is_link = |name: &&str| {
        dir.find(name).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
    };
    if !UPDATED.iter().all(is_link) {
        return Ok(false);
    }
    let to = (user.ids.uid, user.ids.gid);
    let mut is_given = false;
    for name in dir.names("")?.filter(|name| is_updated(name)) {
        is_given |= dir.give(&name, to)?;
    }
    Ok(is_given)
}

fn is_updated(name: &str) -> bool {
    UPDATED.contains(&name) || SCRIPTS.iter().any(|ending| name.ends_with(ending))
}

/// What keeps the runner's user from putting a new version in the place of its programs, if anything does.
///
/// # Errors
/// If that cannot be found out.
pub(crate) fn obstacle(dir: &Path, who: Option<&RunnerUser>) -> io::Result<Option<String>> {
    if let Err(why) = ownership::check(dir, who)? {
        return Ok(Some(why.to_string()));
    }
    let user = who.map_or_else(runner_user::our_uid, |who| who.ids.uid);
    let root = dir.metadata()?;
    let is_guarded = root.mode() & STICKY != 0 && root.uid() != user && user != 0;
    let mut updated: Vec<PathBuf> = std::fs::read_dir(dir)?
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_updated))
        .map(|entry| entry.path())
        .collect();
    updated.sort();
    for path in updated {
        let found = path.symlink_metadata()?;
        if is_guarded && found.uid() != user {
            return Ok(Some(format!(
                "{} belongs to uid {}, in a sticky directory",
                path.display(),
                found.uid()
            )));
        }
        // In an image's layer a directory cannot be renamed: what is in it is moved.
        if found.is_dir()
            && let Err(why) = ownership::check(&path, who)?
        {
            return Ok(Some(why.to_string()));
        }
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child_setup::Ids;
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

    fn somebody(uid: u32) -> RunnerUser {
        let ids = Ids { uid, gid: uid, groups: vec![uid] };
        RunnerUser { ids, home: "/".into(), name: uid.to_string() }
    }

    #[test]
    fn what_an_update_replaces_is_given_once_and_nothing_else_is() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (dir, who) = (runner(), somebody(JOBS));
        let at = |name: &str| dir.path().join(name);
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o1777)).unwrap();
        let obstacle = || obstacle(dir.path(), Some(&who)).unwrap();
        let here = Dir::open(dir.path()).unwrap();
        let given = || hand_over(&here, &who).unwrap();
        std::fs::create_dir(at("externals")).unwrap();
        assert!(!given(), "an archive as it was unpacked stays as it is");
        assert!(obstacle().is_some_and(|why| why.contains("bin belongs to uid 0, in a sticky directory")));
        std::fs::rename(at("externals"), at("externals.2.336.0")).unwrap();
        symlink("externals.2.336.0", at("externals")).unwrap();
        for other in ["secret", "mine.sh", "also.sh", "run.sh", "run-helper.sh.template"] {
            std::fs::write(at(other), "").unwrap();
        }
        std::fs::hard_link(at("mine.sh"), at("of.somebody.else")).unwrap();
        std::fs::remove_file(at("also.sh")).and_then(|()| symlink("secret", at("also.sh"))).unwrap();
        assert!(given());
        let owner = |name: &str| at(name).symlink_metadata().unwrap().uid();
        for name in ["bin", "externals", "config.sh", "env.sh", "run.sh", "run-helper.sh.template"] {
            assert_eq!(owner(name), JOBS, "{name}");
        }
        for name in ["bin.2.336.0", "bin/Runner.Listener", "externals.2.336.0", "secret", "mine.sh"] {
            assert_eq!(owner(name), 0, "{name}");
        }
        assert!(
            obstacle().is_some_and(|why| why.contains("mine.sh belongs to uid 0")),
            "one that was not given"
        );
        std::fs::remove_file(at("of.somebody.else")).unwrap();
        assert!(given(), "it is nothing else any more");
        assert_eq!(obstacle(), None);
        let before = print(dir.path());
        assert!(!given(), "once");
        assert_eq!(print(dir.path()), before);
    }

    #[test]
    fn a_place_is_told() {
        let dir = runner();
        assert!(place(dir.path()).is_some_and(|place| place.contains(dir.path().to_str().unwrap())));
        assert_eq!(place(&dir.path().join("nowhere")), None);
    }
}
