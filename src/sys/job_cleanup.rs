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
use crate::domain::sweep::{
    Process, Strangers, Swept, ended, has_job, has_worker, keep_workers_of, processes_to_kill, strangers,
};
use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid};
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
    /// Whether nobody else's processes are here: then only a child of our listener is a worker.
    pub is_alone: bool,
    /// Who was there before the runner, each with its start, where everybody who came later and is not the listener's goes.
    pub before: Option<BTreeSet<(i32, u64)>>,
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

/// What was done, and whether there may be more to do later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupOutcome {
    /// What.
    pub swept: Swept,
    /// Somebody was left, or could not be told from the listener's.
    pub again: bool,
}

type CleanupOrder = (Arc<AtomicBool>, oneshot::Sender<CleanupOutcome>);

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
    pub fn begin(&self, job_began: Arc<AtomicBool>) -> oneshot::Receiver<CleanupOutcome> {
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

/// Becomes that for this deed alone.
pub(super) fn as_on_disk<T>(ids: &Ids, deed: impl FnOnce() -> T) -> T {
    become_on_disk(ids);
    let done = deed();
    setfsuid(geteuid());
    setfsgid(getegid());
    done
}

fn sweep(plan: &CleanupPlan, job_began: &AtomicBool) -> CleanupOutcome {
    let (mut swept, mut is_unclear) = (Swept::default(), false);
    if plan.leftovers {
        let marks = plan.marks();
        (swept.processes, swept.left) = end_processes(plan, &marks);
        if let Some(before) = &plan.before {
            let (told, left) = end_until(|| tell_strangers(before));
            swept.processes += told;
            swept.left += left.unwrap_or_default();
            is_unclear = left.is_none();
        }
        swept.files = remove_files(plan, &marks, job_began);
    }
    swept.files += plan.logs.map_or(0, |limit| logs::bound(plan.runner.readable("_diag"), limit));
    CleanupOutcome { swept, again: is_unclear || swept.left > 0 }
}

fn us() -> i32 {
    std::process::id().cast_signed()
}

/// Everybody, and who works for a job.
fn look(plan: &CleanupPlan, marks: &JobMarkers) -> Vec<Process> {
    let mut seen = processes::look(marks);
    if plan.is_alone {
        keep_workers_of(&mut seen, us());
    }
    seen
}

/// How many were told to end, and how many of them did not.
fn end_processes(plan: &CleanupPlan, marks: &JobMarkers) -> (u64, u64) {
    let first = look(plan, marks);
    if !has_job(&first) {
        return (0, 0);
    }
    let ended = ended(&first, &look(plan, marks));
    let (told, left) = end_until(|| {
        let all = look(plan, marks);
        Some(processes_to_kill(&all, &ended, us()).into_iter().cloned().collect())
    });
    (told, left.unwrap_or_default())
}

/// Who is there that is neither ours nor the listener's; `None` while that cannot be told.
fn tell_strangers(before: &BTreeSet<(i32, u64)>) -> Option<Vec<Process>> {
    let [first, second] = [(), ()].map(|()| {
        let mut seen = processes::glance();
        keep_workers_of(&mut seen, us());
        seen
    });
    match strangers(&first, &second, before, us()) {
        Strangers::Unclear => None,
        Strangers::Are(found) => Some(found.into_iter().cloned().collect()),
    }
}

/// Tells everybody `who` names to end, with TERM, then KILL, each for a while, until it names nobody: how many were told, and how
/// many are left. `None` is nobody, and ends it.
fn end_until(who: impl Fn() -> Option<Vec<Process>>) -> (u64, Option<u64>) {
    let mut told = BTreeSet::new();
    let mut left = Some(0);
    for signal in [Signal::TERM, Signal::KILL] {
        left = end_all(&who, signal, &mut told);
        if left.is_none_or(|left| left == 0) {
            break;
        }
    }
    (told.len() as u64, left)
}

/// Signals everybody until nobody is left, or the time is over; how many are left then.
fn end_all(
    who: &impl Fn() -> Option<Vec<Process>>,
    with: Signal,
    told: &mut BTreeSet<(i32, u64)>,
) -> Option<u64> {
    let (deadline, mut pause) = (now() + PATIENCE, PAUSES.0);
    let mut heard = BTreeSet::new();
    loop {
        let left = who()?;
        for process in &left {
            let Process { pid, start, .. } = *process;
            if heard.insert((pid, start)) && processes::signal(process, with) {
                told.insert((pid, start));
                // Who is stopped hears nothing but KILL.
                processes::signal(process, Signal::CONT);
            }
        }
        if left.is_empty() || now() >= deadline {
            return Some(left.len() as u64);
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
            is_over = has_worker(&look(plan, marks));
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
