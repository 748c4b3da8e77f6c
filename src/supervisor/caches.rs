//! What the jobs' caches had, heard beside the loop: if it cannot be heard, jobs are counted all the same.

use super::files::RunnerFiles;
use crate::domain::cache::{CacheResult, CacheShare, CacheType, Caches, Tally};
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
    /// What the open job, or the last one, asked of them.
    of_job: Vec<(CacheType, Tally)>,
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
        CacheWatch {
            caches: Caches::new(own_types),
            shares: Arc::new([]),
            of_job: Vec::new(),
            follower: None,
        }
    }

    /// The types that are shown before anything is known of them.
    pub(super) fn at_the_start(&self) -> impl Iterator<Item = &CacheType> {
        self.caches.from_the_start()
    }

    /// How the caches fared that were asked at all.
    pub(super) fn shares(&self) -> Arc<[CacheShare]> {
        Arc::clone(&self.shares)
    }

    /// A job begins.
    pub(super) fn job_began(&mut self) {
        self.of_job.clear();
    }

    /// What the open job, or the last one, asked of caches, each type once.
    pub(super) fn of_job(&self) -> &[(CacheType, Tally)] {
        &self.of_job
    }

    /// What its log has told and waits to be taken.
    pub(super) fn waiting(&mut self) -> Vec<Notice> {
        let next = |watch: &mut CacheWatch| watch.follower.as_mut()?.1.try_recv().ok();
        let batches: Vec<Batch> = std::iter::from_fn(|| next(self)).collect();
        batches.into_iter().flat_map(|batch| self.handle(batch)).collect()
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
            match self.of_job.iter_mut().find(|(kind, _)| *kind == event.kind) {
                Some((_, tally)) => tally.join(event.tally),
                None => self.of_job.push((event.kind.clone(), event.tally)),
            }
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
        let asked = Tally { hits: 1, partials: 0, misses: 1 };
        assert_eq!(watch.of_job(), [(CacheType::named("mine").expect("a name"), asked)]);
        watch.job_began();
        assert_eq!(watch.of_job(), [], "the next job has asked nothing yet");
    }
}
