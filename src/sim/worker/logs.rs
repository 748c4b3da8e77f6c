//! The log files of a job in `_diag/pages` and `_diag/blocks`, byte for byte as `PagingLogger` leaves them.
//!
//! One logger per step and one for the whole job; both files of a logger hold the same text. Nothing is flushed but
//! whole 4 KiB chunks, until the logger is closed; a logger that is dropped loses its buffer, as a killed Worker does.

use crate::clock::{self, Pace};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

const BUFFER: usize = 4096;
const PAGE_LIMIT: u64 = 8 << 20;
const BLOCK_LIMIT: u64 = 2 << 20;

/// One series of files with the same text limit.
#[derive(Debug)]
struct Roll {
    /// Everything of the path but the number and `suffix`.
    stem: PathBuf,
    suffix: &'static str,
    limit: u64,
    number: u32,
    file: Option<(File, PathBuf)>,
    buffer: Vec<u8>,
    length: u64,
}

impl Roll {
    fn new(dir: &Path, stem: String, suffix: &'static str, limit: u64) -> Roll {
        Roll { stem: dir.join(stem), suffix, limit, number: 0, file: None, buffer: Vec::new(), length: 0 }
    }

    /// Appends text; gives the path of a file that became full.
    fn write(&mut self, text: &str) -> io::Result<Option<PathBuf>> {
        if self.file.is_none() {
            self.open()?;
        }
        self.buffer.extend_from_slice(text.as_bytes());
        self.length += text.len() as u64;
        let whole = self.buffer.len() / BUFFER * BUFFER;
        if let Some((file, _)) = &mut self.file {
            for chunk in self.buffer[..whole].chunks(BUFFER) {
                file.write_all(chunk)?;
            }
            self.buffer.drain(..whole);
        }
        if self.length < self.limit {
            return Ok(None);
        }
        // The next file is made at once, whether there will be another line or not.
        let full = self.close()?;
        self.open()?;
        Ok(full)
    }

    fn open(&mut self) -> io::Result<()> {
        self.number += 1;
        let path = PathBuf::from(format!("{}{}{}", self.stem.display(), self.number, self.suffix));
        self.file = Some((OpenOptions::new().create(true).append(true).open(&path)?, path));
        self.buffer = "\u{feff}".into();
        self.length = 0;
        Ok(())
    }

    /// Writes what is buffered and closes the file; gives its path, if there was one.
    fn close(&mut self) -> io::Result<Option<PathBuf>> {
        let Some((mut file, path)) = self.file.take() else { return Ok(None) };
        file.write_all(&self.buffer)?;
        Ok(Some(path))
    }
}

/// The log of one record: a step or the job.
#[derive(Debug)]
struct Logger([Roll; 2]);

impl Logger {
    fn new(diag: &Path, timeline: &str, record: &str) -> Logger {
        let page = Roll::new(&diag.join("pages"), format!("{timeline}_{record}_"), ".log", PAGE_LIMIT);
        let block = Roll::new(&diag.join("blocks"), format!("{timeline}_{record}."), "", BLOCK_LIMIT);
        Logger([page, block])
    }

    /// Appends text, or closes without any; gives the files that are done with. A full disk is ignored, as the real
    /// Worker's logs are not worth a job.
    fn write(&mut self, text: Option<&str>) -> Vec<PathBuf> {
        let write = |roll: &mut Roll| match text {
            Some(text) => roll.write(text).ok().flatten(),
            None => roll.close().ok().flatten(),
        };
        let [page, block] = &mut self.0;
        [write(page), write(block)].into_iter().flatten().collect()
    }
}

/// All logs of a job. At most one step is open at a time.
#[derive(Debug)]
pub(crate) struct JobLog {
    diag: PathBuf,
    timeline: String,
    job: Logger,
    step: Option<Logger>,
    /// Where closed files go, and who deletes them; gone when the job's log is closed.
    deleter: Option<(Sender<PathBuf>, JoinHandle<()>)>,
}

impl JobLog {
    /// Makes both directories; no file yet.
    ///
    /// # Errors
    /// If a directory cannot be made.
    pub(crate) fn open(root: &Path, job_id: &str, pace: Pace) -> io::Result<JobLog> {
        let diag = root.join("_diag");
        for dir in ["pages", "blocks"] {
            fs::create_dir_all(diag.join(dir))?;
        }
        let timeline = clock::guid();
        let (sender, closed) = channel();
        let deleter = Some((sender, std::thread::spawn(move || delete(&closed, pace))));
        let job = Logger::new(&diag, &timeline, job_id);
        Ok(JobLog { diag, timeline, job, step: None, deleter })
    }

    /// The timeline's GUID, the first part of every file name.
    pub(crate) fn timeline(&self) -> &str {
        &self.timeline
    }

    /// Opens the log of a step record.
    pub(crate) fn begin(&mut self, record: &str) {
        self.step = Some(Logger::new(&self.diag, &self.timeline, record));
    }

    /// Writes one message, which may have several lines; only the first gets the time.
    pub(crate) fn line(&mut self, text: &str) {
        let text = format!("{} {text}\n", clock::round_trip());
        let mut done: Vec<PathBuf> = self.step.iter_mut().flat_map(|step| step.write(Some(&text))).collect();
        done.extend(self.job.write(Some(&text)));
        self.discard(done);
    }

    /// Closes the step's log; its files are deleted within a second.
    pub(crate) fn end(&mut self) {
        let done = self.step.take().map(|mut step| step.write(None));
        self.discard(done.unwrap_or_default());
    }

    /// Closes everything and waits until it is deleted; nothing is written afterwards.
    pub(crate) fn close(&mut self) {
        self.end();
        let done = self.job.write(None);
        self.discard(done);
        if let Some((sender, deleter)) = self.deleter.take() {
            drop(sender);
            _ = deleter.join();
        }
    }

    fn discard(&self, done: Vec<PathBuf>) {
        if let Some((sender, _)) = &self.deleter {
            for path in done {
                _ = sender.send(path);
            }
        }
    }
}

/// Deletes closed files once a second, and the rest at once when there will be no more.
fn delete(closed: &Receiver<PathBuf>, pace: Pace) {
    let mut waiting: Vec<PathBuf> = Vec::new();
    let mut tick = pace.deadline(1000);
    loop {
        let left = tick.saturating_duration_since(clock::instant());
        let result = closed.recv_timeout(left);
        let over = matches!(result, Err(RecvTimeoutError::Disconnected));
        match result {
            Ok(path) => waiting.push(path),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                // A file that somebody else took away is gone as well.
                waiting.drain(..).for_each(|path| _ = fs::remove_file(path));
                tick = pace.deadline(1000);
            }
        }
        if over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_chunks_reach_the_file_before_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let mut roll = Roll::new(dir.path(), "t_r_".into(), ".log", PAGE_LIMIT);
        let path = dir.path().join("t_r_1.log");
        roll.write(&"x".repeat(5000)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 4096);
        assert_eq!(roll.close().unwrap(), Some(path.clone()));
        let text = fs::read(&path).unwrap();
        assert_eq!((text.len(), &text[..3]), (5003, "\u{feff}".as_bytes()));
    }

    #[test]
    fn a_full_file_is_followed_by_the_next_number_and_a_lost_buffer_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut roll = Roll::new(dir.path(), "t_r.".into(), "", 10);
        assert_eq!(roll.write("0123456789").unwrap(), Some(dir.path().join("t_r.1")));
        assert_eq!(roll.write("a").unwrap(), None);
        drop(roll);
        assert_eq!(fs::read(dir.path().join("t_r.2")).unwrap(), b"");
    }
}
