//! Tails the job's log in `_diag/pages`. The job's own log is read from the side: nothing is written there, nothing on
//! the job's path waits for us.
//!
//! The worker keeps one log per step and one for the whole job in `_diag/pages`, and deletes each file up to a second after
//! it was closed. A file is opened as it is made and its descriptor kept, so that no deletion matters; it is read when it or
//! a step's file is closed. Meanwhile, as a page grows, the disk is looked at, at most each second.

mod page_watch;
mod pages;

use super::disk::Lowest;
use super::door::Dir;
use crate::domain::cache::CacheEvent;
use crate::sys::runner_user::RunnerUser;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
pub use page_watch::PageWatch;
use pages::LogPages;
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The disk is looked at this often at most while pages grow; when one is closed, always.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where they are, below the runner's directory.
const PAGES: &str = "_diag/pages";
const STACK: usize = 128 * 1024;
/// What is written to end it; less only wakes it.
const STOP: u64 = 1 << 32;
/// Batches that may wait for the supervisor; then reading waits, and the files with it.
const BATCHES: usize = 4;
/// What we want to hear of the files.
const FILES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);
/// What we want to hear of a directory that is to hold the next one down.
const MADE: AddWatchFlags =
    AddWatchFlags::IN_CREATE.union(AddWatchFlags::IN_MOVED_TO).union(AddWatchFlags::IN_ONLYDIR);

/// What one piece of a log told.
pub type Batch = Vec<CacheEvent>;

/// Follows the jobs of one runner on a thread of its own, until it is dropped or told to stop.
#[derive(Debug)]
pub struct Follower {
    stop: Arc<EventFd>,
}

/// Makes `_diag/pages` as the runner's user would, so that it can be watched before the first job. `who` is `None` if the
/// runner runs as we do.
///
/// # Errors
/// What the system says; the worker makes the directory itself then.
pub fn prepare(runner_dir: &Path, who: Option<&RunnerUser>) -> io::Result<()> {
    let pages = runner_dir.join(PAGES);
    let make = || std::fs::create_dir_all(&pages);
    match who {
        Some(identity) => identity.run_as(make)?,
        None => make(),
    }
}

impl Follower {
    /// Begins to watch; whatever is there already is of no interest.
    ///
    /// # Errors
    /// If the system refuses a watch or a thread.
    pub fn start(
        runner: Dir,
        space: Arc<Lowest>,
        seen: Arc<PageWatch>,
    ) -> io::Result<(Follower, mpsc::Receiver<Batch>)> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let (sender, batches) = mpsc::channel(BATCHES);
        let pages = LogPages::new(runner, sender, Arc::clone(&seen));
        let mut watcher =
            Watcher { inotify, stop: Arc::clone(&stop), here: None, above: None, pages, space, looked: None };
        watcher.aim(false)?;
        seen.begin(Arc::clone(&stop));
        std::thread::Builder::new().name("job-pages".to_owned()).stack_size(STACK).spawn(move || {
            // Without a watch there is nothing more to tell: the channel's end says so.
            let _ = watcher.watch(&seen);
            seen.end();
        })?;
        Ok((Follower { stop }, batches))
    }

    /// What has been written by now is still read; then the channel ends.
    pub fn stop(&self) {
        let _ = self.stop.write(STOP);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until there are events, or until it is told to stop, which it says.
pub(super) fn wait(inotify: &Inotify, stop: &EventFd) -> io::Result<bool> {
    let interest = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds = [interest(inotify.as_fd()), interest(stop.as_fd())];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(fds[1].any().unwrap_or(true)),
        Err(error) => Err(error.into()),
    }
}

/// `None`: all have been taken.
pub(super) fn events(inotify: &Inotify) -> io::Result<Option<Vec<InotifyEvent>>> {
    match inotify.read_events() {
        Ok(events) => Ok(Some(events)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(Errno::EINTR) => Ok(Some(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

struct Watcher {
    inotify: Inotify,
    stop: Arc<EventFd>,
    /// The watch on the directory itself.
    here: Option<WatchDescriptor>,
    /// The watch on what is above it, until it is there.
    above: Option<WatchDescriptor>,
    pages: LogPages,
    /// A step that fails for want of space fails while a page grows or as it is closed.
    space: Arc<Lowest>,
    looked: Option<Duration>,
}

impl Watcher {
    fn watch(&mut self, seen: &PageWatch) -> io::Result<()> {
        loop {
            let woken = wait(&self.inotify, &self.stop)?;
            let stopped = woken && self.stop.read().is_ok_and(|value| value >= STOP);
            let asked = seen.asked();
            while let Some(events) = events(&self.inotify)? {
                // Before anything is read of them, which takes its time.
                self.pages.note(&events, self.here);
                for event in events {
                    self.happened(&event)?;
                }
            }
            seen.answer(asked);
            if stopped {
                return self.pages.finish();
            }
        }
    }

    fn happened(&mut self, event: &InotifyEvent) -> io::Result<()> {
        let is = |flag| event.mask.contains(flag);
        if is(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.pages.overflowed();
        }
        if self.here != Some(event.wd) {
            // Something above it, or a watch that was given up.
            return if self.here.is_none() { self.aim(true) } else { Ok(()) };
        }
        if is(AddWatchFlags::IN_MOVE_SELF) {
            // What is made from now on is made elsewhere. The watch may be gone already.
            let _ = self.inotify.rm_watch(event.wd);
            self.pages.moved()?;
        }
        if is(AddWatchFlags::IN_IGNORED) || is(AddWatchFlags::IN_MOVE_SELF) {
            self.here = None;
            return self.aim(true);
        }
        let Some(name) = event.name.as_ref().and_then(|name| name.to_str()) else { return Ok(()) };
        self.look_at_space(is(AddWatchFlags::IN_CLOSE_WRITE));
        if is(AddWatchFlags::IN_CREATE) {
            self.pages.created(name)
        } else if is(AddWatchFlags::IN_CLOSE_WRITE) {
            self.pages.closed(name)
        } else if is(AddWatchFlags::IN_DELETE) {
            self.pages.deleted(name)
        } else {
            Ok(())
        }
    }

    fn look_at_space(&mut self, closed: bool) {
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
        if closed || self.looked.is_none_or(|last| now >= last + LOOK_EVERY) {
            self.looked = Some(now);
            self.space.look();
        }
    }

    /// Watches the directory, or what is above it until it is there; if it comes `late`, it may hold files by then.
    fn aim(&mut self, mut late: bool) -> io::Result<()> {
        let runner = self.pages.runner().clone();
        loop {
            if let Ok(watch) = runner.watch(&self.inotify, PAGES, FILES) {
                self.here = Some(watch);
                self.above.take().into_iter().for_each(|above| _ = self.inotify.rm_watch(above));
                return if late { self.pages.look() } else { Ok(()) };
            }
            late = true;
            let above = ["_diag", ""].into_iter().find_map(|dir| runner.watch(&self.inotify, dir, MADE).ok());
            let above = above.ok_or_else(|| io::Error::other("no directory to watch"))?;
            // The next one down may have been made before this watch was: only a watch that stood already has missed nothing.
            match self.above.replace(above) {
                Some(before) if before == above => return Ok(()),
                Some(before) => _ = self.inotify.rm_watch(before),
                None => {}
            }
        }
    }
}
