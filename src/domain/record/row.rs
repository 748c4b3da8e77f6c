//! A row is one physical line: what is written reads back as it was, and a line without its end is known to be torn.

use super::fields::{
    boolean, duration, duration_as_written, duration_text, instant, instant_as_written, instant_text,
    old_instant, optional, read_text, status, text_as_written,
};
use super::{JobRecord, JobStatus, RowFault, RowFaultKind, RowStatus};
use chrono::DateTime;
use csv::{ByteRecord, Terminator};
use std::io::Cursor;

/// The first line of the job log, without its newline.
pub const HEADER: &str = "timestamp,job_id,status,duration_seconds,queue_time_seconds,job_name,workflow,repository,\
run_id,run_attempt,event,ref,sha,started_at,lead_time_seconds,deployment";

/// Longest line, in bytes, that is read as a row. Ours are shorter: ten texts of [`MAX_TEXT`] characters at most.
pub const MAX_ROW: usize = 256 * 1024;

/// Longest text of a row, in characters.
pub const MAX_TEXT: usize = 1024;

const COLUMNS: usize = 16;
/// The shell predecessor wrote only the first five columns, and no header.
const PREDECESSOR_COLUMNS: usize = 5;

/// Whether a line (without its end) is a header, ours or the same names cut to the predecessor's five.
pub fn known_header(line: &[u8]) -> bool {
    line == HEADER.as_bytes() || line == b"timestamp,job_id,status,duration_seconds,queue_time_seconds"
}

impl JobRecord {
    /// The record as the log will give it back: texts on one line and at most [`MAX_TEXT`] characters long, times and
    /// durations cut to milliseconds, durations over ten years unknown.
    #[must_use]
    pub fn as_written(&self) -> JobRecord {
        JobRecord {
            timestamp: instant_as_written(self.timestamp),
            job_id: text_as_written(&self.job_id),
            status: self.status,
            duration: duration_as_written(self.duration),
            queue_time: duration_as_written(self.queue_time),
            job_name: text_as_written(&self.job_name),
            workflow: text_as_written(&self.workflow),
            repository: text_as_written(&self.repository),
            run_id: text_as_written(&self.run_id),
            run_attempt: text_as_written(&self.run_attempt),
            event: text_as_written(&self.event),
            git_ref: text_as_written(&self.git_ref),
            sha: text_as_written(&self.sha),
            started_at: self.started_at.map(instant_as_written),
            lead_time: duration_as_written(self.lead_time),
            deployment: self.deployment,
        }
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
                &record.job_id,
                status,
                &duration_text(record.duration),
                &duration_text(record.queue_time),
                &record.job_name,
                &record.workflow,
                &record.repository,
                &record.run_id,
                &record.run_attempt,
                &record.event,
                &record.git_ref,
                &record.sha,
                &record.started_at.map(instant_text).unwrap_or_default(),
                &duration_text(record.lead_time),
                deployment,
            ])
            .expect("memory takes every row");
        writer.into_inner().expect("memory takes every row")
    }

    /// Reads one row: sixteen columns, or the predecessor's five (its queue time was never known, so its 0 is `None`).
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
            self.queue_time = self.queue_time.filter(|d| !d.is_zero());
        }
        let column = |n: usize| row.get(n).unwrap_or_default();
        self.started_at = optional(column(13), instant).ok_or(fault(RowFaultKind::StartedAt))?;
        self.lead_time = optional(column(14), duration).ok_or(fault(RowFaultKind::LeadTime))?;
        self.deployment = optional(column(15), boolean).ok_or(fault(RowFaultKind::Deployment))?;
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

    /// Reads one line, without its newline, into `record`; returns how many columns it had: 16 or 5.
    ///
    /// # Errors
    /// As [`JobRecord::from_csv`], and `Quoting` or `TooLong`.
    pub fn read(&mut self, line: &[u8], record: &mut JobRecord) -> Result<usize, RowFault> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_ROW {
            return Err(RowFault { kind: RowFaultKind::TooLong });
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
