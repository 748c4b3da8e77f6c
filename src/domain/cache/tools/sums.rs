//! A tool that tells sums is counted by what they have grown by; sums that have shrunk have begun anew.

use super::super::Tally;

/// The sums told last in this job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    hits: u32,
    misses: u32,
}

impl Sums {
    /// What has come since the last time.
    pub(super) fn now(&mut self, hits: u32, misses: u32) -> Tally {
        let began_anew = hits < self.hits || misses < self.misses;
        let before = if began_anew { Sums::default() } else { *self };
        *self = Sums { hits, misses };
        Tally { hits: hits - before.hits, misses: misses - before.misses, ..Tally::default() }
    }
}
