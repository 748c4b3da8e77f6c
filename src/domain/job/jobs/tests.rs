//! Reports, answers and ends in every order: nothing is lost, nothing is taken for another job's.

use super::*;
use crate::domain::event::TaskResult;
use crate::domain::last_word::Report;

const SECOND: Duration = Duration::from_secs(1);
const FAILED: JobStatus = JobStatus::Failed;
const FULL: Option<Space> = Some(Space { free: 1, size: 1 << 30 });

fn start(second: i64) -> JobRecord {
    let started_at = DateTime::from_timestamp(1_800_000_000 + second, 0);
    let job_id = format!("local-{second}");
    JobRecord { job_id, started_at, status: RowStatus::Running, ..JobRecord::blank() }
}

fn end(second: i64, status: JobStatus) -> JobRecord {
    let conclusion = status.conclusion().map(str::to_owned);
    let status = RowStatus::Finished(status);
    JobRecord { status, conclusion, duration: Some(SECOND), ..start(second) }
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

fn kills(oom_kills: u64) -> Meter {
    Meter { oom_kills: Some(oom_kills), ..Meter::default() }
}

/// The steps in words: `write 9_build`, `close`, `queue 1`, `queue 1 again`, `conclusion 1`, `none missing`.
fn told(steps: &[JobStep]) -> String {
    let word = |step: &JobStep| match step {
        JobStep::Write(row) => format!("write {}", row.job_id),
        JobStep::Close { failed, .. } => if *failed { "close failed" } else { "close" }.to_owned(),
        JobStep::AskQueueTime { job, again, .. } => {
            format!("queue {}{}", job.0, if *again { " again" } else { "" })
        }
        JobStep::AskConclusion { job, .. } => format!("conclusion {}", job.0),
        JobStep::NoQueueTime(fault) => format!("none {}", fault.as_str()),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn begin(jobs: &mut Jobs, second: i64, up: Duration) -> String {
    told(&jobs.begin(start(second), Meter::default(), up))
}

fn report(steps: Result<Vec<JobStep>, ReportFault>) -> Result<String, ReportFault> {
    steps.map(|steps| told(&steps))
}

fn answer(job: u64, again: bool, waited: Result<Duration, QueueFault>) -> QueueAnswer {
    let queued = waited.map(|waited| Queued { waited, check_run_id: 900 + job });
    QueueAnswer { job: JobNumber(job), again, queued }
}

/// Ends the open job and closes it with nothing found; its last row.
fn ended(jobs: &mut Jobs, row: JobRecord) -> JobRecord {
    jobs.end(row, Meter::default());
    written(&jobs.closed(LastWord::default(), None))
}

fn written(steps: &[JobStep]) -> JobRecord {
    let row = steps.iter().find_map(|step| if let JobStep::Write(row) = step { Some(row) } else { None });
    row.unwrap_or_else(|| panic!("no row: {steps:?}")).as_ref().clone()
}

#[test]
fn a_report_is_attached_to_the_open_job_once() {
    let mut jobs = Jobs::default();
    assert_eq!(begin(&mut jobs, 0, SECOND), "write local-0");
    assert_eq!(report(jobs.started(context("9"), SECOND)), Ok("write 9_build, queue 1".into()));
    assert_eq!(jobs.open().map(|(row, _)| &row.context), Some(&context("9")));
    assert_eq!(jobs.started(context("9"), SECOND), Err(ReportFault::Duplicate));
    assert_eq!(jobs.started(context("66"), SECOND), Err(ReportFault::Duplicate), "a step's forgery");
    assert_eq!(report(jobs.completed(context("9"))), Ok(String::new()));
    assert_eq!(jobs.completed(context("66")), Err(ReportFault::Duplicate));
    let row = ended(&mut jobs, end(0, JobStatus::Success));
    assert_eq!((row.job_id.as_str(), row.context.workflow.as_deref()), ("9_build", Some("CI")));
    assert!(jobs.open().is_none());
    assert_eq!(jobs.completed(context("9")), Err(ReportFault::Late));
    assert_eq!(begin(&mut jobs, 10, SECOND), "write local-10");
    assert_eq!(jobs.started(context("9"), SECOND), Err(ReportFault::Late), "of the job before");
    assert_eq!(report(jobs.started(context("10"), SECOND)), Ok("write 10_build, queue 2".into()));
}

#[test]
fn a_report_ahead_of_its_job_waits_for_it_and_yields_to_a_better_one() {
    let mut jobs = Jobs::default();
    assert_eq!(report(jobs.started(context("9"), SECOND)), Ok(String::new()));
    assert_eq!(begin(&mut jobs, 0, 3 * SECOND), "write 9_build, queue 1");
    assert_eq!(jobs.started(context("9"), 3 * SECOND), Err(ReportFault::Duplicate));
    assert_eq!(report(jobs.started(context("10"), 3 * SECOND)), Ok("write 10_build, queue 1".into()));
    assert_eq!(jobs.started(context("11"), 3 * SECOND), Err(ReportFault::Duplicate));
    ended(&mut jobs, end(0, JobStatus::Success));
    assert_eq!(report(jobs.started(context("12"), 4 * SECOND)), Ok(String::new()));
    assert_eq!(begin(&mut jobs, 9, 7 * SECOND), "write local-9", "too long ago");
    assert_eq!(
        report(jobs.completed(context("13"))),
        Ok("write 13_build, queue 2".into()),
        "its start was lost"
    );
}

#[test]
fn a_report_without_a_job_is_late_and_a_row_without_one_stays_as_it_is() {
    let mut jobs = Jobs::default();
    assert_eq!(jobs.completed(context("9")), Err(ReportFault::Late));
    let alone = end(0, FAILED);
    assert_eq!(written(&jobs.end(alone.clone(), kills(3))), alone);
}

#[test]
fn two_jobs_of_one_clock_are_two() {
    let mut jobs = Jobs::default();
    begin(&mut jobs, 0, SECOND);
    jobs.started(context("9"), SECOND).unwrap();
    ended(&mut jobs, end(0, JobStatus::Success));
    begin(&mut jobs, 0, SECOND);
    assert_eq!(jobs.queue_time(answer(2, false, Ok(SECOND))), [], "the open one's");
    assert_eq!(written(&jobs.queue_time(answer(1, false, Ok(3 * SECOND)))).job_id, "9_build");
    assert_eq!(ended(&mut jobs, end(0, JobStatus::Success)).queue_time, Some(SECOND));
}

#[test]
fn a_queue_time_comes_with_the_final_row_or_after_it() {
    let mut jobs = Jobs::default();
    begin(&mut jobs, 0, SECOND);
    jobs.started(context("9"), SECOND).unwrap();
    assert_eq!(jobs.queue_time(answer(1, false, Ok(SECOND))), []);
    let row = ended(&mut jobs, end(0, JobStatus::Success));
    assert_eq!((row.queue_time, row.check_run_id), (Some(SECOND), Some(901)));

    begin(&mut jobs, 10, SECOND);
    jobs.started(context("10"), SECOND).unwrap();
    assert_eq!(ended(&mut jobs, end(10, JobStatus::Success)).queue_time, None);
    begin(&mut jobs, 20, SECOND);
    let amended = written(&jobs.queue_time(answer(2, false, Ok(3 * SECOND))));
    assert_eq!((amended.queue_time, amended.job_id.as_str()), (Some(3 * SECOND), "10_build"));
    assert_eq!(amended.check_run_id, Some(902));
    assert_eq!(jobs.queue_time(answer(2, false, Ok(SECOND))), [], "once");
}

#[test]
fn github_is_asked_once_more_after_the_job_if_it_was_late() {
    let late = Err(QueueFault::Missing);
    let mut jobs = Jobs::default();
    begin(&mut jobs, 0, SECOND);
    jobs.started(context("9"), SECOND).unwrap();
    assert_eq!(jobs.queue_time(answer(1, false, late)), [], "not while it runs");
    assert_eq!(told(&jobs.end(end(0, JobStatus::Success), Meter::default())), "close, queue 1 again");
    assert_eq!(jobs.queue_time(answer(1, true, late)), [], "a row waits");
    assert_eq!(told(&jobs.closed(LastWord::default(), None)), "write 9_build, none missing");

    begin(&mut jobs, 10, SECOND);
    jobs.started(context("10"), SECOND).unwrap();
    ended(&mut jobs, end(10, JobStatus::Success));
    assert_eq!(told(&jobs.queue_time(answer(2, false, late))), "queue 2 again", "it is over already");
    let never = Err(QueueFault::Spared);
    assert_eq!(told(&jobs.queue_time(answer(2, false, never))), "none spared", "that will not pass");
}

#[test]
fn rows_are_written_in_their_order_behind_one_that_waits() {
    let mut jobs = Jobs::default();
    begin(&mut jobs, 0, SECOND);
    jobs.started(context("9"), SECOND).unwrap();
    assert_eq!(told(&jobs.end(end(0, FAILED), Meter::default())), "close failed");
    assert_eq!(begin(&mut jobs, 10, SECOND), "");
    assert_eq!(told(&jobs.end(end(10, JobStatus::Success), Meter::default())), "close");
    assert_eq!(begin(&mut jobs, 20, SECOND), "");
    assert_eq!(jobs.queue_time(answer(1, false, Ok(SECOND))), [], "it would be ahead of its row");
    assert_eq!(told(&jobs.closed(LastWord::default(), None)), "write 9_build, write local-10");
    assert_eq!(told(&jobs.closed(LastWord::default(), None)), "write local-10, write local-20");
    assert_eq!(jobs.closed(LastWord::default(), FULL), [], "nothing waits");
}

#[test]
fn a_failed_job_has_the_cause_that_was_seen() {
    for (after, space, cause) in
        [(4, None, None), (5, None, Some("oom")), (4, FULL, Some("disk_full")), (5, FULL, Some("oom"))]
    {
        for status in [FAILED, JobStatus::Success] {
            let mut jobs = Jobs::default();
            jobs.begin(start(0), kills(4), SECOND);
            jobs.end(end(0, status), kills(after));
            let row = written(&jobs.closed(LastWord::default(), space));
            let want = cause.filter(|_| status == FAILED);
            assert_eq!(row.cause.as_deref(), want, "{status:?} {after} {space:?}");
        }
    }
}

#[test]
fn what_was_used_until_an_end_that_nobody_saw_is_not_known() {
    let used = Meter { peak_memory: Some(7), ..Meter::default() };
    let seen = |duration| {
        let mut jobs = Jobs::default();
        jobs.begin(start(0), Meter::default(), SECOND);
        jobs.end(JobRecord { duration, ..end(0, JobStatus::Abandoned) }, used);
        written(&jobs.closed(LastWord::default(), None)).usage.peak_memory
    };
    assert_eq!((seen(Some(SECOND)), seen(None)), (Some(7), None));
}

#[test]
fn github_is_asked_how_it_ended_where_worker_and_listener_disagree() {
    let word = LastWord { result: Some(TaskResult::Succeeded), report: Report::Failed };
    let mut jobs = Jobs::default();
    begin(&mut jobs, 0, SECOND);
    jobs.started(context("9"), SECOND).unwrap();
    jobs.end(end(0, FAILED), Meter::default());
    let steps = jobs.closed(word, None);
    assert_eq!(told(&steps), "write 9_build, conclusion 1");
    assert_eq!(written(&steps).cause.as_deref(), Some("not reported"));
    assert_eq!(jobs.concluded(JobNumber(7), "success"), [], "of no job that is known");
    let amended = written(&jobs.concluded(JobNumber(1), "success"));
    assert_eq!((amended.conclusion.as_deref(), amended.cause), (Some("success"), None));
    assert_eq!(jobs.concluded(JobNumber(1), "success"), [], "no news");
}
