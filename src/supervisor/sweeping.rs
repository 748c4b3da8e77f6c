//! Once a job has ended, and only then, its leftovers are swept, beside the loop; one sweep at a time.

use super::Supervisor;
use crate::config::Config;
use crate::domain::notice::Notice;
use crate::domain::sweep::Swept;
use crate::sys::child::Launch;
use crate::sys::processes::TRACKING_ID;
use crate::sys::sweep::{self, Plan};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// What is to be swept, and the sweep under way.
pub(super) struct Sweeper {
    plan: Plan,
    under_way: Option<UnderWay>,
    /// A job has ended during it.
    again: bool,
}

struct UnderWay {
    job_began: Arc<AtomicBool>,
    answer: oneshot::Receiver<Swept>,
}

impl Sweeper {
    /// Sweeps for the first time: whatever job ran here before has ended, unless its worker lives.
    pub(super) fn start(config: &Config, launch: &Launch, work_dir: PathBuf) -> Sweeper {
        let most = u64::try_from(config.runner.diag_max_mb).unwrap_or(u64::MAX);
        let inherited = launch.env.iter().find(|(name, _)| name == TRACKING_ID);
        let plan = Plan {
            runner_dir: launch.dir.clone(),
            work_dir,
            user: launch.user.clone(),
            inherited: inherited.map(|(_, value)| value.as_bytes().to_owned()),
            leftovers: config.runner.sweep,
            logs: (most > 0).then(|| most.saturating_mul(1 << 20)),
        };
        let mut sweeper = Sweeper { plan, under_way: None, again: false };
        sweeper.begin();
        sweeper
    }

    /// Whose jobs are ours.
    pub(super) fn plan(&self) -> Plan {
        self.plan.clone()
    }

    /// Where it is refused a thread, the next job's end is another chance.
    pub(super) fn begin(&mut self) {
        self.again = self.under_way.is_some();
        if !self.again {
            let job_began = Arc::new(AtomicBool::new(false));
            let answer = sweep::start(self.plan.clone(), Arc::clone(&job_began)).ok();
            self.under_way = answer.map(|answer| UnderWay { job_began, answer });
        }
    }

    /// Its files may be the next job's from now on.
    pub(super) fn job_began(&self) {
        if let Some(under_way) = &self.under_way {
            under_way.job_began.store(true, Ordering::Relaxed);
        }
    }

    /// The end of the sweep under way, if there is one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Swept {
        let Some(UnderWay { answer, .. }) = &mut self.under_way else { return std::future::pending().await };
        let swept = answer.await.unwrap_or_default();
        self.under_way = None;
        if self.again {
            self.begin();
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
