//! The check of the runner's programs before a token is handed to them. A token is handed only to programs that no job
//! can have changed: those that jobs cannot reach, or that are as they were before any.
//!
//! What was there before the first job in this container is remembered beside the job log. Where that file is the jobs' as well
//! (one user for all), it can tell that there was a job and not what the programs were.

use crate::domain::registration::Found;
use crate::sys::door::Dir;
use crate::sys::programs::{self, Programs};
use crate::sys::{startup_checks, state_file};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// For some thousand files. Whoever does not answer by then is not believed.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// The runner's programs, and what has been here.
#[derive(Debug)]
pub(crate) struct Ground {
    file: PathBuf,
    dir: Dir,
    /// The runner's user.
    user: u32,
    /// Ours is another one.
    apart: bool,
    /// A job has begun since this start.
    has_worked: AtomicBool,
    found: OnceLock<Found>,
}

impl Ground {
    /// The runner in `dir`, whose user is `user`, and is another one than ours if `apart`.
    pub(crate) fn new(file: PathBuf, dir: Dir, user: u32, apart: bool) -> Ground {
        Ground { file, dir, user, apart, has_worked: AtomicBool::new(false), found: OnceLock::new() }
    }

    /// A job has begun: from now on it may have changed anything, and may look at whatever we start.
    pub(crate) fn job_began(&self) {
        if !self.has_worked.swap(true, Ordering::Relaxed)
            && let Some(found) = self.found.get()
        {
            self.remember(&Found { worked: true, ..found.clone() });
        }
    }

    /// A job has begun since this start.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Relaxed)
    }

    /// Looks at what is here, once, before any job of this start.
    pub(super) async fn survey(&self) {
        if self.found.get().is_some() {
            return;
        }
        let (dir, file, user) = (self.dir.clone(), self.file.clone(), self.user);
        let look = move || {
            let place = programs::place(dir.path()).unwrap_or_default();
            let before: Option<Found> =
                state_file::read(&file, dir.odd()).filter(|found: &Found| found.place == place);
            let has_log = startup_checks::worker_log(&dir).is_some();
            (place, before, has_log, programs::look(dir.path(), user).ok())
        };
        // Of a directory that does not answer nothing is known, and nothing is written down.
        let Some((place, before, has_log, now)) = within(look).await else { return };
        let worked = has_log || before.as_ref().is_some_and(|found| found.worked);
        let print = if worked {
            before.filter(|_| self.apart).and_then(|found| found.print)
        } else {
            now.map(|now| now.print)
        };
        let found = self.found.get_or_init(|| Found { place, worked, print });
        self.remember(found);
    }

    /// Whether the programs are those that were here before any job.
    pub(super) async fn is_sound(&self) -> bool {
        let Some(now) = self.look().await else { return false };
        let before = self.found.get().and_then(|found| found.print.as_ref());
        now.out_of_reach || before == Some(&now.print)
    }

    async fn look(&self) -> Option<Programs> {
        let (dir, user) = (self.dir.clone(), self.user);
        within(move || programs::look(dir.path(), user)).await?.ok()
    }

    /// Where that cannot be written, only this start knows; the job log tells of it.
    fn remember(&self, found: &Found) {
        let _ = state_file::write(&self.file, found);
    }
}

/// Beside the loop; `None` if it does not come in time.
async fn within<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    timeout(LOOK_LIMIT, spawn_blocking(look)).await.ok()?.ok()
}
