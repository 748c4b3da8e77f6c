//! What is known of a job beside what stdout proved: any source may add to the open job, none can begin or end one.

use super::context::{Context, ReportFault};
use super::death::Cause;
use super::queue::Question;
use super::record::JobRecord;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A report read this long before its job's first line is still that job's: two pipes have no order.
const EARLY: Duration = Duration::from_secs(2);

/// The open job and the one before it.
#[derive(Debug, Default)]
pub struct Dossiers {
    open: Option<Dossier>,
    /// A report of a start that no line has told yet.
    early: Option<(Context, Duration)>,
    /// The final row of the last job; GitHub may still say how long it waited.
    ended: Option<JobRecord>,
    /// The runner's own id of that job.
    ended_id: Option<String>,
}

#[derive(Debug)]
struct Dossier {
    /// As it stands in the log, still running.
    row: JobRecord,
    context: Option<Context>,
    /// It came before the job: whatever the job before has left behind could have sent it.
    provisional: bool,
    queue_time: Option<Duration>,
}

impl Dossiers {
    /// A job has begun; its row, with what was reported already.
    pub fn begin(&mut self, row: JobRecord, up: Duration) -> JobRecord {
        let early = self.early.take().filter(|(_, at)| up.saturating_sub(*at) <= EARLY);
        let context = early.map(|(context, _)| context);
        let row = context.iter().fold(row, enrich);
        let provisional = context.is_some();
        self.open = Some(Dossier { row: row.clone(), context, provisional, queue_time: None });
        row
    }

    /// The started hook's word. The row to write anew, if a job is open.
    ///
    /// # Errors
    /// If it says nothing of the open job.
    pub fn started(&mut self, context: Context, up: Duration) -> Result<Option<JobRecord>, ReportFault> {
        if self.is_of_the_ended(&context) {
            return Err(ReportFault::Late);
        }
        let Some(job) = &mut self.open else {
            self.early = Some((context, up));
            return Ok(None);
        };
        let same = job.context.as_ref() == Some(&context);
        if job.context.is_some() && (same || !job.provisional) {
            return Err(ReportFault::Duplicate);
        }
        Ok(Some(job.adopt(context)))
    }

    /// The completed hook's word, which matters if the started hook's was lost.
    ///
    /// # Errors
    /// If it says nothing of the open job.
    pub fn completed(&mut self, context: Context) -> Result<Option<JobRecord>, ReportFault> {
        if self.is_of_the_ended(&context) {
            return Err(ReportFault::Late);
        }
        let Some(job) = &mut self.open else { return Err(ReportFault::Late) };
        match &job.context {
            None => Ok(Some(job.adopt(context))),
            Some(known) if known.tracking_id == context.tracking_id => Ok(None),
            Some(_) if job.provisional => Ok(Some(job.adopt(context))),
            Some(_) => Err(ReportFault::Duplicate),
        }
    }

    /// The job is over; its final row, with all that is known.
    pub fn end(&mut self, row: JobRecord) -> JobRecord {
        let Some(job) = self.open.take().filter(|job| job.row.started_at == row.started_at) else {
            return row;
        };
        let row = job.context.iter().fold(row, enrich);
        let row = JobRecord { queue_time: job.queue_time, ..row };
        self.ended_id = job.context.and_then(|context| context.tracking_id);
        self.ended = Some(row.clone());
        row
    }

    /// What GitHub is to be asked of the open job, once its run is known.
    pub fn question(&self) -> Option<Question> {
        self.open.as_ref().filter(|job| job.queue_time.is_none()).and_then(|job| Question::about(&job.row))
    }

    /// What GitHub is to be asked once more of the job that has ended.
    pub fn last_question(&self) -> Option<Question> {
        self.ended.as_ref().filter(|row| row.queue_time.is_none()).and_then(Question::about)
    }

    /// GitHub's answer to a question about the job that began at `started_at`. The final row to write anew, if it is over.
    pub fn queued(&mut self, started_at: DateTime<Utc>, queue_time: Duration) -> Option<JobRecord> {
        let of = |row: &JobRecord| row.started_at == Some(started_at);
        if let Some(job) = self.open.as_mut().filter(|job| of(&job.row)) {
            job.queue_time = Some(queue_time);
            return None;
        }
        let row = self.ended.as_mut().filter(|row| of(row) && row.queue_time.is_none())?;
        row.queue_time = Some(queue_time);
        Some(row.clone())
    }

    /// The final row of the last job says something else now.
    pub fn settled(&mut self, row: &JobRecord) {
        if let Some(ended) = self.ended.as_mut().filter(|ended| ended.started_at == row.started_at) {
            *ended = row.clone();
        }
    }

    /// GitHub's own word of how the job that began then has ended. The final row to write anew, if it is the last one's.
    pub fn concluded(&mut self, started_at: DateTime<Utc>, conclusion: &str) -> Option<JobRecord> {
        let is_news = |row: &&mut JobRecord| row.conclusion.as_deref() != Some(conclusion);
        let row = self.ended.as_mut().filter(|row| row.started_at == Some(started_at)).filter(is_news)?;
        row.conclusion = Some(conclusion.to_owned());
        row.cause = row.cause.take().filter(|cause| *cause != Cause::NotReported.to_string());
        Some(row.clone())
    }

    fn is_of_the_ended(&self, context: &Context) -> bool {
        self.ended_id.is_some() && context.tracking_id == self.ended_id
    }
}

impl Dossier {
    fn adopt(&mut self, context: Context) -> JobRecord {
        self.row = enrich(self.row.clone(), &context);
        (self.context, self.provisional) = (Some(context), false);
        self.row.clone()
    }
}

fn enrich(row: JobRecord, context: &Context) -> JobRecord {
    let job_id = context.job_id().unwrap_or(row.job_id);
    JobRecord { job_id, context: context.clone(), ..row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{JobStatus, RowStatus};

    const SECOND: Duration = Duration::from_secs(1);

    fn start(second: i64) -> JobRecord {
        let started_at = DateTime::from_timestamp(1_800_000_000 + second, 0);
        let job_id = format!("local-{second}");
        JobRecord { job_id, started_at, status: RowStatus::Running, ..JobRecord::blank() }
    }

    fn end(second: i64) -> JobRecord {
        JobRecord { status: RowStatus::Finished(JobStatus::Success), ..start(second) }
    }

    fn context(run: &str) -> Context {
        Context {
            repository: Some("o/r".into()),
            workflow: Some("CI".into()),
            job_key: Some("build".into()),
            run_id: Some(run.into()),
            run_attempt: Some("2".into()),
            tracking_id: Some(format!("github_{run}")),
            ..Context::default()
        }
    }

    fn id(row: Option<JobRecord>) -> Option<String> {
        row.map(|row| row.job_id)
    }

    #[test]
    fn a_report_is_attached_to_the_open_job_once() {
        let mut jobs = Dossiers::default();
        assert_eq!(jobs.begin(start(0), SECOND).job_id, "local-0");
        assert_eq!(jobs.question(), None);
        let row = jobs.started(context("9"), SECOND).unwrap().unwrap();
        assert_eq!(
            (row.job_id.as_str(), row.context.repository.as_deref(), row.status),
            ("9_build", Some("o/r"), RowStatus::Running)
        );
        assert_eq!(jobs.started(context("9"), SECOND), Err(ReportFault::Duplicate));
        assert_eq!(jobs.started(context("66"), SECOND), Err(ReportFault::Duplicate), "a step's forgery");
        assert_eq!(jobs.completed(context("9")), Ok(None));
        assert_eq!(jobs.completed(context("66")), Err(ReportFault::Duplicate));
        let row = jobs.end(end(0));
        assert_eq!((row.job_id.as_str(), row.context.workflow.as_deref()), ("9_build", Some("CI")));
        assert_eq!(jobs.completed(context("9")), Err(ReportFault::Late));
        assert_eq!(jobs.begin(start(10), SECOND).job_id, "local-10");
        assert_eq!(jobs.started(context("9"), SECOND), Err(ReportFault::Late), "of the job before");
        assert_eq!(id(jobs.started(context("10"), SECOND).unwrap()), Some("10_build".into()));
    }

    #[test]
    fn a_report_ahead_of_its_job_waits_for_it_and_yields_to_a_better_one() {
        let mut jobs = Dossiers::default();
        assert_eq!(jobs.started(context("9"), SECOND), Ok(None));
        assert_eq!(jobs.begin(start(0), 3 * SECOND).job_id, "9_build");
        assert_eq!(jobs.started(context("9"), 3 * SECOND), Err(ReportFault::Duplicate));
        assert_eq!(id(jobs.started(context("10"), 3 * SECOND).unwrap()), Some("10_build".into()));
        assert_eq!(jobs.started(context("11"), 3 * SECOND), Err(ReportFault::Duplicate));
        jobs.end(end(0));
        assert_eq!(jobs.started(context("12"), 4 * SECOND), Ok(None));
        assert_eq!(jobs.begin(start(9), 7 * SECOND).job_id, "local-9", "too long ago");
        assert_eq!(jobs.completed(context("13")).map(id), Ok(Some("13_build".into())), "its start was lost");
    }

    #[test]
    fn a_report_without_a_job_is_late_and_a_row_without_a_dossier_stays_as_it_is() {
        let mut jobs = Dossiers::default();
        assert_eq!(jobs.completed(context("9")), Err(ReportFault::Late));
        assert_eq!(jobs.end(end(0)), end(0));
        jobs.begin(start(5), SECOND);
        assert_eq!(jobs.end(end(0)), end(0), "another job's");
    }

    #[test]
    fn a_queue_time_comes_with_the_final_row_or_after_it() {
        let mut jobs = Dossiers::default();
        jobs.begin(start(0), SECOND);
        jobs.started(context("9"), SECOND).unwrap();
        let asked = jobs.question().unwrap();
        assert_eq!((asked.repository.as_str(), asked.run, asked.attempt), ("o/r", 9, 2));
        assert_eq!(jobs.queued(asked.started_at, SECOND), None);
        assert_eq!(jobs.question(), None);
        assert_eq!(jobs.end(end(0)).queue_time, Some(SECOND));
        assert_eq!(jobs.last_question(), None);

        jobs.begin(start(10), SECOND);
        jobs.started(context("10"), SECOND).unwrap();
        assert_eq!(jobs.end(end(10)).queue_time, None);
        jobs.begin(start(20), SECOND);
        let again = jobs.last_question().unwrap();
        let amended = jobs.queued(again.started_at, 3 * SECOND).unwrap();
        assert_eq!((amended.queue_time, amended.job_id.as_str()), (Some(3 * SECOND), "10_build"));
        assert_eq!(jobs.queued(again.started_at, SECOND), None, "once");
        assert_eq!((jobs.last_question(), jobs.question()), (None, None));
    }
}
