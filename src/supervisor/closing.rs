//! Jobs that are over and not yet closed: each waits until its worker's last word and its steps are read and the disk is looked at,
//! one after the other, or until their time is over.

use crate::domain::failure::Space;
use crate::domain::last_word::LastWord;
use crate::domain::steps::JobSteps;
use crate::sys::disk_thread::Answer;
use std::collections::VecDeque;

/// What was found of a job that is over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct JobEnding {
    pub(super) word: LastWord,
    pub(super) space: Option<Space>,
    pub(super) steps: JobSteps,
}

/// Jobs that are to be closed, in the order of their ends.
#[derive(Default)]
pub(super) struct Closing {
    pending: VecDeque<Pending>,
}

/// What is being looked for.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) word: Option<Answer<LastWord>>,
    pub(super) space: Option<Answer<Option<Space>>>,
    pub(super) steps: Option<Answer<JobSteps>>,
}

impl Closing {
    /// One more job is over; what is to be found of it, if there is nothing to wait for.
    pub(super) fn begin(&mut self, sought: Pending) -> Option<JobEnding> {
        let Pending { word, space, steps } = &sought;
        let is_nothing = word.is_none() && space.is_none() && steps.is_none();
        let is_known = self.pending.is_empty() && is_nothing;
        self.pending.push_back(sought);
        is_known.then(JobEnding::default)
    }

    /// What was found of the first. Cancel-safe; never, if nothing is to be closed.
    pub(super) async fn next(&mut self) -> JobEnding {
        let Some(Pending { word, space, steps }) = self.pending.front_mut() else {
            return std::future::pending().await;
        };
        JobEnding { word: found(word).await, space: found(space).await, steps: found(steps).await }
    }

    /// The first is closed.
    pub(super) fn handle(&mut self) {
        self.pending.pop_front();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

/// What was seen, if somebody looked and has answered.
async fn found<T: Clone + Default>(answer: &mut Option<Answer<T>>) -> T {
    match answer {
        Some(answer) => answer.get().await.cloned().unwrap_or_default(),
        None => T::default(),
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
        assert_eq!(
            closing.begin(Pending::default()),
            Some(JobEnding::default()),
            "nothing is to be looked for"
        );
        closing.handle();
        let late = slow.look(move || waits.recv().ok().and_then(|()| space(1)));
        let of = |space| Pending { space: Some(space), ..Pending::default() };
        assert_eq!(closing.begin(of(late)), None);
        assert_eq!(closing.begin(of(thread.look(move || space(2)))), None);
        assert_eq!(closing.begin(Pending::default()), None, "it is not before those that wait");
        go.send(()).expect("it waits");
        for found in [space(1), space(2), None] {
            assert_eq!(closing.next().await, JobEnding { space: found, ..JobEnding::default() });
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
        let steps = thread.ask(JobSteps::default);
        assert_eq!(closing.begin(Pending { word: Some(word), steps: Some(steps), space: None }), None);
        assert_eq!(closing.next().await, JobEnding::default());
    }
}
