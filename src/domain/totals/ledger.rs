//! What the rows of a job log add up to, for whoever keeps the log: a runner's own jobs, or a fleet's.

use super::{Bounds, Totals};
use crate::domain::dora::StreamRule;
use crate::domain::record::{HEADER, JobRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;

/// A left fold over rows that can be put aside and taken up again.
pub trait Ledger: Clone + Serialize + DeserializeOwned {
    /// The first line of such a log.
    const HEADER: &'static str;
    /// Finished jobs that are remembered with all they say.
    const RECENT: usize;

    /// Of no row.
    fn zero(bounds: &Bounds, streams: &StreamRule) -> Self;

    /// The same under today's settings.
    #[must_use]
    fn fit(self, bounds: &Bounds, streams: &StreamRule) -> Self;

    /// Whether it can be what rows add up to.
    fn is_sound(&self) -> bool;

    /// Adds one row.
    fn add(&mut self, row: &JobRecord);

    /// Rows of jobs that began and have no end.
    fn unclosed(&self) -> Vec<JobRecord>;

    /// Which of the last finished jobs this row says more of.
    fn amended(recent: &VecDeque<JobRecord>, row: &JobRecord) -> Option<usize>;
}

impl Ledger for Totals {
    const HEADER: &'static str = HEADER;
    const RECENT: usize = 50;

    fn zero(bounds: &Bounds, streams: &StreamRule) -> Totals {
        Ledger::fit(Totals::new(bounds), bounds, streams)
    }

    fn fit(self, bounds: &Bounds, streams: &StreamRule) -> Totals {
        self.rebucket(bounds).told_apart_by(streams)
    }

    fn is_sound(&self) -> bool {
        Totals::is_sound(self)
    }

    fn add(&mut self, row: &JobRecord) {
        self.fold(row);
    }

    fn unclosed(&self) -> Vec<JobRecord> {
        self.open.clone()
    }

    /// A runner has one job at a time.
    fn amended(recent: &VecDeque<JobRecord>, row: &JobRecord) -> Option<usize> {
        recent.len().checked_sub(1).filter(|last| row.amends(&recent[*last]))
    }
}
