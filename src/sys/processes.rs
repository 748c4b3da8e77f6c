//! The process table as `/proc` shows it, and a signal that reaches the process that was seen or nobody.

use crate::domain::sweep::{ID_PREFIX, Process, Role};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::DirEntry;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The variable that carries a job's id.
pub const TRACKING_ID: &str = "RUNNER_TRACKING_ID";
/// The variable that says where a job's temporary files are.
const TEMP: &str = "RUNNER_TEMP";
/// A process of a job is far nearer to its worker.
const GENERATIONS: usize = 256;
/// The worker's name, which the kernel keeps whole: it has less than 16 bytes.
const WORKER: &[u8] = b"Runner.Worker";

/// What tells our jobs' processes from others'.
#[derive(Clone, Debug, Default)]
pub struct JobMarkers {
    /// The id we were started with, if there is one: then it is a job that runs us.
    pub inherited: Option<Vec<u8>>,
    /// The device and inode of our jobs' temporary directory, where it exists: who has another one is another runner's.
    pub temp: Option<(u64, u64)>,
}

/// What is asked of `/proc/PID/stat`.
pub(super) struct Stat<'a> {
    comm: &'a [u8],
    state: u8,
    pub(super) parent: i32,
    group: i32,
    pub(super) start: u64,
}

impl Stat<'_> {
    /// `proc_pid_stat(5)`: the name, in parentheses, may hold anything.
    pub(super) fn parse(text: &[u8]) -> Option<Stat<'_>> {
        let (open, close) = (memchr::memchr(b'(', text)?, memchr::memrchr(b')', text)?);
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let start = fields.nth(16)?.parse().ok()?;
        Some(Stat { comm: text.get(open + 1..close)?, state, parent, group, start })
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    pub(super) fn is_worker(&self) -> bool {
        self.comm == WORKER
    }
}

/// The pids that can be seen, ascending. A process that was there all the while is among them.
fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The children of a process, and others if the kernel keeps no lists of them; one whose brother ends meanwhile may be missed.
pub(super) fn children(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")));
    let numbers = |list: String| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let lists: Vec<std::io::Result<Vec<i32>>> = lists.map(|list| list.map(numbers)).collect();
    if lists.iter().any(Result::is_ok) {
        lists.into_iter().flatten().flatten().collect()
    } else {
        pids().collect()
    }
}

pub(super) fn stat_text(pid: i32) -> Option<Vec<u8>> {
    std::fs::read(format!("/proc/{pid}/stat")).ok()
}

/// This process, its parent and so on, each with its start, as far as they can be seen; empty if it is gone.
pub(super) fn lineage(pid: i32) -> Vec<(i32, u64)> {
    let mut next = Some(pid);
    let step = || {
        let pid = next.filter(|pid| *pid > 0)?;
        let text = stat_text(pid)?;
        let stat = Stat::parse(&text).filter(|stat| !stat.is_dead())?;
        next = Some(stat.parent);
        Some((pid, stat.start))
    };
    std::iter::from_fn(step).take(GENERATIONS).collect()
}

pub(super) fn start_of(pid: i32) -> Option<u64> {
    Some(Stat::parse(&stat_text(pid)?)?.start)
}

/// Whether we are the child of a PID 1 of ours, which has started us with its own arguments: nobody else's processes are here
/// but those that somebody outside has brought in.
pub fn is_namespace_ours() -> bool {
    let line = |pid: &str| std::fs::read(format!("/proc/{pid}/cmdline")).ok();
    std::os::unix::process::parent_id() == 1 && line("self").is_some_and(|ours| line("1") == Some(ours))
}

/// How many have ended and wait to be reaped; `None` where `/proc` cannot be read.
pub fn zombies() -> Option<u64> {
    std::fs::metadata("/proc/self").ok()?;
    let is_zombie =
        |pid: &i32| stat_text(*pid).is_some_and(|text| Stat::parse(&text).is_some_and(|s| s.state == b'Z'));
    Some(pids().filter(is_zombie).count() as u64)
}

/// Everybody who lives. Whose environment may not be read carries no id.
pub fn look(marks: &JobMarkers) -> Vec<Process> {
    see(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        job(&environment, marks).map(<[u8]>::to_owned)
    })
}

/// The same, but nobody's environment is read, which may take for ever: nobody carries an id.
pub fn glance() -> Vec<Process> {
    see(|_| None)
}

/// Everybody who lives, with the start of each.
pub fn present() -> BTreeSet<(i32, u64)> {
    glance().into_iter().map(|process| (process.pid, process.start)).collect()
}

fn see(job: impl Fn(i32) -> Option<Vec<u8>>) -> Vec<Process> {
    let see = |pid: i32| {
        let text = stat_text(pid)?;
        let stat = Stat::parse(&text).filter(|stat| !stat.is_dead())?;
        let role = match job(pid) {
            Some(id) => Role::Job(id),
            // A job's own process of that name would carry the job's id.
            None if stat.is_worker() => Role::Worker,
            None => Role::Other,
        };
        Some(Process { pid, parent: stat.parent, group: stat.group, start: stat.start, role })
    };
    pids().filter_map(see).collect()
}

/// Whether a worker lives whose program is in this runner's directory; one whose program is not told counts as well.
pub fn has_worker_of(runner_dir: &Path) -> bool {
    let dirs = [Some(runner_dir.to_owned()), std::fs::canonicalize(runner_dir).ok()];
    let is_worker = |pid: &i32| {
        let text = stat_text(*pid);
        text.as_deref().and_then(Stat::parse).is_some_and(|stat| stat.comm == WORKER && !stat.is_dead())
    };
    pids().filter(is_worker).any(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = Path::new(OsStr::from_bytes(line.split(|byte| *byte == 0).next().unwrap_or_default()));
        !program.is_absolute() || dirs.iter().flatten().any(|dir| program.starts_with(dir))
    })
}

/// The id of the job of ours that has this environment.
fn job<'a>(environment: &'a [u8], marks: &JobMarkers) -> Option<&'a [u8]> {
    let value = |name: &str| {
        let variables = environment.split(|byte| *byte == 0);
        variables.into_iter().find_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let id = value(TRACKING_ID)?;
    let is_a_job_s = id.starts_with(ID_PREFIX) && marks.inherited.as_deref() != Some(id);
    let elsewhere = || value(TEMP).and_then(identity).is_some_and(|temp| marks.temp != Some(temp));
    (is_a_job_s && !elsewhere()).then_some(id)
}

fn identity(dir: &[u8]) -> Option<(u64, u64)> {
    inode(Path::new(OsStr::from_bytes(dir)))
}

/// The device and inode a path leads to; `None` if it leads nowhere that we can see.
pub fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The names, without their directories, of the files that anybody we may look into has open; of those `wanted`.
pub fn open_names(wanted: impl Fn(&[u8]) -> bool) -> BTreeSet<Vec<u8>> {
    let descriptors = |pid| std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let name = |entry: DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        target.file_name().map(|name| name.as_bytes().to_owned()).filter(|name| wanted(name))
    };
    pids().flat_map(descriptors).filter_map(name).collect()
}

/// Signals the process that was seen; `false` if it is gone, whoever has its number now.
pub fn signal(seen: &Process, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(seen.pid) else { return false };
    // Opened first, compared after: the descriptor is that process's, whatever its number means next.
    let held = pidfd_open(pid, PidfdFlags::empty());
    if start_of(seen.pid) != Some(seen.start) {
        return false;
    }
    match held {
        Ok(held) => pidfd_send_signal(held, signal).is_ok(),
        // Linux before 5.3, or a seccomp profile of that time.
        Err(_) => kill_process(pid, signal).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = b"42 (a) Z 1 (b) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.comm, stat.state), (&b"a) Z 1 (b"[..], b'S'));
        assert_eq!((stat.parent, stat.group, stat.start), (7, 42, 12345));
        assert!(Stat::parse(b"42 (a").is_none() && Stat::parse(b"42 (a) S 7").is_none());
    }

    #[test]
    fn a_job_of_ours_is_told_by_its_environment() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, other) = (dir.path().join("ours"), dir.path().join("other"));
        std::fs::create_dir(&ours).and_then(|()| std::fs::create_dir(&other)).unwrap();
        let marks = JobMarkers { inherited: Some(b"github_outer".to_vec()), temp: inode(&ours) };
        let of = |text: &str| {
            let text = text.replace("OURS", ours.to_str().unwrap()).replace("OTHER", other.to_str().unwrap());
            job(text.replace(' ', "\0").as_bytes(), &marks).map(|id| String::from_utf8_lossy(id).into_owned())
        };
        let job = Some("github_1".to_owned());
        assert_eq!(of("A=b RUNNER_TRACKING_ID=github_1 C=d"), job);
        assert_eq!(of("RUNNER_TRACKING_ID=github_1 RUNNER_TEMP=OURS"), job);
        assert_eq!(of("RUNNER_TRACKING_ID=github_1 RUNNER_TEMP=/nonexistent"), job);
        for none in [
            "",
            "XRUNNER_TRACKING_ID=github_1",
            "RUNNER_TRACKING_ID",
            "RUNNER_TRACKING_ID=",
            "RUNNER_TRACKING_ID=0",
            "RUNNER_TRACKING_ID=github_outer",
            "RUNNER_TRACKING_ID=github_1 RUNNER_TEMP=OTHER",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn whom_a_process_descends_from_is_told_while_it_lives() {
        let us = i32::try_from(std::process::id()).unwrap();
        let parent = std::os::unix::process::parent_id().cast_signed();
        assert_eq!(lineage(us)[..2], [us, parent].map(|pid| (pid, start_of(pid).unwrap())));
        for nobody in [i32::MAX, 0, -1] {
            assert_eq!(lineage(nobody), []);
        }
    }

    #[test]
    fn we_see_ourselves_and_who_is_not_the_same_is_not_signalled() {
        let us = i32::try_from(std::process::id()).unwrap();
        let seen = look(&JobMarkers::default()).into_iter().find(|process| process.pid == us).unwrap();
        // SIGURG is ignored by default; SIGKILL would be the end of this test.
        assert!(signal(&seen, Signal::URG));
        assert!(!signal(&Process { start: seen.start + 1, ..seen }, Signal::KILL));
    }
}
