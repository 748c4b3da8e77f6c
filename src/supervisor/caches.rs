//! What the jobs' caches had, heard beside the loop: if it cannot be heard, jobs are counted all the same.

use super::Supervisor;
use crate::domain::cache::{CacheResult, Caches};
use crate::domain::context::ReportFault;
use crate::domain::notice::Notice;
use crate::sys::disk::Lowest;
use crate::sys::door::Dir;
use crate::sys::job_log_tail::{Batch, Follower};
use crate::telemetry::emit::Telemetry;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The types there are, and what follows the jobs' logs.
pub(super) struct CacheWatch {
    caches: Caches,
    follower: Option<(Follower, mpsc::Receiver<Batch>)>,
}

impl CacheWatch {
    pub(super) fn begin(
        own_types: &[String],
        runner: &Dir,
        space: Arc<Lowest>,
        telemetry: &Telemetry,
    ) -> CacheWatch {
        let follower = match Follower::start(runner.clone(), space) {
            Ok(follower) => Some(follower),
            Err(error) => {
                tracing::warn!(event = "job_logs_not_followed", error = %error);
                None
            }
        };
        let caches = Caches::new(own_types);
        telemetry.know_caches(caches.from_the_start());
        CacheWatch { caches, follower }
    }

    /// What the next piece of a log tells. Cancel-safe.
    pub(super) async fn next(&mut self) -> Batch {
        match &mut self.follower {
            Some((_, batches)) => match batches.recv().await {
                Some(batch) => batch,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

impl Supervisor {
    pub(super) fn caches_used(&mut self, batch: Batch) {
        for event in batch {
            if let Some(hit_rate) = self.caches.caches.note(&event) {
                self.telemetry.emit(&Notice::CacheUsed { kind: event.kind, tally: event.tally, hit_rate });
            }
        }
        self.hall.caches = self.caches.caches.shares().collect();
        self.show();
    }

    /// What a job says of a cache of its own.
    pub(super) fn cache_reported(&mut self, word: &str, result: CacheResult) -> Result<(), ReportFault> {
        if self.life.open_job().is_none() {
            return Err(ReportFault::Late);
        }
        let event = self.caches.caches.reported(word, result).ok_or(ReportFault::UnknownType)?;
        self.caches_used(vec![event]);
        Ok(())
    }

    /// What the last job has written is counted before anybody looks for the last time.
    pub(super) async fn last_caches(&mut self, limit: Instant) {
        if let Some((follower, mut batches)) = self.caches.follower.take() {
            follower.stop();
            while let Ok(Some(batch)) = tokio::time::timeout_at(limit, batches.recv()).await {
                self.caches_used(batch);
            }
        }
        self.telemetry.caches_end();
    }
}
