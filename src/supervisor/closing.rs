//! The last row of a job waits for its worker's last word, and later rows behind it; then GitHub is asked, if the two witnesses disagree.

use super::Supervisor;
use super::errands::Done;
use crate::domain::last_word::{LastWord, settle};
use crate::domain::queue::Question;
use crate::domain::record::JobRecord;
use crate::sys::last_word;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A word that takes longer is not waited for: the disk hangs.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a runner that leaves by itself waits for GitHub's record.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// Rows in their order, the first of which waits.
#[derive(Default)]
pub(super) struct Closing {
    rows: VecDeque<Held>,
    /// GitHub has been asked how a job ended, and has not answered.
    pub(super) asked: usize,
}

struct Held {
    row: JobRecord,
    word: Option<Pending>,
}

struct Pending {
    answer: oneshot::Receiver<LastWord>,
    until: Instant,
}

impl Closing {
    /// The first row's worker has spoken, or had its time. Cancel-safe; never, if nothing waits.
    pub(super) async fn next(&mut self) -> LastWord {
        let Some(Pending { answer, until }) = self.rows.front_mut().and_then(|held| held.word.as_mut())
        else {
            return std::future::pending().await;
        };
        let word = tokio::time::timeout_at(*until, answer).await;
        word.ok().and_then(Result::ok).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Supervisor {
    /// The row of a job that is over is written once its worker's last word is read, if it has left one.
    pub(super) fn close(&mut self, row: JobRecord) {
        let log = row.started_at.and_then(|began| self.workers.crew.log(began));
        let word = |name| {
            let (runner, user) = (self.files.dir.clone(), self.launch.user.clone());
            last_word::read(runner, format!("_diag/{name}"), user).ok()
        };
        let answer = log.and_then(word);
        let word = answer.map(|answer| Pending { answer, until: Instant::now() + PATIENCE });
        self.hold(row, word);
    }

    /// Writes the row, behind those that wait.
    pub(super) fn write(&mut self, row: JobRecord) {
        self.hold(row, None);
    }

    fn hold(&mut self, row: JobRecord, word: Option<Pending>) {
        if word.is_none() && self.closing.is_empty() {
            return self.hand_over(row);
        }
        self.closing.rows.push_back(Held { row, word });
    }

    pub(super) fn word_read(&mut self, word: LastWord) {
        let Some(Held { row, .. }) = self.closing.rows.pop_front() else { return };
        let (row, ask) = settle(row, word);
        self.reports.dossiers.settled(&row);
        let question = Question::about(&row).filter(|_| ask);
        self.hand_over(row);
        while self.closing.rows.front().is_some_and(|held| held.word.is_none()) {
            if let Some(Held { row, .. }) = self.closing.rows.pop_front() {
                self.hand_over(row);
            }
        }
        if let Some(question) = question {
            self.ask_how_it_ended(question);
        }
        if self.closing.is_empty() {
            self.answer_late();
        }
    }

    /// One call, and never in a stop's time.
    fn ask_how_it_ended(&mut self, question: Question) {
        let can_ask = self.registrar.as_ref().is_some_and(|registrar| registrar.can_ask());
        if can_ask && !self.life.was_asked() {
            self.closing.asked += 1;
            self.send(move |registrar| async move {
                let conclusion = registrar.conclusion(&question).await;
                Done::Concluded(question, conclusion)
            });
        }
    }

    pub(super) fn concluded(&mut self, question: &Question, conclusion: Option<&'static str>) {
        self.closing.asked = self.closing.asked.saturating_sub(1);
        let amended =
            conclusion.and_then(|known| self.reports.dossiers.concluded(question.started_at, known));
        if let Some(row) = amended {
            self.write(row);
        }
    }

    /// Before the last rows are written: what waits for a word, and, if nobody waits for us, for GitHub's.
    pub(super) async fn last_words(&mut self, limit: Instant) {
        while !self.closing.is_empty() {
            let word = tokio::time::timeout_at(limit, self.closing.next()).await;
            self.word_read(word.unwrap_or_default());
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
