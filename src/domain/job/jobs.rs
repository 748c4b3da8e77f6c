//! All that is known of the open job and of the one before it: context, usage, cause, how long it waited, and its rows until
//! they can be written. Any source may add to them; only the tracker's rows begin and end one.
//!
//! A job is known by its number, never by a clock. What is to be done of it is said as [`JobStep`]s.

use super::usage::{Meter, Usage};
use crate::domain::context::{Context, ReportFault};
use crate::domain::failure::{self, Cause, Space};
use crate::domain::last_word::{LastWord, settle};
use crate::domain::queue::{Question, QueueFault, Queued};
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::time::Duration;

/// A report read this long before its job's first line is still that job's: two pipes have no order.
const EARLY: Duration = Duration::from_secs(2);

/// Which job since we began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobNumber(u64);

/// GitHub's answer to how long a job had waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAnswer {
    /// Which job.
    pub job: JobNumber,
    /// It was asked for the second and last time.
    pub again: bool,
    /// What it says.
    pub queued: Result<Queued, QueueFault>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStep {
    /// Write this row.
    Write(Box<JobRecord>),
    /// A job is over: look for its worker's last word, and, if it has failed, at the disk; then call [`Jobs::closed`].
    Close {
        /// When it began.
        began: Option<DateTime<Utc>>,
        /// It has failed.
        failed: bool,
    },
    /// Ask GitHub how long it had waited; then call [`Jobs::queue_time`].
    AskQueueTime {
        /// Which job.
        job: JobNumber,
        /// About it.
        question: Question,
        /// The second and last time.
        again: bool,
    },
    /// Ask GitHub how it has ended, in one call and never in a stop's time; then call [`Jobs::concluded`].
    AskConclusion {
        /// Which job.
        job: JobNumber,
        /// About it.
        question: Question,
    },
    /// How long it had waited will not be known.
    NoQueueTime(QueueFault),
}

/// The open job, and the last one.
#[derive(Debug, Default)]
pub struct Jobs {
    count: u64,
    open: Option<Job>,
    /// A report of a start that no line has told yet.
    early: Option<(Context, Duration)>,
    /// The final row of the last job; GitHub may still say more of it.
    last: Option<(JobNumber, JobRecord)>,
    /// GitHub did not know yet how long this one had waited.
    late: Option<JobNumber>,
    /// In their order; the first waits for what [`JobStep::Close`] is to find.
    rows: VecDeque<Row>,
    /// What GitHub said while a row waited.
    answers: Vec<QueueAnswer>,
}

/// The open job.
#[derive(Debug)]
struct Job {
    number: JobNumber,
    /// As it stands in the log, still running.
    row: JobRecord,
    told: Told,
    /// Before it.
    meter: Meter,
}

/// Whether its hook has told its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// Before the job: whatever the job before has left behind could have sent it.
    Early,
    Context,
}

#[derive(Debug)]
struct Row {
    row: JobRecord,
    /// The last one of this job, which is to be closed.
    closing: Option<(JobNumber, [Option<u64>; 2])>,
}

impl Jobs {
    /// A job has begun, while the container had used so much.
    pub fn begin(&mut self, row: JobRecord, meter: Meter, up: Duration) -> Vec<JobStep> {
        self.count += 1;
        let early = self.early.take().filter(|(_, at)| up.saturating_sub(*at) <= EARLY);
        let mut job = Job { number: JobNumber(self.count), row, told: Told::Nothing, meter };
        if let Some((context, _)) = early {
            job.adopt(context, Told::Early);
        }
        let row = job.row.clone();
        self.open = Some(job);
        self.with_question(row)
    }

    /// The started hook's word.
    ///
    /// # Errors
    /// If it says nothing of the open job.
    pub fn started(&mut self, context: Context, up: Duration) -> Result<Vec<JobStep>, ReportFault> {
        if self.is_of_the_last(&context) {
            return Err(ReportFault::Late);
        }
        let Some(job) = &mut self.open else {
            self.early = Some((context, up));
            return Ok(Vec::new());
        };
        match job.told {
            Told::Context => Err(ReportFault::Duplicate),
            Told::Early if job.row.context == context => Err(ReportFault::Duplicate),
            Told::Nothing | Told::Early => Ok(self.adopt(context)),
        }
    }

    /// The completed hook's word, which matters if the started hook's was lost.
    ///
    /// # Errors
    /// If it says nothing of the open job.
    pub fn completed(&mut self, context: Context) -> Result<Vec<JobStep>, ReportFault> {
        if self.is_of_the_last(&context) {
            return Err(ReportFault::Late);
        }
        let Some(job) = &self.open else { return Err(ReportFault::Late) };
        let is_same = job.row.context.tracking_id == context.tracking_id;
        match job.told {
            Told::Early | Told::Context if is_same => Ok(Vec::new()),
            Told::Nothing | Told::Early => Ok(self.adopt(context)),
            Told::Context => Err(ReportFault::Duplicate),
        }
    }

    /// The open job's row, with what it has told of where it comes from, and what the container had used before it.
    pub fn open(&self) -> Option<(&JobRecord, Meter)> {
        self.open.as_ref().map(|job| (&job.row, job.meter))
    }

    /// The open job is over, now that the container has used so much.
    pub fn end(&mut self, row: JobRecord, meter: Meter) -> Vec<JobStep> {
        let Some(job) = self.open.take() else {
            return self.write(row);
        };
        // What was used until an end that nobody saw is not known.
        let usage = if row.duration.is_some() { Usage::between(job.meter, meter) } else { Usage::default() };
        let Job { number, row: JobRecord { job_id, queue_time, check_run_id, context, .. }, .. } = job;
        let row = JobRecord { job_id, queue_time, check_run_id, context, usage, ..row };
        let failed = row.status == RowStatus::Finished(JobStatus::Failed);
        let began = row.started_at;
        self.last = Some((number, row.clone()));
        self.rows.push_back(Row { row, closing: Some((number, [job.meter.oom_kills, meter.oom_kills])) });
        let mut steps = vec![JobStep::Close { began, failed }];
        steps.extend(self.ask_again());
        steps
    }

    /// What was found of the first job that is to be closed: its last row can be written, and what waited behind it.
    pub fn closed(&mut self, word: LastWord, space: Option<Space>) -> Vec<JobStep> {
        let Some(Row { mut row, closing: Some((job, [before, after])) }) = self.rows.pop_front() else {
            return Vec::new();
        };
        if row.status == RowStatus::Finished(JobStatus::Failed) {
            row.cause = failure::of_job(before, after, space).map(|cause| cause.to_string());
        }
        let (row, ask) = settle(row, word);
        if let Some((_, last)) = self.last.as_mut().filter(|(last, _)| *last == job) {
            last.clone_from(&row);
        }
        let question = Question::about(&row).filter(|_| ask);
        let mut steps = vec![JobStep::Write(Box::new(row))];
        while self.rows.front().is_some_and(|next| next.closing.is_none()) {
            steps.extend(self.rows.pop_front().map(|next| JobStep::Write(Box::new(next.row))));
        }
        steps.extend(question.map(|question| JobStep::AskConclusion { job, question }));
        if self.rows.is_empty() {
            for answer in std::mem::take(&mut self.answers) {
                steps.extend(self.queue_time(answer));
            }
        }
        steps
    }

    /// GitHub's answer to how long a job had waited.
    pub fn queue_time(&mut self, answer: QueueAnswer) -> Vec<JobStep> {
        if !self.rows.is_empty() {
            self.answers.push(answer);
            return Vec::new();
        }
        let QueueAnswer { job, again, queued } = answer;
        match queued {
            Ok(queued) => self.waited(job, queued).map(|row| self.write(row)).unwrap_or_default(),
            Err(fault) if fault.may_pass() && !again => {
                self.late = Some(job);
                self.ask_again().into_iter().collect()
            }
            Err(fault) => vec![JobStep::NoQueueTime(fault)],
        }
    }

    /// GitHub's own word of how the last job has ended.
    pub fn concluded(&mut self, job: JobNumber, conclusion: &str) -> Vec<JobStep> {
        let is_news = |row: &JobRecord| row.conclusion.as_deref() != Some(conclusion);
        let last = self.last.as_mut().filter(|(last, row)| *last == job && is_news(row));
        let Some((_, row)) = last else { return Vec::new() };
        row.conclusion = Some(conclusion.to_owned());
        row.cause = row.cause.take().filter(|cause| *cause != Cause::NotReported.to_string());
        let row = row.clone();
        self.write(row)
    }

    /// Writes a row, behind those that wait.
    pub fn write(&mut self, row: JobRecord) -> Vec<JobStep> {
        if self.rows.is_empty() {
            return vec![JobStep::Write(Box::new(row))];
        }
        self.rows.push_back(Row { row, closing: None });
        Vec::new()
    }

    fn adopt(&mut self, context: Context) -> Vec<JobStep> {
        let row = self.open.as_mut().map(|job| {
            job.adopt(context, Told::Context);
            job.row.clone()
        });
        row.map(|row| self.with_question(row)).unwrap_or_default()
    }

    /// Writes the open job's row; once its run is known, GitHub is asked how long it had waited.
    fn with_question(&mut self, row: JobRecord) -> Vec<JobStep> {
        let mut steps = self.write(row);
        let open = self.open.as_ref().filter(|job| job.row.queue_time.is_none());
        steps.extend(open.and_then(|job| {
            let question = Question::about(&job.row)?;
            Some(JobStep::AskQueueTime { job: job.number, question, again: false })
        }));
        steps
    }

    /// After the job GitHub is asked once more, if it was late.
    fn ask_again(&mut self) -> Option<JobStep> {
        let (job, row) = self.last.as_ref().filter(|(job, _)| self.late == Some(*job))?;
        let question = Question::about(row).filter(|_| row.queue_time.is_none())?;
        self.late = None;
        Some(JobStep::AskQueueTime { job: *job, question, again: true })
    }

    /// The final row to write anew, if the job is over.
    fn waited(&mut self, number: JobNumber, queued: Queued) -> Option<JobRecord> {
        if let Some(job) = self.open.as_mut().filter(|job| job.number == number) {
            (job.row.queue_time, job.row.check_run_id) = (Some(queued.waited), Some(queued.check_run_id));
            return None;
        }
        let (_, row) =
            self.last.as_mut().filter(|(last, row)| *last == number && row.queue_time.is_none())?;
        (row.queue_time, row.check_run_id) = (Some(queued.waited), Some(queued.check_run_id));
        Some(row.clone())
    }

    fn is_of_the_last(&self, context: &Context) -> bool {
        let last = self.last.as_ref().and_then(|(_, row)| row.context.tracking_id.as_ref());
        last.is_some() && context.tracking_id.as_ref() == last
    }
}

impl Job {
    fn adopt(&mut self, context: Context, told: Told) {
        if let Some(job_id) = context.job_id() {
            self.row.job_id = job_id;
        }
        (self.row.context, self.told) = (context, told);
    }
}

#[cfg(test)]
mod tests;
