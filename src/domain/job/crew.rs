//! The listener's workers, matched to jobs. Whose worker is whose: the listener's workers come one after the other, as
//! its jobs do, so the next job has the next worker.
//!
//! A worker is a process below our listener (its number and its start), or a log in `_diag` that was not there when the job
//! began; with both it is one worker. It is over once it is gone, or once the listener has begun the next one: a worker that
//! cannot die is nobody's any more.

use super::OpenJob;
use crate::domain::event::{Now, WorkerState};
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::time::Duration;

/// Workers that are remembered: so many lines are not read late.
const MOST: usize = 32;
/// The kernel counts a process's start in steps of 10 ms, and either of line and worker may be first.
const EARLY: Duration = Duration::from_millis(60);

/// A process, told from the next one of its number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// Its number.
    pub pid: i32,
    /// When it began, in the kernel's ticks.
    pub start: u64,
}

/// A `Runner.Worker` below our listener that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub id: Id,
    /// How long it has lived.
    pub age: Duration,
}

/// A `Worker_*.log` that the look before has not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its name in `_diag`.
    pub name: String,
    /// When it was last written or changed: nobody can set that.
    pub changed: DateTime<Utc>,
}

/// What can be seen at one moment; `None` where nothing can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The listener's workers.
    pub processes: Option<Vec<Process>>,
    /// New logs, by name.
    pub logs: Option<Vec<Log>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    process: Option<Id>,
    log: Option<String>,
    /// Monotonic, as far as the clocks tell.
    born: Duration,
    alive: bool,
    /// The job it works for, by its start.
    job: Option<DateTime<Utc>>,
}

/// The workers of one listener, in the order of their birth.
#[derive(Debug, Default)]
pub struct Crew {
    members: VecDeque<Member>,
    blind: bool,
}

impl Crew {
    /// Takes in what was seen.
    pub fn see(&mut self, look: Look, now: Now) {
        self.blind = look.processes.is_none();
        for process in look.processes.iter().flatten() {
            if self.members.iter().all(|member| member.process != Some(process.id)) {
                let born = now.up.saturating_sub(process.age);
                self.add(Member { process: Some(process.id), log: None, born, alive: true, job: None });
            }
        }
        if let Some(processes) = &look.processes {
            for member in &mut self.members {
                member.alive &= processes.iter().any(|process| member.process == Some(process.id));
            }
        }
        for log in look.logs.into_iter().flatten() {
            self.take_log(log, now);
        }
    }

    /// A log is that of the youngest worker that has none and was born before it was last written; else of one that nobody saw.
    fn take_log(&mut self, log: Log, now: Now) {
        let ahead = (log.changed - now.utc).to_std().unwrap_or_default();
        if ahead > EARLY {
            return;
        }
        let changed = now.up.saturating_sub((now.utc - log.changed).to_std().unwrap_or_default());
        let writer = self.members.iter_mut().rev().find(|member| member.born <= changed + EARLY);
        match writer.filter(|member| member.log.is_none()) {
            Some(member) => member.log = Some(log.name),
            None => {
                self.add(Member {
                    process: None,
                    log: Some(log.name),
                    born: changed,
                    alive: false,
                    job: None,
                });
            }
        }
    }

    fn add(&mut self, member: Member) {
        if self.members.len() == MOST {
            self.members.pop_front();
        }
        let at = self.members.partition_point(|other| other.born <= member.born);
        self.members.insert(at, member);
    }

    /// What is known of the worker of this job, which may still be a claim.
    pub fn evidence(&mut self, job: &OpenJob) -> WorkerState {
        let key = job.started.utc;
        let since = job.worker_since_up();
        let mut candidates = (0..self.members.len()).filter(|at| {
            let member = &self.members[*at];
            member.job.is_none() && member.born + EARLY >= since
        });
        let mine = (0..self.members.len()).find(|at| self.members[*at].job == Some(key));
        let Some(at) = mine.or_else(|| candidates.next()) else {
            return if self.blind { WorkerState::Unknown } else { WorkerState::NotSeen };
        };
        self.members[at].job = Some(key);
        let has_successor = self.members.range(at + 1..).any(|member| member.process.is_some());
        match &self.members[at] {
            Member { process: None, .. } if self.blind => WorkerState::Unknown,
            Member { alive: true, .. } if !has_successor => WorkerState::Alive,
            Member { .. } => WorkerState::Gone,
        }
    }

    /// The log of the job that began then, if its worker has one of its own.
    pub fn log(&self, began: DateTime<Utc>) -> Option<&str> {
        self.members.iter().find(|member| member.job == Some(began))?.log.as_deref()
    }

    /// The processes whose end would be news.
    pub fn alive(&self) -> impl Iterator<Item = Id> {
        self.members.iter().filter(|member| member.alive).filter_map(|member| member.process)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        JobTracker,
        tests::{now, reading},
    };
    use super::*;

    const S: u64 = 1_000;

    struct Scene(Crew, JobTracker);

    /// A claim of that name, read at its time or `late`.
    fn claimed(name: &str, millis: u64, late: u64) -> Scene {
        let mut scene = Scene(Crew::default(), JobTracker::default());
        scene.claim(name, millis, late);
        scene
    }

    impl Scene {
        fn claim(&mut self, name: &str, millis: u64, late: u64) {
            let stamp = now(millis).utc.format("%Y-%m-%d %H:%M:%SZ");
            self.1 = JobTracker::default();
            self.1.hear(
                &reading(&format!("{stamp}: Running job: {name}")),
                WorkerState::NotSeen,
                now(millis + late),
            );
        }

        /// What is seen then: processes by number and birth, logs by name and time.
        fn see(&mut self, at: u64, processes: &[(i32, u64)], logs: &[(&str, u64)]) -> WorkerState {
            let process = |&(pid, born): &(i32, u64)| Process {
                id: Id { pid, start: born },
                age: Duration::from_millis(at - born),
            };
            let log = |&(name, millis): &(&str, u64)| Log { name: name.into(), changed: now(millis).utc };
            let look = Look {
                processes: Some(processes.iter().map(process).collect()),
                logs: Some(logs.iter().map(log).collect()),
            };
            self.0.see(look, now(at));
            self.ask()
        }

        fn ask(&mut self) -> WorkerState {
            self.0.evidence(self.1.subject().expect("a claim"))
        }
    }

    #[test]
    fn a_worker_is_seen_by_its_process_or_its_log_and_gone_by_itself() {
        let mut by_process = claimed("a", 5 * S, 0);
        assert_eq!(by_process.see(5_010, &[], &[]), WorkerState::NotSeen);
        assert_eq!(by_process.see(5_020, &[(7, 5_015)], &[]), WorkerState::Alive);
        assert_eq!(by_process.see(5_200, &[(7, 5_015)], &[("Worker_1", 5_150)]), WorkerState::Alive);
        assert_eq!(by_process.see(9_000, &[], &[]), WorkerState::Gone);
        assert_eq!(by_process.0.log(now(5 * S).utc), Some("Worker_1"));
        let mut by_log = claimed("a", 5 * S, 3 * S);
        assert_eq!(
            by_log.see(8_000, &[], &[("Worker_1", 7_000)]),
            WorkerState::Gone,
            "it was over before anybody looked"
        );
        let mut early = claimed("a", 5 * S, 0);
        assert_eq!(early.see(5_000, &[(7, 4_992)], &[]), WorkerState::Alive, "it may be first");
    }

    #[test]
    fn what_was_there_before_or_is_dated_ahead_is_no_evidence() {
        let mut scene = claimed("a", 5 * S, 0);
        assert_eq!(scene.see(5_010, &[], &[("Worker_20990101-000000-utc.log", 3_000)]), WorkerState::NotSeen);
        assert_eq!(scene.see(5_020, &[], &[("Worker_2", 9_000_000)]), WorkerState::NotSeen);
        assert_eq!(scene.see(5_030, &[(7, 2_000)], &[]), WorkerState::NotSeen, "another job's");
    }

    #[test]
    fn jobs_read_late_have_their_own_workers() {
        // Both lines of `a` and the first of `b` are read at once; `a`'s worker is over, `b`'s lives.
        let mut scene = claimed("a", 5 * S, 2 * S);
        assert_eq!(
            scene.see(7_000, &[(8, 6_300)], &[("Worker_1", 6_200), ("Worker_2", 6_400)]),
            WorkerState::Gone
        );
        scene.claim("b", 6_250, 751);
        assert_eq!(scene.ask(), WorkerState::Alive);
        assert_eq!(scene.see(9_000, &[], &[]), WorkerState::Gone);
        assert_eq!(scene.0.log(now(7_000).utc), Some("Worker_1"));
    }

    #[test]
    fn a_worker_that_cannot_die_is_over_once_the_next_has_begun() {
        let mut scene = claimed("a", 5 * S, 0);
        assert_eq!(scene.see(9_000, &[(7, 5_015)], &[]), WorkerState::Alive);
        assert_eq!(scene.see(9_100, &[(7, 5_015), (8, 9_090)], &[("Worker_9", 9_099)]), WorkerState::Gone);
        scene.claim("b", 9_050, 0);
        assert_eq!(scene.ask(), WorkerState::Alive);
        assert_eq!(scene.see(9_900, &[(7, 5_015)], &[]), WorkerState::Gone);
    }

    #[test]
    fn a_log_alone_does_not_end_a_living_worker() {
        let mut scene = claimed("a", 5 * S, 0);
        assert_eq!(scene.see(5_020, &[(7, 5_015)], &[("Worker_1", 5_018)]), WorkerState::Alive);
        assert_eq!(scene.see(6_000, &[(7, 5_015)], &[("Worker_2", 5_900)]), WorkerState::Alive);
    }

    #[test]
    fn where_nothing_can_be_seen_nothing_is_known() {
        let mut scene = claimed("a", 5 * S, 0);
        scene.0.see(Look::default(), now(5_010));
        assert_eq!(scene.ask(), WorkerState::Unknown);
        scene.0.see(Look { processes: Some(Vec::new()), logs: None }, now(5_020));
        assert_eq!(scene.ask(), WorkerState::NotSeen, "the process table alone is enough");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut scene = claimed("a", 5 * S, 0);
        for pid in 0..100 {
            scene.see(6_000, &[(pid, 5_100)], &[]);
        }
        assert_eq!(scene.0.members.len(), MOST);
    }
}
