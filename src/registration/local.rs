//! The registration in the runner's directory: read and deleted by the disk thread; that it hangs is an answer too.

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
    pub(super) async fn read(&self) -> Result<Option<RunnerFile>, RegistrationFault> {
        self.ask(runner_file::read).await
    }

    /// Deletes its files.
    pub(super) async fn forget(&self) -> Result<io::Result<()>, RegistrationFault> {
        self.ask(runner_file::forget).await
    }

    /// Deletes what stands in its place and is none: `config.sh` would wait for it, or take it for one.
    pub(super) async fn clear(&self) -> Result<io::Result<()>, RegistrationFault> {
        self.ask(|dir| if runner_file::is_configured(dir) { runner_file::forget(dir) } else { Ok(()) }).await
    }

    /// Where one of its files is.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Dir) -> T + Send + 'static,
    ) -> Result<T, RegistrationFault> {
        let dir = self.dir.clone();
        self.disk.ask(move || look(&dir)).take().await.ok_or_else(|| {
            let says =
                format!("{} could not be read in time: its file system hangs", self.dir.path().display());
            RegistrationFault { retry: true, says }
        })
    }
}
