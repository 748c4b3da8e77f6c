//! The job log as a spool: finished rows behind the last that was taken, in their order. Where that is, is known by what the row
//! says, not by where it stands: it holds when the log is compacted, moved or written anew.
//!
//! `PATH.sent` beside the log at `PATH` has the digest of the last row that was taken. Where that row is no longer in the log, every
//! row that is there came after it.

use super::door::{self, Odd};
use super::journal::finished_rows;
use super::state_file;
use crate::domain::record::JobRecord;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Rows that wait in memory while there is no log.
const MOST_TOLD: usize = 10_000;

/// What is kept between two lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// SHA-256 of the last row that was taken, as it stands in the log, in hexadecimal digits.
    row: String,
}

/// Where to go on in a log whose row before it is still the one that was taken last.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Of that row.
    start: u64,
    /// Behind it.
    offset: u64,
    last: Option<JobRecord>,
}

/// What was read and not yet taken.
#[derive(Debug)]
enum Unsent {
    Log(Position, Box<Place>),
    Told(usize),
}

/// Reads finished rows in order.
#[derive(Debug)]
pub struct Spool {
    log: PathBuf,
    file: PathBuf,
    position: Option<Position>,
    place: Option<Place>,
    told: VecDeque<JobRecord>,
    unsent: Option<Unsent>,
}

impl Spool {
    /// Of this job log, from where a predecessor left off.
    pub fn open(log: &Path) -> Spool {
        let mut file = log.to_owned().into_os_string();
        file.push(".sent");
        let file = PathBuf::from(file);
        let position = state_file::read(&file, &Odd::default());
        Spool { log: log.to_owned(), file, position, place: None, told: VecDeque::new(), unsent: None }
    }

    /// A row that is not in the log, because there is none: it waits in memory.
    pub fn tell(&mut self, row: JobRecord) {
        if self.told.len() == MOST_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(row);
    }

    /// At most so many rows that were not taken, the oldest first.
    ///
    /// # Errors
    /// If the log is there and cannot be read.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<JobRecord>> {
        self.unsent = None;
        if !self.told.is_empty() {
            let rows: Vec<JobRecord> = self.told.iter().take(most).cloned().collect();
            self.unsent = Some(Unsent::Told(rows.len()));
            return Ok(rows);
        }
        let log = match door::open(&self.log) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut place = self.start(&log)?;
        let mut rows = Vec::new();
        let mut position = None;
        finished_rows(&log, place.offset, |line, record, end| {
            if rows.len() == most {
                return;
            }
            let mut row = record.clone();
            row.origin.amendment = Some(place.last.as_ref().is_some_and(|last| row.amends(last)));
            place = Place::behind(line, record, end);
            position = Some(of(line));
            rows.push(row);
        })?;
        self.unsent = position.map(|position| Unsent::Log(position, Box::new(place)));
        Ok(rows)
    }

    /// Where to read from: where we were, if that row still stands there; else behind it, wherever it is now.
    fn start(&self, log: &File) -> io::Result<Place> {
        let Some(position) = &self.position else { return Ok(Place::default()) };
        if let Some(place) = self.place.as_ref().filter(|place| stands(log, place, position)) {
            return Ok(place.clone());
        }
        let mut place = Place::default();
        finished_rows(log, 0, |line, record, end| {
            if of(line) == *position {
                place = Place::behind(line, record, end);
            }
        })?;
        Ok(place)
    }

    /// The rows that were read last were taken: that is on disk when it returns.
    ///
    /// # Errors
    /// If it cannot be written; then the same rows are read again.
    pub fn taken(&mut self) -> io::Result<()> {
        match self.unsent.take() {
            Some(Unsent::Log(position, place)) => {
                state_file::write_through(&self.file, &position)?;
                (self.position, self.place) = (Some(position), Some(*place));
            }
            Some(Unsent::Told(rows)) => drop(self.told.drain(..rows)),
            None => {}
        }
        Ok(())
    }
}

impl Place {
    fn behind(line: &[u8], record: &JobRecord, end: u64) -> Place {
        Place { start: end - 1 - line.len() as u64, offset: end, last: Some(record.clone()) }
    }
}

/// A compaction writes another file, which may even have the number of one before it.
fn stands(log: &File, place: &Place, position: &Position) -> bool {
    let mut line = vec![0; usize::try_from(place.offset - place.start).unwrap_or_default()];
    let is_read = log.read_exact_at(&mut line, place.start).is_ok();
    is_read && line.pop() == Some(b'\n') && of(&line) == *position
}

fn of(line: &[u8]) -> Position {
    let mut row = String::new();
    for byte in digest(&SHA256, line).as_ref() {
        // A string's Display cannot fail.
        let _ = write!(row, "{byte:02x}");
    }
    Position { row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dora::StreamRule;
    use crate::domain::record::{JobStatus, RowStatus};
    use crate::domain::totals::Bounds;
    use crate::sys::journal::{Journal, JournalSettings};
    use chrono::DateTime;
    use std::time::Duration;
    use tempfile::TempDir;

    fn settings(dir: &TempDir, max_records: usize) -> JournalSettings {
        let bounds = Bounds::with_duration(vec![60.0]);
        let path = dir.path().join("jobs.log");
        JournalSettings { path, max_records, bounds, streams: StreamRule::default(), jobs: None }
    }

    fn row(n: i64, status: RowStatus) -> JobRecord {
        let at = DateTime::from_timestamp(1_800_000_000 + n, 0);
        JobRecord {
            job_id: n.to_string(),
            started_at: at,
            timestamp: at.unwrap(),
            status,
            ..JobRecord::blank()
        }
    }

    fn job(journal: &mut Journal, n: i64) {
        journal.append(&row(n, RowStatus::Running)).unwrap();
        journal.append(&row(n, RowStatus::Finished(JobStatus::Success))).unwrap();
    }

    fn ids(rows: &[JobRecord]) -> Vec<&str> {
        rows.iter().map(|row| row.job_id.as_str()).collect()
    }

    #[test]
    fn rows_come_in_order_until_they_are_taken_also_after_a_restart() {
        let dir = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(settings(&dir, 1000)).unwrap();
        let mut spool = Spool::open(&dir.path().join("jobs.log"));
        assert!(spool.read(9).unwrap().is_empty());
        (1..=3).for_each(|n| job(&mut journal, n));
        assert_eq!(ids(&spool.read(2).unwrap()), ["1", "2"]);
        assert_eq!(ids(&spool.read(2).unwrap()), ["1", "2"], "nobody has taken them");
        spool.taken().unwrap();
        assert_eq!(ids(&spool.read(9).unwrap()), ["3"]);
        let mut spool = Spool::open(&dir.path().join("jobs.log"));
        assert_eq!(ids(&spool.read(9).unwrap()), ["3"]);
        spool.taken().unwrap();
        assert!(spool.read(9).unwrap().is_empty());
        job(&mut journal, 4);
        assert_eq!(ids(&spool.read(9).unwrap()), ["4"]);
    }

    #[test]
    fn a_row_that_says_more_of_a_job_is_told_as_that_whoever_has_taken_the_first() {
        let dir = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(settings(&dir, 1000)).unwrap();
        let log = dir.path().join("jobs.log");
        let mut spool = Spool::open(&log);
        job(&mut journal, 1);
        let more = JobRecord {
            queue_time: Some(Duration::from_secs(3)),
            ..row(1, RowStatus::Finished(JobStatus::Success))
        };
        let said = |rows: &[JobRecord]| rows.iter().map(|row| row.origin.amendment).collect::<Vec<_>>();
        assert_eq!(said(&spool.read(9).unwrap()), [Some(false)]);
        spool.taken().unwrap();
        journal.append(&more).unwrap();
        assert_eq!(said(&Spool::open(&log).read(9).unwrap()), [Some(true)]);
        std::fs::remove_file(dir.path().join("jobs.log.sent")).unwrap();
        assert_eq!(said(&Spool::open(&log).read(9).unwrap()), [Some(false), Some(true)]);
    }

    #[test]
    fn a_compaction_loses_nothing_that_is_still_there_and_sends_nothing_twice() {
        let dir = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(settings(&dir, 20)).unwrap();
        let mut spool = Spool::open(&dir.path().join("jobs.log"));
        let mut finish = |n| {
            journal.append(&row(n, RowStatus::Finished(JobStatus::Success))).unwrap();
            journal.compact_if_due().unwrap();
        };
        let mut seen = Vec::new();
        for n in 1..=40 {
            finish(n);
            if n % 7 == 0 {
                seen.extend(spool.read(500).unwrap().into_iter().map(|row| row.job_id));
                spool.taken().unwrap();
            }
            if n % 10 == 0 {
                spool = Spool::open(&dir.path().join("jobs.log"));
            }
        }
        seen.extend(spool.read(500).unwrap().into_iter().map(|row| row.job_id));
        assert_eq!(seen, (1..=40).map(|n| n.to_string()).collect::<Vec<_>>());
        spool.taken().unwrap();
        (41..=80).for_each(finish);
        let left = (61..=80).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(
            ids(&spool.read(500).unwrap()),
            left,
            "what was compacted unsent is gone, the rest is not"
        );
    }

    #[test]
    fn without_a_log_rows_wait_in_memory() {
        let dir = TempDir::new().unwrap();
        let mut spool = Spool::open(&dir.path().join("none/jobs.log"));
        spool.tell(row(1, RowStatus::Finished(JobStatus::Failed)));
        spool.tell(row(2, RowStatus::Finished(JobStatus::Failed)));
        assert_eq!(ids(&spool.read(1).unwrap()), ["1"]);
        spool.taken().unwrap();
        assert_eq!(ids(&spool.read(9).unwrap()), ["2"]);
    }

    #[test]
    fn what_cannot_be_noted_is_sent_again() {
        let dir = TempDir::new().unwrap();
        let (mut journal, _) = Journal::open(settings(&dir, 1000)).unwrap();
        job(&mut journal, 1);
        std::fs::create_dir_all(dir.path().join("jobs.log.sent/x")).unwrap();
        let mut spool = Spool::open(&dir.path().join("jobs.log"));
        assert_eq!(ids(&spool.read(9).unwrap()), ["1"]);
        spool.taken().unwrap_err();
        assert_eq!(ids(&spool.read(9).unwrap()), ["1"]);
    }
}
