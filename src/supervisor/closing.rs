//! A job that is over is closed once its worker's last word is read and the disk is looked at, one after the other, or once
//! their time is over; then GitHub is asked, if the two witnesses disagree.

use super::Supervisor;
use super::errands::Done;
use crate::domain::failure::Space;
use crate::domain::job::jobs::JobNumber;
use crate::domain::last_word::LastWord;
use crate::domain::queue::Question;
use crate::sys::prober::Answer;
use crate::sys::worker_log_end;
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A word that takes longer is not waited for: the disk hangs.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a runner that leaves by itself waits for GitHub's record.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// What was found of a job that is over.
pub(super) type JobEnding = (LastWord, Option<Space>);

/// Jobs that are to be closed, in the order of their ends.
#[derive(Default)]
pub(super) struct Closing {
    pending: VecDeque<Pending>,
    /// GitHub has been asked how a job ended, and has not answered.
    pub(super) asked: usize,
}

/// What is being looked for; what is found stays.
struct Pending {
    word: Option<oneshot::Receiver<LastWord>>,
    until: Instant,
    space: Option<Answer<Option<Space>>>,
    found: JobEnding,
}

impl Pending {
    /// Cancel-safe.
    async fn found(&mut self) -> JobEnding {
        if let Some(answer) = &mut self.word {
            let word = tokio::time::timeout_at(self.until, answer).await;
            self.found.0 = word.ok().and_then(Result::ok).unwrap_or_default();
            self.word = None;
        }
        if let Some(answer) = &mut self.space {
            self.found.1 = answer.get().await.flatten();
            self.space = None;
        }
        self.found
    }
}

impl Closing {
    /// What was found of the first. Cancel-safe; never, if nothing is to be closed.
    pub(super) async fn next(&mut self) -> JobEnding {
        match self.pending.front_mut() {
            Some(first) => first.found().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

impl Supervisor {
    /// Looks for the last word of the worker of the job that began then, and at the disk, if it has `failed`.
    pub(super) fn close(&mut self, began: Option<DateTime<Utc>>, failed: bool) {
        let log = began.and_then(|began| self.workers.crew.log(began));
        let read = |name| {
            let (runner, user) = (self.files.dir.clone(), self.launch.user.clone());
            worker_log_end::read(runner, format!("_diag/{name}"), user).ok()
        };
        let word = log.and_then(read);
        let space = failed.then(|| self.sampler.least_space());
        let is_known = self.closing.is_empty() && word.is_none() && space.is_none();
        let (until, found) = (Instant::now() + PATIENCE, JobEnding::default());
        self.closing.pending.push_back(Pending { word, until, space, found });
        if is_known {
            self.closed(found);
        }
    }

    pub(super) fn closed(&mut self, (word, space): JobEnding) {
        self.closing.pending.pop_front();
        let steps = self.jobs.closed(word, space);
        self.work(steps);
    }

    /// One call, and never in a stop's time.
    pub(super) fn ask_how_it_ended(&mut self, job: JobNumber, question: Question) {
        let can_ask = self.registrar.as_ref().is_some_and(|registrar| registrar.can_ask());
        if can_ask && !self.life.was_asked() {
            self.closing.asked += 1;
            self.send(
                move |registrar| async move { Done::Concluded(job, registrar.conclusion(&question).await) },
            );
        }
    }

    pub(super) fn concluded(&mut self, job: JobNumber, conclusion: Option<&'static str>) {
        self.closing.asked = self.closing.asked.saturating_sub(1);
        if let Some(conclusion) = conclusion {
            let steps = self.jobs.concluded(job, conclusion);
            self.work(steps);
        }
    }

    /// Before the last rows are written: what waits for a word, and, if nobody waits for us, for GitHub's.
    pub(super) async fn last_words(&mut self, limit: Instant) {
        while !self.closing.is_empty() {
            let found = tokio::time::timeout_at(limit, self.closing.next()).await;
            self.closed(found.unwrap_or_default());
        }
        let limit = Instant::now() + ANSWER;
        while self.closing.asked > 0 && !self.life.was_asked() {
            tokio::select! {
                Some(done) = self.errands.join_next() => done.into_iter().for_each(|done| self.errand_done(done)),
                () = tokio::time::sleep_until(limit) => return,
                _ = self.signals.next() => return,
            }
        }
    }
}
