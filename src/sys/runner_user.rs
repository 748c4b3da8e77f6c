//! The user the runner runs as. Who the runner is when we are root: looked up once, and never given more than its own
//! groups and docker's.

use crate::child_setup::{self, Ids};
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};
use procfs::process::Process;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where docker listens, unless it is told otherwise.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// What switching and signalling another user's process needs, by number (`capability.h`).
const NEEDED: [(u32, &str); 3] = [(5, "KILL"), (6, "SETGID"), (7, "SETUID")];

/// A user of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerUser {
    /// User and groups.
    pub ids: Ids,
    /// `HOME`
    pub home: PathBuf,
    /// `USER` and `LOGNAME`
    pub name: String,
}

/// Why the runner cannot be who it is to be. Each text goes behind the name of the variable.
#[derive(Debug, thiserror::Error)]
pub enum RunnerUserFault {
    /// Not one of the forms.
    #[error("expected NAME, UID, UID:GID or NAME:GROUP")]
    Form,
    /// The name is nobody's.
    #[error("there is no user {0:?} in this container")]
    NoUser(String),
    /// The group's name is nobody's.
    #[error("there is no group {0:?} in this container")]
    NoGroup(String),
    /// A bare number with nothing behind it that would say its group.
    #[error("uid {0} has no entry in /etc/passwd, so its group is not known: write {0}:GID")]
    NoEntry(u32),
    /// Somebody else, and we are not root.
    #[error(
        "asks for uid {wanted}, but this container runs as uid {ours}, which cannot become anybody else: \
         start it as root, or leave the variable away"
    )]
    NotRoot {
        /// Asked for.
        wanted: u32,
        /// Ours.
        ours: u32,
    },
    /// Root without the capabilities.
    #[error(
        "becoming uid {uid} takes the capabilities KILL, SETGID and SETUID, but {missing} is dropped: add it"
    )]
    Capability {
        /// Asked for.
        uid: u32,
        /// The first that is missing.
        missing: &'static str,
    },
    /// The databases cannot be read.
    #[error("cannot look up users and groups")]
    Lookup(#[source] io::Error),
}

/// Who the runner is to be: `NAME`, `UID`, `UID:GID` or `NAME:GROUP`; `None` if that is who we are already.
///
/// To the user's groups come those of docker's sockets, so that docker works without a chmod of the host's file. Not
/// group 0: every file that root's group may write would come with it, for a socket whose owner has granted it to root
/// alone. Who was given group 0 by name or number has it anyway.
///
/// # Errors
/// If there is no such user, or we may not become it.
pub fn resolve(
    spec: Option<&str>,
    docker_sockets: &[PathBuf],
) -> Result<Option<RunnerUser>, RunnerUserFault> {
    let Some(spec) = spec else { return Ok(None) };
    let mut identity = look_up(spec)?;
    let (wanted, ours) = (identity.ids.uid, geteuid().as_raw());
    if wanted == ours {
        return Ok(None);
    }
    if ours != 0 {
        return Err(RunnerUserFault::NotRoot { wanted, ours });
    }
    if let Some(missing) = missing_capability() {
        return Err(RunnerUserFault::Capability { uid: wanted, missing });
    }
    let granted = docker_sockets.iter().filter_map(|socket| docker_group(socket));
    identity.ids.groups.extend(granted.filter(|gid| *gid != 0));
    identity.ids.groups.sort_unstable();
    identity.ids.groups.dedup();
    Ok(Some(identity))
}

/// Who we are.
pub fn uid() -> u32 {
    geteuid().as_raw()
}

/// Whether we are root, and with us whoever runs as we do.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Who we are, and whoever runs as we do.
pub(crate) fn our_uid() -> u32 {
    geteuid().as_raw()
}

/// The group of a socket of docker's, if that socket is there.
pub fn docker_group(socket: &Path) -> Option<u32> {
    let found = std::fs::metadata(socket).ok()?;
    found.file_type().is_socket().then(|| found.gid())
}

fn look_up(spec: &str) -> Result<RunnerUser, RunnerUserFault> {
    let (user, group) = spec.split_once(':').map_or((spec, None), |(user, group)| (user, Some(group)));
    if user.is_empty() || group.is_some_and(|group| group.is_empty() || group.contains(':')) {
        return Err(RunnerUserFault::Form);
    }
    let gid = group.map(find_group).transpose()?;
    let (uid, entry) = find_user(user)?;
    let Some(entry) = entry else {
        let gid = gid.ok_or(RunnerUserFault::NoEntry(uid))?;
        // As docker does for a number nobody has a name for.
        return Ok(RunnerUser {
            ids: Ids { uid, gid, groups: vec![gid] },
            home: PathBuf::from("/"),
            name: uid.to_string(),
        });
    };
    let gid = gid.unwrap_or(entry.gid.as_raw());
    let name = CString::new(entry.name.as_str()).map_err(|_| RunnerUserFault::Form)?;
    let groups = getgrouplist(&name, Gid::from_raw(gid)).map_err(refused)?;
    let groups = groups.into_iter().map(Gid::as_raw).collect();
    Ok(RunnerUser { ids: Ids { uid, gid, groups }, home: entry.dir, name: entry.name })
}

/// A name before a number, as chown reads it.
fn find_user(user: &str) -> Result<(u32, Option<User>), RunnerUserFault> {
    if let Some(entry) = User::from_name(user).map_err(refused)? {
        return Ok((entry.uid.as_raw(), Some(entry)));
    }
    let uid: u32 = number(user).ok_or_else(|| RunnerUserFault::NoUser(user.to_owned()))?;
    Ok((uid, User::from_uid(Uid::from_raw(uid)).map_err(refused)?))
}

fn find_group(group: &str) -> Result<u32, RunnerUserFault> {
    match Group::from_name(group).map_err(refused)? {
        Some(entry) => Ok(entry.gid.as_raw()),
        None => number(group).ok_or_else(|| RunnerUserFault::NoGroup(group.to_owned())),
    }
}

/// The last number means "no change" to the system calls.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number != u32::MAX)
}

fn refused(error: Errno) -> RunnerUserFault {
    RunnerUserFault::Lookup(error.into())
}

/// Unknown is no reason to refuse: then the spawn will tell.
fn missing_capability() -> Option<&'static str> {
    let effective = Process::myself().ok()?.status().ok()?.capeff;
    NEEDED.iter().find(|(bit, _)| effective & (1 << bit) == 0).map(|(_, name)| *name)
}

impl RunnerUser {
    /// Puts `HOME`, `USER` and `LOGNAME` into an environment, in place of ours.
    pub fn set_env(&self, environment: &mut Vec<(OsString, OsString)>) {
        let own = [
            ("HOME", OsString::from(&self.home)),
            ("USER", (&self.name).into()),
            ("LOGNAME", (&self.name).into()),
        ];
        environment.retain(|(name, _)| own.iter().all(|(known, _)| name != known));
        environment.extend(own.into_iter().map(|(name, value)| (name.into(), value)));
    }

    /// Does something with this user's rights, on a thread of its own that ends with it.
    ///
    /// # Errors
    /// If the system refuses the thread or the switch.
    pub fn run_as<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> io::Result<T> {
        run_as_ids(&self.ids, deed)
    }
}

/// [`RunnerUser::run_as`] for a user of whom only the numbers are known.
///
/// # Errors
/// If the system refuses the thread or the switch.
pub fn run_as_ids<T: Send>(ids: &Ids, deed: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let act = || child_setup::take_ids(ids).map(|()| deed());
        let thread = std::thread::Builder::new().name("as-runner".to_owned()).spawn_scoped(scope, act)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(spec: &str) -> String {
        look_up(spec).expect_err(spec).to_string()
    }

    #[test]
    fn every_form_is_understood() {
        let root = look_up("root").unwrap();
        assert_eq!((root.ids.uid, root.ids.gid, root.name.as_str()), (0, 0, "root"));
        assert_eq!(look_up("0").unwrap(), root);
        let mixed = look_up("root:4242").unwrap();
        assert_eq!((mixed.ids.uid, mixed.ids.gid), (0, 4242));
        assert!(mixed.ids.groups.contains(&4242));
        let nameless = look_up("4242:4343").unwrap();
        assert_eq!(nameless.ids, Ids { uid: 4242, gid: 4343, groups: vec![4343] });
        assert_eq!((nameless.home, nameless.name), (PathBuf::from("/"), "4242".to_owned()));
        assert_eq!(look_up("4242:root").unwrap().ids.gid, 0);
    }

    #[test]
    fn what_is_nobody_is_a_clear_fault() {
        for spec in ["", ":", ":0", "root:", "root:0:0"] {
            assert_eq!(says(spec), "expected NAME, UID, UID:GID or NAME:GROUP", "{spec:?}");
        }
        assert_eq!(
            says("4242"),
            "uid 4242 has no entry in /etc/passwd, so its group is not known: write 4242:GID"
        );
        assert_eq!(says("no-such-user"), "there is no user \"no-such-user\" in this container");
        assert_eq!(says("root:no-such-group"), "there is no group \"no-such-group\" in this container");
        for odd in ["-1", "+0", "4294967295", "99999999999", "a\nb"] {
            assert!(says(odd).starts_with("there is no user"), "{odd:?}");
        }
    }

    #[test]
    fn nobody_asked_for_is_who_we_are() {
        assert_eq!(resolve(None, &[]).unwrap(), None);
        assert_eq!(resolve(Some(&format!("{0}:{0}", geteuid())), &[]).unwrap(), None);
    }

    #[test]
    fn the_group_is_that_of_a_socket_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        assert_eq!(docker_group(&path), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(docker_group(&path), None, "a file is no socket");
        std::fs::remove_file(&path).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(docker_group(&path), Some(std::fs::metadata(dir.path()).unwrap().gid()));
    }

    #[test]
    fn the_environment_is_the_users_own() {
        let mut environment = vec![("HOME".into(), "/root".into()), ("PATH".into(), "/bin".into())];
        look_up("4242:4343").unwrap().set_env(&mut environment);
        let want: Vec<(OsString, OsString)> =
            [("PATH", "/bin"), ("HOME", "/"), ("USER", "4242"), ("LOGNAME", "4242")]
                .map(|(name, value)| (name.into(), value.into()))
                .to_vec();
        assert_eq!(environment, want);
    }
}
