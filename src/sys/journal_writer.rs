//! The job log's writer thread. The job log's own thread: a row is acknowledged when it is on disk, and a disk that
//! hangs hangs nobody else.
//!
//! What cannot be written now waits in memory and is tried again; its acknowledgement waits with it. A log that cannot even be
//! opened makes the counters count in memory, from 0, as they will again after a restart: they never fall from a wrong height.

use super::journal::{Journal, JournalReplay, JournalSettings, OpenError, StepsFile};
use super::ownership;
use crate::domain::record::{FaultKind, JobRecord};
use crate::domain::steps::{KnownSteps, StepsRow};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two attempts to write what is waiting.
const RETRY: Duration = Duration::from_secs(5);
/// Rows that may wait: a disk that stays full must not fill the memory.
const MOST_WAITING: usize = 10_000;

/// What the thread says.
#[derive(Debug)]
pub enum JournalEvent {
    /// The row is on disk (or, without a log, counted in memory).
    Written(Box<JobRecord>),
    /// What is known of a job's steps has been kept, as far as it could be; behind the job's last row.
    Steps(Box<StepsRow>),
    /// The steps that were kept by the supervisors before.
    StepsFound(KnownSteps),
    /// Something is wrong with the job log.
    Fault {
        /// Which way.
        kind: FaultKind,
        /// Path and cause.
        detail: String,
    },
    /// The log could be opened after all; what it held comes on top of what was counted.
    Opened(Box<JournalReplay>),
    /// Old rows were folded into the snapshot.
    Compacted {
        /// How many rows.
        folded: u64,
        /// How many remain.
        kept: u64,
    },
    /// The thread has ended with this many rows unwritten.
    Ended {
        /// Lost rows.
        unwritten: usize,
    },
}

/// What the thread is given.
#[derive(Debug)]
enum Writing {
    Row(Box<JobRecord>),
    Steps(Box<StepsRow>),
}

/// The supervisor's end.
#[derive(Debug)]
pub struct JournalWriter {
    rows: Sender<Writing>,
    _thread: JoinHandle<()>,
}

/// How the log was found.
#[derive(Debug)]
pub enum Opened {
    /// Replayed and locked.
    Log(Box<Journal>, Box<JournalReplay>),
    /// Not usable now.
    Unusable(String),
}

/// Opens the log.
///
/// # Errors
/// If another supervisor holds it.
pub fn open(settings: &JournalSettings) -> Result<Opened, OpenError> {
    match Journal::open(settings.clone()) {
        Ok((journal, replay)) => Ok(Opened::Log(Box::new(journal), Box::new(replay))),
        Err(locked @ OpenError::Locked { .. }) => Err(locked),
        Err(OpenError::Unusable { path, source }) => Ok(Opened::Unusable(why(path, source))),
    }
}

/// With the command that mends it, where that is all there is to it: whose file or directory it is.
fn why(path: PathBuf, source: io::Error) -> String {
    let places = [path.parent().unwrap_or(&path), &path];
    // What we say ourselves needs no better word.
    let is_systems = source.raw_os_error().is_some();
    let denied = places.into_iter().find_map(|place| ownership::check(place, None).ok()?.err());
    let denied = denied.filter(|_| is_systems);
    let source = denied.map_or(source, io::Error::other);
    chain(&OpenError::Unusable { path, source })
}

impl JournalWriter {
    /// Starts the thread; `journal` is `None` if the log could not be opened.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start(
        journal: Option<Box<Journal>>,
        settings: JournalSettings,
        words: mpsc::UnboundedSender<JournalEvent>,
    ) -> std::io::Result<JournalWriter> {
        let (rows, inbox) = channel();
        let mut desk = WriterLoop {
            journal,
            steps: None,
            settings,
            words,
            waiting: VecDeque::new(),
            in_trouble: false,
            steps_in_trouble: false,
        };
        let thread =
            std::thread::Builder::new().name("job-log".to_owned()).spawn(move || desk.work(&inbox))?;
        Ok(JournalWriter { rows, _thread: thread })
    }

    /// Hands a row over; its acknowledgement comes as a [`JournalEvent`].
    pub fn write(&self, row: JobRecord) {
        // The thread lives as long as we do.
        let _ = self.rows.send(Writing::Row(Box::new(row)));
    }

    /// Hands over what is known of a job's steps, behind the rows that were handed over before.
    pub fn write_steps(&self, row: StepsRow) {
        let _ = self.rows.send(Writing::Steps(Box::new(row)));
    }
}

struct PendingRow {
    row: JobRecord,
    counted: bool,
}

struct WriterLoop {
    journal: Option<Box<Journal>>,
    /// Opened with the journal, whose lock it is under.
    steps: Option<StepsFile>,
    settings: JournalSettings,
    words: mpsc::UnboundedSender<JournalEvent>,
    waiting: VecDeque<PendingRow>,
    in_trouble: bool,
    steps_in_trouble: bool,
}

impl WriterLoop {
    fn work(&mut self, inbox: &Receiver<Writing>) {
        loop {
            self.open_steps();
            let idle = self.waiting.is_empty() && self.journal.is_some();
            let next = if idle {
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                inbox.recv_timeout(RETRY)
            };
            // Rows that come keep nobody from looking, and those that wait at the end have one try more.
            self.reopen();
            let is_over = match next {
                Ok(order) => {
                    match order {
                        Writing::Row(row) => self.take(*row),
                        Writing::Steps(row) => self.keep_steps(row),
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            self.write_waiting();
            if is_over {
                break;
            }
        }
        self.say(JournalEvent::Ended { unwritten: self.waiting.len() });
    }

    fn take(&mut self, row: JobRecord) {
        let counted = self.journal.is_none();
        if counted {
            self.say(JournalEvent::Written(Box::new(row.clone())));
        }
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
            self.fault(
                FaultKind::WriteFailed,
                "too many rows wait for the disk: the oldest was let go".to_owned(),
            );
        }
        self.waiting.push_back(PendingRow { row, counted });
    }

    fn open_steps(&mut self) {
        if self.journal.is_some() && self.steps.is_none() {
            let steps = StepsFile::load(&self.settings);
            self.say(JournalEvent::StepsFound(steps.known().clone()));
            self.steps = Some(steps);
        }
    }

    /// They are told whatever becomes of them on disk: nothing is counted from there.
    fn keep_steps(&mut self, row: Box<StepsRow>) {
        self.open_steps();
        let kept = self.steps.as_mut().map_or(Ok(()), |steps| steps.append(&row));
        let was_in_trouble = std::mem::replace(&mut self.steps_in_trouble, kept.is_err());
        if let (Err(error), false) = (kept, was_in_trouble) {
            let path = self.settings.path.display();
            self.fault(FaultKind::WriteFailed, format!("cannot keep a job's steps in {path}.steps: {error}"));
        }
        self.say(JournalEvent::Steps(row));
    }

    fn reopen(&mut self) {
        if self.journal.is_some() {
            return;
        }
        if let Ok(Opened::Log(journal, replay)) = open(&self.settings) {
            self.journal = Some(journal);
            self.say(JournalEvent::Opened(replay));
        }
    }

    fn write_waiting(&mut self) {
        while let (Some(journal), Some(next)) = (self.journal.as_mut(), self.waiting.front()) {
            if let Err(error) = journal.append(&next.row) {
                // One fault for a streak of attempts.
                if !std::mem::replace(&mut self.in_trouble, true) {
                    self.fault(FaultKind::WriteFailed, chain(&error));
                }
                return;
            }
            self.in_trouble = false;
            if let Some(PendingRow { row, counted: false }) = self.waiting.pop_front() {
                self.say(JournalEvent::Written(Box::new(row)));
            }
            self.compact();
        }
    }

    fn compact(&mut self) {
        let Some(journal) = self.journal.as_mut() else { return };
        match journal.compact_if_due() {
            Ok(Some(done)) => self.say(JournalEvent::Compacted { folded: done.folded, kept: done.kept }),
            Ok(None) => {}
            Err(error) => self.fault(FaultKind::WriteFailed, chain(&error)),
        }
    }

    fn fault(&self, kind: FaultKind, detail: String) {
        self.say(JournalEvent::Fault { kind, detail });
    }

    fn say(&self, word: JournalEvent) {
        // At the very end nobody may be listening any more.
        let _ = self.words.send(word);
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dora::StreamRule;
    use crate::domain::totals::Bounds;
    use std::fs;

    fn words(events: &mut mpsc::UnboundedReceiver<JournalEvent>) -> &'static str {
        match events.blocking_recv().expect("the thread lives") {
            JournalEvent::Written(_) => "written",
            JournalEvent::Opened(_) => "opened",
            JournalEvent::Fault { .. } => "fault",
            JournalEvent::Compacted { .. } => "compacted",
            JournalEvent::Ended { unwritten: 0 } => "ended",
            JournalEvent::Ended { .. } => "lost",
            // They come when they come.
            JournalEvent::Steps(_) | JournalEvent::StepsFound(_) => words(events),
        }
    }

    #[test]
    fn a_log_that_can_be_opened_again_is_while_rows_come_and_at_the_end() {
        let rows = |path: &PathBuf| fs::read_to_string(path).expect("a log").lines().count() - 1;
        for at_the_end in [false, true] {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("jobs.log");
            fs::create_dir(&path).expect("what is no log");
            let (bounds, streams) = (Bounds::with_duration(vec![60.0]), StreamRule::default());
            let settings =
                JournalSettings { path: path.clone(), max_records: 9, bounds, streams, jobs: None };
            assert!(matches!(open(&settings), Ok(Opened::Unusable(_))));
            let (say, mut events) = mpsc::unbounded_channel();
            let writer = JournalWriter::start(None, settings, say).expect("a thread");
            writer.write(JobRecord::blank());
            assert_eq!(words(&mut events), "written", "counted in memory");
            fs::remove_dir(&path).expect("ours");
            if !at_the_end {
                writer.write(JobRecord::blank());
                assert_eq!([(); 2].map(|()| words(&mut events)), ["opened", "written"]);
            }
            drop(writer);
            if at_the_end {
                assert_eq!(words(&mut events), "opened");
            }
            assert_eq!(words(&mut events), "ended");
            assert_eq!(rows(&path), 1 + usize::from(!at_the_end));
        }
    }
}
