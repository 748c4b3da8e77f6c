//! The supervisor's clocks: the only place that reads them.

use crate::domain::event::Now;
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::time::Instant;

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// It is now that the supervisor begins.
    pub(super) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(super) fn now(self) -> Now {
        Now { up: self.start.elapsed(), utc: utc_now() }
    }

    /// Waits until then; without end, if there is no such time.
    pub(super) async fn until(self, up: Option<Duration>) {
        match up {
            Some(up) => tokio::time::sleep_until(self.start + up).await,
            None => std::future::pending().await,
        }
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the supervisor's clock")]
pub(super) fn utc_now() -> DateTime<Utc> {
    Utc::now()
}
