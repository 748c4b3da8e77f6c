//! A checkpoint is what a long log has said so far: a start reads only the rows behind it. It is believed for these very bytes, by
//! this version, under these settings; without it the log is read from its beginning.

use super::files::{self, Paths};
use super::scan::Checkpoint;
use super::sealed;
use super::snapshot::Coverage;
use super::types::JournalSettings;
use crate::domain::record::{JobRecord, RowReader};
use crate::domain::totals::Ledger;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;

const VERSION: u32 = 1;
/// A start that has read so many rows, some hundredths of a second's, leaves a new one.
pub(super) const EVERY: u64 = if cfg!(test) { 3 } else { 20_000 };

#[derive(Serialize, Deserialize)]
struct Body<T> {
    basis: u32,
    covers: Coverage,
    lines: u64,
    rows: u64,
    totals: T,
    /// As rows of the log.
    recent: Vec<String>,
}

/// All that what the rows add up to depends on, besides the rows.
fn basis<T: Ledger>(settings: &JournalSettings, base: &T) -> io::Result<u32> {
    let JournalSettings { bounds, streams, path: _, max_records: _, jobs: _ } = settings;
    let words = format!("{} {bounds:?} {streams:?} ", env!("CARGO_PKG_VERSION"));
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(words.as_bytes());
    hasher.update(&serde_json::to_vec(base)?);
    Ok(hasher.finalize())
}

/// Leaves one. It is no loss if it cannot be written, and harms nothing if it is older than what lies beside it.
pub(super) fn write<T: Ledger>(
    settings: &JournalSettings,
    paths: &Paths,
    log: &File,
    base: &T,
    place: Checkpoint<T>,
) -> io::Result<()> {
    let row = |row: &JobRecord| String::from_utf8_lossy(&row.to_csv_row()).into_owned();
    let body = Body {
        basis: basis(settings, base)?,
        covers: Coverage::of(log, place.offset)?,
        lines: place.lines,
        rows: place.rows,
        recent: place.recent.iter().map(row).collect(),
        totals: place.totals,
    };
    sealed::prepare(&paths.checkpoint_new, &paths.checkpoint, VERSION, body)?;
    files::rename(&paths.checkpoint_new, &paths.checkpoint)
}

/// What it says; `None` if there is none that can be believed.
pub(super) fn load<T: Ledger>(
    settings: &JournalSettings,
    paths: &Paths,
    log: &File,
    base: &T,
) -> Option<Checkpoint<T>> {
    let body: Body<T> = sealed::load(&paths.checkpoint, VERSION).ok()??;
    if body.basis != basis(settings, base).ok()? || !body.totals.is_sound() {
        return None;
    }
    let mut reader = RowReader::new();
    let read = |row: &String| {
        let mut record = JobRecord::blank();
        reader.read(row.trim_end_matches('\n').as_bytes(), &mut record).is_ok().then_some(record)
    };
    let recent = body.recent.iter().map(read).collect::<Option<_>>()?;
    let offset = body.covers.counted(log).ok().filter(|counted| *counted > 0)?;
    let totals = body.totals.fit(&settings.bounds, &settings.streams);
    Some(Checkpoint { offset, lines: body.lines, rows: body.rows, totals, recent })
}
