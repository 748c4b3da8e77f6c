//! What the job log says: a row is told only once it is on disk, and a replayed log is counted as if its jobs had just ended.

use super::{Supervisor, utc_now};
use crate::config::Config;
use crate::domain::death::Cause;
use crate::domain::job::history::JobHistory;
use crate::domain::notice::Notice;
use crate::domain::record::{FaultKind, JobRecord, JobStatus, RowStatus};
use crate::domain::totals::{Bounds, Totals};
use crate::sys::journal::Replay;
use crate::sys::scribe::Word;

/// What is known of the rows.
pub(super) struct Ledger {
    /// Handed over and not acknowledged.
    pub(super) unwritten: u64,
    pub(super) history: JobHistory,
}

impl Ledger {
    pub(super) fn new(config: &Config) -> Ledger {
        let zero = Totals::new(&Bounds::with_duration(config.metrics.buckets.clone()));
        Ledger { unwritten: 0, history: JobHistory::new(zero.told_apart_by(&config.streams)) }
    }
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
            Word::Written(row) => {
                let notice = self.ledger.history.written(*row);
                self.hall.recent = self.ledger.history.recent();
                notice
            }
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
        self.ledger.history.precede(&replay.totals, replay.recent);
        self.hall.recent = self.ledger.history.recent();
        self.telemetry.restore(&replay.totals, self.ledger.history.totals().dora.newest);
        for fault in replay.faults {
            for _ in 0..fault.count {
                self.telemetry.emit(&Notice::JournalFault { kind: fault.kind, detail: fault.detail.clone() });
            }
        }
        for row in replay.unclosed {
            let status = RowStatus::Finished(JobStatus::Abandoned);
            let cause = Some(Cause::SupervisorLost.to_string());
            let row = JobRecord { timestamp: utc_now(), status, duration: None, cause, ..row };
            self.write(row);
        }
        self.telemetry.emit(&Notice::JournalOpened { rows: replay.rows, predecessor: replay.predecessor });
        self.show();
    }
}
