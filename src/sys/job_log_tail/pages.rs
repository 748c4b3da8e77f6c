//! The log pages of a job. Which of the files is the job's, and what has been read of it; only one job is followed at a
//! time.
//!
//! A file is `TIMELINE_RECORD_N.log`; neither its name nor the order of making tells a job from a step (the worker writes a
//! line to the step's log first). But the job's log stays open while steps come and go: of the first two, the one that is
//! closed first is a step's. Timelines may be shared by the jobs of one run, so they tell nothing either.
//!
//! Jobs may put files of their own there. Such a file can take the place of its own job's log, not of a later one's.

use super::page_watch::{self, PageWatch};
use super::{Batch, PAGES};
use crate::domain::cache::JobLog;
use crate::domain::steps::pages::Pages;
use crate::sys::door::Dir;
use nix::sys::inotify::{AddWatchFlags, InotifyEvent, WatchDescriptor};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Read at once: the fewer calls, the less they cost. Of it only what is filled takes memory, and only while a job is followed.
const CHUNK: usize = 1024 * 1024;
/// A page ends with the line that brings it to 8 MiB: with more than this it is none.
const PAGE_LIMIT: u64 = 64 << 20;
/// Two GUIDs and what joins them.
const STEM: usize = 36 + 1 + 36;
/// Names looked at when the directory came late.
const LOOKED_AT: usize = 1024;

/// An open file.
#[derive(Debug)]
struct Page {
    stem: String,
    number: u32,
    file: File,
    left: u64,
}

/// The job whose log is known.
#[derive(Debug)]
struct Job {
    page: Page,
    /// Its last page was closed; another may follow.
    closed: bool,
    log: JobLog,
}

/// What is known of the files.
#[derive(Debug)]
pub(super) struct LogPages {
    runner: Dir,
    batches: mpsc::Sender<Batch>,
    seen: Arc<PageWatch>,
    job: Option<Job>,
    buffer: Vec<u8>,
    /// First pages that may be a job's, by their stem; at most two. One that was gone before it could be opened is a step's.
    candidates: Vec<(String, Option<Page>)>,
}

impl LogPages {
    pub(super) fn new(runner: Dir, batches: mpsc::Sender<Batch>, seen: Arc<PageWatch>) -> LogPages {
        LogPages { runner, batches, seen, job: None, buffer: Vec::new(), candidates: Vec::new() }
    }

    /// When pages were made and closed, as near as it can be told.
    pub(super) fn note(&self, events: &[InotifyEvent], here: Option<WatchDescriptor>) {
        let now = page_watch::now();
        for event in events {
            let is = |flag| event.mask.contains(flag);
            if is(AddWatchFlags::IN_Q_OVERFLOW) {
                self.seen.note(Pages::miss);
            }
            let (made, closed) = (is(AddWatchFlags::IN_CREATE), is(AddWatchFlags::IN_CLOSE_WRITE));
            if !(made || closed) || here != Some(event.wd) {
                continue;
            }
            let Some((stem, number)) = event.name.as_ref().and_then(|name| parts(name.to_str()?)) else {
                continue;
            };
            self.seen.note(|pages| {
                if made { pages.made(stem, number, now) } else { pages.closed(stem, number, now) }
            });
        }
    }

    pub(super) fn runner(&self) -> &Dir {
        &self.runner
    }

    pub(super) fn created(&mut self, name: &str) -> io::Result<()> {
        let Some((stem, number)) = parts(name) else { return Ok(()) };
        match &mut self.job {
            Some(job) if job.page.stem == stem => {
                if number > job.page.number {
                    self.turn(name)?;
                }
            }
            Some(job) if !job.closed => {}
            Some(_) | None if number == 1 => {
                // One that was found when the directory came late may be told of as well.
                if self.candidates.iter().all(|(known, _)| known != stem) {
                    self.candidates.push((stem.to_owned(), self.open(name)));
                    let excess = self.candidates.len().saturating_sub(2);
                    self.candidates.drain(..excess);
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// The job goes on in its next page.
    fn turn(&mut self, name: &str) -> io::Result<()> {
        self.catch_up()?;
        if let (Some(page), Some(job)) = (self.open(name), &mut self.job) {
            *job = Job { page, closed: false, log: std::mem::take(&mut job.log) };
            job.log.turn();
            self.candidates.clear();
        }
        Ok(())
    }

    pub(super) fn closed(&mut self, name: &str) -> io::Result<()> {
        let Some((stem, number)) = parts(name) else { return Ok(()) };
        if let Some(job) = self.job.as_mut().filter(|job| job.page.stem == stem) {
            job.closed |= job.page.number == number;
        } else if let Some(at) = self.candidates.iter().position(|(known, _)| known == stem) {
            self.candidates.remove(at);
            if let Some((_, Some(page))) = self.candidates.pop() {
                self.over()?;
                self.job = Some(Job { page, closed: false, log: JobLog::default() });
            }
        }
        self.catch_up()
    }

    /// A job that is over is let go with its last page, so that its room on the disk is free.
    pub(super) fn deleted(&mut self, name: &str) -> io::Result<()> {
        let is_told = self.job.as_ref().is_some_and(|job| job.closed);
        // It was closed before, perhaps before it was watched.
        self.closed(name)?;
        let is_its = |job: &Job| parts(name) == Some((&job.page.stem, job.page.number));
        if !self.job.as_ref().is_some_and(is_its) {
            return Ok(());
        }
        self.over()?;
        // Whatever was made meanwhile was taken for a step's.
        if is_told { Ok(()) } else { self.look() }
    }

    /// Nothing more is written: what is there is read, and the job is over.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.catch_up()?;
        self.over()
    }

    /// The directory is elsewhere now, and with it whatever would tell of the job's end.
    pub(super) fn moved(&mut self) -> io::Result<()> {
        self.candidates.clear();
        self.finish()
    }

    /// The job that was followed is over: what its log has left open is decided.
    fn over(&mut self) -> io::Result<()> {
        let mut batch = Batch::new();
        if let Some(mut job) = self.job.take() {
            job.log.end(&mut batch);
        }
        self.buffer = Vec::new();
        self.tell(batch)
    }

    fn tell(&self, batch: Batch) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.batches.blocking_send(batch).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Events were lost: the job may be in its next page by now.
    pub(super) fn overflowed(&mut self) -> io::Result<()> {
        while let Some(job) = &self.job {
            let next = format!("{}_{}.log", job.page.stem, job.page.number + 1);
            let before = job.page.number;
            self.created(&next)?;
            if self.job.as_ref().is_none_or(|job| job.page.number == before) {
                break;
            }
        }
        self.catch_up()
    }

    /// What is in the directory has just been made.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let names: Vec<String> = self.runner.names(PAGES).into_iter().flatten().take(LOOKED_AT).collect();
        let now = page_watch::now();
        for (stem, number) in names.iter().filter_map(|name| parts(name)) {
            self.seen.note(|pages| pages.made(stem, number, now));
        }
        names.iter().try_for_each(|name| self.created(name))
    }

    /// Reads what the job has written since the last time.
    ///
    /// # Errors
    /// If nobody wants to hear it any more.
    pub(super) fn catch_up(&mut self) -> io::Result<()> {
        let mut batch = Batch::new();
        while let Some(Job { page, log, .. }) = &mut self.job {
            if self.buffer.is_empty() {
                self.buffer = vec![0; CHUNK];
            }
            // A file that cannot be read is at its end.
            let Ok(count @ 1..) = (&page.file).take(page.left).read(&mut self.buffer) else { break };
            page.left -= count as u64;
            log.feed(&self.buffer[..count], &mut batch);
            self.tell(std::mem::take(&mut batch))?;
        }
        Ok(())
    }

    /// Whatever a job has put there under such a name: only a file is opened, and nothing is waited for.
    fn open(&self, name: &str) -> Option<Page> {
        let (stem, number) = parts(name)?;
        let file = self.runner.file(&format!("{PAGES}/{name}")).ok()?;
        Some(Page { stem: stem.to_owned(), number, file, left: PAGE_LIMIT })
    }
}

/// `TIMELINE_RECORD` and `N` of a page's name.
fn parts(name: &str) -> Option<(&str, u32)> {
    let (stem, number) = name.strip_suffix(".log")?.rsplit_once('_')?;
    let guids = stem.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-' || b == b'_');
    let fits = guids && stem.len() == STEM && stem.as_bytes()[36] == b'_';
    number.parse().ok().filter(|_| fits).map(|number| (stem, number))
}

#[cfg(test)]
mod tests;
