//! A listener, its workers and a clock: what the supervisor sees and hears of them, when it does, and what it makes of that.

use crate::lifecycle::Judge;
use chrono::{DateTime, Utc};
use runner_init::domain::event::{Exit, Now, RunnerEvent, Stream, TaskResult, WorkerState};
use runner_init::domain::failure::Cause;
use runner_init::domain::job::crew::{Crew, Id, Log, Look, Process};
use runner_init::domain::lifecycle::{Action, Input, Lifecycle, Settings};
use runner_init::domain::parse::parse;
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use std::time::Duration;

/// A process that is killed is gone, and known to be, within this.
pub(crate) const DEATH: Duration = Duration::from_millis(500);
/// The kernel counts a process's start in steps of this.
const TICK: u64 = 10;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A job as it really is.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: String,
    /// Its `Running job` was heard.
    pub(crate) heard: bool,
    /// It had a worker.
    pub(crate) worked: bool,
    /// Its end was heard.
    pub(crate) told: Option<TaskResult>,
}

#[derive(Debug)]
struct Worker {
    id: Id,
    born: Duration,
    ended: Option<Duration>,
    log: String,
    /// Its listener's number.
    of: u32,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct World {
    pub(crate) life: Lifecycle,
    pub(crate) now: Now,
    pub(crate) judge: Judge,
    /// Neither `/proc` nor `_diag` can be read.
    blind: bool,
    crew: Crew,
    known_logs: usize,
    /// Launches so far.
    launches: u32,
    pub(crate) is_running: bool,
    /// It was killed, and is gone by then.
    dies_at: Option<Duration>,
    workers: Vec<Worker>,
    pub(crate) jobs: Vec<Job>,
    /// The last one runs, as far as the listener is concerned.
    pub(crate) is_open: bool,
    pub(crate) rows: Vec<JobRecord>,
    /// The next launch is refused by the system.
    pub(crate) spawn_fails: bool,
    pub(crate) is_registering: bool,
    pub(crate) is_preparing: bool,
    pub(crate) is_removing: bool,
    pub(crate) left: Option<Duration>,
}

impl World {
    pub(crate) fn new(settings: Settings, judge: Judge, blind: bool) -> World {
        let now = Now { up: Duration::ZERO, utc: DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap() };
        World {
            life: Lifecycle::new(settings, now),
            now,
            judge,
            blind,
            crew: Crew::default(),
            known_logs: 0,
            launches: 0,
            is_running: false,
            dies_at: None,
            workers: Vec::new(),
            jobs: Vec::new(),
            is_open: false,
            rows: Vec::new(),
            spawn_fails: false,
            is_registering: false,
            is_preparing: false,
            is_removing: false,
            left: None,
        }
    }

    /// Time goes on to that moment, and every deadline on the way is kept.
    pub(crate) fn go_to(&mut self, end: Duration) {
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.set(at.max(self.now.up));
            if self.dies_at.is_some_and(|dies| dies <= self.now.up) {
                self.exit(Exit::Signal(9), true, Cause::Signal(9));
                continue;
            }
            if self.life.next_look().is_some_and(|look| look <= self.now.up) {
                self.look();
            }
            if self.life.next_deadline().is_some_and(|deadline| deadline <= self.now.up) {
                self.give(Input::Deadline);
            }
        }
        self.set(end.max(self.now.up));
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.go_to(self.now.up + time);
    }

    /// When something is due that nobody has to cause.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        [self.dies_at, self.life.next_look(), self.life.next_deadline()].into_iter().flatten().min()
    }

    /// Time passes and the supervisor stands still.
    pub(crate) fn set(&mut self, up: Duration) {
        let passed = up.checked_sub(self.now.up).expect("time goes on");
        self.now = Now { up, utc: self.now.utc + passed };
    }

    pub(crate) fn give(&mut self, input: Input) {
        let was_left = self.left.is_some();
        let actions = self.life.handle(input, self.now);
        assert!(!was_left || actions.is_empty(), "after the end: {actions:?}");
        for action in actions {
            self.execute(action);
        }
    }

    fn execute(&mut self, action: Action) {
        let has_job = self.has_job();
        self.judge.judge(&action, self.now.up, self.is_running, has_job, self.told_at());
        match action {
            Action::Spawn if std::mem::take(&mut self.spawn_fails) => {
                self.give(Input::NotStarted { error: "no".to_owned() });
            }
            Action::Spawn => {
                self.launches += 1;
                (self.is_running, self.crew) = (true, Crew::default());
                self.known_logs = self.workers.len();
                self.give(Input::Started { pid: self.launches });
            }
            Action::KillGroup if self.is_running => self.dies_at = Some(self.now.up + DEATH),
            Action::LookForWork => {
                let works = self.workers.iter().any(|worker| worker.ended.is_none());
                self.give(Input::LookedForWork(works));
            }
            Action::Prepare => self.is_preparing = true,
            Action::Register { .. } => self.is_registering = true,
            Action::AbortRegistration => self.is_registering = false,
            Action::Deregister(_) => self.is_removing = true,
            Action::Leave(_) => self.left = Some(self.now.up),
            Action::Append(row) => self.append(*row),
            Action::KillGroup
            | Action::AskStatus
            | Action::FollowTrace
            | Action::LeaveTrace
            | Action::Unlabel
            | Action::Interrupt
            | Action::Below(_)
            | Action::WatchUpdate
            | Action::Notify(_) => {}
        }
    }

    /// One job at a time, each begun once and ended once.
    fn append(&mut self, row: JobRecord) {
        let open = self.rows.last().filter(|last| last.status == RowStatus::Running);
        match open {
            Some(open) => {
                assert!(row.status != RowStatus::Running, "two jobs at a time: {row:?}");
                assert_eq!((&row.job_id, row.started_at), (&open.job_id, open.started_at));
            }
            None => assert!(row.status == RowStatus::Running, "an end without a start: {row:?}"),
        }
        self.rows.push(row);
    }

    /// Somebody works for a job that was heard to begin and not to end.
    pub(crate) fn has_job(&self) -> bool {
        let job = self.jobs.last().is_some_and(|job| job.heard && job.worked && job.told.is_none());
        job && self.is_running && self.workers.last().is_some_and(|worker| worker.ended.is_none())
    }

    fn told_at(&self) -> bool {
        self.jobs.last().is_some_and(|job| job.told.is_some())
    }

    /// What is seen of the workers, and what that says of the job; until it says nothing new, as the supervisor does it.
    pub(crate) fn look(&mut self) {
        self.see();
        self.conclude();
    }

    fn see(&mut self) {
        if self.blind {
            return self.crew.see(Look::default(), self.now);
        }
        let now = self.now;
        let of = self.launches;
        let alive = self.workers.iter().filter(|worker| worker.of == of && worker.ended.is_none());
        let processes = alive
            .map(|worker| Process { id: worker.id, age: now.up.saturating_sub(ticks(worker.born)) })
            .collect();
        let new = &self.workers[self.known_logs..];
        let logs = new.iter().map(|worker| {
            let ago = now.up.saturating_sub(worker.ended.unwrap_or(now.up));
            Log { name: worker.log.clone(), changed: now.utc - ago }
        });
        let logs = logs.collect();
        self.known_logs = self.workers.len();
        self.crew.see(Look { processes: Some(processes), logs: Some(logs) }, now);
    }

    fn conclude(&mut self) {
        let mut before = None;
        while let Some(job) = self.life.subject().cloned() {
            let this = (job.started.utc, self.crew.evidence(&job));
            if before.replace(this) == Some(this) {
                break;
            }
            self.give(Input::Looked(this.1));
        }
    }

    /// A line comes out of the listener.
    pub(crate) fn say(&mut self, stream: Stream, line: &str) {
        let Some(reading) = parse(stream, line.as_bytes()) else {
            panic!("no sentence of the runner's: {line}")
        };
        let (had_subject, begins) =
            (self.life.subject().is_some(), matches!(reading.event, RunnerEvent::JobStarted { .. }));
        if had_subject {
            self.look();
        }
        let subject = self.life.subject().filter(|_| had_subject).cloned();
        let evidence = subject.map_or(WorkerState::NotSeen, |job| self.crew.evidence(&job));
        self.give(Input::Line(reading, evidence));
        if begins {
            self.look();
        } else if had_subject {
            self.conclude();
        }
    }

    pub(crate) fn stamp(&self) -> String {
        self.now.utc.format("%Y-%m-%d %H:%M:%SZ").to_string()
    }

    pub(crate) fn out(&mut self, words: &str) {
        let line = format!("{}: {words}", self.stamp());
        self.say(Stream::Stdout, &line);
    }

    /// GitHub has given it a job; nobody has heard of it yet.
    pub(crate) fn take_job(&mut self) -> usize {
        let name = format!("job {}", self.jobs.len());
        self.jobs.push(Job { name, heard: false, worked: false, told: None });
        self.jobs.len() - 1
    }

    pub(crate) fn worker_begins(&mut self, job: usize) {
        let number = self.workers.len();
        let id = Id {
            pid: i32::try_from(number).unwrap() + 100,
            start: u64::try_from(self.now.up.as_millis()).unwrap() / TICK,
        };
        let log = format!("Worker_{number}.log");
        self.workers.push(Worker { id, born: self.now.up, ended: None, log, of: self.launches });
        self.jobs[job].worked = true;
    }

    /// A worker of this listener whose job has ended lives on.
    pub(crate) fn is_haunted(&self) -> bool {
        !self.is_open
            && self.workers.iter().any(|worker| worker.of == self.launches && worker.ended.is_none())
    }

    /// The exit of a worker wakes the supervisor; `heeded`: it is not standing still.
    pub(crate) fn worker_ends(&mut self, heeded: bool) {
        let up = self.now.up;
        self.workers
            .iter_mut()
            .filter(|worker| worker.ended.is_none())
            .for_each(|worker| worker.ended = Some(up));
        if heeded && self.is_running {
            self.look();
        }
    }

    /// Its first line, as it is printed now; it is heard when it is said.
    pub(crate) fn starts_line(&mut self, job: usize) -> String {
        self.jobs[job].heard = true;
        format!("{}: Running job: {}", self.stamp(), self.jobs[job].name)
    }

    /// Its last line.
    pub(crate) fn ends_line(&mut self, job: usize, result: TaskResult) -> String {
        self.jobs[job].told = Some(result);
        format!("{}: Job {} completed with result: {}", self.stamp(), self.jobs[job].name, result.as_str())
    }

    /// The listener is gone, and whoever worked below it.
    pub(crate) fn exit(&mut self, exit: Exit, configured: bool, cause: Cause) {
        self.is_open = false;
        let up = self.now.up;
        self.workers
            .iter_mut()
            .filter(|worker| worker.ended.is_none())
            .for_each(|worker| worker.ended = Some(up));
        self.look();
        (self.is_running, self.dies_at) = (false, None);
        self.give(Input::Exited { exit, configured, cause });
        self.judge.is_gone();
    }

    /// How much it takes to write out what the supervisor remembers.
    pub(crate) fn held(&self) -> usize {
        format!("{:?} {:?}", self.life, self.crew).len()
    }

    /// Every job that was one, and how it ended: docs/JOBS.md. A claim without a worker is none, where workers can be seen.
    pub(crate) fn really(&self) -> Vec<(String, RowStatus)> {
        let jobs = self.jobs.iter().filter(|job| job.heard && (job.worked || self.blind));
        let status = |job: &Job| match job.told {
            Some(TaskResult::Succeeded | TaskResult::SucceededWithIssues) => JobStatus::Success,
            Some(TaskResult::Failed) => JobStatus::Failed,
            Some(TaskResult::Canceled) => JobStatus::Cancelled,
            Some(TaskResult::Skipped) => JobStatus::Skipped,
            Some(TaskResult::Abandoned) | None => JobStatus::Abandoned,
        };
        jobs.map(|job| (job.name.clone(), RowStatus::Finished(status(job)))).collect()
    }

    /// What the rows say of each job: its name and how it ended.
    pub(crate) fn counted(&self) -> Vec<(String, RowStatus)> {
        let ends = self.rows.iter().filter(|row| row.status != RowStatus::Running);
        ends.map(|row| (row.job_name.clone().unwrap(), row.status)).collect()
    }
}

fn ticks(up: Duration) -> Duration {
    let millis = u64::try_from(up.as_millis()).unwrap();
    ms(millis / TICK * TICK)
}
