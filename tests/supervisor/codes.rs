//! The listener's exit codes: which of them end the container and with what, which are followed by a launch.

use crate::supervised::{job, launches, plan, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;

#[test]
fn codes_that_end_the_container() {
    require!("namespace");
    for (exit, reason) in [
        (0, "success"),
        (1, "terminated_error"),
        (7, "version_deprecated"),
        (100, "job_result"),
        (102, "job_result"),
    ] {
        let mut s = runner(&[json!({ "exit": exit })]).start();
        assert_eq!(s.exit_code(), exit);
        assert!(s.log().contains(&format!("event=finished reason={reason} code={exit}")), "{}", s.log());
        assert_eq!(s.log().matches("event=listener_started").count(), 1);
    }
}

#[test]
fn codes_that_are_followed_by_a_launch() {
    require!("namespace");
    for (exit, reason, seconds) in [
        (2, "retryable_error", 4..=5),
        (5, "session_conflict", 24..=30),
        (42, "unknown", 4..=5),
        (134, "killed", 4..=5),
        (143, "killed", 4..=5),
    ] {
        let mut s = runner(&[json!({ "exit": exit })]).start();
        s.until_state("backoff");
        s.until_log(&format!("event=restart_scheduled reason={reason}"));
        let log = s.log();
        let said =
            log.split("seconds=").nth(1).and_then(|t| t.split_whitespace().next()?.parse::<u64>().ok());
        assert!(said.is_some_and(|said| seconds.contains(&said)), "{exit}: {log}");
        assert_eq!(s.get("/readyz").status, 503);
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn a_launch_after_a_failure_is_counted_and_forgotten_with_the_next_session() {
    require!("namespace");
    let mut s = launches(&[&[json!({ "exit": 2 })], &[]]).start();
    s.until_log("event=listener_started pid=");
    s.until("the second session", |s| s.log().matches("event=session_created").count() == 2);
    s.until_state("idle");
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"retryable_error\"}"), Some(1.0));
    assert!(s.get("/api/v1/status").body.contains("\"failures\":0"), "{}", s.get("/api/v1/status").body);
    assert_eq!(s.stop(), 0);
}

#[test]
fn it_gives_up_with_the_listener_s_own_code() {
    require!("namespace");
    let mut s = runner(&[json!({ "exit": 2 })]).env("RUNNER_MAX_RESTARTS", "0").start();
    assert_eq!(s.exit_code(), 2);
    assert!(s.log().contains("event=finished reason=gave_up code=2"), "{}", s.log());

    // A session would forgive every failure before it, so these launches never get one.
    let mut s = plan(json!({ "launches": [{ "connect_ms": 600_000 }], "then": "repeat" }))
        .env("RUNNER_MAX_RESTARTS", "1")
        .start();
    for launch in 1..=2 {
        s.until("it is launched", |s| s.log().matches("event=listener_started").count() == launch);
        let listener = s.until_process("Runner.Listener");
        ns::send(listener, SIGKILL);
    }
    assert_eq!(s.exit_code(), 137);
    assert!(s.log().contains("event=finished reason=gave_up code=137"), "{}", s.log());
}

#[test]
fn an_ephemeral_runner_leaves_after_its_job_and_says_so() {
    require!("namespace");
    let failing = json!({ "job": { "name": "only", "ms": 200, "result": "Failed" } });
    let launch = json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": [failing, job("never", 10)] });
    let mut s = plan(json!({ "ephemeral": true, "launches": [launch] })).start();
    assert_eq!(s.exit_code(), 0, "also if the job failed");
    assert!(s.log().contains("event=finished reason=ephemeral_done code=0"), "{}", s.log());
    assert_eq!(s.results(), ["failed"]);
}

#[test]
fn a_runner_that_the_server_no_longer_knows_leaves_and_says_why() {
    require!("namespace");
    let mut s = runner(&[json!({ "deleted_on_server": {} })]).start();
    assert_eq!(s.exit_code(), 0);
    assert!(s.log().contains("event=ghost_detected cause=removed_by_server"), "{}", s.log());
    assert!(s.log().contains("event=finished reason=removed_by_server code=0"), "{}", s.log());
    for (session, cause) in [("deleted", "registration_deleted"), ("not_found_on_server", "not_on_server")] {
        let mut s = plan(json!({ "launches": [{ "connect_ms": 10, "session": session }] })).start();
        assert_eq!(s.exit_code(), 1);
        assert!(s.log().contains(&format!("event=ghost_detected cause={cause}")), "{}", s.log());
        assert!(s.log().contains("event=finished reason=ghost code=1"), "{}", s.log());
    }
}

#[test]
fn a_disowned_runner_that_stays_is_a_ghost() {
    require!("namespace");
    let words = "The runner no longer exists on the server. Please reconfigure the runner.\n";
    let mut s = runner(&[json!({ "stderr": words })]).start();
    s.until_state("ghost");
    assert_eq!((s.get("/healthz").status, s.get("/readyz").status), (503, 503));
    assert_eq!(s.metric("github_runner_status"), Some(0.0));
    assert_eq!(s.stop(), 0);
}

fn last_words(text: &str, code: i32) -> serde_json::Value {
    json!({ "last_words": { "text": text, "code": code } })
}

#[test]
fn a_version_that_github_no_longer_serves() {
    require!("namespace");
    let deprecated = |r: &str| {
        last_words(
            &format!(
                "An error occu{r}ed: Runner version v2.332.0 is deprecated and cannot receive messages."
            ),
            1,
        )
    };
    let at_session = || plan(json!({ "launches": [{ "connect_ms": 10, "session": "deprecated" }] }));
    for scenario in [
        at_session(),
        at_session().env("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1"),
        runner(&[deprecated("r")]),
        runner(&[deprecated("rr")]),
    ] {
        let mut s = scenario.start();
        assert_eq!(s.exit_code(), 7, "{}", s.log());
        assert!(s.log().contains("event=runner_complained"), "{}", s.log());
        assert!(s.log().contains("event=finished reason=version_deprecated code=7"), "{}", s.log());
    }
}

#[test]
fn a_hiccup_of_github_s_ends_no_runner() {
    require!("namespace");
    let refused = last_words("An error occurred: Get next message failed with non-retryable error.", 1);
    let mut s = launches(&[&[refused], &[job("after", 100)]]).start();
    s.until_log("event=restart_scheduled reason=poll_refused");
    s.until("the job after it", |s| s.results() == ["success"]);
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"poll_refused\"}"), Some(1.0));
    assert!(s.get("/api/v1/status").body.contains("\"failures\":0"), "a job proves it to be over");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_runner_that_was_deleted_is_a_ghost_in_the_words_of_every_version() {
    require!("namespace");
    let gone = "2026-11-30 09:12:32Z: Runner connect error: Registration lab was not found.. Retrying until reconnected.\n";
    for (steps, cause) in [
        (vec![last_words("An error occurred: Runner not found", 1)], "not_on_server"),
        (vec![last_words("An error occurred: Registration lab was not found.", 2)], "registration_not_found"),
        (vec![json!({ "stderr": gone }), json!({ "exit": 2 })], "registration_not_found"),
    ] {
        let mut s = runner(&steps).start();
        assert_eq!(s.exit_code(), 1, "{}", s.log());
        assert!(s.log().contains(&format!("event=ghost_detected cause={cause}")), "{}", s.log());
        assert!(s.log().contains("event=finished reason=ghost code=1"), "{}", s.log());
    }
    let mut s = runner(&[json!({ "stderr": gone })]).start();
    s.until_state("ghost");
    assert_eq!(
        (s.get("/healthz").status, s.metric("github_runner_connection_errors_total")),
        (503, Some(0.0))
    );
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_self_update_is_awaited_and_no_failure() {
    require!("namespace", "bash");
    // The updater waits until the old listener has been reaped: at this speed it looks every 0.2 s.
    let update = json!({ "update": { "version": "2.337.0", "download_ms": 10 } });
    let launch = |steps| json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": steps });
    let scenario =
        json!({ "speed": 10, "launches": [launch(json!([update])), launch(json!([job("after", 2000)]))] });
    let mut s = plan(scenario).start();
    s.until("the job after it is counted", |s| s.results() == ["success"]);
    s.until("the new version", |s| s.metric("github_runner_info{version=\"2.337.0\"}") == Some(1.0));
    assert_eq!(s.metric("github_runner_info{version=\"2.336.0\"}"), None, "the old one is gone");
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"runner_updating\"}"), Some(1.0));
    assert!(s.get("/api/v1/status").body.contains("\"failures\":0"), "{}", s.get("/api/v1/status").body);
    assert!(!s.log().contains("event=restart_scheduled"), "{}", s.log());
    assert!(s.path("runner/bin").is_symlink() && !s.path("runner/update.finished").exists());
    assert_eq!(s.stop(), 0);
}

#[test]
#[ignore = "takes 31 s: all the time an updater is given"]
fn a_self_update_that_fails_is_not_awaited_for_ever() {
    require!("namespace", "bash");
    let update = json!({ "update": { "download_ms": 10, "outcome": "no_flag" } });
    let mut s = launches(&[&[update], &[]]).start();
    s.until_log("event=update_awaited");
    std::thread::sleep(std::time::Duration::from_secs(25));
    assert!(!s.log().contains("event=update_ended"), "not before its time");
    s.until_log("event=update_ended finished=false");
    s.until("the old version again", |s| s.log().matches("event=session_created").count() == 2);
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"runner_updating\"}"), Some(1.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn with_no_thread_to_be_had_an_update_is_awaited_all_the_same() {
    require!("namespace", "root", "setpriv", "prlimit", "bash");
    // As a pids limit that a job has used up: no thread and no process more for the supervisor.
    let full = "prlimit --nproc=1:1 --pid $(cut -d ' ' -f 1 /proc/1/task/1/children)";
    let job = json!({ "job": { "name": "full", "spawn_ms": 0, "steps": [{ "run": full }] } });
    let mut s = runner(&[job, json!({ "update": { "download_ms": 10 } })]).owned_by(4711).start();
    s.until_log("event=update_ended finished=true");
    s.until_log("event=restart_scheduled reason=spawn_failed");
    assert_eq!(s.stop(), 0);
}
