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

/// Where nobody else's processes are, a worker is a child of the listener, which is our child; who is merely called so is none.
pub fn keep_workers_of(processes: &mut [Process], us: i32) {
    let listeners: BTreeSet<i32> = processes.iter().filter(|p| p.parent == us).map(|p| p.pid).collect();
    for process in processes {
        if process.role == Role::Worker && !listeners.contains(&process.parent) {
            process.role = Role::Other;
        }
    }
}

/// Who is neither ours nor the listener's, in a PID namespace of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strangers<'a> {
    /// There is no listener, or another one: its updater may be an orphan by now, and cannot be told from one of a job.
    Unclear,
    /// These.
    Are(Vec<&'a Process>),
}

/// Who is to go, told from two looks in a row: whoever has become a child of PID 1 since the runner was started, with what
/// descends from it, and is older than every living worker.
///
/// Spared are who was there `before` the runner, we among them, and who descends from one of those but PID 1, which adopts
/// everybody; and whoever came from outside (`docker exec`, a health check), whose parent is not in this namespace.
pub fn strangers<'a>(
    first: &[Process],
    second: &'a [Process],
    before: &BTreeSet<(i32, u64)>,
    us: i32,
) -> Strangers<'a> {
    let listeners = |all: &[Process]| -> BTreeSet<(i32, u64)> {
        all.iter().filter(|process| process.parent == us).map(key).collect()
    };
    let is_there = |all: &[Process], key_of: &(i32, u64)| all.iter().any(|process| key(process) == *key_of);
    if listeners(first).intersection(&listeners(second)).next().is_none() {
        return Strangers::Unclear;
    }
    let oldest = second.iter().filter(|p| p.role == Role::Worker).map(|worker| worker.start).min();
    let goes = |process: &&Process| {
        oldest.is_none_or(|worker| process.start < worker)
            && is_there(first, &key(process))
            && is_adopted(first, process.pid, before)
            && is_adopted(second, process.pid, before)
    };
    Strangers::Are(second.iter().filter(goes).collect())
}

fn key(process: &Process) -> (i32, u64) {
    (process.pid, process.start)
}

/// Whether its line ends at PID 1 before it comes to anybody who was there `before`. Whose line is broken is not said to be.
fn is_adopted(processes: &[Process], pid: i32, before: &BTreeSet<(i32, u64)>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = pid;
    while seen.insert(next) {
        let Some(process) = processes.iter().find(|process| process.pid == next) else { return false };
        if process.pid == 1 || before.contains(&key(process)) {
            return process.pid == 1 && pid != 1;
        }
        next = process.parent;
    }
    false
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

    /// Who goes after two looks like these, of all who are there beside init, supervisor and a service of before; `None`: unclear.
    fn strange(first: &[Row], second: &[Row]) -> Option<Vec<i32>> {
        let ours = [(1, 0, 1, ""), (2, 1, 2, ""), (4, 1, 1, "")];
        let before = ours.iter().map(|&(pid, _, start, _)| (pid, start)).collect();
        let look = |others: &[Row]| -> Vec<Process> {
            let mut all: Vec<Process> =
                ours.iter().chain(others).map(|&(p, q, s, r)| process(p, q, s, r)).collect();
            keep_workers_of(&mut all, US);
            all
        };
        let (first, second) = (look(first), look(second));
        match strangers(&first, &second, &before, US) {
            Strangers::Unclear => None,
            Strangers::Are(found) => Some(found.into_iter().map(|process| process.pid).collect()),
        }
    }

    const LISTENER: Row = (3, 2, 3, "");

    #[test]
    fn who_was_adopted_since_the_start_goes_with_or_without_an_id() {
        let both = |rows: &[Row]| strange(rows, rows);
        assert_eq!(both(&[LISTENER, (9, 1, 50, ""), (8, 9, 60, ""), (7, 1, 50, "a")]), Some(vec![9, 8, 7]));
        assert_eq!(both(&[LISTENER, (10, 3, 50, ""), (11, 10, 51, "")]), Some(vec![]), "the listener's");
        assert_eq!(both(&[LISTENER, (10, 4, 50, "")]), Some(vec![]), "of a service of before");
        assert_eq!(both(&[LISTENER, (10, 0, 50, ""), (11, 10, 51, "")]), Some(vec![]), "docker exec");
        assert_eq!(both(&[LISTENER, (11, 10, 51, "")]), Some(vec![]), "its parent has ended meanwhile");
        assert_eq!(both(&[LISTENER, (10, 11, 50, ""), (11, 10, 50, "")]), Some(vec![]), "a ring ends too");
    }

    #[test]
    fn the_next_job_s_orphans_stay_and_so_does_an_updater() {
        let (old, worker) = ((9, 1, 50, ""), (20, 3, 70, "worker"));
        let all = [LISTENER, old, worker, (21, 20, 71, ""), (22, 1, 72, ""), (23, 1, 70, "")];
        assert_eq!(strange(&all, &all), Some(vec![9]));
        assert_eq!(strange(&[LISTENER, old], &[LISTENER, old, (22, 1, 72, "")]), Some(vec![9]), "a newcomer");
        let updater = |parent| (30, parent, 60, "");
        assert_eq!(strange(&[LISTENER, updater(3)], &[updater(1)]), None, "the listener has left to it");
        assert_eq!(strange(&[updater(1)], &[updater(1)]), None);
        assert_eq!(strange(&[updater(1)], &[(5, 2, 90, ""), updater(1)]), None, "and another one came");
        assert_eq!(strange(&[LISTENER, updater(3)], &[LISTENER, updater(1)]), Some(vec![]));
    }

    #[test]
    fn who_is_merely_called_a_worker_keeps_nobody_from_going() {
        let named = (8, 1, 40, "worker");
        let all = [LISTENER, named, (9, 1, 50, "")];
        assert_eq!(strange(&all, &all), Some(vec![8, 9]));
        let mut all = [process(2, 1, 2, ""), process(3, 2, 3, ""), process(8, 1, 40, "worker")].to_vec();
        all.extend([process(9, 1, 50, "a"), process(20, 3, 70, "worker"), process(21, 20, 71, "b")]);
        assert_eq!(ended(&all, &all).len(), 0, "anybody's, where others are");
        keep_workers_of(&mut all, US);
        assert_eq!(
            processes_to_kill(&all, &ended(&all, &all), US).iter().map(|p| p.pid).collect::<Vec<_>>(),
            [9]
        );
    }

    #[test]
    fn a_worker_and_a_job_are_seen() {
        assert!(has_worker(&[process(9, 3, 5, ""), process(20, 3, 70, "worker")]));
        assert!(!has_worker(&[process(9, 3, 5, "a")]));
        assert!(has_job(&[process(9, 3, 5, "a")]) && !has_job(&[process(9, 3, 5, "worker")]));
    }
}
