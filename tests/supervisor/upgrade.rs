//! What 2.3.0 has left goes on: its job log as it stands, every counter and histogram of it to the last digit, every job of the API.
//!
//! `tests/corpus/upgrade` was made by 2.3.0 itself.

use crate::supervised::{Plan, Supervised, job, runner};
use crate::{ns, require};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The families that are views of the job log.
const OF_THE_LOG: [&str; 8] = [
    "github_runner_jobs_total{",
    "github_runner_jobs_started_total{",
    "github_runner_job_duration_seconds_",
    "github_runner_queue_time_seconds_",
    "github_runner_deployments_total{",
    "github_runner_lead_time_seconds_",
    "github_runner_recovery_time_seconds_",
    "github_runner_last_deployment_",
];

fn corpus(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/corpus/upgrade", name].iter().collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(corpus(name)).expect("it is in the tree")
}

/// As 2.3.0 was run.
fn plan(steps: &[Value]) -> Plan {
    runner(steps).env("RUNNER_NAME", "docker-runner-4711")
}

/// The series of the job log, each with its value as written.
fn of_the_log(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter(|line| OF_THE_LOG.iter().any(|name| line.starts_with(name)));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series.into(), value.into()))
        .collect()
}

/// The last jobs, newest first.
fn jobs(text: &str) -> Vec<serde_json::Map<String, Value>> {
    let mut answer: Value = serde_json::from_str(text).expect("JSON");
    serde_json::from_value(answer["jobs"].take()).expect("a list of jobs")
}

fn log(s: &Supervised) -> Vec<u8> {
    std::fs::read(s.path("state/jobs.log")).expect("a job log")
}

#[test]
fn the_job_log_of_2_3_0_goes_on_where_it_ended() {
    require!("namespace");
    let before = of_the_log(&read("metrics.txt"));
    assert!(before.len() > 40, "{before:?}");
    let left = [corpus("jobs.log"), corpus("jobs.log.snapshot")];
    let mut s = plan(&[]).with_state(&left).start();
    s.until_state("idle");
    let now = of_the_log(&s.get("/metrics").body);
    for (series, value) in &before {
        // What never happened has no series any more.
        let unsaid = value == "0" && !now.contains_key(series);
        assert!(unsaid || now.get(series) == Some(value), "{series}: {value}, now {:?}", now.get(series));
    }
    let known = jobs(&s.get("/api/v1/jobs?limit=50").body);
    let earlier = jobs(&read("jobs.json"));
    assert_eq!(known.len(), earlier.len());
    for (now, before) in known.iter().zip(&earlier) {
        for (field, value) in before {
            assert_eq!(now.get(field), Some(value), "{field} of {before:?}");
        }
    }
    let text = std::fs::read(corpus("jobs.log")).expect("it is in the tree");
    assert!(log(&s) == text, "nothing is written before there is something to say");
    assert_eq!(s.stop(), 0);

    let mut s = plan(&[job("the first of 2.4", 20)]).in_dir_of(&s).start();
    let success = "github_runner_jobs_total{status=\"success\"}";
    let is_success =
        |series: &str| series.starts_with("github_runner_jobs_total{") && series.contains("success");
    let (_, then) = before.iter().find(|(series, _)| is_success(series)).expect("seeded");
    let next = then.parse::<f64>().expect("a count") + 1.0;
    s.until("it is counted", |s| s.metric(success) == Some(next));
    assert!(log(&s).starts_with(&text), "rows are appended, columns and header stay");
    assert_eq!(s.stop(), 0);
}
