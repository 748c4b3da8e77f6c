//! The clean-up after jobs. Once a job has ended, and only then, its leftovers are swept, beside the loop; one sweep at a time.

use crate::config::{Config, SweepScope};
use crate::domain::notice::Notice;
use crate::domain::sweep::Swept;
use crate::sys::child::Launch;
use crate::sys::door::{self, Dir};
use crate::sys::job_cleanup::{CleanupOutcome, CleanupPlan, CleanupThread};
use crate::sys::processes::{self, TRACKING_ID};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// After a sweep that could not finish, or could not begin.
const AGAIN: Duration = Duration::from_secs(30);

/// What is to be swept, and the sweep under way.
pub(super) struct Sweeper {
    plan: CleanupPlan,
    sweep: Option<CleanupThread>,
    under_way: Option<UnderWay>,
    /// A job has ended during it.
    again: bool,
    /// When somebody was left, or may have been.
    retry: Option<Instant>,
}

struct UnderWay {
    job_began: Arc<AtomicBool>,
    answer: oneshot::Receiver<CleanupOutcome>,
}

impl Sweeper {
    /// Sweeps for the first time: whatever job ran here before has ended, unless its worker lives.
    pub(super) fn start(config: &Config, launch: &Launch, runner: &Dir, work_dir: &Path) -> Sweeper {
        let most = u64::try_from(config.runner.diag_max_mb).unwrap_or(u64::MAX);
        let inherited = launch.env.iter().find(|(name, _)| name == TRACKING_ID);
        let plan = CleanupPlan {
            runner: runner.clone(),
            work_dir: door::settled(work_dir),
            user: launch.user.clone(),
            inherited: inherited.map(|(_, value)| value.as_bytes().to_owned()),
            leftovers: config.runner.sweep.is_on(),
            is_alone: processes::is_namespace_ours(),
            before: (config.runner.sweep == SweepScope::All).then(processes::present),
            logs: (most > 0).then(|| most.saturating_mul(1 << 20)),
        };
        let mut sweeper = Sweeper { plan, sweep: None, under_way: None, again: false, retry: None };
        sweeper.begin();
        sweeper
    }

    /// Whose jobs are ours.
    pub(super) fn plan(&self) -> CleanupPlan {
        self.plan.clone()
    }

    /// Where it is refused its thread, there is another chance later.
    pub(super) fn begin(&mut self) {
        self.again = self.under_way.is_some();
        if self.again {
            return;
        }
        if self.sweep.is_none() {
            self.sweep = CleanupThread::start(self.plan.clone()).ok();
        }
        let job_began = Arc::new(AtomicBool::new(false));
        self.under_way = self.sweep.as_ref().map(|sweep| {
            let answer = sweep.begin(Arc::clone(&job_began));
            UnderWay { job_began, answer }
        });
        self.retry = self.sweep.is_none().then(|| Instant::now() + AGAIN);
    }

    /// Its files may be the next job's from now on.
    pub(super) fn job_began(&self) {
        if let Some(under_way) = &self.under_way {
            under_way.job_began.store(true, Ordering::Relaxed);
        }
    }

    /// The end of the sweep under way, or of the one that is due. Cancel-safe.
    pub(super) async fn next(&mut self) -> CleanupOutcome {
        while self.under_way.is_none() {
            let Some(retry) = self.retry else { return std::future::pending().await };
            tokio::time::sleep_until(retry).await;
            self.begin();
        }
        let Some(UnderWay { answer, .. }) = &mut self.under_way else { return CleanupOutcome::default() };
        answer.await.unwrap_or_default()
    }

    /// It is over: the next one begins, or is due in a while.
    pub(super) fn handle(&mut self, CleanupOutcome { swept, again }: CleanupOutcome) -> Option<Notice> {
        self.under_way = None;
        if self.again {
            self.begin();
        } else if again {
            self.retry = Some(Instant::now() + AGAIN);
        }
        (swept != Swept::default()).then_some(Notice::Swept(swept))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }
}

#[cfg(test)]
impl Sweeper {
    /// With nothing to sweep.
    pub(super) fn of_nothing() -> Sweeper {
        let dir = Dir::open(Path::new("/")).expect("there is a root");
        let plan = CleanupPlan {
            runner: dir,
            work_dir: "/nowhere".into(),
            user: None,
            inherited: None,
            leftovers: false,
            is_alone: false,
            before: None,
            logs: None,
        };
        Sweeper { plan, sweep: None, under_way: None, again: false, retry: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_ends_during_a_sweep_is_swept_after_and_what_was_left_is_tried_again() {
        let mut sweeper = Sweeper::of_nothing();
        sweeper.begin();
        sweeper.job_began();
        sweeper.begin();
        let nothing = sweeper.next().await;
        assert_eq!(sweeper.handle(nothing), None, "there is nothing to tell");
        assert!(!sweeper.is_idle() && sweeper.retry.is_none(), "the second one is under way");
        let begun = sweeper.under_way.as_ref().map(|sweep| sweep.job_began.load(Ordering::Relaxed));
        assert_eq!(begun, Some(false), "no job has begun since");
        let swept = Swept { processes: 2, left: 1, ..Swept::default() };
        assert_eq!(sweeper.handle(CleanupOutcome { swept, again: true }), Some(Notice::Swept(swept)));
        assert!(sweeper.is_idle() && sweeper.retry.is_some());
    }
}
