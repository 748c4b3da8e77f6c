//! Once a job has ended, and only then, its leftovers are swept, beside the loop; one sweep at a time.

use super::Supervisor;
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
    pub(super) async fn next(&mut self) -> Swept {
        while self.under_way.is_none() {
            let Some(retry) = self.retry else { return std::future::pending().await };
            tokio::time::sleep_until(retry).await;
            self.begin();
        }
        let Some(UnderWay { answer, .. }) = &mut self.under_way else { return Swept::default() };
        let CleanupOutcome { swept, again } = answer.await.unwrap_or_default();
        self.under_way = None;
        if self.again {
            self.begin();
        } else if again {
            self.retry = Some(Instant::now() + AGAIN);
        }
        swept
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }
}

impl Supervisor {
    pub(super) fn swept(&mut self, swept: Swept) {
        if swept != Swept::default() {
            self.telemetry.emit(&Notice::Swept(swept));
        }
    }

    /// What the last job left is gone, and counted; the sweep has limits of its own. `false` if a signal has ended the wait.
    pub(super) async fn last_sweep(&mut self) -> bool {
        while !self.sweeper.is_idle() {
            tokio::select! {
                swept = self.sweeper.next() => self.swept(swept),
                _ = self.signals.next() => return false,
            }
        }
        true
    }
}
