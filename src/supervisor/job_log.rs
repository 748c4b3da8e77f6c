//! The jobs' rows on their way to the disk and back: one is told only once it is written, and a replayed log is counted as if its
//! jobs had just ended.

use crate::config::Config;
use crate::domain::dora::DeploymentRule;
use crate::domain::failure::Cause;
use crate::domain::job::history::JobHistory;
use crate::domain::notice::Notice;
use crate::domain::record::{FaultKind, JobRecord, JobStatus, RowStatus};
use crate::domain::steps::{KnownSteps, StepsRow};
use crate::domain::totals::{Bounds, Totals};
use crate::sys::journal::JournalReplay;
use crate::sys::journal_writer::{JournalEvent, JournalWriter};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What is known of the rows, and who writes them.
pub(super) struct JobLog {
    writer: Option<JournalWriter>,
    events: mpsc::UnboundedReceiver<JournalEvent>,
    deployments: DeploymentRule,
    /// Handed over and not acknowledged.
    unwritten: u64,
    history: JobHistory,
    recent: Arc<[JobRecord]>,
    steps: Arc<KnownSteps>,
}

/// What is to be told of the log, and the rows it lacks: jobs that ended with the supervisor that wrote it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct LogNews {
    pub(super) notices: Vec<Notice>,
    pub(super) lost: Vec<JobRecord>,
}

impl From<Notice> for LogNews {
    fn from(notice: Notice) -> LogNews {
        LogNews { notices: vec![notice], lost: Vec::new() }
    }
}

impl JobLog {
    pub(super) fn new(
        config: &Config,
        writer: Option<JournalWriter>,
        events: mpsc::UnboundedReceiver<JournalEvent>,
    ) -> JobLog {
        let zero = Totals::new(&Bounds::with_duration(config.metrics.buckets.clone()));
        JobLog {
            writer,
            events,
            deployments: config.deployments.clone(),
            unwritten: 0,
            history: JobHistory::new(zero.told_apart_by(&config.streams)),
            recent: Arc::new([]),
            steps: Arc::default(),
        }
    }

    /// Hands a row over; it is told once the thread says that it is written.
    pub(super) fn write(&mut self, mut row: JobRecord) {
        self.deployments.mark(&mut row);
        if let Some(writer) = &self.writer {
            self.unwritten += 1;
            writer.write(row);
        }
    }

    /// Hands over what is known of a job's steps; it is told behind the job's last row.
    pub(super) fn write_steps(&self, row: StepsRow) {
        if let Some(writer) = &self.writer {
            writer.write_steps(row);
        }
    }

    /// The thread's next word. Cancel-safe.
    pub(super) async fn next(&mut self) -> JournalEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// No row comes any more: the thread's words until it has ended, `None` after the last one.
    pub(super) async fn last(&mut self) -> Option<JournalEvent> {
        self.writer = None;
        self.events.recv().await
    }

    pub(super) fn handle(&mut self, event: JournalEvent, now: DateTime<Utc>) -> LogNews {
        self.unwritten -= u64::from(matches!(event, JournalEvent::Written(_)));
        match event {
            JournalEvent::Written(row) => {
                let notice = self.history.written(*row);
                self.recent = self.history.recent();
                notice.into()
            }
            JournalEvent::Steps(row) => {
                Arc::make_mut(&mut self.steps).push((*row).clone());
                Notice::StepsKnown(row).into()
            }
            JournalEvent::StepsFound(found) => {
                self.steps = Arc::new(found.then(&self.steps));
                LogNews::default()
            }
            JournalEvent::Fault { kind, detail } => Notice::JournalFault { kind, detail }.into(),
            JournalEvent::Opened(replay) => self.replayed(*replay, now),
            JournalEvent::Compacted { folded, kept } => Notice::JournalCompacted { folded, kept }.into(),
            JournalEvent::Ended { unwritten: 0 } => LogNews::default(),
            JournalEvent::Ended { unwritten } => Notice::RowsLost { rows: unwritten as u64 }.into(),
        }
    }

    /// The log was opened, or why it could not be.
    pub(super) fn opened(
        &mut self,
        found: Result<Box<JournalReplay>, String>,
        now: DateTime<Utc>,
    ) -> LogNews {
        match found {
            Ok(replay) => self.replayed(*replay, now),
            Err(detail) => Notice::JournalFault { kind: FaultKind::Unusable, detail }.into(),
        }
    }

    /// What the log held is counted; what it says is still running ended with the supervisor that wrote it.
    fn replayed(&mut self, replay: JournalReplay, now: DateTime<Utc>) -> LogNews {
        let JournalReplay { totals, recent, unclosed, faults, rows, predecessor, begun } = replay;
        self.history.precede(&totals, recent);
        self.recent = self.history.recent();
        let newest = self.history.totals().dora.newest;
        let mut notices = vec![Notice::JobsRestored { totals: Box::new(totals), newest, begun }];
        for fault in faults {
            let notice = Notice::JournalFault { kind: fault.kind, detail: fault.detail };
            notices.extend((0..fault.count).map(|_| notice.clone()));
        }
        notices.push(Notice::JournalOpened { rows, predecessor });
        let lost = |row| {
            let status = RowStatus::Finished(JobStatus::Abandoned);
            let cause = Some(Cause::SupervisorLost.to_string());
            JobRecord { timestamp: now, status, duration: None, cause, ..row }
        };
        LogNews { notices, lost: unclosed.into_iter().map(lost).collect() }
    }

    /// Rows that were never acknowledged.
    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// The last finished jobs, newest last.
    pub(super) fn recent(&self) -> Arc<[JobRecord]> {
        Arc::clone(&self.recent)
    }

    /// The steps of the last jobs.
    pub(super) fn steps(&self) -> Arc<KnownSteps> {
        Arc::clone(&self.steps)
    }

    /// Every job counted so far.
    pub(super) fn finished(&self) -> [u64; 5] {
        self.history.totals().finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MapLookup;
    use crate::sys::journal::Fault;

    fn log() -> JobLog {
        let set = MapLookup::new([("RUNNER_SKIP_REGISTRATION", "true")]);
        let config = Config::from_lookup(&set).expect("a configuration").config;
        JobLog::new(&config, None, mpsc::unbounded_channel().1)
    }

    fn row(status: RowStatus) -> JobRecord {
        JobRecord {
            job_id: "7".to_owned(),
            started_at: Some(DateTime::UNIX_EPOCH),
            status,
            ..JobRecord::blank()
        }
    }

    #[test]
    fn a_job_that_was_open_ends_with_the_supervisor_that_wrote_it() {
        let mut log = log();
        let now = DateTime::from_timestamp(9, 0).expect("a time");
        let mut totals = log.history.totals().clone();
        totals.fold(&row(RowStatus::Running));
        let fault = Fault { kind: FaultKind::Unusable, count: 2, detail: "x".to_owned() };
        let replay = JournalReplay {
            totals: totals.clone(),
            recent: vec![row(RowStatus::Finished(JobStatus::Failed))],
            unclosed: vec![row(RowStatus::Running)],
            faults: vec![fault],
            rows: 3,
            predecessor: false,
            begun: Some(now),
        };
        let LogNews { notices, lost } = log.handle(JournalEvent::Opened(Box::new(replay)), now);
        let [restored, fault, again, opened] = &notices[..] else { panic!("{notices:?}") };
        let totals = Box::new(totals);
        assert_eq!(*restored, Notice::JobsRestored { totals, newest: [None, None], begun: Some(now) });
        assert_eq!(*fault, Notice::JournalFault { kind: FaultKind::Unusable, detail: "x".to_owned() });
        assert_eq!((fault, opened), (again, &Notice::JournalOpened { rows: 3, predecessor: false }));
        assert_eq!(lost.len(), 1);
        assert_eq!((lost[0].status, lost[0].timestamp), (RowStatus::Finished(JobStatus::Abandoned), now));
        assert_eq!(log.recent().len(), 1);
    }

    #[test]
    fn a_row_is_counted_and_shown_once_it_is_written() {
        let mut log = log();
        log.unwritten = 1;
        let row = row(RowStatus::Finished(JobStatus::Success));
        let LogNews { notices, .. } = log.handle(JournalEvent::Written(Box::new(row)), DateTime::UNIX_EPOCH);
        assert!(matches!(notices[..], [Notice::RowWritten { .. }]), "{notices:?}");
        assert_eq!((log.unwritten(), log.recent().len(), log.finished().iter().sum()), (0, 1, 1_u64));
        let lost = log.handle(JournalEvent::Ended { unwritten: 2 }, DateTime::UNIX_EPOCH);
        assert_eq!(lost, Notice::RowsLost { rows: 2 }.into());
        assert_eq!(
            log.handle(JournalEvent::Ended { unwritten: 0 }, DateTime::UNIX_EPOCH),
            LogNews::default()
        );
    }
}
