//! What jobs leave on the Docker Engine is swept beside the loop: told of each job, heard of each removal, never waited for.

use super::clock::utc_now;
use crate::config::Config;
use crate::domain::engine::EngineNews;
use crate::domain::notice::Notice;
use crate::sys::child::Launch;
use crate::sys::door::Dir;
use crate::sys::engine::{EnginePlan, EngineThread, Word};
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The longest wait for it at the end.
const LAST: Duration = Duration::from_secs(2);

/// The engine of the jobs, if they can have one.
pub(super) struct EngineWatch {
    /// `None`: nothing is swept (`RUNNER_SWEEP`).
    plan: Option<EnginePlan>,
    sweep: Option<EngineThread>,
    words: (mpsc::UnboundedSender<Word>, mpsc::UnboundedReceiver<Word>),
    /// Ends of jobs that the thread has not dealt with.
    open: usize,
    /// What was wrong with the engine when it was last told.
    told: Option<String>,
    /// So long after we were asked to stop we have to be gone.
    budget: Duration,
    asked_at: Option<Instant>,
}

impl EngineWatch {
    /// Sweeps for the first time what a predecessor that was killed has written down.
    pub(super) fn start(config: &Config, launch: &Launch, runner: &Dir) -> EngineWatch {
        let mut memory = config.job_log.path.clone().into_os_string();
        memory.push(".engine");
        let plan =
            || EnginePlan::new(&launch.env, runner.clone(), launch.user.clone(), memory.into(), utc_now);
        let budget = config.lifecycle.budget;
        let mut watch = EngineWatch {
            plan: config.runner.sweep.is_on().then(plan),
            sweep: None,
            words: mpsc::unbounded_channel(),
            open: 0,
            told: None,
            budget: budget.total().saturating_sub(budget.sweep),
            asked_at: None,
        };
        if watch.plan.as_ref().is_some_and(EnginePlan::is_remembered) {
            watch.job_ended(false);
        }
        watch
    }

    /// The thread; where it is refused, the next job is another chance.
    fn sweep(&mut self) -> Option<&EngineThread> {
        if self.sweep.is_none() {
            let plan = self.plan.as_ref().filter(|plan| plan.has_engine() || plan.is_remembered())?;
            self.sweep = EngineThread::start(plan.clone(), self.words.0.clone()).ok();
        }
        self.sweep.as_ref()
    }

    pub(super) fn job_began(&mut self, at: DateTime<Utc>) {
        if let Some(sweep) = self.sweep() {
            sweep.began(at);
        }
    }

    /// `leaving`: its worker dies with us.
    pub(super) fn job_ended(&mut self, leaving: bool) {
        if let Some(sweep) = self.sweep() {
            sweep.ended(leaving);
            self.open += 1;
        }
    }

    /// The orchestrator's clock runs.
    pub(super) fn stop_asked(&mut self) {
        self.asked_at.get_or_insert(Instant::now());
    }

    /// The next word. Cancel-safe.
    pub(super) async fn next(&mut self) -> Word {
        match self.words.1.recv().await {
            Some(word) => word,
            None => std::future::pending().await,
        }
    }

    pub(super) fn handle(&mut self, word: Word) -> Option<Notice> {
        match word {
            // Once, not after each job.
            Word::News(EngineNews::Unusable { says }) if self.told.as_ref() == Some(&says) => None,
            Word::News(news) => {
                if let EngineNews::Unusable { says } = &news {
                    self.told = Some(says.clone());
                }
                Some(Notice::Engine(news))
            }
            Word::Done => {
                self.open = self.open.saturating_sub(1);
                None
            }
        }
    }

    /// What the last job has left is to go as well; until when the end may wait for that: `limit`, or later if the grace has
    /// room, and never long. `None`: there is nothing to wait for.
    pub(super) fn begin_last(&mut self, limit: Instant) -> Option<Instant> {
        self.sweep.as_ref()?;
        self.job_ended(true);
        Some(limit.max(self.last()))
    }

    /// Until when the end may wait: what is left of the grace, if it runs, and never long.
    pub(super) fn last(&self) -> Instant {
        self.at_most(LAST)
    }

    /// The same for a wait of another length.
    pub(super) fn at_most(&self, wait: Duration) -> Instant {
        let last = Instant::now() + wait;
        self.asked_at.map_or(last, |asked_at| last.min(asked_at + self.budget))
    }

    /// Everything that jobs have left is dealt with.
    pub(super) fn is_idle(&self) -> bool {
        self.open == 0
    }
}

/// The time for the last of it was over.
pub(super) fn out_of_time() -> Notice {
    let says = "the time for it was over: the next start goes on".to_owned();
    Notice::Engine(EngineNews::Unusable { says })
}

#[cfg(test)]
impl EngineWatch {
    /// With no engine, and so many ends of jobs that are not dealt with.
    pub(super) fn of_none(open: usize) -> EngineWatch {
        EngineWatch {
            plan: None,
            sweep: None,
            words: mpsc::unbounded_channel(),
            open,
            told: None,
            budget: Duration::ZERO,
            asked_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_engine_is_told_once_and_each_end_is_dealt_with_once() {
        let mut watch = EngineWatch::of_none(1);
        let unusable = |says: &str| EngineNews::Unusable { says: says.to_owned() };
        for (says, told) in [("gone", true), ("gone", false), ("back", true), ("gone", true)] {
            let notice = watch.handle(Word::News(unusable(says)));
            assert_eq!(notice, told.then(|| Notice::Engine(unusable(says))));
        }
        assert!(!watch.is_idle());
        assert_eq!((watch.handle(Word::Done), watch.handle(Word::Done)), (None, None));
        assert!(watch.is_idle());
        assert_eq!(watch.begin_last(Instant::now()), None, "nothing was ever swept");
    }
}
