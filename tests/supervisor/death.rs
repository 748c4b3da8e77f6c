//! Killed without warning: the listener, the worker, the supervisor. No job is lost, none is counted twice.

use crate::supervised::{Supervised, job, launches, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;

fn jobs(s: &Supervised, status: &str) -> Option<f64> {
    s.metric(&format!("github_runner_jobs_total{{status=\"{status}\"}}"))
}

#[test]
fn a_killed_listener_costs_its_job_and_takes_its_group_along() {
    require!("namespace", "bash");
    // A background process in the listener's group that the worker does not know of.
    let script = "env -u RUNNER_TRACKING_ID sleep 600 </dev/null >/dev/null 2>&1 & sleep 600";
    let long = json!({ "job": { "name": "long", "steps": [{ "run": script }] } });
    let mut s = launches(&[&[long], &[job("next", 100)]]).start();
    s.until("both sleep", |s| s.processes("sleep").len() == 2);
    let listener = s.until_process("Runner.Listener");
    let orphans = ns::descendants(listener);
    assert!(orphans.len() >= 4, "worker, step and its two: {orphans:?}");
    ns::send(listener, SIGKILL);
    s.until_log("event=restart_scheduled reason=killed");
    s.until("the old group is gone", |_| orphans.iter().all(|pid| ns::stat(*pid).is_none()));
    assert_eq!(s.log().matches("event=listener_started").count(), 1, "gone before the next launch");
    s.until("the next session's job is counted", |s| jobs(s, "success") == Some(1.0));
    let rows = s.table();
    assert_eq!(rows[1].status, "abandoned");
    assert!(rows[1].duration.parse::<f64>().is_ok_and(|d| d > 0.0), "its end was witnessed: {rows:?}");
    assert_eq!(jobs(&s, "abandoned"), Some(1.0));
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"killed\"}"), Some(1.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_killed_worker_fails_its_job() {
    require!("namespace");
    for code in [137, 134] {
        let worker = json!({ "crash": { "after_ms": 300, "code": code } });
        let crash = json!({ "job": { "name": "crash", "ms": 600_000, "worker": worker } });
        let mut s = runner(&[crash]).start();
        s.until("the job is counted", |s| jobs(s, "failed") == Some(1.0));
        s.until_state("idle");
        assert_eq!(s.stop(), 0);
        assert_eq!(s.results(), ["failed"]);
    }
}

/// The job metrics that a restart must keep, as printed.
fn histogram(s: &Supervised) -> Vec<String> {
    let page = s.get("/metrics").body;
    page.lines()
        .filter(|line| line.starts_with("github_runner_job_duration_seconds"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_killed_supervisor_leaves_nobody_behind_and_its_successor_knows_everything() {
    require!("namespace");
    let failing = json!({ "job": { "name": "b", "ms": 300, "result": "Failed" } });
    let mut s = runner(&[job("a", 300), failing, job("open", 600_000)]).start();
    s.until("two jobs are counted", |s| (jobs(s, "success"), jobs(s, "failed")) == (Some(1.0), Some(1.0)));
    s.until_state("busy");
    s.until_process("node");
    let before = histogram(&s);
    assert!(before.iter().any(|line| line.contains("_count") && line.ends_with(" 2")), "{before:?}");
    let old = s.all_processes();
    assert!(old.len() >= 4, "supervisor, listener, worker, step: {old:?}");
    ns::send(s.supervisor(), SIGKILL);
    assert_eq!(s.exit_code(), 137);
    assert!(s.log().contains("child was killed by SIGKILL (9)"), "{}", s.log());
    assert!(old.iter().all(|pid| ns::stat(*pid).is_none()));

    let mut next = runner(&[]).in_dir_of(&s).start();
    next.until("the open job is closed", |n| jobs(n, "abandoned") == Some(1.0));
    let row = next.table().pop().expect("rows");
    assert_eq!((row.name.as_str(), row.status.as_str(), row.duration.as_str()), ("open", "abandoned", ""));
    assert_eq!((jobs(&next, "success"), jobs(&next, "failed")), (Some(1.0), Some(1.0)));
    assert_eq!(next.metric("github_runner_jobs_started_total"), Some(3.0));
    assert_eq!(histogram(&next), before, "byte for byte");
    assert_eq!(next.stop(), 0);

    let mut third = runner(&[]).in_dir_of(&next).start();
    third.until_state("idle");
    assert_eq!((jobs(&third, "abandoned"), third.table().len()), (Some(1.0), 6), "closed once");
    assert_eq!(histogram(&third), before);
}
