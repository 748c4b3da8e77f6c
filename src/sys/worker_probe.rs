//! Probe of the listener's workers. Evidence from places a job's name cannot write to: the process table, which never hangs,
//! and `_diag`, which may.

use super::door::Dir;
use super::processes::{self, Stat};
use crate::domain::job::crew::{Id, Log, Process};
use chrono::{DateTime, Utc};
use rustix::fs::FileType;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::Poll;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Files in `_diag` that are looked at: the sweep leaves far fewer of the runner's own.
const MOST_LOGS: usize = 8192;
const DIAG: &str = "_diag";

/// Looks for the workers of one listener in the process table, which never makes anybody wait.
#[derive(Debug)]
pub struct Watch {
    listener: i32,
    /// What tells a worker's end: its descriptor, where the kernel gives one.
    ends: HashMap<Id, Option<AsyncFd<OwnedFd>>>,
}

impl Watch {
    /// A listener that has just been started.
    pub fn start(listener: u32) -> Watch {
        Watch { listener: i32::try_from(listener).unwrap_or(i32::MAX), ends: HashMap::new() }
    }

    /// Who is new, and who of `alive` still is; once the listener is gone nobody is born any more.
    pub fn look(&mut self, alive: &[Id], listener_is_gone: bool) -> Option<Vec<Process>> {
        let processes = self.processes(alive, listener_is_gone);
        for process in processes.iter().flatten() {
            self.ends.entry(process.id).or_insert_with(|| end_of(process.id));
        }
        processes
    }

    fn processes(&self, alive: &[Id], listener_is_gone: bool) -> Option<Vec<Process>> {
        let up = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
        let ticks = procfs::ticks_per_second();
        let process = |pid: i32, stat: &Stat<'_>| Process {
            id: Id { pid, start: stat.start },
            age: up.saturating_sub(Duration::from_millis(stat.start.saturating_mul(1000) / ticks)),
        };
        let mut found: Vec<Process> = Vec::new();
        for id in alive {
            let text = processes::stat_text(id.pid);
            let stat = text.as_deref().and_then(Stat::parse);
            found.extend(stat.filter(|s| s.start == id.start && !s.is_dead()).map(|s| process(id.pid, &s)));
        }
        if listener_is_gone {
            return Some(found);
        }
        processes::stat_text(self.listener)?;
        for pid in processes::children(self.listener) {
            let text = processes::stat_text(pid);
            let stat = text.as_deref().and_then(Stat::parse);
            let worker = stat.filter(|s| s.parent == self.listener && s.is_worker() && !s.is_dead());
            let worker = worker.map(|stat| process(pid, &stat));
            found.extend(worker.filter(|worker| !found.iter().any(|known| known.id == worker.id)));
        }
        Some(found)
    }

    /// The process and those it descends from, up to our listener's child if it does from one, and whether it does; `None`
    /// where the process table cannot be read.
    pub fn descent(&self, pid: i32) -> Option<(Vec<Id>, bool)> {
        processes::stat_text(self.listener)?;
        let line = processes::lineage(pid);
        let below = line.iter().take_while(|(pid, _)| *pid != self.listener);
        let below: Vec<Id> = below.map(|&(pid, start)| Id { pid, start }).collect();
        let is_ours = below.len() < line.len();
        Some((below, is_ours))
    }

    /// One of the workers that were seen has ended. Cancel-safe; never, where the kernel does not tell.
    pub async fn ended(&mut self) {
        let ended = poll_fn(|context| {
            let ready = |(id, end): (&Id, &Option<AsyncFd<OwnedFd>>)| {
                let end = end.as_ref()?;
                end.poll_read_ready(context).is_ready().then_some(*id)
            };
            self.ends.iter().find_map(ready).map_or(Poll::Pending, Poll::Ready)
        });
        let id = ended.await;
        self.ends.insert(id, None);
        self.ends.retain(|id, end| end.is_some() || processes::start_of(id.pid) == Some(id.start));
    }
}

/// Logs that are new, and all that are there now.
pub type NewLogs = (Vec<Log>, BTreeSet<String>);

/// The logs that are not among those known; `None` where nobody may look. The disk may make the caller wait.
pub fn new_logs(runner: &Dir, known: &BTreeSet<String>) -> Option<NewLogs> {
    let now = logs(runner)?;
    let new = now.difference(known).filter_map(|name| {
        let found = runner.find(&format!("{DIAG}/{name}")).ok()?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        let nanoseconds = u32::try_from(found.st_ctime_nsec).ok().filter(|_| is_file)?;
        let changed = DateTime::<Utc>::from_timestamp(found.st_ctime, nanoseconds)?;
        Some(Log { name: name.clone(), changed })
    });
    Some((new.collect(), now))
}

/// The names of the workers' logs; `None` where nobody may look. The disk may make the caller wait.
pub fn logs(runner: &Dir) -> Option<BTreeSet<String>> {
    let names = match runner.names(DIAG) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(BTreeSet::new()),
        Err(_) => return None,
    };
    Some(names.take(MOST_LOGS).filter(|name| name.starts_with("Worker_")).collect())
}

/// Becomes readable when that process ends.
#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of types that do not own their descriptor; this one does"
)]
fn end_of(id: Id) -> Option<AsyncFd<OwnedFd>> {
    let end = pidfd_open(Pid::from_raw(id.pid)?, PidfdFlags::NONBLOCK).ok()?;
    // Opened first, compared after: the descriptor is that process's, whatever its number means next.
    (processes::start_of(id.pid) == Some(id.start)).then(|| AsyncFd::new(end).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_new_once_and_no_link_is_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = |name: &str| dir.path().join("_diag").join(name);
        std::fs::create_dir(dir.path().join("_diag")).expect("a directory");
        std::fs::write(log("Worker_1.log"), "").expect("a file");
        let runner = Dir::open(dir.path()).expect("ours");
        let known = logs(&runner).expect("they can be seen");
        let names = |found: NewLogs| found.0.into_iter().map(|log| log.name).collect::<Vec<_>>();
        assert_eq!(new_logs(&runner, &known).map(names), Some(Vec::new()));
        std::fs::write(log("Worker_2.log"), "").expect("a file");
        std::os::unix::fs::symlink(log("Worker_2.log"), log("Worker_3.log")).expect("a link");
        std::fs::write(log("Runner_2.log"), "").expect("a file");
        let (new, now) = new_logs(&runner, &known).expect("they can be seen");
        assert_eq!(names((new, BTreeSet::new())), ["Worker_2.log"]);
        assert_eq!(new_logs(&runner, &now).map(names), Some(Vec::new()));
        let empty = tempfile::tempdir().expect("a directory");
        let nowhere = Dir::open(empty.path()).expect("ours");
        assert_eq!(new_logs(&nowhere, &BTreeSet::new()).map(names), Some(Vec::new()));
    }
}
