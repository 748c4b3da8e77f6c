//! Refusals to start are clear, early and have their code; nothing has been launched by then.

use crate::supervised::{Supervised, runner};
use crate::{ns, require};

/// It has ended with this code and said this, and the runner was never started.
#[track_caller]
fn refuses(mut s: Supervised, code: i32, says: &[&str]) {
    assert_eq!(s.exit_code(), code, "{}", s.log());
    let log = s.log();
    assert!(says.iter().all(|text| log.contains(text)), "expected {says:?} in: {log}");
    assert!(!log.contains("event=listener_started"), "{log}");
    assert_eq!(s.out(), b"", "the runner has said nothing");
}

#[test]
fn a_job_log_that_another_supervisor_writes() {
    require!("namespace");
    let mut first = runner(&[]).start();
    first.until_state("idle");
    let path = first.path("state/jobs.log");
    let path = path.to_str().expect("UTF-8");
    let second = runner(&[]).env("JOBS_LOG", path).start();
    refuses(second, 64, &["runner-init: JOBS_LOG: ", path]);
    assert_eq!(first.state(), "idle");
    assert_eq!(first.stop(), 0);
    // The lock goes with its holder, so the next one may have it.
    let mut third = runner(&[]).env("JOBS_LOG", path).start();
    third.until_state("idle");
}

#[test]
fn a_port_that_is_taken() {
    require!("namespace");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let s = runner(&[]).env("METRICS_PORT", &port).start();
    refuses(s, 71, &[&format!("127.0.0.1:{port}"), "METRICS_PORT", "in use"]);
}

#[test]
fn a_directory_without_a_runner() {
    require!("namespace");
    let s = runner(&[]).env("RUNNER_DIR", "/nonexistent").start();
    refuses(s, 64, &["RUNNER_DIR", "/nonexistent", "bin/Runner.Listener"]);
}

#[test]
fn a_runner_that_is_not_configured() {
    require!("namespace");
    let s = runner(&[]).unconfigured().start();
    refuses(s, 64, &["RUNNER_DIR", ".runner"]);
}

#[test]
fn faults_of_the_configuration_come_all_at_once() {
    require!("namespace");
    let s = runner(&[]).env("METRICS_PORT", "many").env("RUNNER_STOP_GRACE", "soon").start();
    refuses(s, 64, &["METRICS_PORT", "RUNNER_STOP_GRACE"]);
}
