//! Keeps the jobs: their rows, what was found at their ends, what they had of caches. What is to be done elsewhere it says
//! as [`Effect`]s.

use super::caches::CacheWatch;
use super::closing::{Closing, JobEnding, Pending};
use super::effect::Effect;
use super::job_events::JobEvents;
use super::job_log::{JobLog, LogNews};
use super::job_traces::{JobTraces, TraceEvent};
use crate::domain::context::{Report, ReportFault};
use crate::domain::job::jobs::{JobNumber, JobStep, Jobs, QueueAnswer};
use crate::domain::job::usage::Meter;
use crate::domain::notice::Notice;
use crate::domain::record::JobRecord;
use crate::domain::status::Status;
use crate::domain::steps::StepsRow;
use crate::sys::hooks::Received;
use crate::sys::job_log_tail::Batch;
use crate::sys::journal_writer::JournalEvent;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// All there is of jobs, besides what the lifecycle knows.
pub(super) struct JobKeeper {
    pub(super) log: JobLog,
    pub(super) caches: CacheWatch,
    pub(super) closing: Closing,
    pub(super) events: JobEvents,
    pub(super) traces: JobTraces,
    jobs: Jobs,
}

/// What has happened to them.
pub(super) enum JobEvent {
    Journal(JournalEvent),
    Closed(JobEnding),
    CachesUsed(Batch),
    Sent(Notice),
    Trace(TraceEvent),
}

impl JobKeeper {
    pub(super) fn new(log: JobLog, caches: CacheWatch, events: JobEvents, traces: JobTraces) -> JobKeeper {
        JobKeeper { log, caches, events, traces, closing: Closing::default(), jobs: Jobs::default() }
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> JobEvent {
        tokio::select! {
            event = self.log.next() => JobEvent::Journal(event),
            found = self.closing.next() => JobEvent::Closed(found),
            batch = self.caches.next() => JobEvent::CachesUsed(batch),
            notice = self.events.next() => JobEvent::Sent(notice),
            event = self.traces.next() => JobEvent::Trace(event),
        }
    }

    pub(super) fn handle(&mut self, event: JobEvent, now: DateTime<Utc>) -> Vec<Effect> {
        match event {
            JobEvent::Journal(event) => {
                let news = self.log.handle(event, now);
                self.heard(news)
            }
            JobEvent::Closed(found) => self.closed(found),
            JobEvent::CachesUsed(batch) => told(self.caches.handle(batch)),
            JobEvent::Sent(notice) => vec![notice.into()],
            JobEvent::Trace(event) => told(self.traces.handle(event)),
        }
    }

    /// What the log says.
    pub(super) fn heard(&mut self, LogNews { notices, lost }: LogNews) -> Vec<Effect> {
        for notice in &notices {
            self.events.heed(notice);
        }
        let mut effects = told(notices);
        for row in lost {
            let steps = self.jobs.write(row);
            effects.extend(self.work(steps));
        }
        effects
    }

    /// A job begins, while the container has used so much.
    pub(super) fn begin(&mut self, row: JobRecord, meter: Meter, up: Duration) -> Vec<Effect> {
        self.caches.job_began();
        let steps = self.jobs.begin(row, meter, up);
        self.work(steps)
    }

    /// The open job's row as it stands, and what the container had used before it.
    pub(super) fn open(&self) -> Option<(&JobRecord, Meter)> {
        self.jobs.open()
    }

    /// It is over.
    pub(super) fn end(&mut self, row: JobRecord, meter: Meter) -> Vec<Effect> {
        let steps = self.jobs.end(row, meter);
        self.work(steps)
    }

    /// Closes a job once this is found.
    pub(super) fn close(&mut self, sought: Pending) -> Vec<Effect> {
        let known = self.closing.begin(sought);
        known.map(|found| self.closed(found)).unwrap_or_default()
    }

    /// The first of those that wait is closed.
    pub(super) fn closed(&mut self, JobEnding { word, space, steps }: JobEnding) -> Vec<Effect> {
        self.closing.handle();
        let to_do = self.jobs.closed(word, space);
        // Its last row is the first that is written.
        let steps = to_do.first().and_then(|step| match step {
            JobStep::Write(row) => StepsRow::of(row, steps),
            _ => None,
        });
        let effects = [Effect::Sweep].into_iter().chain(self.work(to_do)).collect();
        if let Some(steps) = steps {
            self.log.write_steps(steps);
        }
        effects
    }

    /// What the open job says of itself.
    ///
    /// # Errors
    /// If it says nothing of use.
    pub(super) fn reported(
        &mut self,
        report: Report,
        is_open: bool,
        up: Duration,
    ) -> Result<Vec<Effect>, ReportFault> {
        let steps = match report {
            Report::Started(context) => self.jobs.started(context, up)?,
            Report::Completed(context) => self.jobs.completed(context)?,
            Report::Cache { .. } if !is_open => return Err(ReportFault::Late),
            Report::Cache { kind, result } => return self.caches.reported(&kind, result).map(told),
        };
        Ok(self.work(steps))
    }

    /// GitHub's answer to how long a job had waited.
    pub(super) fn queue_time(&mut self, answer: QueueAnswer) -> Vec<Effect> {
        let steps = self.jobs.queue_time(answer);
        self.work(steps)
    }

    /// GitHub's answer to how a job has ended.
    pub(super) fn concluded(&mut self, job: JobNumber, conclusion: &'static str) -> Vec<Effect> {
        let steps = self.jobs.concluded(job, conclusion);
        self.work(steps)
    }

    /// What is about to be told; a job's trace has to know of some of it.
    pub(super) fn heed<'a>(&mut self, notice: &'a Notice) -> &'a Notice {
        self.traces.heed(notice);
        notice
    }

    /// What the sender of this report is told besides that it was taken: of its trace, if it is a job that begins.
    pub(super) fn told(&self, received: &Received) -> Option<String> {
        let began = matches!(received.report, Ok(Report::Started(_)));
        let (row, _) = self.jobs.open().filter(|_| began)?;
        self.traces.parent(row).map(|parent| parent.payload())
    }

    /// With what is known of jobs here.
    pub(super) fn known(&self, status: Status) -> Status {
        let context = self.jobs.open().map(|(row, _)| &row.context);
        let job = status.job.map(|job| match context {
            Some(context) => job.known_by(context),
            None => job,
        });
        let (recent, finished, caches) = (self.log.recent(), self.log.finished(), self.caches.shares());
        Status { job, recent, finished, caches, steps: self.log.steps(), ..status }
    }

    fn work(&mut self, steps: Vec<JobStep>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for step in steps {
            effects.push(match step {
                JobStep::Write(row) => {
                    self.log.write(*row);
                    continue;
                }
                JobStep::Close { began, failed } => Effect::Close { began, failed },
                JobStep::AskQueueTime { job, question, again } => {
                    Effect::AskQueueTime { job, question, again }
                }
                JobStep::AskConclusion { job, question } => Effect::AskConclusion { job, question },
                JobStep::NoQueueTime(fault) => Notice::QueueTimeUnknown(fault).into(),
            });
        }
        effects
    }
}

fn told(notices: Vec<Notice>) -> Vec<Effect> {
    notices.into_iter().map(Effect::Notice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, MapLookup};
    use crate::domain::cache::CacheResult;
    use crate::domain::failure::Space;
    use crate::domain::record::{JobStatus, RowStatus};
    use crate::domain::status::State;
    use crate::domain::totals::Bounds;
    use crate::sys::disk_thread::DiskThread;
    use crate::sys::journal::JournalSettings;
    use crate::sys::journal_writer::JournalWriter;
    use tokio::sync::mpsc;

    /// One whose log is in memory.
    fn keeper() -> JobKeeper {
        let set = MapLookup::new([("RUNNER_SKIP_REGISTRATION", "true"), ("CACHE_TYPES", "mine")]);
        let config = Config::from_lookup(&set).expect("a configuration").config;
        let (events_in, events) = mpsc::unbounded_channel();
        let settings = JournalSettings {
            path: "/proc/nowhere/jobs.log".into(),
            max_records: 1,
            bounds: Bounds::with_duration(vec![60.0]),
            streams: config.streams.clone(),
            jobs: None,
        };
        let writer = JournalWriter::start(None, settings, events_in).expect("a thread");
        JobKeeper::new(
            JobLog::new(&config, Some(writer), events),
            CacheWatch::unheard(&["mine".to_owned()]),
            JobEvents::default(),
            JobTraces::silent(),
        )
    }

    fn row(status: RowStatus) -> JobRecord {
        let started_at = DateTime::from_timestamp(1_800_000_000, 0);
        JobRecord { job_id: "7".to_owned(), started_at, status, ..JobRecord::blank() }
    }

    #[tokio::test]
    async fn a_failed_job_is_written_and_shown_once_the_disk_was_looked_at() {
        let mut keeper = keeper();
        assert!(keeper.begin(row(RowStatus::Running), Meter::default(), Duration::ZERO).is_empty());
        let effects = keeper.end(row(RowStatus::Finished(JobStatus::Failed)), Meter::default());
        assert!(matches!(effects[..], [Effect::Close { failed: true, .. }]), "{effects:?}");
        let thread = DiskThread::start("test", Duration::from_secs(60)).expect("a thread");
        assert!(
            keeper
                .close(Pending {
                    space: Some(thread.look(|| Some(Space { free: 0, size: 9 }))),
                    ..Pending::default()
                })
                .is_empty()
        );
        let mut causes = Vec::new();
        while causes.len() < 2 {
            let event = keeper.next().await;
            let effects = keeper.handle(event, DateTime::UNIX_EPOCH);
            for effect in effects.into_iter().filter(|effect| !matches!(effect, Effect::Sweep)) {
                let Effect::Notice(Notice::RowWritten { row, .. }) = effect else { panic!("{effect:?}") };
                causes.push(row.cause);
            }
        }
        assert_eq!(causes, [None, Some("disk_full".to_owned())]);
        let shown = keeper.known(Status::of(State::Idle, DateTime::UNIX_EPOCH));
        assert_eq!((shown.recent.len(), shown.finished.iter().sum::<u64>()), (1, 1));
    }

    #[test]
    fn a_cache_is_told_by_an_open_job_alone() {
        let mut keeper = keeper();
        let report = || Report::Cache { kind: "mine".to_owned(), result: CacheResult::Hit };
        assert_eq!(keeper.reported(report(), false, Duration::ZERO).err(), Some(ReportFault::Late));
        let effects = keeper.reported(report(), true, Duration::ZERO).expect("of use");
        assert!(matches!(effects[..], [Effect::Notice(Notice::CacheUsed { .. })]), "{effects:?}");
    }
}
