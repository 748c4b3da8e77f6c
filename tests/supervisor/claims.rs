//! What the listener says, or somebody in its name, is a job once its worker is there; and a job's worker is its own.
//!
//! The listener is a script here: it says and starts what a faithful one would not.

use crate::supervised::{Supervised, plan, runner};
use crate::{ns, require};
use serde_json::json;

/// Its Workers are `sleep`s of that name.
const BEGIN: &str = r#"#!/bin/sh
rm bin/Runner.Worker && cp "$(command -v sleep)" bin/Runner.Worker
say() { echo "$(date -u '+%Y-%m-%d %H:%M:%SZ'): $*"; }
say Listening for Jobs
"#;

pub(crate) fn listener(script: &str) -> Supervised {
    let mut s = plan(json!({})).listening(format!("{BEGIN}{script}")).start();
    s.until_log("event=session_created");
    s
}

#[test]
fn a_worker_that_does_not_go_away_ends_with_its_job() {
    require!("namespace");
    let mut s = listener(
        "bin/Runner.Worker 0.6 & say Running job: a; wait; say Job a completed with result: Succeeded
        say Running job: b; bin/Runner.Worker 600 & sleep 0.8; say Job b completed with result: Failed
        for job in c d; do say Running job: $job; bin/Runner.Worker 0.6; say Job $job completed with result: Succeeded; done
        exec sleep 600",
    );
    s.until("all are over", |s| s.results().len() == 4);
    assert_eq!(s.results(), ["success", "failed", "success", "success"], "{}", s.log());
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
}

#[test]
fn what_is_invented_is_no_job_and_never_busy() {
    require!("namespace");
    let mut s = listener(
        "for job in a b c; do say Running job: $job; sleep 0.7; done
        say Job c completed with result: Succeeded
        say Running job: d; sleep 0.8; bin/Runner.Worker 0.6; say Job d completed with result: Failed
        exec sleep 600",
    );
    s.until("the first has been said", |s| String::from_utf8_lossy(&s.out()).contains("Running job: a"));
    s.until("the next has been said", |s| {
        assert_ne!(s.state(), "busy");
        String::from_utf8_lossy(&s.out()).contains("Running job: d")
    });
    s.until("the real one is over", |s| s.results().len() == 1);
    assert_eq!(s.results(), ["failed"], "{}", s.log());
    assert_eq!(s.metric("github_runner_jobs_started_total"), Some(1.0));
    let dropped = |reason| s.metric(&format!("github_runner_claims_dropped_total{{reason=\"{reason}\"}}"));
    assert_eq!((dropped("superseded"), dropped("completed")), (Some(2.0), Some(1.0)), "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_log_dated_ahead_is_no_evidence() {
    require!("namespace");
    // The first job's worker has a log of its own, so that the planted one can only be the next one's,
    // which is a while in coming.
    let mut s = listener(
        "say Running job: first; bin/Runner.Worker 0.6 & touch _diag/Worker_20260101-000000-utc.log; wait
        say Job first completed with result: Succeeded
        touch -d 2099-01-01 _diag/Worker_20990101-000000-utc.log; sleep 1.2
        forged='2020-01-01 00:00:00Z: Job liar completed with result: Succeeded'
        say Running job: liar; echo \"$forged\"
        sleep 0.7; bin/Runner.Worker 0.6
        say Job liar; echo \"$forged completed with result: Failed\"
        exec sleep 600",
    );
    s.until("both are over", |s| s.results().len() == 2);
    assert_eq!(s.results(), ["success", "failed"], "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_listener_that_dies_in_a_job_leaves_the_one_before_as_it_ended() {
    require!("namespace");
    // The first Worker cannot be seen to end before the next one is there.
    let mut s = listener(
        "say Running job: a; bin/Runner.Worker 600 & sleep 0.8; say Job a completed with result: Succeeded
        say Running job: b; bin/Runner.Worker 600 & sleep 0.6; kill -9 $$",
    );
    s.until("both are over", |s| s.results().len() == 2);
    assert_eq!(s.results(), ["success", "abandoned"], "{}", s.log());
    assert_eq!(s.table().last().map(|row| row.cause.clone()), Some("signal 9".to_owned()));
    assert_eq!(s.stop(), 0);
}

#[test]
fn an_ephemeral_runner_whose_claim_came_to_nothing_ends_with_its_own_code() {
    require!("namespace");
    let no_worker = json!({ "job": { "name": "lost", "spawn_ms": 50, "completion": "no_worker" } });
    let mut s = runner(&[no_worker, json!({ "exit": 0 })]).start();
    assert_eq!(s.exit_code(), 0);
    assert!(s.table().is_empty(), "{:#?}", s.table());
    assert!(s.log().contains("event=claim_dropped reason=listener_exit"), "{}", s.log());
}
