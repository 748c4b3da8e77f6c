//! The workers of the listener that runs: who of them lives, whose evidence is whose, and who may speak for the open job.

use super::effect::Effect;
use super::files::RunnerFiles;
use crate::domain::context::ReportFault;
use crate::domain::event::{Now, RunnerEvent, WorkerState};
use crate::domain::job::OpenJob;
use crate::domain::job::crew::{Crew, Id, Look};
use crate::domain::lifecycle::Input;
use crate::domain::parse::ParsedLine;
use crate::sys::disk_thread::Answer;
use crate::sys::worker_probe::{self, NewLogs, Watch};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The workers of the listener that runs, or ran last.
pub(super) struct Workers {
    files: RunnerFiles,
    crew: Crew,
    watch: Option<Watch>,
    /// Logs that were there at the last look; `None` as long as the disk has not told.
    known: Option<Arc<BTreeSet<String>>>,
}

impl Workers {
    pub(super) fn new(files: RunnerFiles) -> Workers {
        Workers { files, crew: Crew::default(), watch: None, known: None }
    }

    /// What lies in `_diag` before a listener is started is not of its workers.
    pub(super) fn logs_before(&self) -> Answer<BTreeSet<String>> {
        let dir = self.files.dir.clone();
        self.files.disk.look(move || worker_probe::logs(&dir).unwrap_or_default())
    }

    /// A listener has been started, if it has been, and these were there before it, if the disk has told.
    pub(super) fn begin(&mut self, listener: Option<u32>, before: Option<BTreeSet<String>>) {
        self.crew = Crew::default();
        self.watch = listener.map(Watch::start);
        self.known = before.map(Arc::new);
    }

    /// One of them has ended. Cancel-safe.
    pub(super) async fn next(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Their new logs. A worker whose log is there and who is not seen afterwards has ended: so this is asked first.
    pub(super) fn logs(&self) -> Answer<Option<NewLogs>> {
        let (dir, known) = (self.files.dir.clone(), self.known.clone());
        self.files.disk.look(move || match known {
            Some(known) => worker_probe::new_logs(&dir, &known),
            None => worker_probe::logs(&dir).map(|now| (Vec::new(), now)),
        })
    }

    /// Looks for their processes; once the listener is gone nobody is born any more. Where the disk does not tell of logs,
    /// the processes are enough.
    pub(super) fn look(&mut self, logs: Option<NewLogs>, listener_is_gone: bool, now: Now) {
        let Some(watch) = &mut self.watch else { return };
        let alive: Vec<Id> = self.crew.alive().collect();
        let processes = watch.look(&alive, listener_is_gone);
        let logs = logs.map(|(new, all)| {
            self.known = Some(Arc::new(all));
            new
        });
        self.crew.see(Look { processes, logs }, now);
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
    use std::path::Path;
    use std::time::Duration;

    fn workers(dir: &Path) -> Workers {
        Workers::new(RunnerFiles::open(dir).expect("ours").0)
    }

    #[tokio::test]
    async fn a_log_is_of_the_listener_s_worker_only_if_the_disk_has_told_what_was_there_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = |name: &str| std::fs::write(dir.path().join("_diag").join(name), "").expect("ours");
        std::fs::create_dir(dir.path().join("_diag")).expect("ours");
        log("Worker_1.log");
        let mut workers = workers(dir.path());
        let new = async |workers: &mut Workers| {
            let logs = workers.logs().take().await.flatten();
            let new = logs.as_ref().map(|(new, _)| new.len());
            workers.look(logs, true, Now { up: Duration::ZERO, utc: DateTime::UNIX_EPOCH });
            new
        };
        let before = workers.logs_before().take().await;
        workers.begin(Some(std::process::id()), before);
        log("Worker_2.log");
        assert_eq!(new(&mut workers).await, Some(1));
        assert_eq!(new(&mut workers).await, Some(0), "once");
        workers.begin(Some(std::process::id()), None);
        assert_eq!(new(&mut workers).await, Some(0), "the disk had not told: they may be anybody's");
        log("Worker_3.log");
        assert_eq!(new(&mut workers).await, Some(1));
    }

    #[test]
    fn only_who_descends_from_a_worker_speaks() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(workers(dir.path()).speaker(Some(1)), Err(ReportFault::Late), "there is no listener");
        let below = |listener| {
            let mut workers = workers(dir.path());
            workers.begin(Some(listener), None);
            workers
        };
        let (us, above) = (std::process::id(), std::os::unix::process::parent_id());
        let [me, parent] = [us, above].map(|pid| i32::try_from(pid).expect("a pid fits"));
        let below_us = below(us);
        assert_eq!(below_us.speaker(Some(me)), Err(ReportFault::Late), "the listener itself is no job");
        assert_eq!(below_us.speaker(None), Err(ReportFault::Late), "it is gone");
        assert_eq!(below_us.speaker(Some(parent)), Err(ReportFault::Foreign), "nobody of ours");
        let worker = below(above).speaker(Some(me)).expect("ours").expect("it can be seen");
        assert_eq!(worker.pid, me);
        assert!(!below_us.is_youngest(Some(worker)), "it was never seen to be born");
    }

    #[test]
    fn of_no_job_there_is_no_evidence() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut workers = workers(dir.path());
        workers.look(None, false, Now { up: Duration::ZERO, utc: DateTime::UNIX_EPOCH });
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
