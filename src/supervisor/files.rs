//! The runner's directory as the start has found it, the thread that reads it for the loop, and what is odd there, told once a job.

use super::Supervisor;
use super::fault::StartError;
use crate::domain::notice::Notice;
use crate::domain::odd_file::{OddFile, Told};
use crate::domain::restart::UPDATE_WAIT;
use crate::sys::disk_thread::DiskThread;
use crate::sys::door::{Dir, Odd};
use crate::sys::updater;
use std::path::Path;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Odd files that may wait for the loop; the others are let go.
const WAITING: usize = 32;

/// How what the runner's user can write is reached.
pub(super) struct Files {
    pub(super) dir: Dir,
    pub(super) clerk: DiskThread,
    pub(super) odd: mpsc::Receiver<OddFile>,
    told: Told,
}

impl Files {
    /// Opens the runner's directory.
    pub(super) fn open(path: &Path) -> Result<Files, StartError> {
        let os = |what| move |source| StartError::Os { what, source };
        let (heard, odd) = mpsc::channel(WAITING);
        let dir = Dir::open(path).map_err(os("the runner's directory"))?.telling(Odd::to(heard));
        let clerk = DiskThread::start().map_err(os("a thread for the runner's files"))?;
        Ok(Files { dir, clerk, odd, told: Told::default() })
    }

    /// A job may put there what it likes from now on.
    pub(super) fn job_began(&mut self) {
        self.told.job_began();
    }

    /// Waits for the self-updater's marker, beside the loop.
    pub(super) fn watch_update(&self) -> JoinHandle<std::io::Result<bool>> {
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || updater::wait(&dir, UPDATE_WAIT))
    }
}

impl Supervisor {
    pub(super) fn odd_file(&mut self, odd: OddFile) {
        if self.files.told.is_new(&odd) {
            self.telemetry.emit(&Notice::OddFile(odd));
        }
    }

    /// What was found at the very end is told as well.
    pub(super) fn last_odd_files(&mut self) {
        while let Ok(odd) = self.files.odd.try_recv() {
            self.odd_file(odd);
        }
    }
}
