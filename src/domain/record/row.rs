//! A row is one physical line: what is written reads back as it was, and a line without its end is known to be torn.

use super::columns::{COLUMNS, OWN};
use super::fields::{duration_as_written, instant_as_written, old_instant, text_as_written};
use super::{Cell as _, FLEET_HEADER, JobRecord, RowFault, RowFaultKind, RowStatus};
use crate::domain::byte_search::blocks;
use csv::{ByteRecord, Terminator};
use std::io::Cursor;

/// Longest line, in bytes, that is read as a row. Ours are shorter: fourteen texts of [`MAX_TEXT`] characters at most.
pub const MAX_ROW: usize = 256 * 1024;

/// Longest text of a row, in characters.
pub const MAX_TEXT: usize = 1024;

/// The shell predecessor wrote only the first five columns, and no header.
pub(super) const PREDECESSOR_COLUMNS: usize = 5;

/// Whether a line (without its end) is a header: a collector's, ours, or the same names cut to the predecessor's five.
pub fn known_header(line: &[u8]) -> bool {
    let columns = line.split(|byte| *byte == b',').count();
    [COLUMNS.len(), OWN, PREDECESSOR_COLUMNS].contains(&columns)
        && line
            .split(|byte| *byte == b',')
            .eq(FLEET_HEADER.as_bytes().split(|byte| *byte == b',').take(columns))
}

impl JobRecord {
    /// The record as the log will give it back: texts on one line and at most [`MAX_TEXT`] characters long, times and
    /// durations cut to milliseconds, durations over ten years unknown.
    #[must_use]
    pub fn as_written(&self) -> JobRecord {
        let mut written = JobRecord::blank();
        written.set_as_written(self);
        written
    }

    /// Becomes what of another record tells an amendment of it, as the log would give it back; the rest stays blank.
    pub(crate) fn set_identity(&mut self, record: &JobRecord) {
        self.job_id.clone_from(&record.job_id);
        self.job_id.as_written();
        self.status = record.status;
        self.started_at = record.started_at.map(instant_as_written);
        self.queue_time = duration_as_written(record.queue_time);
    }

    /// Whether this final row closes that `Running` row: `started_at` is the same, or, where one has none, `job_id`.
    /// Both are compared as written: one of the two may come from the log.
    pub fn closes(&self, open: &JobRecord) -> bool {
        match (self.started_at, open.started_at) {
            (Some(end), Some(open)) => instant_as_written(end) == instant_as_written(open),
            (None, _) | (_, None) => text_as_written(&self.job_id) == text_as_written(&open.job_id),
        }
    }

    /// Whether this row says more of the job that the other one is about: both began it, or both ended it, with the same
    /// `started_at` and, once it is over, the same `job_id`. Compared as written.
    pub fn amends(&self, other: &JobRecord) -> bool {
        let same_start = match (self.started_at, other.started_at) {
            (Some(a), Some(b)) => instant_as_written(a) == instant_as_written(b),
            (None, _) | (_, None) => false,
        };
        let same_part = match (self.status, other.status) {
            (RowStatus::Running, RowStatus::Running) => true,
            (RowStatus::Finished(a), RowStatus::Finished(b)) => {
                a == b && text_as_written(&self.job_id) == text_as_written(&other.job_id)
            }
            (RowStatus::Running, RowStatus::Finished(_)) | (RowStatus::Finished(_), RowStatus::Running) => {
                false
            }
        };
        same_start && same_part
    }

    /// One line of the job log, columns as [`super::HEADER`] names them, or [`FLEET_HEADER`] if it says whose it is; it ends in
    /// its only newline.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn to_csv_row(&self) -> Vec<u8> {
        let record = self.as_written();
        let columns = if record.origin.runner_name.is_some() { &COLUMNS[..] } else { &COLUMNS[..OWN] };
        let mut writer = csv::WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
        writer
            .write_record(columns.iter().map(|column| (column.of)(&record).write().into_owned()))
            .expect("memory takes every row");
        writer.into_inner().expect("memory takes every row")
    }

    /// A record that says nothing: finished as abandoned at the epoch, every other fact unknown.
    pub fn blank() -> JobRecord {
        JobRecord::default()
    }

    /// Reads one row of so many cells into a record at hand, whose texts keep their memory: all columns, or the predecessor's
    /// five. After an error the record is a mixture.
    ///
    /// # Errors
    /// The first reason found; see [`RowFaultKind`].
    fn read_csv<'a>(
        &mut self,
        columns: usize,
        mut cells: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), RowFault> {
        (self.context.job_key, self.context.tracking_id, self.check_run_id) = (None, None, None);
        let first = cells.next().unwrap_or_default();
        let read = if columns == PREDECESSOR_COLUMNS {
            self.read_old(first, cells)
        } else if columns == OWN || columns == COLUMNS.len() {
            self.timestamp.read(COLUMNS[0].name, first).and_then(|()| self.read_behind_first(cells))
        } else {
            Err(RowFaultKind::Columns)
        };
        read.map_err(|kind| RowFault { kind })
    }

    /// The predecessor's times are of several kinds; its queue time was never known, and no job it saw running had a duration
    /// yet: those 0s are `None`.
    fn read_old<'a>(
        &mut self,
        first: &[u8],
        cells: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), RowFaultKind> {
        self.timestamp = old_instant(first).ok_or(RowFaultKind::Time(COLUMNS[0].name))?;
        self.read_behind_first(cells)?;
        self.duration = self.duration.filter(|_| self.status != RowStatus::Running);
        self.queue_time = self.queue_time.filter(|time| !time.is_zero());
        Ok(())
    }
}

/// Reads lines one by one, keeping its buffers: an unclosed quote cannot reach into the next line.
#[derive(Debug)]
pub struct RowReader {
    csv: csv::Reader<Cursor<Vec<u8>>>,
    row: ByteRecord,
}

impl Default for RowReader {
    fn default() -> RowReader {
        RowReader::new()
    }
}

impl RowReader {
    /// A reader of lines.
    pub fn new() -> RowReader {
        RowReader { csv: line_reader(), row: ByteRecord::new() }
    }

    /// Reads one line, without its newline, into `record`; returns how many columns it had: ours, or 5.
    ///
    /// # Errors
    /// See [`RowFaultKind`].
    pub fn read(&mut self, line: &[u8], record: &mut JobRecord) -> Result<usize, RowFault> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_ROW {
            return Err(RowFault { kind: RowFaultKind::TooLong });
        }
        match memchr::memchr2(b'"', b'\n', line).map(|at| line[at]) {
            None if line.is_empty() => return Err(RowFault { kind: RowFaultKind::Columns }),
            None => return read_plain(line, record),
            Some(b'"') if memchr::memchr(b'\n', line).is_none() => {}
            Some(_) => return Err(RowFault { kind: RowFaultKind::Text }),
        }
        let input = self.csv.get_mut();
        input.set_position(0);
        input.get_mut().clear();
        input.get_mut().extend_from_slice(line);
        input.get_mut().push(b'\n');
        let read = self.csv.read_byte_record(&mut self.row);
        // Only inside quotes is the newline a part of the text: the row was ended by the end of the input.
        if !matches!(read, Ok(true)) || self.row.as_slice().ends_with(b"\n") {
            self.csv = line_reader();
            return Err(RowFault { kind: RowFaultKind::Quoting });
        }
        record.read_csv(self.row.len(), self.row.iter())?;
        Ok(self.row.len())
    }
}

/// A line without quotes is read where it lies: as nearly all are.
fn read_plain(line: &[u8], record: &mut JobRecord) -> Result<usize, RowFault> {
    let mut cells = [&line[..0]; COLUMNS.len()];
    let (mut columns, mut start) = (0, 0);
    for (base, mut commas) in blocks::<b','>(line) {
        while commas != 0 {
            let comma = base + commas.trailing_zeros() as usize;
            commas &= commas - 1;
            *cells.get_mut(columns).ok_or(RowFault { kind: RowFaultKind::Columns })? = &line[start..comma];
            (columns, start) = (columns + 1, comma + 1);
        }
    }
    *cells.get_mut(columns).ok_or(RowFault { kind: RowFaultKind::Columns })? = &line[start..];
    columns += 1;
    record.read_csv(columns, cells.into_iter().take(columns))?;
    Ok(columns)
}

fn line_reader() -> csv::Reader<Cursor<Vec<u8>>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .from_reader(Cursor::new(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::super::{HEADER, JobStatus, Origin, arbitrary};
    use super::*;
    use crate::domain::context::Context;
    use crate::domain::job::usage::Usage;
    use chrono::DateTime;
    use proptest::prelude::*;
    use std::time::Duration;

    fn read(line: &str) -> Result<JobRecord, RowFaultKind> {
        let mut record = JobRecord::blank();
        RowReader::new().read(line.as_bytes(), &mut record).map(|_| record).map_err(|fault| fault.kind)
    }

    fn full() -> JobRecord {
        JobRecord {
            timestamp: "2026-11-22T20:18:00.123456Z".parse().unwrap(),
            job_id: "41".into(),
            status: RowStatus::Finished(JobStatus::Success),
            duration: Some(Duration::from_micros(73_004_999)),
            queue_time: Some(Duration::from_secs(3)),
            check_run_id: Some(7),
            job_name: Some("build (a, \"b\")\n# x".into()),
            started_at: Some("2026-11-22T21:16:46.5+01:00".parse().unwrap()),
            lead_time: None,
            deployment: Some(false),
            cause: Some("oom".into()),
            conclusion: Some("success".into()),
            context: Context {
                workflow: Some("CI".into()),
                repository: Some("o/r".into()),
                run_id: Some("9".into()),
                run_attempt: Some("1".into()),
                event: Some("push".into()),
                git_ref: Some("refs/heads/main".into()),
                sha: Some("abc".into()),
                run_number: Some("12".into()),
                actor: Some("octocat".into()),
                commit_at: Some("2026-11-22T20:00:00Z".parse().unwrap()),
                job_key: Some("build".into()),
                tracking_id: Some("github_1".into()),
            },
            usage: Usage { cpu_time: Some(Duration::from_millis(61_500)), peak_memory: Some(1 << 30) },
            origin: Origin::default(),
        }
    }

    #[test]
    fn a_spreadsheet_runs_nothing_of_a_row() {
        for (text, cell) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("'=1", "''=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'quoted'", "'quoted'"),
            ("a=b", "a=b"),
        ] {
            let context = Context { actor: Some(text.into()), ..full().context };
            let record = JobRecord { job_name: Some(text.into()), context, ..full() };
            let row = String::from_utf8(record.to_csv_row()).unwrap();
            assert!(row.contains(&format!(",{cell},")), "{row}");
            assert_eq!(
                read(row.trim_end()).unwrap().job_name.as_deref(),
                Some(text),
                "it reads back as it was"
            );
        }
        // A row of 2.3.0, which had no apostrophe before it.
        let old = String::from_utf8(full().to_csv_row()).unwrap().replace(",octocat,", ",-octocat,");
        assert_eq!(read(old.trim_end()).unwrap().context.actor.as_deref(), Some("-octocat"));
    }

    #[test]
    fn a_row_is_written_as_the_contract_says() {
        let row = "2026-11-22T20:18:00.123Z,41,success,73.004,3.000,\"build (a, \"\"b\"\") # x\",CI,o/r,9,1,push,\
                   refs/heads/main,abc,2026-11-22T20:16:46.500Z,,false,oom,success,12,octocat,2026-11-22T20:00:00.000Z,61.500,1073741824\n";
        assert_eq!(String::from_utf8(full().to_csv_row()).unwrap(), row);
        assert_eq!(HEADER.split(',').count(), OWN);
        assert_eq!(read(row.trim_end()).unwrap(), full().as_written());
    }

    #[test]
    fn a_row_that_says_whose_it_is_has_the_columns_for_it() {
        let origin = Origin {
            runner_name: Some("=r 1".into()),
            runner_type: Some("chrome".into()),
            amendment: Some(true),
        };
        let told = JobRecord { origin, ..full() };
        let row = String::from_utf8(told.to_csv_row()).unwrap();
        assert!(row.ends_with(",1073741824,'=r 1,chrome,true\n"), "{row}");
        assert_eq!(
            FLEET_HEADER.split(',').count(),
            row.replace("\"build (a, \"\"b\"\") # x\"", "").split(',').count()
        );
        assert!(FLEET_HEADER.starts_with(HEADER) && known_header(FLEET_HEADER.as_bytes()));
        let mut record = JobRecord::blank();
        let mut reader = RowReader::new();
        reader.read(row.trim_end().as_bytes(), &mut record).unwrap();
        assert_eq!(record, told.as_written());
        let own = full().to_csv_row();
        reader.read(own.trim_ascii_end(), &mut record).unwrap();
        assert_eq!(record.origin, Origin::default(), "a record at hand keeps nothing of the row before");
    }

    #[test]
    fn unknown_is_empty() {
        let row = JobRecord::blank().to_csv_row();
        assert_eq!(row, b"1970-01-01T00:00:00.000Z,,abandoned,,,,,,,,,,,,,,,,,,,,\n");
    }

    #[test]
    fn a_row_amends_what_was_said_of_the_same_part_of_the_same_job() {
        let (end, running) = (full(), JobRecord { status: RowStatus::Running, ..full() });
        let named = |row: &JobRecord| JobRecord { job_id: "42".into(), ..row.clone() };
        let undated = |row: &JobRecord| JobRecord { started_at: None, ..row.clone() };
        assert!(end.amends(&end) && running.amends(&running));
        assert!(named(&running).amends(&running), "the run's own id replaces ours");
        assert!(!named(&end).amends(&end) && !end.amends(&running) && !running.amends(&end));
        assert!(!undated(&end).amends(&undated(&end)), "the predecessor's rows are jobs of their own");
    }

    #[test]
    fn headers_of_every_age_are_known() {
        for columns in [OWN, PREDECESSOR_COLUMNS] {
            let header: Vec<&str> = HEADER.split(',').take(columns).collect();
            assert!(known_header(header.join(",").as_bytes()), "{columns}");
        }
        for line in ["", "timestamp", "timestamp,job_id,status,duration_seconds,queue", &HEADER[1..]] {
            assert!(!known_header(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn rows_of_the_predecessor_are_read() {
        let utc = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap();
        for (time, expected) in [
            ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
            ("2024-05-06T07:08:09.25Z", "2024-05-06T07:08:09.25Z"),
            ("2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09Z"),
            ("2024-05-06T07:08:09", "2024-05-06T07:08:09Z"),
            ("2024-05-06 07:08:09", "2024-05-06T07:08:09Z"),
            ("1714979289", "2024-05-06T07:08:09Z"),
        ] {
            assert_eq!(read(&format!("{time},7,success,08,0")).unwrap().timestamp, utc(expected), "{time}");
        }
        for (word, status) in [
            ("success", Some(JobStatus::Success)),
            ("Succeeded", Some(JobStatus::Success)),
            ("COMPLETED", Some(JobStatus::Success)),
            ("failed", Some(JobStatus::Failed)),
            ("failure", Some(JobStatus::Failed)),
            ("cancelled", Some(JobStatus::Cancelled)),
            ("canceled", Some(JobStatus::Cancelled)),
            ("skipped", Some(JobStatus::Skipped)),
            ("abandoned", Some(JobStatus::Abandoned)),
            ("running", None),
            ("started", None),
            ("in_progress", None),
        ] {
            let expected = status.map_or(RowStatus::Running, RowStatus::Finished);
            assert_eq!(read(&format!("1,7,{word},,")).unwrap().status, expected, "{word}");
        }
        for (seconds, millis) in [("08", 8_000), ("12", 12_000), ("12.5", 12_500), ("0", 0), ("0.0019", 1)] {
            let record = read(&format!("1,7,success,{seconds},0")).unwrap();
            assert_eq!(record.duration, Some(Duration::from_millis(millis)), "{seconds}");
            assert_eq!(record.queue_time, None, "its 0 was never measured");
        }
        assert_eq!(read("1,7,success,1,2.5").unwrap().queue_time, Some(Duration::from_millis(2_500)));
    }

    #[test]
    fn our_own_queue_time_of_zero_is_a_measurement() {
        let record = JobRecord { queue_time: Some(Duration::ZERO), ..full() };
        let row = String::from_utf8(record.to_csv_row()).unwrap();
        assert_eq!(read(row.trim_end()).unwrap().queue_time, Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_row_is_a_typed_fault() {
        let ours = |n: usize, value: &str| {
            let row = String::from_utf8(JobRecord { job_name: None, ..full() }.to_csv_row()).unwrap();
            let mut fields: Vec<&str> = row.trim_end().split(',').collect();
            fields[n] = value;
            fields.join(",")
        };
        assert!(read(&ours(6, "fine")).is_ok());
        for (line, kind) in [
            (String::new(), RowFaultKind::Columns),
            ("hello".into(), RowFaultKind::Columns),
            ("1,2,success,4".into(), RowFaultKind::Columns),
            (HEADER.into(), RowFaultKind::Time("timestamp")),
            (ours(0, "yesterday"), RowFaultKind::Time("timestamp")),
            (ours(0, "1714979289"), RowFaultKind::Time("timestamp")),
            (ours(0, "9999-12-31T23:59:59-23:00"), RowFaultKind::Time("timestamp")),
            ("99999999999,7,success,1,0".into(), RowFaultKind::Time("timestamp")),
            (ours(2, "ok"), RowFaultKind::Status),
            (ours(3, "-1"), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "NaN"), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "1e3"), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "+5"), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "5."), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "1.1234567890x"), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "315360001"), RowFaultKind::Duration("duration_seconds")),
            (ours(3, "99999999999999999999999"), RowFaultKind::Duration("duration_seconds")),
            (ours(4, "inf"), RowFaultKind::Duration("queue_time_seconds")),
            (ours(13, "x"), RowFaultKind::Time("started_at")),
            (ours(14, "x"), RowFaultKind::Duration("lead_time_seconds")),
            (ours(15, "yes"), RowFaultKind::Boolean("deployment")),
            (ours(20, "now"), RowFaultKind::Time("committed_at")),
            (ours(21, "-1"), RowFaultKind::Duration("cpu_seconds")),
            (ours(22, "1.5"), RowFaultKind::Bytes("peak_memory_bytes")),
            (ours(22, "99999999999999999999"), RowFaultKind::Bytes("peak_memory_bytes")),
            (ours(22, "1,2"), RowFaultKind::Columns),
            (ours(5, "a\0b"), RowFaultKind::Text),
            (ours(5, "\"a"), RowFaultKind::Quoting),
            ("x".repeat(MAX_ROW + 1), RowFaultKind::TooLong),
        ] {
            assert_eq!(read(&line), Err(kind), "{}", &line[..line.len().min(200)]);
        }
        let mut record = JobRecord::blank();
        let fault = RowReader::new().read(b"1,\xff,success,1,0", &mut record).unwrap_err();
        assert_eq!(fault.kind, RowFaultKind::Text);
    }

    proptest! {
        #[test]
        fn every_record_is_one_line_and_reads_back(record in arbitrary::record()) {
            let row = record.to_csv_row();
            prop_assert_eq!(memchr::memchr(b'\n', &row), Some(row.len() - 1));
            prop_assert!(row.len() < MAX_ROW);
            let mut read = JobRecord::blank();
            prop_assert_eq!(RowReader::new().read(&row[..row.len() - 1], &mut read), Ok(OWN));
            prop_assert_eq!(&read, &record.as_written());
            prop_assert_eq!(&read.as_written(), &read);
            prop_assert_eq!(read.to_csv_row(), row);
        }

        #[test]
        fn no_line_breaks_the_reader_or_reaches_into_the_next(
            lines in proptest::collection::vec(proptest::collection::vec(
                prop_oneof![Just(b'"'), Just(b','), Just(b'\r'), Just(b'1'), Just(b'\n'), any::<u8>()], 0..40), 1..6),
            record in arbitrary::record(),
        ) {
            let mut reader = RowReader::new();
            let mut read = JobRecord::blank();
            let row = record.to_csv_row();
            for line in &lines {
                if reader.read(line, &mut read).is_ok() {
                    prop_assert_eq!(&read.as_written(), &read);
                }
                prop_assert_eq!(reader.read(&row[..row.len() - 1], &mut read), Ok(OWN));
                prop_assert_eq!(&read, &record.as_written());
            }
        }
    }
}
