//! What jobs leave behind: processes and files, things on the Docker Engine, odd files in the runner's directory. Dealt with
//! beside the loop, and only told there.

use super::cleanup::Sweeper;
use super::effect::Effect;
use super::engine::EngineWatch;
use super::odd_files::OddFiles;
use crate::domain::odd_file::OddFile;
use crate::sys::engine::Word;
use crate::sys::job_cleanup::CleanupOutcome;
use chrono::{DateTime, Utc};

/// Whoever deals with it.
pub(super) struct Aftermath {
    pub(super) sweeper: Sweeper,
    pub(super) engine: EngineWatch,
    pub(super) odd_files: OddFiles,
}

/// What has come of it.
pub(super) enum AftermathEvent {
    Swept(CleanupOutcome),
    Engine(Word),
    Odd(OddFile),
}

impl Aftermath {
    /// A job begins.
    pub(super) fn job_began(&mut self, at: DateTime<Utc>) {
        self.sweeper.job_began();
        self.odd_files.job_began();
        self.engine.job_began(at);
    }

    /// It is over.
    pub(super) fn job_ended(&mut self) {
        self.engine.job_ended(false);
    }

    /// It is closed; another may have begun.
    pub(super) fn job_closed(&mut self, is_next_open: bool) {
        self.sweeper.begin();
        if is_next_open {
            self.sweeper.job_began();
        }
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> AftermathEvent {
        tokio::select! {
            outcome = self.sweeper.next() => AftermathEvent::Swept(outcome),
            word = self.engine.next() => AftermathEvent::Engine(word),
            odd = self.odd_files.next() => AftermathEvent::Odd(odd),
        }
    }

    pub(super) fn handle(&mut self, event: AftermathEvent) -> Vec<Effect> {
        let notice = match event {
            AftermathEvent::Swept(outcome) => self.sweeper.handle(outcome),
            AftermathEvent::Engine(word) => self.engine.handle(word),
            AftermathEvent::Odd(odd) => self.odd_files.handle(odd),
        };
        notice.into_iter().map(Effect::Notice).collect()
    }
}
