//! What the job log says: a row is told only once it is on disk, and a replayed log is counted as if its jobs had just ended.

use super::{Supervisor, utc_now};
use crate::domain::death::Cause;
use crate::domain::notice::Notice;
use crate::domain::record::{FaultKind, JobRecord, JobStatus, RowStatus};
use crate::sys::journal::Replay;
use crate::sys::scribe::Word;
use std::collections::VecDeque;

/// Finished jobs shown to the world.
const RECENT: usize = 50;

/// What is known of the rows.
#[derive(Default)]
pub(super) struct Ledger {
    /// Handed over and not acknowledged.
    pub(super) unwritten: u64,
    /// What the job log says of the job that began last.
    pub(super) begun: Option<JobRecord>,
    /// Counted so far, in the order of [`JobStatus::ALL`].
    pub(super) finished: [u64; 5],
    recent: VecDeque<JobRecord>,
}

impl Supervisor {
    /// Hands a row over; it is told once the thread says that it is written.
    pub(super) fn hand_over(&mut self, mut row: JobRecord) {
        self.deployments.mark(&mut row);
        if let Some(scribe) = &self.scribe {
            self.ledger.unwritten += 1;
            scribe.write(row);
        }
    }

    pub(super) fn journal_said(&mut self, word: Word) {
        self.ledger.unwritten -= u64::from(matches!(word, Word::Written(_)));
        let notice = match word {
            Word::Written(row) => self.written(*row),
            Word::Fault { kind, detail } => Notice::JournalFault { kind, detail },
            Word::Opened(replay) => return self.replayed(*replay),
            Word::Compacted { folded, kept } => Notice::JournalCompacted { folded, kept },
            Word::Ended { unwritten: 0 } => return,
            Word::Ended { unwritten } => Notice::RowsLost { rows: unwritten as u64 },
        };
        self.telemetry.emit(&notice);
        self.show();
    }

    /// The log was opened, or why it could not be.
    pub(super) fn opened(&mut self, found: Result<Box<Replay>, String>) {
        match found {
            Ok(replay) => self.replayed(*replay),
            Err(detail) => {
                self.telemetry.emit(&Notice::JournalFault { kind: FaultKind::Unusable, detail });
            }
        }
    }

    /// What the log held is counted; what it says is still running ended with the supervisor that wrote it.
    pub(super) fn replayed(&mut self, replay: Replay) {
        self.telemetry.restore(&replay.totals);
        for (count, before) in self.ledger.finished.iter_mut().zip(replay.totals.finished) {
            *count += before;
        }
        for fault in replay.faults {
            for _ in 0..fault.count {
                self.telemetry.emit(&Notice::JournalFault { kind: fault.kind, detail: fault.detail.clone() });
            }
        }
        let newer = std::mem::take(&mut self.ledger.recent);
        replay.recent.into_iter().chain(newer).for_each(|row| self.remember(row));
        for row in replay.unclosed {
            let status = RowStatus::Finished(JobStatus::Abandoned);
            let cause = Cause::SupervisorLost.to_string();
            let row = JobRecord { timestamp: utc_now(), status, duration: None, cause, ..row };
            self.write(row);
        }
        self.telemetry.emit(&Notice::JournalOpened { rows: replay.rows, predecessor: replay.predecessor });
        self.show();
    }

    /// A row that says more of what is known already tells nothing anew but that.
    fn written(&mut self, row: JobRecord) -> Notice {
        if row.status == RowStatus::Running {
            let more = self.ledger.begun.as_ref().is_some_and(|begun| row.amends(begun));
            self.ledger.begun = Some(row.clone());
            return if more { Notice::JobIdentified(row) } else { Notice::JobStarted(row) };
        }
        let is_known = self.ledger.recent.back().is_some_and(|last| row.amends(last));
        let earlier = is_known.then(|| self.ledger.recent.pop_back()).flatten();
        self.remember(row.clone());
        if let Some(earlier) = earlier {
            let queue_time = row.queue_time.filter(|_| earlier.queue_time.is_none());
            return Notice::JobAmended { row, queue_time };
        }
        if let RowStatus::Finished(status) = row.status {
            self.ledger.finished[status as usize] += 1;
        }
        Notice::JobFinished(row)
    }

    fn remember(&mut self, row: JobRecord) {
        if self.ledger.recent.len() == RECENT {
            self.ledger.recent.pop_front();
        }
        self.ledger.recent.push_back(row);
        self.hall.recent = self.ledger.recent.iter().cloned().collect();
    }
}
