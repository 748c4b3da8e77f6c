//! What is known of the pages, for whoever asks from another thread: the follower notes them as it hears of them.
//!
//! Who asks after a job's end wants to know of everything that has happened by then: the follower is woken, takes what the kernel
//! has for it, and says so. It is not waited for longer than the asker likes.

use crate::domain::steps::pages::Pages;
use chrono::{DateTime, Utc};
use nix::sys::eventfd::EventFd;
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is written to wake the follower.
pub(super) const ASK: u64 = 1;

/// The pages of the last jobs.
#[derive(Debug, Default)]
pub struct PageWatch {
    seen: Mutex<Seen>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    pages: Pages,
    /// While somebody follows them.
    wake: Option<Arc<EventFd>>,
    asked: u64,
    answered: u64,
}

impl PageWatch {
    /// All that has happened by now, as far as it can be told in this time.
    pub fn read<T>(&self, patience: Duration, read: impl FnOnce(&Pages) -> T) -> T {
        let mut seen = self.lock();
        if let Some(wake) = seen.wake.clone() {
            seen.asked += 1;
            let asked = seen.asked;
            // It is full only if it is awake.
            let _ = wake.write(ASK);
            let waits = |seen: &mut Seen| seen.wake.is_some() && seen.answered < asked;
            let waited = self.answered.wait_timeout_while(seen, patience, waits);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        read(&seen.pages)
    }

    pub(super) fn begin(&self, wake: Arc<EventFd>) {
        self.lock().wake = Some(wake);
    }

    /// How many have asked: to be looked at before what has happened is taken.
    pub(super) fn asked(&self) -> u64 {
        self.lock().asked
    }

    /// What had happened when these asked is noted.
    pub(super) fn answer(&self, asked: u64) {
        self.lock().answered = asked;
        self.answered.notify_all();
    }

    /// Nobody follows them any more.
    pub(super) fn end(&self) {
        self.lock().wake = None;
        self.answered.notify_all();
    }

    pub(in crate::sys) fn note(&self, note: impl FnOnce(&mut Pages)) {
        note(&mut self.lock().pages);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clock on the wall says.
pub(super) fn now() -> DateTime<Utc> {
    let now = clock_gettime(ClockId::Realtime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    DateTime::from_timestamp(now.tv_sec, nanos).unwrap_or_default()
}
