//! The jobs' rows on their way to the disk and back: one is told only once it is written, and a replayed log is counted as if its
//! jobs had just ended.

use super::errands::Done;
use super::{Supervisor, utc_now};
use crate::config::Config;
use crate::domain::failure::Cause;
use crate::domain::job::history::JobHistory;
use crate::domain::job::jobs::{JobNumber, JobStep, QueueAnswer};
use crate::domain::notice::Notice;
use crate::domain::queue::Question;
use crate::domain::record::{FaultKind, JobRecord, JobStatus, RowStatus};
use crate::domain::totals::{Bounds, Totals};
use crate::sys::journal::JournalReplay;
use crate::sys::journal_writer::JournalEvent;

/// What is known of the rows.
pub(super) struct JobLog {
    /// Handed over and not acknowledged.
    pub(super) unwritten: u64,
    pub(super) history: JobHistory,
}

impl JobLog {
    pub(super) fn new(config: &Config) -> JobLog {
        let zero = Totals::new(&Bounds::with_duration(config.metrics.buckets.clone()));
        JobLog { unwritten: 0, history: JobHistory::new(zero.told_apart_by(&config.streams)) }
    }
}

impl Supervisor {
    /// A job begins, or is over: everybody who has a part in that is told.
    pub(super) fn append(&mut self, row: JobRecord) {
        let now = self.clock.now();
        let steps = match row.status {
            RowStatus::Running => {
                let meter = self.sampler.job_began(now.up);
                self.sweeper.job_began();
                self.files.job_began();
                self.registrar.iter().for_each(|registrar| registrar.ground.job_began());
                self.engine.job_began(row.started_at.unwrap_or(now.utc));
                self.jobs.begin(row, meter, now.up)
            }
            RowStatus::Finished(_) => {
                let meter = self.sampler.job_ended(now.up);
                self.sweeper.begin();
                self.engine.job_ended(false);
                self.jobs.end(row, meter)
            }
        };
        self.work(steps);
    }

    /// Does what is to be done of the jobs.
    pub(super) fn work(&mut self, steps: Vec<JobStep>) {
        for step in steps {
            match step {
                JobStep::Write(row) => self.hand_over(*row),
                JobStep::Close { began, failed } => self.close(began, failed),
                JobStep::AskQueueTime { job, question, again } => self.ask_queue_time(job, question, again),
                JobStep::AskConclusion { job, question } => self.ask_how_it_ended(job, question),
                JobStep::NoQueueTime(fault) => self.telemetry.emit(&Notice::QueueTimeUnknown(fault)),
            }
        }
    }

    fn ask_queue_time(&mut self, job: JobNumber, question: Question, again: bool) {
        if self.registrar.as_ref().is_some_and(|registrar| registrar.can_ask()) {
            self.send(move |registrar| async move {
                let waited = registrar.queue_time(&question).await;
                Done::Listed(QueueAnswer { job, again, waited })
            });
        }
    }

    /// Hands a row over; it is told once the thread says that it is written.
    fn hand_over(&mut self, mut row: JobRecord) {
        self.deployments.mark(&mut row);
        if let Some(scribe) = &self.scribe {
            self.job_log.unwritten += 1;
            scribe.write(row);
        }
    }

    pub(super) fn journal_said(&mut self, word: JournalEvent) {
        self.job_log.unwritten -= u64::from(matches!(word, JournalEvent::Written(_)));
        let notice = match word {
            JournalEvent::Written(row) => {
                let notice = self.job_log.history.written(*row);
                self.hall.recent = self.job_log.history.recent();
                notice
            }
            JournalEvent::Fault { kind, detail } => Notice::JournalFault { kind, detail },
            JournalEvent::Opened(replay) => return self.replayed(*replay),
            JournalEvent::Compacted { folded, kept } => Notice::JournalCompacted { folded, kept },
            JournalEvent::Ended { unwritten: 0 } => return,
            JournalEvent::Ended { unwritten } => Notice::RowsLost { rows: unwritten as u64 },
        };
        self.telemetry.emit(&notice);
        self.show();
    }

    /// The log was opened, or why it could not be.
    pub(super) fn opened(&mut self, found: Result<Box<JournalReplay>, String>) {
        match found {
            Ok(replay) => self.replayed(*replay),
            Err(detail) => {
                self.telemetry.emit(&Notice::JournalFault { kind: FaultKind::Unusable, detail });
            }
        }
    }

    /// What the log held is counted; what it says is still running ended with the supervisor that wrote it.
    pub(super) fn replayed(&mut self, replay: JournalReplay) {
        self.job_log.history.precede(&replay.totals, replay.recent);
        self.hall.recent = self.job_log.history.recent();
        self.telemetry.restore(&replay.totals, self.job_log.history.totals().dora.newest);
        for fault in replay.faults {
            for _ in 0..fault.count {
                self.telemetry.emit(&Notice::JournalFault { kind: fault.kind, detail: fault.detail.clone() });
            }
        }
        for row in replay.unclosed {
            let status = RowStatus::Finished(JobStatus::Abandoned);
            let cause = Some(Cause::SupervisorLost.to_string());
            let row = JobRecord { timestamp: utc_now(), status, duration: None, cause, ..row };
            let steps = self.jobs.write(row);
            self.work(steps);
        }
        self.telemetry.emit(&Notice::JournalOpened { rows: replay.rows, predecessor: replay.predecessor });
        self.show();
    }
}
