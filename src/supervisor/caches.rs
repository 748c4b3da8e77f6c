//! What the jobs' caches had, heard beside the loop: if it cannot be heard, jobs are counted all the same.

use super::files::RunnerFiles;
use crate::domain::cache::{CacheResult, CacheShare, CacheType, Caches};
use crate::domain::context::ReportFault;
use crate::domain::notice::Notice;
use crate::domain::start_notice::StartNotice;
use crate::sys::disk::Lowest;
use crate::sys::job_log_tail::{Batch, Follower};
use crate::telemetry::emit::tell_start;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The types there are, and what follows the jobs' logs.
pub(super) struct CacheWatch {
    caches: Caches,
    shares: Arc<[CacheShare]>,
    follower: Option<(Follower, mpsc::Receiver<Batch>)>,
}

impl CacheWatch {
    pub(super) fn begin(own_types: &[String], files: &RunnerFiles, space: Arc<Lowest>) -> CacheWatch {
        let follower = match Follower::start(files.dir.clone(), space, Arc::clone(&files.pages)) {
            Ok(follower) => Some(follower),
            Err(error) => {
                tell_start(&StartNotice::JobLogsNotFollowed { error: error.to_string() });
                None
            }
        };
        CacheWatch { follower, ..CacheWatch::unheard(own_types) }
    }

    /// Nothing is followed.
    pub(super) fn unheard(own_types: &[String]) -> CacheWatch {
        CacheWatch { caches: Caches::new(own_types), shares: Arc::new([]), follower: None }
    }

    /// The types that are shown before anything is known of them.
    pub(super) fn at_the_start(&self) -> impl Iterator<Item = &CacheType> {
        self.caches.from_the_start()
    }

    /// How the caches fared that were asked at all.
    pub(super) fn shares(&self) -> Arc<[CacheShare]> {
        Arc::clone(&self.shares)
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

    pub(super) fn handle(&mut self, batch: Batch) -> Vec<Notice> {
        let note = |event: crate::domain::cache::CacheEvent| {
            let hit_rate = self.caches.note(&event)?;
            Some(Notice::CacheUsed { kind: event.kind, tally: event.tally, hit_rate })
        };
        let notices = batch.into_iter().filter_map(note).collect();
        self.shares = self.caches.shares().collect();
        notices
    }

    /// What a job says of a cache of its own.
    pub(super) fn reported(&mut self, word: &str, result: CacheResult) -> Result<Vec<Notice>, ReportFault> {
        let event = self.caches.reported(word, result).ok_or(ReportFault::UnknownType)?;
        Ok(self.handle(vec![event]))
    }

    /// What the last job has written, until the log that is followed has been read to its end.
    pub(super) async fn last(&mut self, limit: Instant) -> Vec<Notice> {
        let mut notices = Vec::new();
        if let Some((follower, mut batches)) = self.follower.take() {
            follower.stop();
            while let Ok(Some(batch)) = timeout_at(limit, batches.recv()).await {
                notices.extend(self.handle(batch));
            }
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_says_of_a_known_type_is_counted_and_shown() {
        let mut watch = CacheWatch::unheard(&["mine".to_owned()]);
        assert_eq!(watch.reported("theirs", CacheResult::Hit), Err(ReportFault::UnknownType));
        assert_eq!(watch.shares().len(), 0, "nothing is shown of what was never asked");
        for (result, rate) in [(CacheResult::Hit, 1.0), (CacheResult::Miss, 0.5)] {
            let notices = watch.reported("mine", result).expect("a type of ours");
            let [Notice::CacheUsed { kind, hit_rate, .. }] = &notices[..] else { panic!("{notices:?}") };
            assert_eq!((kind.as_str(), *hit_rate), ("mine", rate));
        }
        let shares: Vec<_> = watch.shares().iter().map(|share| (share.hits, share.requests)).collect();
        assert_eq!(shares.len(), 1);
        assert_eq!(shares[0].0, 1);
    }
}
