//! What a long job log costs: us at the start, the predecessor at every update.

use super::report::{Report, Target, median, millis, number, table};
use super::server::{Kind, script, setup};
use super::{Plan, process};
use chrono::DateTime;
use runner_init::domain::context::Context;
use runner_init::domain::record::{HEADER, JobRecord, JobStatus, RowStatus};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// More records than there are rows.
pub(crate) const NO_FOLDING: &str = "100000000";

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let rounds = plan.pick(5, 1);
    report.topic(
        "The job log: replay at start",
        &format!(
            "Ours: exec to first 200 with so many rows (`JOBS_LOG_MAX_RECORDS` larger still, so that nothing is folded), its peak \
             RSS, and PSS of both roles once it serves; median of {rounds}. `folding`: the same with the default of 10,000 records, \
             so that the start also rewrites the log; `folded`: the start after that. The stand-in: processor time of one update, \
             which it repeats every 30 s; not tried beyond 100,000 rows, where one update takes longer than its interval allows \
             ten others."
        ),
    );
    if let Some(why) = Kind::Ours.missing() {
        return report.left_out(&format!("replay of {why}"));
    }
    let sizes: &[usize] = plan.pick(&[0, 1000, 10_000, 100_000, 1_000_000], &[0, 1000, 10_000]);
    let rows: Vec<Vec<String>> = sizes.iter().map(|size| line(*size, rounds, plan, report)).collect();
    let head = [
        "rows",
        "start ms",
        "peak RSS kB",
        "PSS kB",
        "folding ms",
        "peak RSS kB",
        "folded ms",
        "target",
        "met",
        "stand-in CPU ms",
    ];
    table(&head, &rows);
}

/// One start over a job log.
pub(crate) struct Start {
    pub(crate) ms: f64,
    /// Milliseconds of the supervisor's processor time until it served.
    pub(crate) cpu: f64,
    peak: f64,
    pss: f64,
}

fn line(size: usize, rounds: usize, plan: &Plan, report: &mut Report) -> Vec<String> {
    let text = ours(size);
    let many = |max: &str, again: bool| {
        let starts: Vec<Start> = (0..rounds).map(|_| start(&text, size, max, again, plan)).collect();
        let of = |figure: fn(&Start) -> f64| median(starts.iter().map(figure).collect());
        (of(|s| s.ms), of(|s| s.peak), of(|s| s.pss))
    };
    let (unfolded, folding, folded) = (many(NO_FOLDING, false), many("10000", false), many("10000", true));
    let mut cells = vec![number(size as f64), number(unfolded.0), number(unfolded.1), number(unfolded.2)];
    cells.extend([folding.0, folding.1, folded.0].map(number));
    if size == 1_000_000 {
        cells.extend(report.judge("replay of 1,000,000 rows", unfolded.0, Target::AtMost(1000.0, "ms")));
    } else {
        cells.extend([String::new(), String::new()]);
    }
    cells.push(match Kind::Predecessor.missing() {
        _ if size > 100_000 => "not tried".to_owned(),
        Some(why) => {
            report.left_out(&format!("update of {why}"));
            "-".to_owned()
        }
        None => number(predecessor_update(size)),
    });
    cells
}

/// A start over so many rows, `again` the one after it; none of them may be lost.
pub(crate) fn start(text: &[u8], rows: usize, max: &str, again: bool, plan: &Plan) -> Start {
    let mut setup = setup();
    std::fs::write(setup.log(), text).expect("a job log");
    if again {
        setup = setup.env("JOBS_LOG_MAX_RECORDS", max).start(Kind::Ours, plan).end();
    }
    let server = setup.env("JOBS_LOG_MAX_RECORDS", max).start(Kind::Ours, plan);
    let supervisor = server.pids()[1];
    let cpu = process::cpu_ns(supervisor) as f64 / 1e6;
    let started = server.metric(&["github_runner_jobs_started_total{"]) as usize;
    assert_eq!(started, rows.div_ceil(2), "rows were lost");
    let peak = process::peak_rss(supervisor) as f64;
    Start { ms: millis(server.first_200), cpu, peak, pss: server.sum(process::pss) as f64 }
}

/// Two rows a job, as we write them.
pub(crate) fn ours(rows: usize) -> Vec<u8> {
    let mut text = [HEADER.as_bytes(), b"\n"].concat();
    text.reserve(rows * 256);
    for row in 0..rows {
        let (job, ended) = (row / 2, row % 2 == 1);
        let status = match (ended, job % 10) {
            (false, _) => RowStatus::Running,
            (true, 0) => RowStatus::Finished(JobStatus::Failed),
            (true, 1) => RowStatus::Finished(JobStatus::Cancelled),
            (true, _) => RowStatus::Finished(JobStatus::Success),
        };
        let millis = (job * 7919 % 5000 * 1000 + job % 1000) as u64;
        let seconds = i64::try_from(job).expect("a few");
        let begun = DateTime::from_timestamp(1_767_225_600 + seconds, 123_000_000).expect("in range");
        let record = JobRecord {
            timestamp: begun,
            job_id: format!("{}_build", 9_000_000 + job),
            status,
            duration: ended.then(|| Duration::from_millis(millis)),
            job_name: Some(format!("build ({job})")),
            context: Context {
                workflow: Some("CI".into()),
                repository: Some("octo-org/octo-repo".into()),
                run_id: Some((9_000_000 + job).to_string()),
                run_attempt: Some("1".into()),
                event: Some("push".into()),
                git_ref: Some("refs/heads/main".into()),
                sha: Some("0f3a2b1c0f3a2b1c0f3a2b1c0f3a2b1c0f3a2b1c".into()),
                ..Context::default()
            },
            started_at: Some(begun),
            ..JobRecord::blank()
        };
        text.extend(record.to_csv_row());
    }
    text
}

/// Processor milliseconds of one update over a log in the predecessor's five columns.
fn predecessor_update(rows: usize) -> f64 {
    let setup = setup();
    let mut text = String::new();
    for row in 0..rows {
        let _ = writeln!(text, "2026-01-01T00:00:00Z,{row},success,{},0", row * 7919 % 5000);
    }
    std::fs::write(setup.log(), text).expect("a job log");
    let before = process::children_used_ms();
    let metrics: &Path = &setup.log().with_file_name("metrics.prom");
    let mut command = Command::new("bash");
    command.args([&script("collector.sh"), "once"]).env("JOBS_LOG", setup.log()).env("METRICS_FILE", metrics);
    assert!(command.status().expect("starts").success());
    process::children_used_ms() - before
}
