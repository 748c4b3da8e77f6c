//! The workers of the listener that runs: who of them lives, whose evidence is whose, and who may speak for the open job.

use super::effect::Effect;
use crate::domain::context::ReportFault;
use crate::domain::event::{Now, RunnerEvent, WorkerState};
use crate::domain::job::OpenJob;
use crate::domain::job::crew::{Crew, Id};
use crate::domain::lifecycle::Input;
use crate::domain::parse::ParsedLine;
use crate::sys::door::Dir;
use crate::sys::worker_probe::Watch;
use chrono::{DateTime, Utc};

/// The workers of the listener that runs, or ran last.
#[derive(Default)]
pub(super) struct Workers {
    crew: Crew,
    watch: Option<Watch>,
}

impl Workers {
    /// Of a listener that has just been started, if it has been.
    pub(super) fn of(listener: Option<u32>, runner: &Dir) -> Workers {
        Workers { crew: Crew::default(), watch: listener.map(|listener| Watch::start(listener, runner)) }
    }

    /// One of them has ended. Cancel-safe.
    pub(super) async fn next(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Looks; once the listener is gone nobody is born any more.
    pub(super) fn look(&mut self, listener_is_gone: bool, now: Now) {
        if let Some(watch) = &mut self.watch {
            let alive: Vec<Id> = self.crew.alive().collect();
            self.crew.see(watch.look(&alive, listener_is_gone), now);
        }
    }

    /// What is known of the worker of this job, if there is one.
    pub(super) fn evidence(&mut self, job: Option<&OpenJob>) -> WorkerState {
        job.map_or(WorkerState::NotSeen, |job| self.crew.evidence(job))
    }

    /// What was seen of this job goes into the lifecycle, unless that is what it was told last; what is settled may bring
    /// the next claim to light.
    pub(super) fn judge(
        &mut self,
        job: Option<&OpenJob>,
        before: Option<(DateTime<Utc>, WorkerState)>,
    ) -> Vec<Effect> {
        let Some(job) = job else { return Vec::new() };
        let this = (job.started.utc, self.crew.evidence(job));
        if before == Some(this) {
            return Vec::new();
        }
        vec![Input::Looked(this.1).into(), Effect::Judge(Some(this))]
    }

    /// Whether any lives, of a job that was seen or not.
    pub(super) fn any_lives(&self) -> bool {
        self.crew.alive().next().is_some()
    }

    /// The log of the job that began then, below the runner's directory.
    pub(super) fn log(&self, began: DateTime<Utc>) -> Option<String> {
        self.crew.log(began).map(|name| format!("_diag/{name}"))
    }

    /// The worker that this process descends from, if it can be seen.
    ///
    /// # Errors
    /// If it descends from none of ours.
    pub(super) fn speaker(&self, pid: Option<i32>) -> Result<Option<Id>, ReportFault> {
        let watch = self.watch.as_ref().ok_or(ReportFault::Late)?;
        // Where nobody can be seen, the kernel's word for the user must do.
        let Some((line, is_ours)) = watch.descent(pid.unwrap_or_default()) else { return Ok(None) };
        match line.last() {
            None => Err(ReportFault::Late),
            Some(_) if !is_ours => Err(ReportFault::Foreign),
            Some(worker) => Ok(Some(*worker)),
        }
    }

    /// Whether nobody was born after this one, as far as can be seen.
    pub(super) fn is_youngest(&self, worker: Option<Id>) -> bool {
        worker.is_none_or(|worker| self.crew.alive().last() == Some(worker))
    }
}

/// What is to be done of a line: it is said with the evidence of the moment, and judged again if it has brought a new subject.
pub(super) fn line(reading: ParsedLine, has_subject: bool) -> Vec<Effect> {
    let begins = matches!(reading.event, RunnerEvent::JobStarted { .. });
    let before = has_subject.then_some(Effect::Look);
    let after = if begins { Some(Effect::Look) } else { has_subject.then_some(Effect::Judge(None)) };
    before.into_iter().chain([Effect::LineAsSeen(reading, has_subject)]).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Stream;
    use crate::domain::parse::parse;
    use std::time::Duration;

    #[test]
    fn only_who_descends_from_a_worker_speaks() {
        assert_eq!(Workers::default().speaker(Some(1)), Err(ReportFault::Late), "there is no listener");
        let dir = tempfile::tempdir().expect("a directory");
        let workers = |listener| Workers::of(Some(listener), &Dir::open(dir.path()).expect("ours"));
        let (us, above) = (std::process::id(), std::os::unix::process::parent_id());
        let [me, parent] = [us, above].map(|pid| i32::try_from(pid).expect("a pid fits"));
        let below_us = workers(us);
        assert_eq!(below_us.speaker(Some(me)), Err(ReportFault::Late), "the listener itself is no job");
        assert_eq!(below_us.speaker(None), Err(ReportFault::Late), "it is gone");
        assert_eq!(below_us.speaker(Some(parent)), Err(ReportFault::Foreign), "nobody of ours");
        let worker = workers(above).speaker(Some(me)).expect("ours").expect("it can be seen");
        assert_eq!(worker.pid, me);
        assert!(!below_us.is_youngest(Some(worker)), "it was never seen to be born");
    }

    #[test]
    fn of_no_job_there_is_no_evidence() {
        let mut workers = Workers::default();
        workers.look(false, Now { up: Duration::ZERO, utc: DateTime::UNIX_EPOCH });
        assert_eq!(workers.evidence(None), WorkerState::NotSeen);
        assert!(!workers.any_lives());
        assert_eq!(workers.log(DateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn a_line_is_said_after_a_look_at_what_is_in_doubt_and_before_one_at_what_is_new() {
        let reading = |line: &str| parse(Stream::Stdout, line.as_bytes()).expect("a sentence");
        let (begins, other) =
            ("2026-01-01 00:00:00Z: Running job: build", "2026-01-01 00:00:00Z: Listening for Jobs");
        let shape = |line, has_subject| {
            let effects = super::line(reading(line), has_subject);
            effects
                .iter()
                .map(|effect| match effect {
                    Effect::Look => 'l',
                    Effect::Judge(None) => 'j',
                    Effect::LineAsSeen(_, true) => 's',
                    Effect::LineAsSeen(_, false) => 'n',
                    effect => panic!("{effect:?}"),
                })
                .collect::<String>()
        };
        assert_eq!(shape(begins, false), "nl");
        assert_eq!(shape(begins, true), "lsl");
        assert_eq!(shape(other, false), "n");
        assert_eq!(shape(other, true), "lsj");
    }
}
