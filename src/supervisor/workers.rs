//! Workers are looked for when a line claims a change of the job, when one ends, and, while a claim waits, now and then: what was
//! seen goes into the lifecycle until it has nothing more to say.

use super::Supervisor;
use crate::domain::context::ReportFault;
use crate::domain::event::{RunnerEvent, Worker};
use crate::domain::job::crew::{Crew, Id};
use crate::domain::lifecycle::Input;
use crate::domain::parse::Reading;
use crate::sys::worker_probe::Watch;

/// The workers of the listener that runs, or ran last.
#[derive(Default)]
pub(super) struct Workers {
    pub(super) crew: Crew,
    watch: Option<Watch>,
}

impl Workers {
    pub(super) fn of(watch: Watch) -> Workers {
        Workers { crew: Crew::default(), watch: Some(watch) }
    }

    /// One of them has ended. Cancel-safe.
    pub(super) async fn ended(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.ended().await,
            None => std::future::pending().await,
        }
    }
}

impl Supervisor {
    /// What the listener said, with the evidence of the moment; and again, if it has a new subject.
    pub(super) fn said(&mut self, reading: Reading) {
        let begins = matches!(reading.event, RunnerEvent::JobStarted { .. });
        let has_subject = self.life.subject().is_some();
        if has_subject {
            self.look();
        }
        let evidence = if has_subject { self.evidence() } else { Worker::NotSeen };
        self.feed(Input::Said(reading, evidence));
        if begins {
            self.look();
        } else if has_subject {
            self.judge();
        }
    }

    /// Looks, and says what was seen.
    pub(super) fn look(&mut self) {
        self.see();
        self.judge();
    }

    fn see(&mut self) {
        let now = self.clock.now();
        if let Some(watch) = &mut self.workers.watch {
            let alive: Vec<Id> = self.workers.crew.alive().collect();
            let listener_is_gone = self.listening.gone.is_some();
            self.workers.crew.see(watch.look(&alive, listener_is_gone), now);
        }
    }

    /// Whether this process may speak for the job that runs: it lives below the worker that was born last.
    ///
    /// # Errors
    /// If it may not.
    pub(super) fn may_speak(&mut self, pid: Option<i32>) -> Result<(), ReportFault> {
        let watch = self.workers.watch.as_ref().filter(|_| self.listening.gone.is_none());
        let watch = watch.filter(|_| self.listening.listener.is_some()).ok_or(ReportFault::Late)?;
        // Where nobody can be seen, the kernel's word for the user must do.
        let Some((line, is_ours)) = watch.descent(pid.unwrap_or_default()) else { return Ok(()) };
        if line.is_empty() {
            return Err(ReportFault::Late);
        }
        if !is_ours {
            return Err(ReportFault::Foreign);
        }
        let worker = line.last().copied();
        if self.workers.crew.alive().last() != worker {
            self.look();
        }
        (self.workers.crew.alive().last() == worker).then_some(()).ok_or(ReportFault::Foreign)
    }

    /// Whether any worker lives, of a job that was seen or not.
    pub(super) fn looked_for_work(&mut self) -> Input {
        self.see();
        Input::LookedForWork(self.workers.crew.alive().next().is_some())
    }

    fn evidence(&mut self) -> Worker {
        self.life.subject().map_or(Worker::NotSeen, |job| self.workers.crew.evidence(job))
    }

    /// What is settled may bring the next claim to light.
    fn judge(&mut self) {
        let mut before = None;
        while let Some(job) = self.life.subject() {
            let this = (job.started.utc, self.workers.crew.evidence(job));
            if before.replace(this) == Some(this) {
                break;
            }
            self.feed(Input::Looked(this.1));
        }
    }
}
