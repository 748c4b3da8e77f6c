//! A process is swept if its job has ended: the job's id is carried by somebody who is older than every living worker.
//!
//! The worker of `actions/runner` gives each job an id of its own (`JobExtension.cs`: `RUNNER_TRACKING_ID=github_GUID`),
//! and everything a job starts inherits it. A persistent runner may have taken its next job by the time we look, so:
//!
//! - Nobody is older than the process it descends from. What was started before the oldest living worker belongs to no job
//!   that runs, and no more does an id found there. Of processes of the same clock tick that cannot be said: they wait for
//!   the next sweep. A worker in `/proc` is anybody's: the rule keeps the jobs of other runners on this host as well.
//! - Where no worker lives the sweep itself takes its place: a worker that comes later is younger than it, and so is its job.
//! - An id is looked at, not an age, once it is known to be over: what a swept process starts meanwhile goes with it.
//! - Who carries no id, or one that is not of the runner's making (`RUNNER_TRACKING_ID=""` is how a step keeps a daemon), or
//!   the one we were started with, is nobody's leftover: our init, the supervisor, the listener and its updater among them.
//!   We and those who started us are spared whatever they carry.

use std::collections::BTreeSet;

/// What every id of the runner's begins with.
pub const ID_PREFIX: &[u8] = b"github_";

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes it told to end.
    pub processes: u64,
    /// Those of them that were still there when its time was over.
    pub left: u64,
    /// Files it removed.
    pub files: u64,
}

/// A living process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's; 0 if that is outside of the namespace.
    pub parent: i32,
    /// When it was started: clock ticks since the machine's own start.
    pub start: u64,
    /// What it is to a job.
    pub role: Role,
}

/// What a process is to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs one.
    Worker,
    /// It was started by the job of this id.
    Job(Vec<u8>),
    /// Nothing that is known.
    Other,
}

/// The ids of jobs that have ended, among these processes, for a sweep that began at `now` (in ticks).
pub fn ended(processes: &[Process], now: u64) -> BTreeSet<Vec<u8>> {
    let workers = processes.iter().filter(|process| process.role == Role::Worker);
    let before = workers.map(|worker| worker.start).chain([now]).min().unwrap_or(now);
    let old = processes.iter().filter(|process| process.start < before);
    old.filter_map(|process| id(process).cloned()).collect()
}

/// Who is to go: those of the ended jobs, but for `us` and our ancestors.
pub fn condemned<'a>(processes: &'a [Process], ended: &BTreeSet<Vec<u8>>, us: i32) -> Vec<&'a Process> {
    let ours = with_ancestors(processes, us);
    let is_condemned =
        |process: &&Process| id(process).is_some_and(|id| ended.contains(id)) && !ours.contains(&process.pid);
    processes.iter().filter(is_condemned).collect()
}

/// Whether a worker is among them.
pub fn has_worker(processes: &[Process]) -> bool {
    processes.iter().any(|process| process.role == Role::Worker)
}

fn id(process: &Process) -> Option<&Vec<u8>> {
    match &process.role {
        Role::Job(id) => Some(id),
        Role::Worker | Role::Other => None,
    }
}

fn with_ancestors(processes: &[Process], us: i32) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut next = Some(us);
    while let Some(pid) = next.filter(|pid| found.insert(*pid)) {
        next = processes.iter().find(|process| process.pid == pid).map(|process| process.parent);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: i32 = 2;

    fn process(pid: i32, parent: i32, start: u64, role: &str) -> Process {
        let role = match role {
            "worker" => Role::Worker,
            "" => Role::Other,
            id => Role::Job(id.into()),
        };
        Process { pid, parent, start, role }
    }

    /// Who is swept at tick 100; init, supervisor and listener are always there.
    fn swept(others: &[(i32, i32, u64, &str)]) -> Vec<i32> {
        let ours = [(1, 0, 1, ""), (2, 1, 2, ""), (3, 2, 3, "")];
        let all: Vec<Process> = ours.iter().chain(others).map(|&(p, q, s, r)| process(p, q, s, r)).collect();
        condemned(&all, &ended(&all, 100), US).into_iter().map(|process| process.pid).collect()
    }

    #[test]
    fn who_is_older_than_every_living_worker_is_a_leftover() {
        assert_eq!(swept(&[(9, 1, 50, "a"), (8, 1, 60, "b"), (7, 1, 50, "")]), [9, 8], "no worker lives");
        let next = (20, 3, 70, "worker");
        assert_eq!(swept(&[(9, 1, 50, "a"), next, (21, 20, 71, "b"), (22, 1, 75, "b")]), [9]);
        assert_eq!(swept(&[next, (21, 20, 70, "b")]), [0; 0], "the worker's own tick");
        assert_eq!(swept(&[(9, 1, 70, "a"), next]), [0; 0], "the same tick may be either's");
        let other_runner = (40, 39, 30, "worker");
        assert_eq!(swept(&[(9, 1, 50, "a"), other_runner, (41, 40, 31, "x")]), [0; 0]);
        assert_eq!(swept(&[(9, 1, 29, "a"), other_runner, next]), [9]);
    }

    #[test]
    fn who_came_after_the_sweep_began_belongs_to_a_job_that_did() {
        assert_eq!(swept(&[(9, 1, 100, "b"), (8, 1, 101, "b")]), [0; 0]);
        assert_eq!(
            swept(&[(9, 1, 99, "a"), (8, 1, 101, "a")]),
            [9, 8],
            "but not what an old job starts again"
        );
    }

    #[test]
    fn we_and_who_started_us_are_spared() {
        let all = [process(1, 0, 1, "a"), process(2, 1, 2, "a"), process(5, 1, 3, "a")];
        let found: Vec<i32> = condemned(&all, &ended(&all, 100), US).iter().map(|p| p.pid).collect();
        assert_eq!(found, [5]);
        let ring = [process(2, 7, 1, "a"), process(7, 2, 1, "a")];
        assert_eq!(condemned(&ring, &ended(&ring, 100), US), Vec::<&Process>::new(), "ends even then");
    }

    #[test]
    fn a_worker_is_seen() {
        assert!(has_worker(&[process(9, 3, 5, ""), process(20, 3, 70, "worker")]));
        assert!(!has_worker(&[process(9, 3, 5, "a")]));
    }
}
