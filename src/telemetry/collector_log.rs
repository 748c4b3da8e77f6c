//! What a collector has to say, a line each: its rows are counted on its page.

use std::fmt::Display;
use tracing::{debug, error, info, warn};

/// One happening of a collector.
#[derive(Clone, Copy)]
pub enum CollectorNotice<'a> {
    /// A variable is probably not meant so.
    Configuration {
        /// Which.
        variable: &'a str,
        /// The rest of the sentence.
        says: &'a str,
    },
    /// The port is served.
    Serving {
        /// Where.
        address: &'a dyn Display,
    },
    /// The health check has no socket.
    NoHealthSocket {
        /// Why.
        error: &'a dyn Display,
        /// Which variable names its directory.
        variable: &'a str,
    },
    /// The job log was replayed.
    JournalOpened {
        /// How many rows it holds.
        rows: u64,
    },
    /// The job log could not be read or written as it should.
    JournalFault {
        /// Which way.
        kind: &'a str,
        /// Path and cause.
        detail: &'a str,
    },
    /// Old rows were folded into the snapshot.
    JournalCompacted {
        /// How many.
        folded: u64,
        /// How many remain.
        kept: u64,
    },
    /// Rows that are none.
    RowsRefused {
        /// Who sent them.
        runner: &'a str,
        /// How many.
        rows: u64,
        /// What is wrong with the first.
        says: &'a str,
    },
    /// Further combinations of the labels are counted as others.
    LabelSetsFull,
    /// It was asked to stop.
    StopAsked,
    /// It is over.
    Finished,
}

/// Tells it.
pub fn tell(notice: CollectorNotice<'_>) {
    match notice {
        CollectorNotice::Configuration { variable, says } => warn!(event = "configuration", variable, says),
        CollectorNotice::Serving { address } => info!(event = "serving", address = %address),
        CollectorNotice::NoHealthSocket { error, variable } => {
            warn!(event = "no_health_socket", error = %error, variable);
        }
        CollectorNotice::JournalOpened { rows } => info!(event = "journal_opened", rows),
        CollectorNotice::JournalFault { kind, detail } => error!(event = "journal_fault", kind, detail),
        CollectorNotice::JournalCompacted { folded, kept } => {
            debug!(event = "journal_compacted", folded, kept);
        }
        CollectorNotice::RowsRefused { runner, rows, says } => {
            warn!(event = "rows_refused", runner, rows, says);
        }
        CollectorNotice::LabelSetsFull => {
            let says = "further combinations of the labels are counted as other: raise COLLECT_MAX_LABEL_SETS, or choose fewer labels";
            warn!(event = "label_sets_full", says);
        }
        CollectorNotice::StopAsked => info!(event = "stop_asked", how = "ask"),
        CollectorNotice::Finished => info!(event = "finished", reason = "stopped", code = 0),
    }
}
