//! The rule for processes to kill after a job. A process is swept if its job has ended: the job's id is carried by
//! somebody who is older than every living worker.
//!
//! The worker of `actions/runner` gives each job an id of its own (`JobExtension.cs`: `RUNNER_TRACKING_ID=github_GUID`),
//! and everything a job starts inherits it. A persistent runner may have taken its next job by the time we look, so:
//!
//! - Nobody is older than the process it descends from. What was started before the oldest living worker belongs to no job
//!   that runs, and no more does an id found there. Of processes of the same clock tick that cannot be said: they wait for
//!   the next sweep. A worker in `/proc` is anybody's: the rule keeps the jobs of other runners on this host as well.
//! - Who is seen by two looks in a row was there before the second began, and so was the worker of its job, if that runs: no
//!   worker can have come unseen between the two. Who is seen by the second alone may belong to a job that has just begun.
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
    /// Its process group.
    pub group: i32,
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

/// The ids of jobs that have ended, told from two looks in a row.
pub fn ended(first: &[Process], second: &[Process]) -> BTreeSet<Vec<u8>> {
    let workers = second.iter().filter(|process| process.role == Role::Worker);
    let oldest = workers.map(|worker| worker.start).min();
    let was_there =
        |process: &Process| first.iter().any(|p| (p.pid, p.start) == (process.pid, process.start));
    let is_old =
        |process: &&Process| oldest.is_none_or(|worker| process.start < worker) && was_there(process);
    second.iter().filter(is_old).filter_map(|process| id(process).cloned()).collect()
}

/// Who is to go: those of the ended jobs, but for `us` and our ancestors.
pub fn processes_to_kill<'a>(
    processes: &'a [Process],
    ended: &BTreeSet<Vec<u8>>,
    us: i32,
) -> Vec<&'a Process> {
    let ours = with_ancestors(processes, us);
    let is_condemned =
        |process: &&Process| id(process).is_some_and(|id| ended.contains(id)) && !ours.contains(&process.pid);
    processes.iter().filter(is_condemned).collect()
}

/// Whether a process of a job is among them.
pub fn has_job(processes: &[Process]) -> bool {
    processes.iter().any(|process| id(process).is_some())
}

/// Whether a worker is among them.
pub fn has_worker(processes: &[Process]) -> bool {
    processes.iter().any(|process| process.role == Role::Worker)
}

pub(super) fn id(process: &Process) -> Option<&Vec<u8>> {
    match &process.role {
        Role::Job(id) => Some(id),
        Role::Worker | Role::Other => None,
    }
}

pub(super) fn with_ancestors(processes: &[Process], us: i32) -> BTreeSet<i32> {
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
        Process { pid, parent, group: pid, start, role }
    }

    type Row = (i32, i32, u64, &'static str);

    /// Who is swept after these two looks; init, supervisor and listener are always there.
    fn swept_of(first: &[Row], second: &[Row]) -> Vec<i32> {
        let ours = [(1, 0, 1, ""), (2, 1, 2, ""), (3, 2, 3, "")];
        let look = |others: &[Row]| -> Vec<Process> {
            ours.iter().chain(others).map(|&(p, q, s, r)| process(p, q, s, r)).collect()
        };
        let (first, second) = (look(first), look(second));
        processes_to_kill(&second, &ended(&first, &second), US)
            .into_iter()
            .map(|process| process.pid)
            .collect()
    }

    fn swept(both: &[Row]) -> Vec<i32> {
        swept_of(both, both)
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
    fn who_came_between_the_looks_may_belong_to_a_job_that_did() {
        let old = (9, 1, 50, "a");
        assert_eq!(swept_of(&[old], &[old, (22, 1, 90, "b")]), [9]);
        assert_eq!(
            swept_of(&[old], &[old, (22, 1, 90, "a")]),
            [9, 22],
            "but not what an old job starts again"
        );
        let next = [(20, 3, 90, "worker"), (22, 20, 91, "b")];
        assert_eq!(swept_of(&[old, next[1]], &[old, next[0], next[1]]), [9], "the first look had missed it");
        assert_eq!(swept_of(&[old], &[(9, 1, 60, "b")]), [0; 0], "another one with its number");
        assert_eq!(swept_of(&[old], &[(9, 5, 50, "a")]), [9], "its parent has died meanwhile");
    }

    #[test]
    fn we_and_who_started_us_are_spared() {
        let all = [process(1, 0, 1, "a"), process(2, 1, 2, "a"), process(5, 1, 3, "a")];
        let found: Vec<i32> = processes_to_kill(&all, &ended(&all, &all), US).iter().map(|p| p.pid).collect();
        assert_eq!(found, [5]);
        let ring = [process(2, 7, 1, "a"), process(7, 2, 1, "a")];
        assert_eq!(
            processes_to_kill(&ring, &ended(&ring, &ring), US),
            Vec::<&Process>::new(),
            "ends even then"
        );
    }

    #[test]
    fn a_worker_and_a_job_are_seen() {
        assert!(has_worker(&[process(9, 3, 5, ""), process(20, 3, 70, "worker")]));
        assert!(!has_worker(&[process(9, 3, 5, "a")]));
        assert!(has_job(&[process(9, 3, 5, "a")]) && !has_job(&[process(9, 3, 5, "worker")]));
    }
}
