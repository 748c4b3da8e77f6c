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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::EngineNews;
    use crate::domain::notice::Notice;
    use crate::domain::odd_file::Oddity;
    use tokio::sync::mpsc;

    fn notices(effects: Vec<Effect>) -> Vec<Notice> {
        let notice = |effect| match effect {
            Effect::Notice(notice) => notice,
            other => panic!("{other:?}"),
        };
        effects.into_iter().map(notice).collect()
    }

    #[tokio::test]
    async fn what_a_job_leaves_is_dealt_with_once_it_is_closed_and_told_by_whoever_found_it() {
        let (put, found) = mpsc::channel(1);
        let mut aftermath = Aftermath {
            sweeper: Sweeper::of_nothing(),
            engine: EngineWatch::of_none(0),
            odd_files: OddFiles::new(found),
        };
        aftermath.job_began(DateTime::UNIX_EPOCH);
        assert!(aftermath.sweeper.is_idle(), "a job runs");
        aftermath.job_ended();
        assert!(aftermath.sweeper.is_idle(), "its last word is still to be read");
        aftermath.job_closed(false);
        assert!(!aftermath.sweeper.is_idle());
        let event = aftermath.next().await;
        assert!(matches!(event, AftermathEvent::Swept(_)));
        assert_eq!(notices(aftermath.handle(event)), [], "it had left nothing");
        assert!(aftermath.sweeper.is_idle());

        let odd = || OddFile { path: ".runner".to_owned(), oddity: Oddity::Link };
        for (is_new_job, told) in [(false, true), (false, false), (true, true)] {
            if is_new_job {
                aftermath.job_began(DateTime::UNIX_EPOCH);
            }
            put.try_send(odd()).expect("there is room");
            let event = aftermath.next().await;
            let want: Vec<Notice> = told.then(|| Notice::OddFile(odd())).into_iter().collect();
            assert_eq!(notices(aftermath.handle(event)), want, "once a job");
        }

        let news = || EngineNews::Unusable { says: "gone".to_owned() };
        assert_eq!(
            notices(aftermath.handle(AftermathEvent::Engine(Word::News(news())))),
            [Notice::Engine(news())]
        );
        assert_eq!(notices(aftermath.handle(AftermathEvent::Engine(Word::Done))), []);
    }
}
