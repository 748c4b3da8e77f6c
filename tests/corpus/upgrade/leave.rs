//! What a runner of 2.3.0 leaves behind in four lives: jobs of every result, deployments, hostile names, a job that was killed with
//! its container, a compaction; and what it showed at its end. Made by 2.3.0 itself, see README.md beside this file.

use crate::{ns, require};
use crate::supervised::{Plan, Supervised, runner};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::{Value, json};
use std::path::PathBuf;

fn kept() -> PathBuf {
    PathBuf::from(std::env::var_os("LEFT").expect("LEFT: the directory for it"))
}

fn job(name: &str, ms: u64, result: &str, context: Value) -> Value {
    json!({ "job": { "name": name, "ms": ms, "spawn_ms": 60, "result": result, "context": context } })
}

/// A deployment of a commit that is so old.
fn deployment(name: &str, result: &str, age_ms: u64, git_ref: &str) -> Value {
    let context = json!({ "event_name": "push", "workflow": "CD", "event_age_ms": age_ms, "ref": git_ref });
    job(name, 40, result, context)
}

fn plan(steps: &[Value]) -> Plan {
    runner(steps).env("RUNNER_NAME", "docker-runner-4711")
}

fn life(earlier: Option<&Supervised>, steps: &[Value], ended: usize) -> Supervised {
    let mut s = match earlier {
        Some(earlier) => plan(steps).in_dir_of(earlier),
        // Its log is compacted.
        None => plan(steps).env("JOBS_LOG_MAX_RECORDS", "100"),
    }
    .start();
    s.until("its jobs are over", |s| s.log().matches("event=job_finished").count() == ended);
    s
}

#[test]
fn leave() {
    require!("namespace");
    let ci = |event: &str| json!({ "event_name": event, "workflow": "CI" });
    let early: Vec<Value> = (0..40).map(|n| job(&format!("matrix ({n})"), 5, if n % 7 == 3 { "Failed" } else { "Succeeded" }, ci("push"))).collect();
    let mut s = life(None, &early, 40);
    assert_eq!(s.stop(), 0);
    let hostile = [
        job("build, \"quoted\" — ünï ☃", 30, "Succeeded", ci("pull_request")),
        job("=1+1", 30, "Failed", ci("schedule")),
        job("two\nlines", 30, "Canceled", ci("workflow_dispatch")),
        job("not needed", 30, "Skipped", ci("push")),
        deployment("deploy", "Failed", 3_600_000, "refs/heads/main"),
        deployment("deploy", "Succeeded", 60_000, "refs/heads/main"),
        deployment("publish", "Succeeded", 90_000_000, "refs/tags/v1"),
        deployment("deploy next", "Failed", 5_000, "refs/heads/next"),
        job("lost with its container", 600_000, "Succeeded", ci("push")),
    ];
    let mut s = life(Some(&s), &hostile, 8);
    s.until("the last one runs", |s| s.state() == "busy" && s.rows().iter().any(|row| row.contains("lost with") && row.contains(",push,")));
    s.signal(SIGKILL);
    s.exit_code();
    let mut s = life(Some(&s), &[job("after it", 30, "Succeeded", ci("push"))], 1);
    s.until_state("idle");
    for (path, name) in [("/metrics", "metrics.txt"), ("/api/v1/jobs?limit=50", "jobs.json")] {
        let answer = s.get(path);
        assert_eq!(answer.status, 200, "{path}");
        std::fs::write(kept().join(name), answer.body).expect("ours");
    }
    assert_eq!(s.stop(), 0);
    for entry in std::fs::read_dir(s.path("state")).expect("there") {
        let entry = entry.expect("readable");
        if entry.file_type().expect("known").is_file() {
            std::fs::copy(entry.path(), kept().join(entry.file_name())).expect("ours");
        }
    }
}
