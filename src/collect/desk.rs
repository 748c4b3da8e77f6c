//! Who counts: rows that wait are judged, written with one sync for all of them, counted and only then answered.

use super::digest::keys;
use super::fleet::Fleet;
use crate::domain::fleet::FleetTotals;
use crate::domain::fleet::seen::{Keys, SeenRows, Verdict};
use crate::domain::record::{FaultKind, JobRecord};
use crate::sys::journal::JournalOf;
use crate::sys::journal_writer::chain;
use crate::sys::key_file::KeyFile;
use crate::telemetry::collector_log::{CollectorNotice, tell};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Rows that are written at once, at most, if they come in several requests.
const AT_ONCE: usize = 2000;

/// Rows of one request.
pub(super) struct RowBatch {
    pub(super) rows: Vec<JobRecord>,
    pub(super) reply: oneshot::Sender<Result<RowTally, String>>,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowTally {
    pub(super) counted: u64,
    pub(super) amended: u64,
    pub(super) known: u64,
}

pub(super) struct Desk {
    journal: JournalOf<FleetTotals>,
    seen: SeenRows,
    keys: KeyFile,
    fleet: Arc<Mutex<Fleet>>,
    in_trouble: bool,
}

impl Desk {
    pub(super) fn new(
        journal: JournalOf<FleetTotals>,
        seen: SeenRows,
        keys: KeyFile,
        fleet: Arc<Mutex<Fleet>>,
    ) -> Desk {
        Desk { journal, seen, keys, fleet, in_trouble: false }
    }

    /// Until nobody can send rows any more.
    pub(super) fn work(&mut self, inbox: &Receiver<RowBatch>) {
        while let Ok(first) = inbox.recv() {
            let mut batches = vec![first];
            while batches.iter().map(|batch| batch.rows.len()).sum::<usize>() < AT_ONCE
                && let Ok(next) = inbox.try_recv()
            {
                batches.push(next);
            }
            self.take(batches);
        }
    }

    fn take(&mut self, batches: Vec<RowBatch>) {
        let (mut rows, mut new) = (Vec::new(), Vec::new());
        let mut is_full = false;
        let mut tallies = Vec::with_capacity(batches.len());
        for batch in &batches {
            let mut tally = RowTally::default();
            for row in &batch.rows {
                let keys = keys(row);
                let Some(row) = self.judge(row, &keys, &mut tally) else { continue };
                is_full |= self.seen.insert(&keys);
                new.push(keys);
                rows.push(row);
            }
            tallies.push(tally);
        }
        let written = if rows.is_empty() {
            Ok(())
        } else {
            self.journal.append_all(&rows).map_err(|error| chain(&error))
        };
        if let Err(says) = &written {
            for keys in &new {
                self.seen.forget(keys);
            }
            self.trouble(says);
        } else {
            self.count(&rows, &tallies);
            self.remember(&new, is_full);
        }
        for (batch, tally) in batches.into_iter().zip(tallies) {
            // Who has gone sends them again, and then they are known.
            let _ = batch.reply.send(written.clone().map(|()| tally));
        }
        if written.is_ok() {
            self.compact();
        }
    }

    /// The row as it is to be written; `None` if it came before.
    fn judge(&self, row: &JobRecord, keys: &Keys, tally: &mut RowTally) -> Option<JobRecord> {
        let mut row = row.clone();
        match self.seen.judge(keys) {
            Verdict::Known => {
                tally.known += 1;
                return None;
            }
            Verdict::New => {
                tally.counted += 1;
                row.origin.amendment = Some(false);
            }
            Verdict::More { queue_time } => {
                tally.amended += 1;
                row.origin.amendment = Some(true);
                row.queue_time = row.queue_time.filter(|_| queue_time);
            }
        }
        Some(row)
    }

    fn count(&mut self, rows: &[JobRecord], tallies: &[RowTally]) {
        let now = super::now();
        let mut fleet = self.fleet();
        fleet.can_write = true;
        fleet.rows.known += tallies.iter().map(|tally| tally.known).sum::<u64>();
        for row in rows {
            if fleet.written(row, now) {
                tell(CollectorNotice::LabelSetsFull);
            }
        }
        drop(fleet);
        self.in_trouble = false;
    }

    /// Until the log is compacted its rows know as much, so this needs no sync.
    fn remember(&mut self, new: &[Keys], is_full: bool) {
        let keys: Vec<u64> = new.iter().flat_map(Keys::all).collect();
        let noted = self.keys.append(&keys).and_then(|()| if is_full { self.keys.rotate() } else { Ok(()) });
        if let Err(error) = noted {
            self.trouble(&chain(&error));
        }
    }

    /// Rows that leave the log are known by their keys alone.
    fn compact(&mut self) {
        if !self.journal.is_due() {
            return;
        }
        if let Err(error) = self.keys.sync() {
            return self.trouble(&chain(&error));
        }
        match self.journal.compact_if_due() {
            Ok(Some(done)) => {
                tell(CollectorNotice::JournalCompacted { folded: done.folded, kept: done.kept });
            }
            Ok(None) => {}
            Err(error) => self.trouble(&chain(&error)),
        }
    }

    fn trouble(&mut self, detail: &str) {
        let kind = FaultKind::WriteFailed;
        let mut fleet = self.fleet();
        fleet.fault(kind);
        fleet.can_write = false;
        drop(fleet);
        // One line for a streak of attempts.
        if !std::mem::replace(&mut self.in_trouble, true) {
            tell(CollectorNotice::JournalFault { kind: kind.as_str(), detail });
        }
    }

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
