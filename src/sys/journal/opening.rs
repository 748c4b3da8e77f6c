//! What opening the log takes: its lock, what the snapshot says, and the words for what was wrong.

use super::checkpoint;
use super::files::{self, Paths};
use super::scan::{Checkpoint, Scan, count_lines};
use super::snapshot::{self, Coverage};
use super::types::{Fault, JournalSettings, OpenError};
use crate::domain::record::{FaultKind, JobRecord};
use crate::domain::totals::Ledger;
use chrono::{DateTime, TimeDelta, Utc};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

pub(super) fn lock(paths: &Paths, path: &Path) -> Result<Flock<File>, OpenError> {
    let unusable = |source| OpenError::Unusable { path: path.to_owned(), source };
    let file = files::open_append(&paths.lock).map_err(unusable)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => OpenError::Locked { path: path.to_owned() },
        other => unusable(other.into()),
    })
}

/// When the lock was made, which is with the first log. If it is younger than a job, the log was copied here: how old that is nobody
/// can tell, neither now nor later, when its own jobs are compacted.
pub(super) fn begun(lock: &File, jobs: &[JobRecord]) -> Option<DateTime<Utc>> {
    let made = DateTime::<Utc>::from(lock.metadata().and_then(|lock| lock.modified()).ok()?);
    let first = jobs.iter().map(|job| job.started_at.unwrap_or(job.timestamp)).min();
    // Rows have milliseconds, files what the kernel's clock ticks in.
    if first.is_some_and(|first| first + TimeDelta::seconds(1) < made) {
        // Where it cannot be noted it is found again.
        let _ = lock.set_modified(SystemTime::UNIX_EPOCH);
        return None;
    }
    Some(made).filter(|made| *made > DateTime::UNIX_EPOCH)
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

/// What the log says when it is opened.
pub(super) struct FirstReading<T> {
    pub(super) survey: Scan<T>,
    /// Rows that were expected.
    pub(super) guess: u64,
    /// Of a long log that is as it should be: where reading has ended.
    pub(super) place: Option<Checkpoint<T>>,
}

/// Reads the log from its checkpoint on, or, if it has none or is to be cut before it, from the beginning.
pub(super) fn read<T: Ledger>(
    settings: &JournalSettings,
    paths: &Paths,
    log: &File,
    beginning: Checkpoint<T>,
) -> io::Result<FirstReading<T>> {
    let is_begun = beginning.offset > 0;
    let known = if is_begun { None } else { checkpoint::load(settings, paths, log, &beginning.totals) };
    let &Checkpoint { offset, lines: lines_before, rows: rows_before, .. } =
        known.as_ref().unwrap_or(&beginning);
    // Where a compaction will cut is only known from the number of rows; in a clean log that is the lines.
    let few = |most| settings.fold_after(lines_before + most, T::RECENT).is_none();
    let lines = lines_before + count_lines(log, offset, few)?;
    let guess = if is_begun { lines } else { lines.saturating_sub(1) };
    let survey = match settings.fold_after(guess, T::RECENT) {
        Some(cut) => Scan::read(log, beginning, Some(cut))?,
        None => Scan::read(log, known.unwrap_or(beginning), None)?,
    };
    let is_long = survey.mark.is_none() && survey.rows - rows_before >= checkpoint::EVERY;
    let place = (is_long && !survey.unclean()).then(|| survey.place());
    Ok(FirstReading { survey, guess, place })
}

pub(super) fn foreign_fault<T>(survey: &Scan<T>) -> Option<Fault> {
    let (line, kind) = survey.first_foreign?;
    let detail = format!("line {line}: {kind}");
    Some(Fault { kind: FaultKind::ForeignRow, count: survey.unparsable, detail })
}

pub(super) fn write_failed(error: &io::Error) -> Fault {
    Fault { kind: FaultKind::WriteFailed, count: 1, detail: error.to_string() }
}
