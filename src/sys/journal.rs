//! The job log on disk: an acknowledged row is there exactly once, whatever fails and whenever the power goes.
//!
//! Beside the log at `PATH` lie `PATH.lock` (one writer), `PATH.snapshot` (what compacted rows have said), `PATH.foreign` (what was found in the
//! log and is no row), `PATH.steps` (the steps of the last jobs), `PATH.checkpoint` (what a long log has said so far, for a short start),
//! and for moments `PATH.new` and the same of the others.
//! Counters are snapshot + rows, always. A compaction replaces two files; between the two renames the snapshot says which beginning of the old
//! log it has counted (`Coverage`). Nothing here waits but for the disk, and for that it may: it runs on a thread of its own.

mod checkpoint;
mod files;
mod one_job;
mod opening;
mod rewrite;
mod scan;
mod sealed;
mod snapshot;
mod steps_file;
mod types;

pub use one_job::of_id;
pub use scan::finished_rows;
pub use steps_file::StepsFile;
pub use types::{AppendError, Compaction, Fault, JournalReplay, JournalSettings, OpenError};

use crate::domain::record::{FaultKind, JobRecord};
use crate::domain::totals::{Ledger, Totals};
use files::Paths;
use nix::fcntl::Flock;
use opening::{FirstReading, base, begun, foreign_fault, lock, write_failed};
use scan::{Checkpoint, Scan};
use snapshot::Coverage;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// The job log of what adds up to `T`, open for its one writer.
#[derive(Debug)]
pub struct JournalOf<T> {
    settings: JournalSettings,
    paths: Paths,
    log: File,
    /// What the snapshot says.
    base: T,
    /// Bytes of the log that the snapshot has counted; more than 0 only between the two renames of a compaction.
    covered: u64,
    /// Rows of the log behind `covered`.
    rows: u64,
    /// A failed row reaches from here on and must go before the next one comes.
    cut_to: Option<u64>,
    /// A rename may not be on disk yet, so nor is what is appended behind it.
    dir_unsynced: bool,
    /// Held for life; the file itself says nothing but when it was made.
    lock: Flock<File>,
}

/// The job log of one runner.
pub type Journal = JournalOf<Totals>;

impl<T: Ledger> JournalOf<T> {
    /// Opens the log, repairs it, finishes an interrupted compaction and says what it holds. Everything that is no row
    /// is counted and kept aside, never a reason to refuse.
    ///
    /// # Errors
    /// `Locked` if another process has it; `Unusable` if it cannot be read, or opened for writing.
    pub fn open(settings: JournalSettings) -> Result<(JournalOf<T>, JournalReplay<T>), OpenError> {
        let paths = Paths::new(&settings.path);
        let path = settings.path.clone();
        let unusable = |source| OpenError::Unusable { path: path.clone(), source };
        files::create_dir(&paths.dir)
            .and_then(|()| files::guard(&paths.dir, settings.jobs.as_ref()))
            .map_err(unusable)?;
        let lock = lock(&paths, &path)?;
        files::sweep(&paths);
        let log = files::open_append(&paths.log).map_err(unusable)?;
        let mut faults = Vec::new();
        let (base, covers) = base(&settings, &paths, &mut faults);
        let covered = covers.as_ref().map_or(Ok(0), |covers| covers.counted(&log)).map_err(unusable)?;
        let mut journal = JournalOf {
            settings,
            paths,
            log,
            base,
            covered,
            rows: 0,
            cut_to: None,
            dir_unsynced: true,
            lock,
        };
        let replay = journal.replay(covers.is_some() && covered == 0, faults).map_err(unusable)?;
        Ok((journal, replay))
    }

    /// Every finished row that is in the log.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn rows(&self, mut take: impl FnMut(&JobRecord)) -> io::Result<()> {
        finished_rows(&self.log, self.covered, |_, row, _| take(row))
    }

    /// Appends one row. `Ok` means it is on disk; after an error it is not, or will be cut off before the next row, so
    /// the caller may try again.
    ///
    /// # Errors
    /// `Append`: disk full, read-only, failing.
    pub fn append(&mut self, record: &JobRecord) -> Result<(), AppendError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends rows, all of them or none, with one sync.
    ///
    /// # Errors
    /// `Append`, as for one.
    pub fn append_all(&mut self, records: &[JobRecord]) -> Result<(), AppendError> {
        self.write_rows(records)
            .map_err(|source| AppendError::Append { path: self.settings.path.clone(), source })
    }

    /// Whether a compaction would do anything.
    pub fn is_due(&self) -> bool {
        self.fold_after(self.rows).is_some()
    }

    /// Folds the older rows into the snapshot if there are more than `max_records`; keeps the newest half, and of what
    /// the 50 newest jobs need as much as three quarters of `max_records`.
    ///
    /// # Errors
    /// `Compact`: the totals are as they were.
    pub fn compact_if_due(&mut self) -> Result<Option<Compaction>, AppendError> {
        if !self.is_due() {
            return Ok(None);
        }
        let compacted = self
            .finish_pending()
            .and_then(|()| self.survey(self.rows))
            .and_then(|survey| self.repair(survey, self.rows));
        compacted.map_err(|source| AppendError::Compact { path: self.settings.path.clone(), source })
    }

    fn write_rows(&mut self, records: &[JobRecord]) -> io::Result<()> {
        self.follow_path()?;
        self.finish_pending()?;
        let len = self.log.metadata()?.len();
        let mut rows = Vec::new();
        if len == 0 {
            rows.extend([T::HEADER.as_bytes(), b"\n"].concat());
        } else if self.last_byte(len)? != b'\n' {
            // Someone else wrote here: their fragment must not swallow our row.
            rows.push(b'\n');
        }
        rows.extend(records.iter().flat_map(JobRecord::to_csv_row));
        if let Err(error) = files::write_once(&self.log, &rows).and_then(|()| files::sync(&self.log)) {
            self.cut_to = Some(len);
            // If this fails as well, `settle` tries again before the next row.
            let _ = self.finish_pending();
            return Err(error);
        }
        self.rows += records.len() as u64;
        Ok(())
    }

    /// If the log was moved or deleted under us, rows must go where the next start will look for them.
    fn follow_path(&mut self) -> io::Result<()> {
        let (own, found) = (self.log.metadata()?, std::fs::symlink_metadata(&self.paths.log));
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino())) {
            return Ok(());
        }
        files::guard(&self.paths.dir, self.settings.jobs.as_ref())?;
        self.log = files::open_append(&self.paths.log)?;
        (self.covered, self.rows, self.cut_to, self.dir_unsynced) = (0, 0, None, true);
        Ok(())
    }

    /// Does what an earlier failure left undone.
    fn finish_pending(&mut self) -> io::Result<()> {
        if let Some(len) = self.cut_to {
            files::truncate(&self.log, len)?;
            self.cut_to = None;
        }
        if self.dir_unsynced {
            files::sync_dir(&self.paths.dir)?;
            self.dir_unsynced = false;
        }
        Ok(())
    }

    fn last_byte(&self, len: u64) -> io::Result<u8> {
        let mut byte = [0];
        self.log.read_exact_at(&mut byte, len - 1)?;
        Ok(byte[0])
    }

    /// `stale`: the snapshot still speaks of a log that is gone.
    fn replay(&mut self, stale: bool, mut faults: Vec<Fault>) -> io::Result<JournalReplay<T>> {
        let FirstReading { mut survey, guess, place } =
            opening::read(&self.settings, &self.paths, &self.log, self.beginning())?;
        self.rows = survey.rows;
        faults.extend(foreign_fault(&survey));
        if let Some(at) = survey.torn_at {
            self.cut_tail(at, &mut faults);
        }
        let recent: Vec<JobRecord> = std::mem::take(&mut survey.recent).into();
        let replay = JournalReplay {
            begun: begun(&self.lock, &recent),
            totals: survey.totals.clone(),
            recent,
            unclosed: survey.totals.unclosed(),
            faults: Vec::new(),
            rows: survey.rows,
            predecessor: survey.old_rows > 0,
        };
        let done = self.finish_pending().and_then(|()| if stale { self.write_base(None) } else { Ok(()) });
        match (done.and_then(|()| self.repair(survey, guess)), place) {
            (Err(error), _) => faults.push(write_failed(&error)),
            // What cannot be noted is read again.
            (Ok(None), Some(place)) => {
                drop(checkpoint::write(&self.settings, &self.paths, &self.log, &self.base, place));
            }
            (Ok(_), _) => {}
        }
        Ok(JournalReplay { faults, ..replay })
    }

    /// A row without its end was never acknowledged. It is cut even if it cannot be kept.
    fn cut_tail(&mut self, at: u64, faults: &mut Vec<Fault>) {
        faults.push(Fault {
            kind: FaultKind::TornTail,
            count: 1,
            detail: "the log ended inside a row".into(),
        });
        if let Err(error) = rewrite::keep_aside(&self.paths, &self.log, at) {
            faults.push(write_failed(&error));
        }
        self.cut_to = Some(at);
    }

    /// Reads the log behind `covered`; `rows` is how many are expected.
    fn survey(&self, rows: u64) -> io::Result<Scan<T>> {
        Scan::read(&self.log, self.beginning(), self.fold_after(rows))
    }

    fn beginning(&self) -> Checkpoint<T> {
        Checkpoint::behind(self.base.clone(), self.covered)
    }

    fn fold_after(&self, rows: u64) -> Option<u64> {
        self.settings.fold_after(rows, T::RECENT)
    }

    /// Rewrites a log that is not clean or half compacted, then compacts it if due. `guess` is how many rows the survey
    /// was told to expect.
    fn repair(&mut self, mut survey: Scan<T>, guess: u64) -> io::Result<Option<Compaction>> {
        let rewrite = survey.unclean() || self.covered > 0;
        if rewrite {
            let new = rewrite::prepare(T::HEADER, &self.paths, &self.log, self.covered)?;
            self.replace_log(new)?;
        }
        if self.fold_after(survey.rows).is_some() && (rewrite || survey.rows != guess) {
            survey = self.survey(survey.rows)?;
        }
        self.rows = survey.rows;
        match survey.mark {
            Some(mark) if self.fold_after(self.rows).is_some() => self.compact(mark).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Both new files are complete on disk before the first rename, so a full disk cannot stop it half-way.
    fn compact(&mut self, mark: Checkpoint<T>) -> io::Result<Compaction> {
        let new = rewrite::prepare(T::HEADER, &self.paths, &self.log, mark.offset)?;
        let covers = Coverage::of(&self.log, mark.offset)?;
        snapshot::prepare(&self.paths, &mark.totals, Some(covers))?;
        snapshot::publish(&self.paths)?;
        let folded = self.fold_after(self.rows).unwrap_or(0);
        self.base = mark.totals;
        self.covered = mark.offset;
        self.rows -= folded;
        self.replace_log(new)?;
        Ok(Compaction { folded, kept: self.rows })
    }

    /// Puts the new log in place of the old one, and then tells the snapshot that it covers nothing of it.
    fn replace_log(&mut self, new: File) -> io::Result<()> {
        // The snapshot's name must be durable before the rows it stands for are gone.
        files::sync_dir(&self.paths.dir)?;
        files::rename(&self.paths.log_new, &self.paths.log)?;
        self.log = new;
        self.dir_unsynced = true;
        let covered = std::mem::take(&mut self.covered);
        self.finish_pending()?;
        if covered > 0 { self.write_base(None) } else { Ok(()) }
    }

    fn write_base(&mut self, covers: Option<Coverage>) -> io::Result<()> {
        snapshot::prepare(&self.paths, &self.base, covers)?;
        snapshot::publish(&self.paths)?;
        files::sync_dir(&self.paths.dir)
    }
}

#[cfg(test)]
mod tests;
