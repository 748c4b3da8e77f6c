//! Which rows have come: the last some hundred thousand are known again, in memory that does not grow.

use crate::domain::record::{JobRecord, event_id};
use std::collections::HashSet;

/// Keys of one generation: a hash set of so many fills its memory exactly.
pub const GENERATION: usize = 917_504;

/// Digests of a row, made of [`parts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Of the job.
    pub job: u64,
    /// Of every word of the row.
    pub row: u64,
    /// Of the job's queue time, if the row has it.
    pub queue_time: Option<u64>,
}

impl Keys {
    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = u64> {
        [Some(self.job), Some(self.row), self.queue_time].into_iter().flatten()
    }
}

/// The texts of a row that its keys are the digests of: its job, all of it, and its job's queue time.
pub fn parts(row: &JobRecord) -> [Vec<u8>; 3] {
    let id = event_id(row);
    let mut whole = row.clone();
    whole.origin.amendment = None;
    [
        format!("job {id}").into_bytes(),
        [b"row ", &*whole.to_csv_row()].concat(),
        format!("queue {id}").into_bytes(),
    ]
}

/// What a row is to those that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first of its job.
    New,
    /// It says more of a job that was told.
    More {
        /// The job's queue time was not known.
        queue_time: bool,
    },
    /// It came before, word for word.
    Known,
}

/// Two generations of keys: when the newer is full it is the older, and the one before is forgotten.
#[derive(Debug, Default)]
pub struct SeenRows {
    newer: HashSet<u64>,
    older: HashSet<u64>,
}

impl SeenRows {
    /// What the row with these keys is.
    pub fn judge(&self, keys: &Keys) -> Verdict {
        if self.has(keys.row) {
            Verdict::Known
        } else if self.has(keys.job) {
            Verdict::More { queue_time: keys.queue_time.is_some_and(|key| !self.has(key)) }
        } else {
            Verdict::New
        }
    }

    /// Remembers a row; `true` if a generation has ended with it.
    pub fn insert(&mut self, keys: &Keys) -> bool {
        let ended: Vec<bool> = keys.all().map(|key| self.insert_key(key)).collect();
        ended.contains(&true)
    }

    /// Remembers one key; `true` if a generation has ended with it.
    pub fn insert_key(&mut self, key: u64) -> bool {
        if self.newer.capacity() == 0 {
            self.newer.reserve(1024);
        }
        self.newer.insert(key);
        let is_full = self.newer.len() >= GENERATION;
        if is_full {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        is_full
    }

    /// A row that could not be kept did not come.
    pub fn forget(&mut self, keys: &Keys) {
        for key in keys.all() {
            self.newer.remove(&key);
            self.older.remove(&key);
        }
    }

    fn has(&self, key: u64) -> bool {
        self.newer.contains(&key) || self.older.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn keys(row: &JobRecord) -> Keys {
        use std::hash::{DefaultHasher, Hasher as _};
        let digest = |text: &Vec<u8>| {
            let mut hasher = DefaultHasher::new();
            hasher.write(text);
            hasher.finish()
        };
        let [job, whole, queue] = &parts(row);
        Keys { job: digest(job), row: digest(whole), queue_time: row.queue_time.map(|_| digest(queue)) }
    }

    #[test]
    fn a_row_is_new_says_more_or_is_known() {
        let mut seen = SeenRows::default();
        let first = JobRecord { job_id: "1".into(), ..JobRecord::blank() };
        let queued = JobRecord { queue_time: Some(Duration::from_secs(1)), ..first.clone() };
        let concluded = JobRecord { conclusion: Some("success".into()), ..queued.clone() };
        for (row, verdict) in [
            (&first, Verdict::New),
            (&first, Verdict::Known),
            (&queued, Verdict::More { queue_time: true }),
            (&queued, Verdict::Known),
            (&concluded, Verdict::More { queue_time: false }),
            (&JobRecord { job_id: "2".into(), ..first.clone() }, Verdict::New),
        ] {
            let keys = keys(row);
            assert_eq!(seen.judge(&keys), verdict, "{row:?}");
            seen.insert(&keys);
        }
        let amended = |amendment| {
            let mut row = first.clone();
            row.origin.amendment = amendment;
            keys(&row)
        };
        assert_eq!(amended(Some(false)), amended(None), "what its sender takes it for is no word of the row");
    }

    #[test]
    fn the_last_generation_is_known_and_memory_does_not_grow() {
        let mut seen = SeenRows::default();
        let ended: Vec<u64> = (0..3 * GENERATION as u64).filter(|key| seen.insert_key(*key)).collect();
        assert_eq!(ended.len(), 3);
        let capacity = seen.newer.capacity().max(seen.older.capacity());
        assert!(seen.has(3 * GENERATION as u64 - 1) && seen.has(2 * GENERATION as u64) && !seen.has(0));
        assert!(capacity <= GENERATION, "{capacity}");
    }
}
