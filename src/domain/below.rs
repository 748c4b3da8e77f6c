//! Whoever works for a job is below its Worker, in whatever session and group; Worker, listener and we are not.
//!
//! Below are the descendants of a living Worker that is the listener's child, and who carries the id of such a descendant's job:
//! a daemon whose parent has ended has another parent now, but the runner makes that id up anew for each job.

use super::sweep::{Process, Role, id, with_ancestors};
use std::collections::BTreeSet;

/// Who is below a Worker of this listener; `us` and our ancestors never are.
pub fn below(processes: &[Process], listener: i32, us: i32) -> Vec<&Process> {
    let is_worker = |process: &&Process| process.role == Role::Worker && process.parent == listener;
    let workers: BTreeSet<i32> = processes.iter().filter(is_worker).map(|worker| worker.pid).collect();
    let mut found = workers.clone();
    grow(processes, &mut found);
    let is_found = |found: &BTreeSet<i32>, process: &Process| found.contains(&process.pid);
    let ids: BTreeSet<&Vec<u8>> = processes.iter().filter(|p| is_found(&found, p)).filter_map(id).collect();
    found.extend(processes.iter().filter(|p| id(p).is_some_and(|id| ids.contains(id))).map(|p| p.pid));
    grow(processes, &mut found);
    let mut spared = with_ancestors(processes, us);
    spared.extend(workers);
    spared.insert(listener);
    processes.iter().filter(|p| is_found(&found, p) && !spared.contains(&p.pid)).collect()
}

/// Adds everybody's children; a parent may have the larger number.
fn grow(processes: &[Process], found: &mut BTreeSet<i32>) {
    let mut before = None;
    while before.replace(found.len()) != Some(found.len()) {
        let children: Vec<i32> =
            processes.iter().filter(|p| found.contains(&p.parent)).map(|p| p.pid).collect();
        found.extend(children);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (i32, i32, &'static str);

    /// Who is below; init, supervisor and listener are always there.
    fn of(others: &[Row]) -> Vec<i32> {
        let ours = [(1, 0, ""), (2, 1, ""), (3, 2, "")];
        let process = |&(pid, parent, role): &Row| {
            let role = match role {
                "worker" => Role::Worker,
                "" => Role::Other,
                id => Role::Job(id.into()),
            };
            Process { pid, parent, group: 3, start: 1, role }
        };
        let all: Vec<Process> = ours.iter().chain(others).map(process).collect();
        below(&all, 3, 2).into_iter().map(|process| process.pid).collect()
    }

    const WORKER: Row = (10, 3, "worker");

    #[test]
    fn descendants_are_found_whatever_their_numbers() {
        assert_eq!(of(&[WORKER, (30, 10, "a"), (20, 30, "a"), (25, 20, ""), (40, 3, "")]), [30, 20, 25]);
        assert_eq!(of(&[(30, 3, "a"), (31, 30, "a")]), [0; 0], "there is no worker");
        assert_eq!(of(&[(10, 1, "worker"), (30, 10, "a")]), [0; 0], "another runner's, or one left behind");
    }

    #[test]
    fn who_has_lost_its_parent_is_told_by_the_id_of_a_job_that_is_seen() {
        let step = (30, 10, "a");
        assert_eq!(of(&[WORKER, step, (31, 1, "a"), (32, 31, ""), (33, 1, "b")]), [30, 31, 32]);
        assert_eq!(of(&[WORKER, (31, 1, "a")]), [0; 0], "it may be an earlier job's");
    }

    #[test]
    fn nobody_above_is_below() {
        assert_eq!(of(&[WORKER, (30, 10, "a"), (1, 0, "a")]), [30]);
        let job_within = [WORKER, (30, 10, "a"), (31, 30, "a"), (32, 31, "worker")];
        assert_eq!(of(&job_within), [30, 31, 32], "a runner within the job is part of it");
        assert_eq!(of(&[(10, 3, "worker"), (3, 10, "")]), [0; 0], "a ring ends");
    }
}
