//! The registration in the runner's directory: read and deleted by the disk thread, whose answer may not come in time (`None`).

use crate::domain::registration::RegistrationFault;
use crate::sys::disk_thread::DiskThread;
use crate::sys::door::Dir;
use crate::sys::runner_file::{self, RunnerFile};
use std::io;
use std::path::PathBuf;

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) struct LocalRegistration {
    /// The runner's directory.
    pub dir: Dir,
    /// Reads and writes there.
    pub disk: DiskThread,
}

impl LocalRegistration {
    /// What `.runner` says.
    pub(super) async fn read(&self) -> Option<Option<RunnerFile>> {
        let dir = self.dir.clone();
        self.disk.ask(move || runner_file::read(&dir)).take().await
    }

    /// Deletes its files.
    pub(super) async fn forget(&self) -> Option<io::Result<()>> {
        let dir = self.dir.clone();
        self.disk.ask(move || runner_file::forget(&dir)).take().await
    }

    /// Deletes what stands in its place and is none: `config.sh` would wait for it, or take it for one.
    pub(super) async fn clear(&self) -> Option<io::Result<()>> {
        let dir = self.dir.clone();
        let clear = move || if runner_file::is_configured(&dir) { runner_file::forget(&dir) } else { Ok(()) };
        self.disk.ask(clear).take().await
    }

    /// Where one of its files is.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Why nothing is done where there is no answer.
    pub(super) fn hangs(&self) -> RegistrationFault {
        let says = format!("{} could not be read in time: its file system hangs", self.dir.path().display());
        RegistrationFault { retry: true, says }
    }
}
