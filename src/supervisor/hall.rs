//! The handle of the HTTP side. What the supervisor shares with its HTTP side, and how that side is closed.

use crate::domain::cache::CacheShare;
use crate::domain::record::JobRecord;
use crate::domain::status::Status;
use crate::http::Scrapes;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The supervisor's ends.
pub(super) struct Hall {
    pub(super) status: watch::Sender<Arc<Status>>,
    pub(super) pulse: mpsc::Receiver<oneshot::Sender<()>>,
    pub(super) scrapes: Arc<Scrapes>,
    pub(super) recent: Arc<[JobRecord]>,
    pub(super) caches: Arc<[CacheShare]>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) doors: JoinSet<()>,
}

impl Hall {
    /// Answers what is under way, then closes the doors; not beyond `limit`.
    pub(super) async fn close(&mut self, limit: Instant) {
        self.stop.send_replace(true);
        let all = async { while self.doors.join_next().await.is_some() {} };
        // Whoever is slower than that is cut off by our exit.
        let _ = tokio::time::timeout_at(limit, all).await;
    }
}
