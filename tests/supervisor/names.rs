//! Whatever a job is called, and however often and in what pieces the runner says it: it is one job, with its own result.

use crate::supervised::{Supervised, job, plan, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use runner_sim::hostile_names;
use serde_json::{Value, json};

/// What the runner can return, and what the job log says.
const RESULTS: [(&str, &str); 4] = [
    ("Succeeded", "success"),
    ("Failed", "failed"),
    ("Skipped", "skipped"),
    ("SucceededWithIssues", "success"),
];

const STATUSES: [&str; 5] = ["success", "failed", "cancelled", "skipped", "abandoned"];

/// Jobs of these names, with results in turn, and the results expected of them.
fn jobs(names: &[String]) -> (Vec<Value>, Vec<&'static str>) {
    let results = || RESULTS.iter().cycle();
    let job = |(name, (result, _)): (&String, &(&str, &str))| json!({ "job": { "name": name, "ms": 100, "result": result } });
    let steps = names.iter().zip(results()).map(job).collect();
    (steps, results().take(names.len()).map(|(_, status)| *status).collect())
}

/// Jobs begun, and jobs over by status, on `/metrics`.
fn counters(s: &Supervised) -> Vec<f64> {
    let over = STATUSES.map(|status| format!("github_runner_jobs_total{{status=\"{status}\"}}"));
    let series = ["github_runner_jobs_started_total".to_owned()].into_iter().chain(over);
    series.map(|series| s.metric(&series).expect("it is seeded")).collect()
}

#[track_caller]
fn all_are_counted_once(s: &mut Supervised, expected: &[&str]) {
    // A row comes before its counter, and both after the line: so first the line, then as many counted as there are jobs.
    s.until("the runner is done", |s| {
        String::from_utf8_lossy(&s.out()).contains("THE END") && s.state() == "idle"
    });
    s.until("all jobs are over", |s| s.results().len() >= expected.len());
    let count = |status: &str| expected.iter().filter(|e| **e == status).count();
    let jobs = [expected.len()].into_iter().chain(STATUSES.map(count));
    let wanted: Vec<f64> = jobs.map(|jobs| f64::from(u32::try_from(jobs).expect("few"))).collect();
    s.until("the rows are counted", |s| counters(s).iter().sum::<f64>() >= wanted.iter().sum());
    assert_eq!(s.results(), expected, "{:#?}\n{}", s.table(), s.log());
    assert_eq!(counters(s), wanted);
}

fn the_end() -> Value {
    json!({ "stdout": "THE END\n" })
}

/// Every hostile name in two halves, since a job takes half a second.
fn hostile(half: usize) {
    let names = hostile_names("victim");
    let middle = names.len() / 2;
    let (mut steps, expected) = jobs(if half == 0 { &names[..middle] } else { &names[middle..] });
    steps.push(the_end());
    let mut s = runner(&steps).start();
    all_are_counted_once(&mut s, &expected);
    assert_eq!(s.stop(), 0);
}

#[test]
fn hostile_names_are_counted_once_each() {
    require!("namespace");
    hostile(0);
}

#[test]
fn names_that_forge_lines_are_counted_once_each() {
    require!("namespace");
    hostile(1);
}

#[test]
fn a_name_cannot_forge_its_own_result() {
    require!("namespace");
    let forged = "2026-08-17 13:15:44Z: Job x completed with result: Succeeded";
    let names = [
        format!("x\n{forged}"),
        format!("x\n{forged}\n"),
        format!("x\n{forged}\n2026-08-17 13:15:44Z: Running job: x\nlast"),
        "x\nCurrent runner version: '6.6.6'\nlast".into(),
        "x\n2026-08-17 13:15:44Z: Job x".into(),
    ];
    let failing = |name: &String| json!({ "job": { "name": name, "ms": 100, "result": "Failed" } });
    let mut steps: Vec<Value> = names.iter().map(failing).collect();
    steps.push(the_end());
    let mut s = runner(&steps).start();
    all_are_counted_once(&mut s, &["failed"; 5]);
    assert!(!s.get("/metrics").body.contains("6.6.6"), "a version is not a job's to say");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_trace_on_stdout_is_heard_once_doubled_or_spliced() {
    require!("namespace");
    for splice in [false, true] {
        let (mut steps, expected) = jobs(&["a".into(), "b: c".into(), "d".into()]);
        steps.push(the_end());
        let launch = json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": steps });
        let scenario = json!({ "console": { "splice": splice }, "launches": [launch] });
        let mut s = plan(scenario).env("RUNNER_PRINT_LOG", "true").start();
        all_are_counted_once(&mut s, &expected);
        let out = String::from_utf8_lossy(&s.out()).into_owned();
        assert!(out.contains("INFO Terminal] WRITE LINE: "), "the trace was on: {out}");
        assert_eq!(s.log().matches("event=session_created").count(), 1);
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn a_completion_that_never_comes_leaves_the_worker_s_word() {
    require!("namespace");
    let silent = json!({ "job": { "name": "silent", "ms": 100, "completion": "missing" } });
    let no_worker = json!({ "job": { "name": "no worker", "spawn_ms": 700, "completion": "no_worker" } });
    let steps = [
        silent,
        json!({ "idle_ms": 700 }),
        no_worker,
        json!({ "idle_ms": 700 }),
        job("last", 100),
        the_end(),
    ];
    let mut s = runner(&steps).start();
    all_are_counted_once(&mut s, &["success", "success"]);
    assert_eq!(s.table()[1].duration, "", "nobody saw its end");
    assert_eq!(
        s.metric("github_runner_claims_dropped_total{reason=\"superseded\"}"),
        Some(1.0),
        "it had no worker"
    );
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_supervisor_that_was_held_up_hears_everything_late_and_right() {
    require!("namespace");
    let short = |name: &str| json!({ "job": { "name": name, "ms": 100, "result": "Failed" } });
    let pause = || json!({ "idle_ms": 1000 });
    let steps = [pause(), short("a"), pause(), short("b"), pause(), job("c", 2500), the_end()];
    let mut s = runner(&steps).start();
    s.until_log("event=session_created");
    ns::send(s.supervisor(), SIGSTOP);
    // Two jobs are over and the third one's worker runs before a word of it is read.
    let begun = s.path("runner/sim-state.json");
    s.until("the third job", |s| ns::read(&begun).contains("\"jobs\":3") && !s.processes("node").is_empty());
    ns::send(s.supervisor(), SIGCONT);
    all_are_counted_once(&mut s, &["failed", "failed", "success"]);
    assert_eq!(s.stop(), 0);
}
