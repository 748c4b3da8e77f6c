//! A shutdown reaches the Worker a moment after the signal that caused it: a step which the same signal ended is over by then.
//!
//! So an interrupt of the whole process group lets the `always()` step behind the interrupted one begin, and then cancels it,
//! which a shell survives for 7.5 s; an interrupt of the listener alone cancels the running step, and nothing more runs.

use crate::clock;
use std::time::{Duration, Instant};

/// From the listener's message to its effect. Real time: these are processes that race, whatever the pace.
const ALONE: Duration = Duration::from_millis(50);
/// The same if the Worker got the signal too, and its step with it, on a machine that may be busy.
const TOGETHER: Duration = Duration::from_millis(250);

/// A shutdown that is on its way.
#[derive(Debug)]
pub(super) struct Shutdown {
    together: Duration,
    interrupted: bool,
    due: Option<Instant>,
}

impl Shutdown {
    /// With the scenario's own time, if it has one.
    pub(super) fn new(together_ms: Option<u64>) -> Shutdown {
        let together = together_ms.map_or(TOGETHER, Duration::from_millis);
        Shutdown { together, interrupted: false, due: None }
    }

    /// The listener has said that the runner goes down.
    pub(super) fn told(&mut self) {
        let wait = if self.interrupted { self.together } else { ALONE };
        self.due = Some(clock::instant() + wait);
    }

    /// The Worker itself was interrupted: it swallows that, but its group has been told.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
        if self.due.is_some() {
            self.told();
        }
    }

    /// When it takes effect.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it takes effect now; only once.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}
