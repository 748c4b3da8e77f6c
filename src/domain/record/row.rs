//! A row is one physical line: what is written reads back as it was, and a line without its end is known to be torn.

use super::fields::{
    boolean, bytes, duration, duration_as_written, duration_text, inert, instant, instant_as_written,
    instant_text, old_instant, optional, read_text, status, text_as_written,
};
use super::{JobRecord, JobStatus, RowFault, RowFaultKind, RowStatus};
use chrono::DateTime;
use csv::{ByteRecord, Terminator};
use std::io::Cursor;

/// The first line of the job log, without its newline.
pub const HEADER: &str = "timestamp,job_id,status,duration_seconds,queue_time_seconds,job_name,workflow,repository,\
run_id,run_attempt,event,ref,sha,started_at,lead_time_seconds,deployment,cause,\
conclusion,run_number,actor,committed_at,cpu_seconds,peak_memory_bytes";

/// Longest line, in bytes, that is read as a row. Ours are shorter: fourteen texts of [`MAX_TEXT`] characters at most.
pub const MAX_ROW: usize = 256 * 1024;

/// Longest text of a row, in characters.
pub const MAX_TEXT: usize = 1024;

const COLUMNS: usize = 23;
/// The shell predecessor wrote only the first five columns, and no header.
const PREDECESSOR_COLUMNS: usize = 5;

/// Whether a line (without its end) is a header: ours, or the same names cut to the predecessor's five.
pub fn known_header(line: &[u8]) -> bool {
    let columns = line.split(|byte| *byte == b',').count();
    [COLUMNS, PREDECESSOR_COLUMNS].contains(&columns)
        && line.split(|byte| *byte == b',').eq(HEADER.as_bytes().split(|byte| *byte == b',').take(columns))
}

impl JobRecord {
    /// The record as the log will give it back: texts on one line and at most [`MAX_TEXT`] characters long, times and
    /// durations cut to milliseconds, durations over ten years unknown.
    #[must_use]
    pub fn as_written(&self) -> JobRecord {
        JobRecord {
            timestamp: instant_as_written(self.timestamp),
            job_id: text_as_written(&self.job_id).into_owned(),
            status: self.status,
            duration: duration_as_written(self.duration),
            queue_time: duration_as_written(self.queue_time),
            job_name: text_as_written(&self.job_name).into_owned(),
            workflow: text_as_written(&self.workflow).into_owned(),
            repository: text_as_written(&self.repository).into_owned(),
            run_id: text_as_written(&self.run_id).into_owned(),
            run_attempt: text_as_written(&self.run_attempt).into_owned(),
            event: text_as_written(&self.event).into_owned(),
            git_ref: text_as_written(&self.git_ref).into_owned(),
            sha: text_as_written(&self.sha).into_owned(),
            started_at: self.started_at.map(instant_as_written),
            lead_time: duration_as_written(self.lead_time),
            deployment: self.deployment,
            cause: text_as_written(&self.cause).into_owned(),
            conclusion: text_as_written(&self.conclusion).into_owned(),
            run_number: text_as_written(&self.run_number).into_owned(),
            actor: text_as_written(&self.actor).into_owned(),
            committed_at: self.committed_at.map(instant_as_written),
            cpu_time: duration_as_written(self.cpu_time),
            peak_memory: self.peak_memory,
        }
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

    /// One line of the job log, columns as [`HEADER`] names them, ending in its only newline.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn to_csv_row(&self) -> Vec<u8> {
        let record = self.as_written();
        let status = match record.status {
            RowStatus::Running => "running",
            RowStatus::Finished(status) => status.as_str(),
        };
        let deployment = match record.deployment {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        };
        let mut writer = csv::WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
        writer
            .write_record([
                instant_text(record.timestamp).as_str(),
                &inert(&record.job_id),
                status,
                &duration_text(record.duration),
                &duration_text(record.queue_time),
                &inert(&record.job_name),
                &inert(&record.workflow),
                &inert(&record.repository),
                &inert(&record.run_id),
                &inert(&record.run_attempt),
                &inert(&record.event),
                &inert(&record.git_ref),
                &inert(&record.sha),
                &record.started_at.map(instant_text).unwrap_or_default(),
                &duration_text(record.lead_time),
                deployment,
                &inert(&record.cause),
                &inert(&record.conclusion),
                &inert(&record.run_number),
                &inert(&record.actor),
                &record.committed_at.map(instant_text).unwrap_or_default(),
                &duration_text(record.cpu_time),
                &record.peak_memory.map(|bytes| bytes.to_string()).unwrap_or_default(),
            ])
            .expect("memory takes every row");
        writer.into_inner().expect("memory takes every row")
    }

    /// Reads one row: all columns, or the predecessor's five (its queue time was never known, and no job it saw running had a
    /// duration yet: those 0s are `None`).
    ///
    /// # Errors
    /// The first reason found; see [`RowFaultKind`].
    pub fn from_csv(row: &ByteRecord) -> Result<JobRecord, RowFault> {
        let mut record = JobRecord::blank();
        record.read_csv(row)?;
        Ok(record)
    }

    /// A record that says nothing: finished as abandoned at the epoch, every other fact unknown.
    pub fn blank() -> JobRecord {
        JobRecord {
            timestamp: DateTime::UNIX_EPOCH,
            job_id: String::new(),
            status: RowStatus::Finished(JobStatus::Abandoned),
            duration: None,
            queue_time: None,
            job_name: String::new(),
            workflow: String::new(),
            repository: String::new(),
            run_id: String::new(),
            run_attempt: String::new(),
            event: String::new(),
            git_ref: String::new(),
            sha: String::new(),
            started_at: None,
            lead_time: None,
            deployment: None,
            cause: String::new(),
            conclusion: String::new(),
            run_number: String::new(),
            actor: String::new(),
            committed_at: None,
            cpu_time: None,
            peak_memory: None,
        }
    }

    /// Reads one row into a record at hand, whose texts keep their memory. After an error the record is a mixture.
    ///
    /// # Errors
    /// As [`JobRecord::from_csv`].
    pub fn read_csv(&mut self, row: &ByteRecord) -> Result<(), RowFault> {
        let fault = |kind| RowFault { kind };
        let old = row.len() == PREDECESSOR_COLUMNS;
        if !old && row.len() != COLUMNS {
            return Err(fault(RowFaultKind::Columns));
        }
        let time = if old { old_instant } else { instant };
        self.timestamp = time(&row[0]).ok_or(fault(RowFaultKind::Timestamp))?;
        self.status = status(&row[2]).ok_or(fault(RowFaultKind::Status))?;
        self.duration = optional(&row[3], duration).ok_or(fault(RowFaultKind::Duration))?;
        self.queue_time = optional(&row[4], duration).ok_or(fault(RowFaultKind::QueueTime))?;
        if old {
            self.duration = self.duration.filter(|_| self.status != RowStatus::Running);
            self.queue_time = self.queue_time.filter(|d| !d.is_zero());
        }
        let column = |n: usize| row.get(n).unwrap_or_default();
        self.started_at = optional(column(13), instant).ok_or(fault(RowFaultKind::StartedAt))?;
        self.lead_time = optional(column(14), duration).ok_or(fault(RowFaultKind::LeadTime))?;
        self.deployment = optional(column(15), boolean).ok_or(fault(RowFaultKind::Deployment))?;
        self.committed_at = optional(column(20), instant).ok_or(fault(RowFaultKind::CommittedAt))?;
        self.cpu_time = optional(column(21), duration).ok_or(fault(RowFaultKind::CpuTime))?;
        self.peak_memory = optional(column(22), bytes).ok_or(fault(RowFaultKind::PeakMemory))?;
        for (n, text) in [
            (1, &mut self.job_id),
            (5, &mut self.job_name),
            (6, &mut self.workflow),
            (7, &mut self.repository),
            (8, &mut self.run_id),
            (9, &mut self.run_attempt),
            (10, &mut self.event),
            (11, &mut self.git_ref),
            (12, &mut self.sha),
            (16, &mut self.cause),
            (17, &mut self.conclusion),
            (18, &mut self.run_number),
            (19, &mut self.actor),
        ] {
            read_text(column(n), text).ok_or(fault(RowFaultKind::Text))?;
        }
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

    /// Reads one line, without its newline, into `record`; returns how many columns it had: 23 or 5.
    ///
    /// # Errors
    /// As [`JobRecord::from_csv`], and `Quoting` or `TooLong`.
    pub fn read(&mut self, line: &[u8], record: &mut JobRecord) -> Result<usize, RowFault> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_ROW {
            return Err(RowFault { kind: RowFaultKind::TooLong });
        }
        if memchr::memchr(b'\n', line).is_some() {
            return Err(RowFault { kind: RowFaultKind::Text });
        }
        let input = self.csv.get_mut();
        input.set_position(0);
        input.get_mut().clear();
        input.get_mut().extend_from_slice(line);
        input.get_mut().push(b'\n');
        let read = self.csv.read_byte_record(&mut self.row);
        // Only inside quotes is the newline a part of the text: the row was ended by the end of the input.
        if !matches!(read, Ok(true)) || self.row.as_slice().ends_with(b"\n") {
            let kind = if line.is_empty() { RowFaultKind::Columns } else { RowFaultKind::Quoting };
            self.csv = line_reader();
            return Err(RowFault { kind });
        }
        record.read_csv(&self.row)?;
        Ok(self.row.len())
    }
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
    use super::super::arbitrary;
    use super::*;
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
            job_name: "build (a, \"b\")\n# x".into(),
            workflow: "CI".into(),
            repository: "o/r".into(),
            run_id: "9".into(),
            run_attempt: "1".into(),
            event: "push".into(),
            git_ref: "refs/heads/main".into(),
            sha: "abc".into(),
            started_at: Some("2026-11-22T21:16:46.5+01:00".parse().unwrap()),
            lead_time: None,
            deployment: Some(false),
            cause: "oom".into(),
            conclusion: "success".into(),
            run_number: "12".into(),
            actor: "octocat".into(),
            committed_at: Some("2026-11-22T20:00:00Z".parse().unwrap()),
            cpu_time: Some(Duration::from_millis(61_500)),
            peak_memory: Some(1 << 30),
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
            let record = JobRecord { job_name: text.into(), actor: text.into(), ..full() };
            let row = String::from_utf8(record.to_csv_row()).unwrap();
            assert!(row.contains(&format!(",{cell},")), "{row}");
            assert_eq!(read(row.trim_end()).unwrap().job_name, text, "it reads back as it was");
        }
        // A row of 2.3.0, which had no apostrophe before it.
        let old = String::from_utf8(full().to_csv_row()).unwrap().replace(",octocat,", ",-octocat,");
        assert_eq!(read(old.trim_end()).unwrap().actor, "-octocat");
    }

    #[test]
    fn a_row_is_written_as_the_contract_says() {
        let row = "2026-11-22T20:18:00.123Z,41,success,73.004,3.000,\"build (a, \"\"b\"\") # x\",CI,o/r,9,1,push,\
                   refs/heads/main,abc,2026-11-22T20:16:46.500Z,,false,oom,success,12,octocat,2026-11-22T20:00:00.000Z,61.500,1073741824\n";
        assert_eq!(String::from_utf8(full().to_csv_row()).unwrap(), row);
        assert_eq!(HEADER.split(',').count(), COLUMNS);
        assert_eq!(read(row.trim_end()).unwrap(), full().as_written());
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
        for columns in [COLUMNS, PREDECESSOR_COLUMNS] {
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
            let row =
                String::from_utf8(JobRecord { job_name: String::new(), ..full() }.to_csv_row()).unwrap();
            let mut fields: Vec<&str> = row.trim_end().split(',').collect();
            fields[n] = value;
            fields.join(",")
        };
        assert!(read(&ours(6, "fine")).is_ok());
        for (line, kind) in [
            (String::new(), RowFaultKind::Columns),
            ("hello".into(), RowFaultKind::Columns),
            ("1,2,success,4".into(), RowFaultKind::Columns),
            (HEADER.into(), RowFaultKind::Timestamp),
            (ours(0, "yesterday"), RowFaultKind::Timestamp),
            (ours(0, "1714979289"), RowFaultKind::Timestamp),
            (ours(0, "9999-12-31T23:59:59-23:00"), RowFaultKind::Timestamp),
            ("99999999999,7,success,1,0".into(), RowFaultKind::Timestamp),
            (ours(2, "ok"), RowFaultKind::Status),
            (ours(3, "-1"), RowFaultKind::Duration),
            (ours(3, "NaN"), RowFaultKind::Duration),
            (ours(3, "1e3"), RowFaultKind::Duration),
            (ours(3, "+5"), RowFaultKind::Duration),
            (ours(3, "5."), RowFaultKind::Duration),
            (ours(3, "1.1234567890x"), RowFaultKind::Duration),
            (ours(3, "315360001"), RowFaultKind::Duration),
            (ours(3, "99999999999999999999999"), RowFaultKind::Duration),
            (ours(4, "inf"), RowFaultKind::QueueTime),
            (ours(13, "x"), RowFaultKind::StartedAt),
            (ours(14, "x"), RowFaultKind::LeadTime),
            (ours(15, "yes"), RowFaultKind::Deployment),
            (ours(20, "now"), RowFaultKind::CommittedAt),
            (ours(21, "-1"), RowFaultKind::CpuTime),
            (ours(22, "1.5"), RowFaultKind::PeakMemory),
            (ours(22, "99999999999999999999"), RowFaultKind::PeakMemory),
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
            prop_assert_eq!(RowReader::new().read(&row[..row.len() - 1], &mut read), Ok(COLUMNS));
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
                prop_assert_eq!(reader.read(&row[..row.len() - 1], &mut read), Ok(COLUMNS));
                prop_assert_eq!(&read, &record.as_written());
            }
        }
    }
}
