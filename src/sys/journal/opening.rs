//! What opening the log takes: its lock, what the snapshot says, and the words for what was wrong.

use super::files::{self, Paths};
use super::scan::Scan;
use super::snapshot::{self, Coverage};
use super::types::{Fault, JournalSettings, OpenError};
use crate::domain::record::FaultKind;
use crate::domain::totals::Ledger;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io;
use std::path::Path;

pub(super) fn lock(paths: &Paths, path: &Path) -> Result<Flock<File>, OpenError> {
    let unusable = |source| OpenError::Unusable { path: path.to_owned(), source };
    let file = files::open_append(&paths.lock).map_err(unusable)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => OpenError::Locked { path: path.to_owned() },
        other => unusable(other.into()),
    })
}

/// What the snapshot says, under today's settings. One that cannot be believed is kept aside.
pub(super) fn base<T: Ledger>(
    settings: &JournalSettings,
    paths: &Paths,
    faults: &mut Vec<Fault>,
) -> (T, Option<Coverage>) {
    let fit = |totals: T| totals.fit(&settings.bounds, &settings.streams);
    let zero = T::zero(&settings.bounds, &settings.streams);
    match snapshot::load(paths) {
        Ok(None) => (zero, None),
        Ok(Some((totals, covers))) => (fit(totals), covers),
        Err(error) => {
            // If it cannot be moved, the next compaction replaces it.
            let _ = files::rename(&paths.snapshot, &paths.snapshot_bad);
            faults.push(Fault { kind: FaultKind::SnapshotDamaged, count: 1, detail: error.to_string() });
            (zero, None)
        }
    }
}

pub(super) fn foreign_fault<T>(survey: &Scan<T>) -> Option<Fault> {
    let (line, kind) = survey.first_foreign?;
    let detail = format!("line {line}: {kind}");
    Some(Fault { kind: FaultKind::ForeignRow, count: survey.unparsable, detail })
}

pub(super) fn write_failed(error: &io::Error) -> Fault {
    Fault { kind: FaultKind::WriteFailed, count: 1, detail: error.to_string() }
}
