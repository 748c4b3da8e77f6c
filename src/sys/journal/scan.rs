//! Scan of the job log. The log is read as a stream of lines, in memory that does not grow with it.

use crate::domain::record::{HEADER, JobRecord, MAX_ROW, RowFaultKind, RowReader, RowStatus, known_header};
use crate::domain::totals::Ledger;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};

const BUFFER: usize = 64 * 1024;
/// No row is shorter, in bytes, its line end included: `0,,failed,,`, as the predecessor could have it.
const SHORTEST: u64 = 12;

/// A part of the log.
pub(super) enum Piece<'a> {
    /// A line without its newline.
    Line(&'a [u8]),
    /// Some bytes of a line longer than [`MAX_ROW`].
    Long(&'a [u8]),
    /// Its last bytes, with the newline.
    LongEnd(&'a [u8]),
    /// What follows the last newline; of a long line nothing is left to give.
    Torn(&'a [u8]),
}

/// Gives the log from byte `from` on to `take`, with the offset at which each piece's line begins and the piece ends.
pub(super) fn read_pieces(
    mut file: &File,
    from: u64,
    mut take: impl FnMut(Piece<'_>, u64, u64) -> io::Result<()>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut input = BufReader::with_capacity(BUFFER, file);
    let (mut held, mut long) = (Vec::new(), false);
    let (mut start, mut end) = (from, from);
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let newline = memchr::memchr(b'\n', buffer);
        let used = newline.map_or(buffer.len(), |at| at + 1);
        end += used as u64;
        match newline {
            Some(at) if !long && held.is_empty() => take(Piece::Line(&buffer[..at]), start, end)?,
            Some(_) if long => take(Piece::LongEnd(&buffer[..used]), start, end)?,
            Some(at) => {
                held.extend_from_slice(&buffer[..at]);
                take(Piece::Line(&held), start, end)?;
            }
            None if long => take(Piece::Long(buffer), start, end)?,
            None => held.extend_from_slice(buffer),
        }
        if newline.is_some() {
            (start, long) = (end, false);
            held.clear();
        } else if held.len() > MAX_ROW {
            take(Piece::Long(&held), start, end)?;
            long = true;
            held.clear();
        }
        input.consume(used);
    }
    if long || !held.is_empty() { take(Piece::Torn(&held), start, end) } else { Ok(()) }
}

/// Lines from byte `from` on, torn ones not counted; where there are `few` whatever they hold, only how many there can be.
pub(super) fn count_lines(mut file: &File, from: u64, few: impl Fn(u64) -> bool) -> io::Result<u64> {
    let most = file.metadata()?.len().saturating_sub(from) / SHORTEST;
    if few(most) {
        return Ok(most);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut input = BufReader::with_capacity(BUFFER, file);
    let mut lines = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', buffer).count() as u64;
        let used = buffer.len();
        input.consume(used);
    }
}

/// What a line is.
#[derive(Clone, Copy)]
pub(super) enum JournalLine {
    /// Ours, or the predecessor's (`false`).
    Header(bool),
    /// Nothing on it.
    Blank,
    /// A row of so many columns; the record holds it.
    Row(usize),
    /// No row.
    Foreign(RowFaultKind),
}

/// Tells lines apart, keeping its buffers.
pub(super) struct Classifier {
    header: String,
    reader: RowReader,
    /// The last row read.
    pub(super) record: JobRecord,
}

impl Classifier {
    /// Of a log with this header.
    pub(super) fn new(header: &str) -> Classifier {
        Classifier { header: header.to_owned(), reader: RowReader::new(), record: JobRecord::blank() }
    }

    /// `first` is whether the line opens the file: only there can be a header, and a byte order mark before it.
    pub(super) fn classify(&mut self, line: &[u8], first: bool) -> JournalLine {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            return JournalLine::Blank;
        }
        if first && known_header(line) {
            return JournalLine::Header(line == self.header.as_bytes());
        }
        match self.reader.read(line, &mut self.record) {
            Ok(columns) => JournalLine::Row(columns),
            Err(fault) => JournalLine::Foreign(fault.kind),
        }
    }
}

/// What a log has said up to a place: a start may begin behind it, a compaction cut there.
#[derive(Clone)]
pub(super) struct Checkpoint<T> {
    /// The offset behind the last line.
    pub(super) offset: u64,
    /// Lines before it, where that is known.
    pub(super) lines: u64,
    /// Rows among them.
    pub(super) rows: u64,
    /// What they add up to, with what came before the log.
    pub(super) totals: T,
    /// The newest finished jobs of them, newest last.
    pub(super) recent: VecDeque<JobRecord>,
}

impl<T> Checkpoint<T> {
    /// Where nothing is known but what came before.
    pub(super) fn behind(totals: T, offset: u64) -> Checkpoint<T> {
        Checkpoint { offset, lines: 0, rows: 0, totals, recent: VecDeque::new() }
    }
}

/// What the log holds.
pub(super) struct Scan<T> {
    /// The base and every row.
    pub(super) totals: T,
    /// The newest finished jobs, newest last.
    pub(super) recent: VecDeque<JobRecord>,
    /// Rows, those before the place where reading began included.
    pub(super) rows: u64,
    /// Rows of the predecessor's five columns among them.
    pub(super) old_rows: u64,
    /// Lines that are no rows.
    pub(super) unparsable: u64,
    /// The first of them: its line's number, counted from where reading began, and what was wrong.
    pub(super) first_foreign: Option<(u64, RowFaultKind)>,
    /// Where a torn tail begins.
    pub(super) torn_at: Option<u64>,
    /// Where a compaction may cut, if so many rows were there.
    pub(super) mark: Option<Checkpoint<T>>,
    headed: bool,
    lines: u64,
    /// Behind the last line.
    end: u64,
}

impl<T: Ledger> Scan<T> {
    /// Reads the log from there on. `mark_after`: rows up to a possible cut.
    pub(super) fn read(file: &File, from: Checkpoint<T>, mark_after: Option<u64>) -> io::Result<Scan<T>> {
        let Checkpoint { offset, lines, rows, totals, recent } = from;
        let mut survey = Scan {
            totals,
            recent,
            rows,
            old_rows: 0,
            unparsable: 0,
            first_foreign: None,
            torn_at: None,
            mark: None,
            headed: offset > 0,
            lines,
            end: offset,
        };
        let mut classifier = Classifier::new(T::HEADER);
        read_pieces(file, offset, |piece, start, end| {
            match piece {
                Piece::Line(line) => {
                    (survey.lines, survey.end) = (survey.lines + 1, end);
                    let line = classifier.classify(line, start == 0);
                    survey.take(line, &mut classifier.record, mark_after);
                }
                Piece::Long(_) => {}
                Piece::LongEnd(_) => {
                    survey.lines += 1;
                    survey.unparsable(RowFaultKind::TooLong);
                }
                Piece::Torn(_) => survey.torn_at = Some(start),
            }
            Ok(())
        })?;
        Ok(survey)
    }

    /// What it has said.
    pub(super) fn place(&self) -> Checkpoint<T> {
        let Scan { end, lines, rows, .. } = *self;
        Checkpoint { offset: end, lines, rows, totals: self.totals.clone(), recent: self.recent.clone() }
    }

    /// Whether the log must be rewritten: it holds what is no row, or old rows, or rows without our header.
    pub(super) fn unclean(&self) -> bool {
        self.unparsable > 0 || self.old_rows > 0 || (!self.headed && self.lines > 0)
    }

    fn take(&mut self, line: JournalLine, record: &mut JobRecord, mark_after: Option<u64>) {
        match line {
            JournalLine::Header(ours) => self.headed = ours,
            JournalLine::Blank => {}
            JournalLine::Foreign(kind) => self.unparsable(kind),
            JournalLine::Row(columns) => {
                self.old_rows += u64::from(columns == 5);
                self.rows += 1;
                self.totals.add(record);
                if record.status != RowStatus::Running {
                    if let Some(at) = T::amended(&self.recent, record) {
                        self.recent.remove(at);
                    }
                    self.keep(record);
                }
                if mark_after == Some(self.rows) {
                    self.mark = Some(self.place());
                }
            }
        }
    }

    /// The record that falls out of the recent ones gives its memory to the next row.
    fn keep(&mut self, record: &mut JobRecord) {
        if self.recent.len() == T::RECENT {
            self.recent.rotate_left(1);
        } else {
            self.recent.push_back(JobRecord::blank());
        }
        self.recent.back_mut().into_iter().for_each(|last| std::mem::swap(last, record));
    }

    fn unparsable(&mut self, kind: RowFaultKind) {
        self.unparsable += 1;
        self.first_foreign.get_or_insert((self.lines, kind));
    }
}

/// Gives every finished row of a log from byte `from` on to `take`, with its line and the offset behind it. Lines that are no rows
/// are passed over, a torn one is not there yet.
///
/// # Errors
/// If it cannot be read.
pub fn finished_rows(log: &File, from: u64, mut take: impl FnMut(&[u8], &JobRecord, u64)) -> io::Result<()> {
    let mut classifier = Classifier::new(HEADER);
    read_pieces(log, from, |piece, start, end| {
        if let Piece::Line(line) = piece
            && let JournalLine::Row(_) = classifier.classify(line, start == 0)
            && classifier.record.status != RowStatus::Running
        {
            take(line, &classifier.record, end);
        }
        Ok(())
    })
}
