//! A listener that has closed its output. A listener that has closed its output and lives on takes jobs that nobody
//! sees: it is launched again, but never under a worker.

use super::{Action, Lifecycle, Phase};
use crate::domain::event::Now;
use crate::domain::notice::Notice;
use crate::domain::restart::StopReason;
use std::time::Duration;

/// The output of a listener that ends is closed a moment before it is gone; how often somebody looks for workers after that.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is known of a listener that says nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mute {
    pub(super) look_at: Duration,
    told: bool,
}

impl Lifecycle {
    /// Its output is closed.
    pub(super) fn muted(&mut self, now: Now) -> Vec<Action> {
        if self.phase == Phase::Running && self.connection.mute.is_none() {
            self.connection.mute = Some(Mute { look_at: now.up + LOOK_EVERY, told: false });
        }
        Vec::new()
    }

    /// It lives on all the same.
    pub(super) fn look_for_work(&mut self, now: Now) -> Vec<Action> {
        let told = self.connection.mute.is_some_and(|mute| mute.told);
        self.connection.mute = Some(Mute { look_at: now.up + LOOK_EVERY, told: true });
        self.reason = "the listener has closed its output: its jobs cannot be seen".into();
        let notice = (!told).then_some(Action::Notify(Notice::ListenerMuted));
        notice.into_iter().chain([Action::LookForWork]).collect()
    }

    /// Somebody has looked whether a worker of its lives.
    pub(super) fn looked_for_work(&mut self, works: bool, now: Now) -> Vec<Action> {
        if works || self.phase != Phase::Running || self.connection.mute.is_none() {
            return Vec::new();
        }
        self.leaving = Some(StopReason::Muted);
        self.interrupt(now)
    }
}
