//! A job that is over is told once what is found only afterwards is there too, its steps and GitHub's id of it, or was not found
//! in time.

use crate::domain::cache::{CacheType, Tally};
use crate::domain::record::{JobRecord, RowStatus};
use crate::domain::steps::JobSteps;
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// For how long a job is held back.
const PATIENCE: Duration = Duration::from_secs(5);
/// Jobs held back at once; a runner has one at a time.
const MOST: usize = 16;

/// What a job had of one cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// Which.
    pub kind: CacheType,
    /// How all its requests went.
    pub tally: Tally,
    /// When the last of them were told.
    pub at: DateTime<Utc>,
}

/// All that is known of a job that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedJob {
    /// Its last row.
    pub row: JobRecord,
    /// Its steps, if they are known.
    pub steps: Option<Arc<JobSteps>>,
    /// What it had of caches.
    pub caches: Vec<CacheUse>,
}

/// Jobs that are over, and what the one that runs had of caches.
#[derive(Debug, Default)]
pub struct PendingTraces {
    /// GitHub is asked for its id of a job.
    asks: bool,
    /// The one that began last, and what it had of caches.
    current: Option<(DateTime<Utc>, Vec<CacheUse>)>,
    /// Steps that were told before their job's last row.
    early: Option<(DateTime<Utc>, Arc<JobSteps>)>,
    waiting: VecDeque<(EndedJob, Duration)>,
}

impl PendingTraces {
    /// None yet.
    pub fn new(asks: bool) -> PendingTraces {
        PendingTraces { asks, ..PendingTraces::default() }
    }

    /// A cache was asked by the job that began last.
    pub fn cache_used(&mut self, kind: &CacheType, tally: Tally, at: DateTime<Utc>) {
        let Some((_, caches)) = &mut self.current else { return };
        if let Some(known) = caches.iter_mut().find(|known| known.kind == *kind) {
            known.tally.hits = known.tally.hits.saturating_add(tally.hits);
            known.tally.partials = known.tally.partials.saturating_add(tally.partials);
            known.tally.misses = known.tally.misses.saturating_add(tally.misses);
            known.at = at;
        } else {
            caches.push(CacheUse { kind: kind.clone(), tally, at });
        }
    }

    /// A row was written; an `amendment` says more of a job that was over before.
    pub fn written(&mut self, row: &JobRecord, amendment: bool, up: Duration) {
        let Some(began) = row.started_at else { return };
        match row.status {
            RowStatus::Running if self.current.as_ref().is_some_and(|(known, _)| *known == began) => {}
            RowStatus::Running => {
                self.give_caches();
                self.current = Some((began, Vec::new()));
            }
            RowStatus::Finished(_) if amendment => {
                if let Some((job, _)) = self.of(began) {
                    job.row = row.clone();
                }
            }
            RowStatus::Finished(_) => {
                let steps = self.early.take_if(|(known, _)| *known == began).map(|(_, steps)| steps);
                let job = EndedJob { row: row.clone(), steps, caches: Vec::new() };
                self.waiting.push_back((job, up + PATIENCE));
            }
        }
    }

    /// The steps of the job that began then.
    pub fn steps(&mut self, began: DateTime<Utc>, steps: Arc<JobSteps>) {
        match self.of(began) {
            Some((job, _)) => job.steps = Some(steps),
            None => self.early = Some((began, steps)),
        }
    }

    /// When to call [`PendingTraces::due`] again.
    pub fn next_deadline(&self) -> Option<Duration> {
        let due = |(job, due): &(EndedJob, Duration)| if self.is_whole(job) { Duration::ZERO } else { *due };
        self.waiting.iter().map(due).min()
    }

    /// The jobs that are to be told now.
    pub fn due(&mut self, up: Duration) -> Vec<EndedJob> {
        self.take(|pending, job, due| pending.is_whole(job) || up >= due || pending.waiting.len() > MOST)
    }

    /// All of them.
    pub fn all(&mut self) -> Vec<EndedJob> {
        self.take(|_, _, _| true)
    }

    fn take(&mut self, is_due: impl Fn(&PendingTraces, &EndedJob, Duration) -> bool) -> Vec<EndedJob> {
        self.give_caches();
        let (due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(job, due)| is_due(self, job, *due));
        self.waiting = waiting.into();
        due.into_iter().map(|(job, _)| job).collect()
    }

    /// Nothing more is to come of it.
    fn is_whole(&self, job: &EndedJob) -> bool {
        job.steps.is_some() && (!self.asks || job.row.check_run_id.is_some())
    }

    /// What the job that began last had of caches is its own, if it is over.
    fn give_caches(&mut self) {
        let Some((began, caches)) = self.current.clone() else { return };
        if let Some((job, _)) = self.of(began) {
            job.caches = caches;
        }
    }

    /// In a log times are of milliseconds.
    fn of(&mut self, began: DateTime<Utc>) -> Option<&mut (EndedJob, Duration)> {
        let millis = |at: DateTime<Utc>| at.timestamp_millis();
        let is_it = |job: &EndedJob| job.row.started_at.map(millis) == Some(millis(began));
        self.waiting.iter_mut().find(|(job, _)| is_it(job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::JobStatus;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).expect("in range")
    }

    fn row(second: i64, status: RowStatus) -> JobRecord {
        JobRecord { started_at: Some(at(second)), status, ..JobRecord::blank() }
    }

    const OVER: RowStatus = RowStatus::Finished(JobStatus::Success);

    #[test]
    fn a_job_waits_for_its_steps_and_not_for_ever() {
        let mut pending = PendingTraces::new(false);
        assert_eq!(pending.next_deadline(), None);
        pending.written(&row(0, RowStatus::Running), false, SECOND);
        assert_eq!(pending.next_deadline(), None);
        pending.written(&row(0, OVER), false, SECOND);
        assert_eq!(pending.next_deadline(), Some(6 * SECOND));
        assert_eq!(pending.due(5 * SECOND), []);
        pending.steps(at(7), Arc::default());
        assert_eq!(pending.due(5 * SECOND), [], "another's");
        pending.steps(at(0), Arc::default());
        assert_eq!(pending.next_deadline(), Some(Duration::ZERO));
        assert_eq!(pending.due(5 * SECOND).len(), 1);
        assert_eq!(pending.due(99 * SECOND), [], "once");
        pending.written(&row(9, OVER), false, SECOND);
        assert_eq!(pending.due(6 * SECOND)[0].steps, None);
    }

    #[test]
    fn steps_may_come_first_and_the_id_last() {
        let mut pending = PendingTraces::new(true);
        pending.steps(at(0), Arc::default());
        pending.written(&row(0, OVER), false, SECOND);
        assert_eq!(pending.next_deadline(), Some(6 * SECOND), "GitHub may still answer");
        let more = JobRecord { check_run_id: Some(7), ..row(0, OVER) };
        pending.written(&more, true, 2 * SECOND);
        assert_eq!(pending.next_deadline(), Some(Duration::ZERO));
        let told = pending.due(2 * SECOND);
        assert_eq!((told.len(), told[0].row.check_run_id), (1, Some(7)));
        pending.written(&more, true, 3 * SECOND);
        assert_eq!(pending.all(), [], "what was told is not told again");
    }

    #[test]
    fn caches_are_of_the_job_that_began_last() {
        let mut pending = PendingTraces::new(false);
        let one = |hits| Tally { hits, ..Tally::default() };
        pending.cache_used(&CacheType::Npm, one(1), at(0));
        pending.written(&row(0, RowStatus::Running), false, SECOND);
        pending.cache_used(&CacheType::Npm, one(2), at(1));
        pending.written(&row(0, OVER), false, SECOND);
        pending.cache_used(&CacheType::Npm, one(3), at(2));
        pending.written(&row(5, RowStatus::Running), false, SECOND);
        pending.cache_used(&CacheType::Pip, one(4), at(6));
        let told = pending.all();
        let used = CacheUse { kind: CacheType::Npm, tally: one(5), at: at(2) };
        assert_eq!(told[0].caches, [used]);
    }
}
