//! Shutdown. The end, step by step: the last rows, the last scrape, the last lines; each has its limit.

use super::Supervisor;
use crate::domain::notice::Notice;
use std::sync::Arc;
use tokio::time::Instant;

impl Supervisor {
    /// A stop that was asked for waits for nobody but the disk and the answers under way; any other for the sweep as well.
    pub(super) async fn wrap_up(&mut self) {
        let mut limit = Instant::now() + self.wrap_up_limit;
        self.last_words(limit).await;
        self.last_rows(limit).await;
        self.last_caches(limit).await;
        self.last_engine(limit).await;
        self.last_odd_files();
        let may_stay = !self.life.was_asked() && self.last_sweep().await;
        let space = self.sampler.free_space().get().await.flatten();
        self.sample(space);
        if may_stay {
            self.linger().await;
        }
        if !self.life.was_asked() {
            limit = Instant::now() + self.wrap_up_limit;
        }
        self.hall.close(limit).await;
        for outlet in &self.output.outlets {
            outlet.flush(limit.saturating_duration_since(Instant::now()));
        }
    }

    /// What is on disk is counted before anybody looks for the last time.
    async fn last_rows(&mut self, limit: Instant) {
        self.scribe = None;
        loop {
            match tokio::time::timeout_at(limit, self.words.recv()).await {
                Ok(Some(word)) => self.journal_said(word),
                Ok(None) => return,
                Err(_) => return self.telemetry.emit(&Notice::RowsLost { rows: self.job_log.unwritten }),
            }
        }
    }

    /// Stays for one more scrape; a signal ends the wait.
    async fn linger(&mut self) {
        let until = Instant::now() + self.linger;
        let scrapes = Arc::clone(&self.hall.scrapes);
        let mut next_scrape = std::pin::pin!(scrapes.next());
        loop {
            tokio::select! {
                () = &mut next_scrape => return,
                () = tokio::time::sleep_until(until) => return,
                _ = self.signals.next() => return,
                // Still alive: nobody may take the wait for a hang.
                Some(reply) = self.hall.pulse.recv() => drop(reply.send(())),
            }
        }
    }
}
