//! The connection to GitHub: its loss and its return are seen, told or not.

use crate::supervised::{Supervised, job, launches, plan, runner};
use crate::{ns, require};
use serde_json::json;

#[test]
fn a_loss_that_is_told_to_be_over() {
    require!("namespace");
    let lost = json!({ "disconnect": { "ms": 2500, "message": "no route to host" } });
    let mut s = runner(&[json!({ "idle_ms": 300 }), lost]).start();
    s.until_state("disconnected");
    assert_eq!((s.get("/readyz").status, s.get("/healthz").status), (503, 200), "GitHub's fault is not ours");
    assert_eq!(s.metric("github_runner_status"), Some(0.0));
    assert_eq!(s.metric("github_runner_connection_errors_total"), Some(1.0));
    s.until_state("idle");
    assert!(s.log().contains("event=reconnected how=listener"), "{}", s.log());
    assert_eq!(s.metric("github_runner_reconnects_total"), Some(1.0));
    assert_eq!((s.get("/readyz").status, s.metric("github_runner_status")), (200, Some(1.0)));
    assert!(s.log().contains("event=connection_lost message=\"no route to host\""), "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_loss_whose_end_is_not_told_ends_with_the_next_job() {
    require!("namespace");
    let lost = json!({ "disconnect": { "ms": 1500, "recovery": "silent" } });
    let mut s = runner(&[lost, job("proof", 1000)]).start();
    s.until_state("disconnected");
    s.until_state("busy");
    s.until_state("idle");
    assert_eq!(s.metric("github_runner_reconnects_total"), Some(1.0));
    assert_eq!(s.metric("github_runner_connection_errors_total"), Some(1.0));
    assert_eq!(s.stop(), 0);
    assert_eq!(s.results(), ["success"]);
}

/// The threads of the supervisor that follow the listener's trace.
fn followers(s: &Supervised) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", s.supervisor())).expect("it lives");
    let name = |task: std::io::Result<std::fs::DirEntry>| ns::read(&task.ok()?.path().join("comm")).into();
    tasks.filter_map(name).filter(|comm: &String| comm.trim() == "trace").count()
}

#[test]
fn the_trace_is_followed_while_the_connection_is_in_doubt_and_no_longer() {
    require!("namespace");
    let lost = json!({ "disconnect": { "ms": 3000, "recovery": "silent" } });
    let mut s = runner(&[json!({ "idle_ms": 500 }), lost, job("proof", 2000)]).start();
    s.until_state("idle");
    assert_eq!(followers(&s), 0);
    s.until_state("disconnected");
    s.until("it is followed", |s| followers(s) == 1);
    s.until_state("busy");
    s.until("it is let go", |s| followers(s) == 0);
    assert!(s.log().contains("event=reconnected how=job"), "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
#[ignore = "takes 65 s: so long silence has to last before it is a proof"]
fn a_connection_that_came_back_in_silence_is_read_from_the_trace_and_so_is_its_next_loss() {
    require!("namespace");
    let lost = |told: bool| json!({ "disconnect": { "ms": 500, "recovery": "silent", "told": told } });
    let steps = [
        lost(true),
        json!({ "idle_ms": 70_000 }),
        lost(false),
        json!({ "idle_ms": 2000 }),
        job("proof", 500),
    ];
    let mut s = runner(&steps).start();
    s.until_state("disconnected");
    std::thread::sleep(std::time::Duration::from_secs(50));
    assert_eq!(s.state(), "disconnected", "not before its time: {}", s.log());
    s.until_state("idle");
    assert!(s.log().contains("event=reconnected how=trace"), "{}", s.log());
    assert_eq!((s.get("/readyz").status, s.metric("github_runner_status")), (200, Some(1.0)));
    s.until_state("disconnected");
    assert_eq!(s.metric("github_runner_connection_errors_total"), Some(2.0));
    s.until("the job", |s| s.results() == ["success"]);
    assert_eq!(s.metric("github_runner_reconnects_total"), Some(2.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_loss_during_a_job_leaves_it_busy() {
    require!("namespace");
    let lost = json!({ "disconnect": { "ms": 600 } });
    let busy = json!({ "job": { "name": "long", "ms": 3000, "during": [{ "idle_ms": 200 }, lost] } });
    let mut s = runner(&[busy]).start();
    s.until_log("event=connection_lost");
    assert_eq!((s.state().as_str(), s.get("/readyz").status), ("busy", 200));
    s.until_log("event=reconnected");
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
    assert_eq!(s.results(), ["success"]);
}

#[test]
fn a_session_conflict_that_clears_is_waited_out() {
    require!("namespace");
    let session = json!({ "conflict": { "clears_after_ms": 60_000 } });
    let mut s = plan(json!({ "speed": 30, "launches": [{ "connect_ms": 10, "session": session }] })).start();
    s.until_log("event=session_conflicted");
    assert_ne!(s.state(), "idle", "a banner proves no session");
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_session_created_anew_is_no_restart() {
    require!("namespace");
    let mut s = runner(&[json!({ "idle_ms": 100 }), json!({ "banner": {} }), job("after", 100)]).start();
    s.until("two sessions and a job", |s| {
        s.log().matches("event=session_created").count() == 2 && s.results() == ["success"]
    });
    assert_eq!(s.log().matches("event=listener_started").count(), 1);
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_listener_that_closes_its_output_and_lives_is_launched_again_after_its_job() {
    require!("namespace");
    let unseen = job("unseen", 8000);
    let mut s = launches(&[&[json!({ "close_stdout": {} }), unseen], &[job("seen", 200)]]).start();
    s.until_log("event=listener_muted");
    let worker = s.until_process("Runner.Worker");
    assert!(!s.log().contains("event=listener_interrupted"), "a job nobody sees is a job: {}", s.log());
    s.until("the next one is seen", |s| s.results() == ["success"]);
    assert!(ns::stat(worker).is_none(), "it was let finish");
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"muted\"}"), Some(1.0));
    assert_eq!(s.stop(), 0);
}
