//! Clean-up after a job. After a job its leftovers go: processes first (TERM, then KILL), then files, then old logs, on
//! a thread that ends in time.
//!
//! The thread reads and removes with the rights of the runner's user: not even root may read another user's environment
//! without `CAP_SYS_PTRACE`, and nothing a job may have put in our way can lead us to what the job itself could not reach.
//! Whose job has ended is told by [`crate::domain::sweep`]. Nobody waits for the thread: at a stop PID 1 sweeps everything.
//! It is there from the start: a job that has taken every number there is for a process is swept all the same.

mod leftovers;
mod logs;

use super::door::{self, Dir};
use super::processes::{self, JobMarkers};
use crate::child_setup::Ids;
use crate::domain::sweep::{Process, Swept, ended, has_job, has_worker, processes_to_kill};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a process may take to end: after TERM, and again after KILL.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long removing files may take.
const REMOVAL: Duration = Duration::from_secs(2);
/// Between two looks for those who were told to end, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
/// Longer than a tick, for which the file systems' clock stands still.
const TICK: Duration = Duration::from_millis(20);
/// A worker that has begun unheard of is seen this soon.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where and how to sweep.
#[derive(Clone, Debug)]
pub struct CleanupPlan {
    /// The runner's directory.
    pub runner: Dir,
    /// Where its jobs work, as it was meant at the start.
    pub work_dir: PathBuf,
    /// Who the runner is; `None`: who we are.
    pub user: Option<Ids>,
    /// The tracking id of the job that runs us, if one does.
    pub inherited: Option<Vec<u8>>,
    /// Whether what ended jobs left is swept.
    pub leftovers: bool,
    /// How many bytes of logs may stay in `_diag`; `None`: any number.
    pub logs: Option<u64>,
}

impl CleanupPlan {
    /// What tells this runner's jobs from others'.
    pub(super) fn marks(&self) -> JobMarkers {
        JobMarkers { inherited: self.inherited.clone(), temp: processes::inode(&self.work_dir.join("_temp")) }
    }
}

/// The thread that sweeps, which waits until it is asked to.
#[derive(Debug)]
pub struct CleanupThread {
    asks: mpsc::Sender<CleanupOrder>,
}

type CleanupOrder = (Arc<AtomicBool>, oneshot::Sender<Swept>);

impl CleanupThread {
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start(plan: CleanupPlan) -> io::Result<CleanupThread> {
        let (asks, asked) = mpsc::channel::<CleanupOrder>();
        let work = move || {
            if let Some(ids) = &plan.user {
                become_on_disk(ids);
            }
            for (job_began, done) in asked {
                // Nobody may want to know any more.
                let _ = done.send(sweep(&plan, &job_began));
            }
        };
        std::thread::Builder::new().name("sweep".to_owned()).spawn(work)?;
        Ok(CleanupThread { asks })
    }

    /// Sweeps in the background; the answer is what was done. Files stay once `job_began` is true.
    pub fn begin(&self, job_began: Arc<AtomicBool>) -> oneshot::Receiver<Swept> {
        let (done, answer) = oneshot::channel();
        // Were the thread gone, so were the answer.
        let _ = self.asks.send((job_began, done));
        answer
    }
}

/// Only for what is read and written, and only on this thread: a job must not be able to signal it.
pub(super) fn become_on_disk(ids: &Ids) {
    setfsgid(Gid::from_raw(ids.gid));
    setfsuid(Uid::from_raw(ids.uid));
}

fn sweep(plan: &CleanupPlan, job_began: &AtomicBool) -> Swept {
    let mut swept = Swept::default();
    if plan.leftovers {
        let marks = plan.marks();
        (swept.processes, swept.left) = end_processes(&marks);
        swept.files = remove_files(plan, &marks, job_began);
    }
    swept.files += plan.logs.map_or(0, |limit| logs::bound(plan.runner.readable("_diag"), limit));
    swept
}

/// How many were told to end, and how many of them did not.
fn end_processes(marks: &JobMarkers) -> (u64, u64) {
    let first = processes::look(marks);
    if !has_job(&first) {
        return (0, 0);
    }
    let ended = ended(&first, &processes::look(marks));
    let (mut told, mut left) = (BTreeSet::new(), 0);
    for signal in [Signal::TERM, Signal::KILL] {
        left = end_all(marks, &ended, signal, &mut told);
        if left == 0 {
            break;
        }
    }
    (told.len() as u64, left)
}

/// Signals everybody of these jobs until nobody is left, or the time is over; how many are left then.
fn end_all(
    marks: &JobMarkers,
    ended: &BTreeSet<Vec<u8>>,
    with: Signal,
    told: &mut BTreeSet<(i32, u64)>,
) -> u64 {
    let (deadline, mut pause) = (now() + PATIENCE, PAUSES.0);
    let mut heard = BTreeSet::new();
    loop {
        let all = processes::look(marks);
        let left = processes_to_kill(&all, ended, std::process::id().cast_signed());
        for process in &left {
            let Process { pid, start, .. } = **process;
            if heard.insert((pid, start)) && processes::signal(process, with) {
                told.insert((pid, start));
                // Who is stopped hears nothing but KILL.
                processes::signal(process, Signal::CONT);
            }
        }
        if left.is_empty() || now() >= deadline {
            return left.len() as u64;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Empties the directories of a job, which its worker empties itself unless it was killed.
fn remove_files(plan: &CleanupPlan, marks: &JobMarkers, job_began: &AtomicBool) -> u64 {
    // What the worker wrote last is older than the moment after this.
    std::thread::sleep(TICK);
    // The moment comes before the look: whoever begins to work after the look writes after the moment.
    let before = leftovers::moment();
    let (deadline, mut looked, mut is_over) = (now() + REMOVAL, None::<Instant>, false);
    // Once no, always no.
    let mut may = move || {
        let at = now();
        is_over |= job_began.load(Ordering::Relaxed) || at >= deadline;
        if !is_over && looked.is_none_or(|last| at - last >= LOOK_EVERY) {
            looked = Some(at);
            is_over = has_worker(&processes::look(marks));
        }
        !is_over
    };
    let runner = plan.runner.as_fd();
    let mut files = 0;
    for step in ["pages", "blocks"] {
        files += leftovers::empty(runner, &["_diag", step], before, &mut may);
    }
    if let Ok(work) = door::directory(&plan.work_dir) {
        files += leftovers::empty(work.as_fd(), &["_temp"], before, &mut may);
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "deadlines of a thread that nobody waits for")]
fn now() -> Instant {
    Instant::now()
}
