//! The descendants of a job's Worker. Whoever works for a job is below its Worker, in whatever session and group;
//! Worker, listener and we are not.
//!
//! Below are the descendants of a living Worker that is the listener's child, and who carries its job's id: a daemon whose
//! parent has ended has another parent now, but the runner makes that id up anew for each job. The id is the job's if a
//! descendant carries it. Where none is left to show it, it must be proven otherwise: no other Worker lives that could have
//! given it, and nobody who carries it is as old as ours.

use super::sweep::{Process, Role, id, with_ancestors};
use std::collections::BTreeSet;

/// Who is below a Worker of this listener; `us` and our ancestors never are.
pub fn below(processes: &[Process], listener: i32, us: i32) -> Vec<&Process> {
    let workers: Vec<&Process> = processes.iter().filter(|process| process.role == Role::Worker).collect();
    let ours = |worker: &&&Process| worker.parent == listener;
    let roots: BTreeSet<i32> = workers.iter().filter(ours).map(|worker| worker.pid).collect();
    let mut found = roots.clone();
    grow(processes, &mut found);
    let mut ids: BTreeSet<&Vec<u8>> =
        processes.iter().filter(|p| found.contains(&p.pid)).filter_map(id).collect();
    if let [worker] = workers[..]
        && worker.parent == listener
    {
        let old: BTreeSet<&Vec<u8>> =
            processes.iter().filter(|p| p.start <= worker.start).filter_map(id).collect();
        ids.extend(processes.iter().filter_map(id).filter(|id| !old.contains(id)));
    }
    if !roots.is_empty() {
        let carriers = processes.iter().filter(|p| id(p).is_some_and(|id| ids.contains(id)));
        found.extend(carriers.map(|p| p.pid));
        grow(processes, &mut found);
    }
    let mut spared = with_ancestors(processes, us);
    spared.extend(roots);
    spared.insert(listener);
    processes.iter().filter(|p| found.contains(&p.pid) && !spared.contains(&p.pid)).collect()
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

    type Row = (i32, i32, u64, &'static str);

    /// Who is below; init, supervisor and listener are always there.
    fn of(others: &[Row]) -> Vec<i32> {
        let ours = [(1, 0, 1, ""), (2, 1, 1, ""), (3, 2, 1, "")];
        let process = |&(pid, parent, start, role): &Row| {
            let role = match role {
                "worker" => Role::Worker,
                "" => Role::Other,
                id => Role::Job(id.into()),
            };
            Process { pid, parent, group: 3, start, role }
        };
        let all: Vec<Process> = ours.iter().chain(others).map(process).collect();
        below(&all, 3, 2).into_iter().map(|process| process.pid).collect()
    }

    const WORKER: Row = (10, 3, 50, "worker");

    #[test]
    fn descendants_are_found_whatever_their_numbers() {
        let all = [WORKER, (30, 10, 60, "a"), (20, 30, 61, "a"), (25, 20, 62, ""), (40, 3, 63, "")];
        assert_eq!(of(&all), [30, 20, 25]);
        assert_eq!(of(&[(30, 3, 60, "a"), (31, 30, 60, "a")]), [0; 0], "there is no worker");
        assert_eq!(
            of(&[(10, 1, 50, "worker"), (30, 10, 60, "a")]),
            [0; 0],
            "another runner's, or one left behind"
        );
    }

    #[test]
    fn who_has_lost_its_parent_is_told_by_the_id_of_its_job() {
        let step = (30, 10, 60, "a");
        let daemon = [(31, 1, 61, "a"), (32, 31, 62, "")];
        assert_eq!(of(&[WORKER, step, daemon[0], daemon[1], (33, 1, 40, "b")]), [30, 31, 32]);
        assert_eq!(
            of(&[WORKER, daemon[0], daemon[1]]),
            [31, 32],
            "nobody but this worker can have made the id"
        );
        let old = (33, 1, 50, "a");
        assert_eq!(of(&[WORKER, daemon[0], old]), [0; 0], "an earlier job's daemon has started another");
        let other = (40, 39, 55, "worker");
        assert_eq!(of(&[WORKER, other, daemon[0]]), [0; 0], "another runner's job may have made it");
        assert_eq!(of(&[WORKER, other, step, daemon[0]]), [30, 31]);
        assert_eq!(of(&[other, daemon[0]]), [0; 0]);
    }

    #[test]
    fn nobody_above_is_below() {
        assert_eq!(of(&[WORKER, (30, 10, 60, "a"), (1, 0, 1, "a")]), [30]);
        let job_within = [WORKER, (30, 10, 60, "a"), (31, 30, 61, "a"), (32, 31, 62, "worker")];
        assert_eq!(of(&job_within), [30, 31, 32], "a runner within the job is part of it");
        assert_eq!(of(&[(10, 3, 50, "worker"), (3, 10, 1, "")]), [0; 0], "a ring ends");
    }
}
