//! The result of a job: the listener's line against the worker's report. Whose word counts: GitHub has what the worker
//! reported last; where its report went out, that is how the job ended.
//!
//! The listener's line has an opinion of its own: `Canceled` of a job that had succeeded when the server deleted its ephemeral
//! runner, `Failed` of one whose report was refused. The worker's log has the result before it is reported, and what became of
//! the report.

use super::event::TaskResult;
use super::failure::Cause;
use super::job::status_of;
use super::record::{JobRecord, JobStatus, RowStatus};

/// What became of the worker's report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Report {
    /// There is no log, or none of a worker's.
    #[default]
    Unread,
    /// It had not begun to report. If it died by itself, the listener has told GitHub; not so if it was the listener that killed it.
    NotBegun,
    /// It was reporting when it died.
    Begun,
    /// GitHub has taken it.
    Done,
    /// GitHub has not.
    Failed,
}

/// The end of a worker's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastWord {
    /// How the job ended; `None` if the worker did not get that far, or the log is of two.
    pub result: Option<TaskResult>,
    /// Whether GitHub knows.
    pub report: Report,
}

impl LastWord {
    /// Reads the end of a log. Only records count: what follows a record's first line may be anybody's text.
    pub fn read(log: &[u8]) -> LastWord {
        let mut word = LastWord::default();
        let (mut results, mut cancelled, mut caught) = (0, false, false);
        for (level, source, text) in log.split(|byte| *byte == b'\n').filter_map(record) {
            if word.report == Report::Unread {
                word.report = Report::NotBegun;
            }
            match (level, source) {
                ("INFO", "JobRunner") => {
                    if let Some(result) = text.strip_prefix("Job result after all job steps finish: ") {
                        results += 1;
                        word = LastWord {
                            result: TaskResult::parse(result.trim_end()),
                            report: Report::NotBegun,
                        };
                    } else if text.starts_with("Raising job completed") {
                        word.report = Report::Begun;
                    }
                }
                ("ERR", "JobRunner") => caught |= word.report == Report::Begun,
                ("INFO", "Worker") if text.trim_end() == "Job completed." => word.report = Report::Done,
                ("INFO", "Worker") => cancelled |= text.starts_with("Cancellation/Shutdown message received"),
                // What its report has thrown is the last thing it says.
                ("ERR", "Worker") if word.report != Report::NotBegun => word.report = Report::Failed,
                (_, _) => {}
            }
        }
        // One that was told to cancel is silent once it has reported.
        if word.report == Report::Begun && cancelled && !caught {
            word.report = Report::Done;
        }
        if results <= 1 { word } else { LastWord::default() }
    }
}

/// `[2026-11-30 08:59:12Z INFO Source] text`: the level, the source, the text.
fn record(line: &[u8]) -> Option<(&str, &str, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix('[')?;
    let (head, text) = line.split_once("] ")?;
    let mut words = head.split_ascii_whitespace();
    let (date, time) = (words.next()?, words.next()?);
    let (level, source) = (words.next()?, words.next()?);
    let is_record = date.len() == 10 && time.ends_with('Z') && words.next().is_none();
    is_record.then_some((level, source, text))
}

/// The row as GitHub has the job, and whether GitHub itself should be asked: its worker and its listener disagree, or nobody knows.
pub fn settle(row: JobRecord, word: LastWord) -> (JobRecord, bool) {
    let RowStatus::Finished(said) = row.status else { return (row, false) };
    let ended_by_us =
        said == JobStatus::Cancelled && row.conclusion.as_deref() == JobStatus::Failed.conclusion();
    let untold = |row: JobRecord| {
        let cause = if ended_by_us { row.cause } else { Some(Cause::NotReported.to_string()) };
        (JobRecord { conclusion: None, cause, ..row }, !ended_by_us)
    };
    let Some(result) = word.result else {
        // It did not end in the time the listener gave it to cancel.
        let killed = said == JobStatus::Cancelled && word.report == Report::NotBegun;
        return if killed { untold(row) } else { (row, false) };
    };
    let lock_lost = said == JobStatus::Abandoned && row.cause == Some(Cause::LockLost.to_string());
    let worker_s = status_of(result);
    let report = match word.report {
        // Only the server's deletion of the runner ends a worker that has all but said it; and that follows the report.
        Report::Begun if said == JobStatus::Cancelled && !ended_by_us => Report::Done,
        report => report,
    };
    match report {
        Report::NotBegun if said == JobStatus::Cancelled => untold(row),
        Report::Unread | Report::NotBegun => (row, false),
        Report::Begun if said == worker_s => (row, true),
        Report::Begun => (JobRecord { conclusion: None, ..row }, true),
        Report::Failed => untold(row),
        Report::Done => {
            let conclusion = worker_s.conclusion().map(str::to_owned);
            // We know better than GitHub why: it was we who ended it, or the lock.
            if said == worker_s || lock_lost || (ended_by_us && worker_s == JobStatus::Failed) {
                return (JobRecord { conclusion, ..row }, false);
            }
            let status = RowStatus::Finished(worker_s);
            (JobRecord { status, conclusion, cause: None, ..row }, !ended_by_us)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: &str = "[2026-11-30 08:59:13Z INFO JobRunner] Raising job completed against run service\n\
        [2026-11-30 08:59:13Z INFO Worker] Job completed.\n";

    fn log(result: &str, rest: &str) -> LastWord {
        let text = format!(
            "[2026-11-30 08:59:12Z INFO JobRunner] Job result after all job steps finish: {result}\n{rest}"
        );
        LastWord::read(text.as_bytes())
    }

    #[test]
    fn the_real_logs_say_what_github_got() {
        for (name, text, result) in [
            ("plain", &include_bytes!("../../tests/corpus/worker/plain.log")[..], TaskResult::Succeeded),
            ("fail", include_bytes!("../../tests/corpus/worker/fail.log"), TaskResult::Failed),
            ("cancel", include_bytes!("../../tests/corpus/worker/cancel.log"), TaskResult::Canceled),
            (
                "stop-group-always",
                include_bytes!("../../tests/corpus/worker/stop-group-always.log"),
                TaskResult::Failed,
            ),
        ] {
            let want = LastWord { result: Some(result), report: Report::Done };
            assert_eq!(LastWord::read(text), want, "{name}");
        }
    }

    #[test]
    fn what_became_of_the_report_is_told_by_what_follows() {
        let of = |rest: &str| log("Succeeded", rest).report;
        let raising = DONE.lines().next().expect("a line");
        let caught = "[2026-11-30 08:59:13Z ERR  JobRunner] Catch exception while attempting to complete job 1\nSystem.Exception: x\n";
        let thrown =
            "[2026-11-30 08:59:13Z ERR  Worker] System.AggregateException: One or more errors occurred.\n";
        assert_eq!(of(""), Report::NotBegun);
        assert_eq!(of(raising), Report::Begun);
        let cancelled = "[2026-11-30 08:59:13Z INFO Worker] Cancellation/Shutdown message received.\n";
        assert_eq!(of(&format!("{cancelled}{raising}")), Report::Done);
        assert_eq!(of(&format!("{cancelled}{raising}\n{caught}")), Report::Begun);
        assert_eq!(of(&format!("{cancelled}{raising}\n{caught}{thrown}")), Report::Failed);
        assert_eq!(of(DONE), Report::Done);
        assert_eq!(
            of(&format!("{raising}\n{caught}[2026-11-30 08:59:13Z INFO Worker] Job completed.\n")),
            Report::Done
        );
        assert_eq!(
            of(&format!("{raising}\n{caught}[2026-11-30 08:59:13Z INFO Worker] Job completed.\n{thrown}")),
            Report::Failed
        );
    }

    #[test]
    fn text_that_is_no_record_and_a_log_of_two_jobs_say_nothing() {
        assert_eq!(
            LastWord::read(b"Job result after all job steps finish: Succeeded\n"),
            LastWord::default()
        );
        assert_eq!(
            LastWord::read(b"[x INFO JobRunner] Job result after all job steps finish: Succeeded\n"),
            LastWord::default()
        );
        let begun = b"[2026-11-30 08:59:09Z INFO Worker] Version: 2.336.0\n";
        assert_eq!(LastWord::read(begun), LastWord { result: None, report: Report::NotBegun });
        assert_eq!(LastWord::read(b"\xff\xfe[\n[]\n[ ] \n"), LastWord::default());
        let two = format!(
            "[2026-11-30 08:59:12Z INFO JobRunner] Job result after all job steps finish: Failed\n{DONE}"
        )
        .repeat(2);
        assert_eq!(LastWord::read(two.as_bytes()), LastWord::default());
        assert_eq!(log("Splendid", DONE).result, None);
    }

    /// The listener's status and conclusion, the worker's result and report; then status, conclusion, cause, and whether to ask.
    type Case = (
        JobStatus,
        &'static str,
        &'static str,
        &'static str,
        Report,
        JobStatus,
        &'static str,
        &'static str,
        bool,
    );

    fn known(text: &str) -> Option<String> {
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    #[test]
    fn every_row_of_the_table_of_words() {
        use JobStatus::{Abandoned, Cancelled, Failed, Success};
        let rows: [Case; 20] = [
            (Success, "success", "", "Succeeded", Report::Done, Success, "success", "", false),
            (Success, "success", "", "SucceededWithIssues", Report::Done, Success, "success", "", false),
            (Failed, "failure", "oom", "Failed", Report::Done, Failed, "failure", "oom", false),
            // Deleted by the server at its completion, in its report or just after it.
            (Cancelled, "cancelled", "", "Succeeded", Report::Done, Success, "success", "", true),
            (Cancelled, "cancelled", "", "Succeeded", Report::Begun, Success, "success", "", true),
            (Cancelled, "cancelled", "", "Canceled", Report::Done, Cancelled, "cancelled", "", false),
            // Refused, or failed for good.
            (Failed, "failure", "", "Succeeded", Report::Failed, Failed, "", "not reported", true),
            (Failed, "failure", "", "Failed", Report::Failed, Failed, "", "not reported", true),
            // Ended by us.
            (Cancelled, "failure", "stopped", "Failed", Report::Done, Cancelled, "failure", "stopped", false),
            (Cancelled, "failure", "stopped", "Succeeded", Report::Done, Success, "success", "", false),
            (Cancelled, "failure", "stopped", "Failed", Report::Failed, Cancelled, "", "stopped", false),
            // The lock was lost; GitHub has it as cancelled.
            (
                Abandoned,
                "",
                "lock lost",
                "Canceled",
                Report::Done,
                Abandoned,
                "cancelled",
                "lock lost",
                false,
            ),
            // Killed by the listener, which tells nobody: it did not end in the time it had to cancel.
            (Cancelled, "cancelled", "", "", Report::NotBegun, Cancelled, "", "not reported", true),
            (Cancelled, "cancelled", "", "Canceled", Report::NotBegun, Cancelled, "", "not reported", true),
            (Cancelled, "failure", "stopped", "", Report::NotBegun, Cancelled, "", "stopped", false),
            // Nobody can read a log.
            (Cancelled, "cancelled", "", "", Report::Unread, Cancelled, "cancelled", "", false),
            // The worker was killed: the listener has told GitHub, or nobody knows.
            (Failed, "failure", "", "Succeeded", Report::NotBegun, Failed, "failure", "", false),
            (Failed, "failure", "", "Succeeded", Report::Begun, Failed, "", "", true),
            (Failed, "failure", "", "Failed", Report::Begun, Failed, "failure", "", true),
            // The listener died and its worker had said all.
            (Abandoned, "", "signal 9", "Succeeded", Report::Done, Success, "success", "", true),
        ];
        for (said, conclusion, cause, result, report, status, told, why, asks) in rows {
            let row = JobRecord {
                status: RowStatus::Finished(said),
                conclusion: known(conclusion),
                cause: known(cause),
                ..JobRecord::blank()
            };
            let word = LastWord { result: TaskResult::parse(result), report };
            let (row, ask) = settle(row, word);
            let got = (row.status, row.conclusion, row.cause, ask);
            assert_eq!(
                got,
                (RowStatus::Finished(status), known(told), known(why), asks),
                "{said:?} {result} {report:?}"
            );
        }
        let unknown = JobRecord { cause: Some("x".into()), ..JobRecord::blank() };
        assert_eq!(settle(unknown.clone(), LastWord::default()), (unknown, false));
    }
}
