//! Jobs that are over and not yet closed: each waits until its worker's last word is read and the disk is looked at, one after
//! the other, or until their time is over.

use crate::domain::failure::Space;
use crate::domain::last_word::LastWord;
use crate::sys::disk_thread::Answer;
use std::collections::VecDeque;

/// What was found of a job that is over.
pub(super) type JobEnding = (LastWord, Option<Space>);

/// Jobs that are to be closed, in the order of their ends.
#[derive(Default)]
pub(super) struct Closing {
    pending: VecDeque<Pending>,
}

/// What is being looked for.
struct Pending {
    word: Option<Answer<LastWord>>,
    space: Option<Answer<Option<Space>>>,
}

impl Closing {
    /// One more job is over; what is to be found of it, if there is nothing to wait for.
    pub(super) fn begin(
        &mut self,
        word: Option<Answer<LastWord>>,
        space: Option<Answer<Option<Space>>>,
    ) -> Option<JobEnding> {
        let is_known = self.pending.is_empty() && word.is_none() && space.is_none();
        self.pending.push_back(Pending { word, space });
        is_known.then(JobEnding::default)
    }

    /// What was found of the first. Cancel-safe; never, if nothing is to be closed.
    pub(super) async fn next(&mut self) -> JobEnding {
        let Some(Pending { word, space }) = self.pending.front_mut() else {
            return std::future::pending().await;
        };
        let word = match word {
            Some(word) => word.get().await.copied().unwrap_or_default(),
            None => LastWord::default(),
        };
        let space = match space {
            Some(space) => space.get().await.copied().flatten(),
            None => None,
        };
        (word, space)
    }

    /// The first is closed.
    pub(super) fn handle(&mut self) {
        self.pending.pop_front();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::disk_thread::DiskThread;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[tokio::test]
    async fn jobs_are_closed_in_the_order_of_their_ends_whatever_is_found_first() {
        let thread = DiskThread::start("test", Duration::from_secs(60)).expect("a thread");
        let slow = DiskThread::start("slow", Duration::from_secs(60)).expect("a thread");
        let (go, waits) = channel::<()>();
        let space = |free| Some(Space { free, size: 9 });
        let mut closing = Closing::default();
        assert_eq!(closing.begin(None, None), Some(JobEnding::default()), "nothing is to be looked for");
        closing.handle();
        let late = slow.look(move || waits.recv().ok().and_then(|()| space(1)));
        assert_eq!(closing.begin(None, Some(late)), None);
        assert_eq!(closing.begin(None, Some(thread.look(move || space(2)))), None);
        assert_eq!(closing.begin(None, None), None, "it is not before those that wait");
        go.send(()).expect("it waits");
        for found in [space(1), space(2), None] {
            assert_eq!(closing.next().await, (LastWord::default(), found));
            closing.handle();
        }
        assert!(closing.is_empty());
    }

    #[tokio::test]
    async fn a_disk_that_hangs_costs_a_job_its_last_word_and_nothing_else() {
        let thread = DiskThread::start("test", Duration::ZERO).expect("a thread");
        let (_go, hangs) = channel::<()>();
        let mut closing = Closing::default();
        let word =
            thread.ask(move || hangs.recv().map_or_else(|_| LastWord::default(), |()| LastWord::default()));
        assert_eq!(closing.begin(Some(word), None), None);
        assert_eq!(closing.next().await, JobEnding::default());
    }
}
