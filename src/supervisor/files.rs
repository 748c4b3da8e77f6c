//! The runner's directory as the start has found it, and the thread that reads it for the loop.

use super::fault::StartError;
use crate::domain::last_word::LastWord;
use crate::domain::odd_file::OddFile;
use crate::domain::restart::UPDATE_WAIT;
use crate::domain::steps::JobSteps;
use crate::sys::child::Launch;
use crate::sys::disk_thread::{Answer, DiskThread, PATIENCE};
use crate::sys::door::{Dir, Odd};
use crate::sys::job_log_tail::PageWatch;
use crate::sys::{updater, worker_log_end, worker_steps};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Odd files that may wait for the loop; the others are let go.
const WAITING: usize = 32;

/// How what the runner's user can write is reached.
#[derive(Clone)]
pub(super) struct RunnerFiles {
    pub(super) dir: Dir,
    pub(super) disk: DiskThread,
    /// What is seen of the pages that the jobs' steps write.
    pub(super) pages: Arc<PageWatch>,
}

impl RunnerFiles {
    /// Opens the runner's directory; what is odd there comes out of the other end.
    pub(super) fn open(path: &Path) -> Result<(RunnerFiles, mpsc::Receiver<OddFile>), StartError> {
        let os = |what| move |source| StartError::Os { what, source };
        let (heard, odd) = mpsc::channel(WAITING);
        let dir = Dir::open(path).map_err(os("the runner's directory"))?.telling(Odd::to(heard));
        let disk =
            DiskThread::start("runner-files", PATIENCE).map_err(os("a thread for the runner's files"))?;
        Ok((RunnerFiles { dir, disk, pages: Arc::default() }, odd))
    }

    /// The last word of the worker whose log that is, read with the rights of the runner's user.
    pub(super) fn last_word(&self, log: String, launch: &Launch) -> Answer<LastWord> {
        let (dir, user) = (self.dir.clone(), launch.user.clone());
        self.disk.ask(move || worker_log_end::read(&dir, &log, user.as_ref()))
    }

    /// The steps of the job of that worker, which had ended by then.
    pub(super) fn steps(&self, log: String, launch: &Launch, end: DateTime<Utc>) -> Answer<JobSteps> {
        let (dir, user, pages) = (self.dir.clone(), launch.user.clone(), Arc::clone(&self.pages));
        self.disk.ask(move || worker_steps::read(&dir, &log, user.as_ref(), &pages, end))
    }

    /// Waits for the self-updater's marker, beside the loop.
    pub(super) fn watch_update(&self) -> JoinHandle<std::io::Result<bool>> {
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || updater::wait(&dir, UPDATE_WAIT))
    }
}
