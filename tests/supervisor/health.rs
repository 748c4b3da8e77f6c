//! `runner-init health` asks over the socket and needs neither port nor token; a spent runner may wait for a last scrape.

use crate::supervised::{PATIENCE, Supervised, job, plan, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGTERM;
use runner_init::child_setup::Ids;
use runner_init::sys::runner_user::RunnerUser;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Exit code and the one line it prints.
fn health(run_dir: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner-init"));
    command.arg("health").args(arguments).env_clear().env("RUNNER_RUN_DIR", run_dir);
    let output = command.output().expect("it runs");
    let line = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(line.ends_with('\n') && line.lines().count() == 1, "one line: {line:?}");
    assert!(output.stderr.is_empty(), "{:?}", output.stderr);
    (output.status.code().expect("an exit code"), line)
}

#[track_caller]
fn check(s: &Supervised, state: &str, healthy: i32, ready: i32) {
    let run_dir = s.path("run");
    assert_eq!(s.state(), state);
    let (code, line) = health(&run_dir, &[]);
    assert_eq!(code, healthy, "{line}");
    let (code, line) = health(&run_dir, &["--ready"]);
    assert_eq!(code, ready, "{line}");
    assert!(line.contains(state), "{line}");
}

#[test]
fn in_every_state() {
    require!("namespace");
    let mut s = plan(json!({ "launches": [{ "connect_ms": 600_000 }] })).start();
    s.until_state("starting");
    check(&s, "starting", 0, 1);
    drop(s);
    let mut s = runner(&[]).start();
    s.until_state("idle");
    check(&s, "idle", 0, 0);
    drop(s);
    let mut s = runner(&[job("long", 600_000)]).start();
    s.until_state("busy");
    check(&s, "busy", 0, 0);
    s.signal(SIGTERM);
    s.until_state("draining");
    check(&s, "draining", 0, 1);
    drop(s);
    let mut s = runner(&[json!({ "exit": 2 })]).start();
    s.until_state("backoff");
    check(&s, "backoff", 0, 1);
}

#[test]
fn without_a_supervisor() {
    require!("namespace");
    let mut s = runner(&[]).start();
    s.until_state("idle");
    let run_dir = s.path("run");
    assert_eq!(s.stop(), 0);
    let (code, line) = health(&run_dir, &[]);
    assert_eq!(code, 1);
    let said = "no supervisor runs here as this user";
    assert!(line.contains(said) && line.contains("http.sock") && line.contains("--url"), "{line}");
}

#[test]
fn behind_a_token_the_socket_is_open_and_the_port_is_not() {
    require!("namespace");
    let mut s = runner(&[]).env("METRICS_AUTH_TOKEN", "sesame-open-now-please").start();
    s.until_log("event=session_created");
    let (code, line) = health(&s.path("run"), &["--ready"]);
    assert_eq!(code, 0, "{line}");
    assert_eq!((s.get("/metrics").status, s.get("/readyz").status, s.get("/livez").status), (401, 401, 200));
    assert_eq!(s.stop(), 0);
}

#[test]
fn without_a_port_the_socket_still_answers() {
    require!("namespace");
    let mut s = runner(&[]).env("METRICS_ENABLED", "false").start();
    s.until_log("event=session_created");
    let (code, line) = health(&s.path("run"), &["--ready"]);
    assert_eq!(code, 0, "{line}");
    assert_eq!(s.stop(), 0);
}

/// An ephemeral runner whose one job is over.
fn spent(linger: &str) -> Supervised {
    let launch = json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": [job("only", 100)] });
    let scenario = json!({ "ephemeral": true, "launches": [launch] });
    let mut s = plan(scenario).env("METRICS_LINGER_SECONDS", linger).start();
    s.until_log("event=finished reason=ephemeral_done");
    s
}

#[test]
fn a_spent_runner_waits_for_its_last_scrape() {
    require!("namespace");
    let mut s = spent("60");
    std::thread::sleep(Duration::from_millis(500));
    let last = s.get("/metrics").body;
    assert!(last.lines().any(|line| line.starts_with("github_runner_jobs_total{")
        && line.contains("status=\"success\"")
        && line.ends_with(" 1")));
    let scraped = Instant::now();
    assert_eq!(s.exit_code(), 0);
    assert!(scraped.elapsed() < PATIENCE / 3, "once is enough: {:?}", scraped.elapsed());
}

#[test]
fn a_spent_runner_that_nobody_scrapes_leaves_in_time() {
    require!("namespace");
    let mut s = spent("2");
    let finished = Instant::now();
    assert_eq!(s.exit_code(), 0);
    assert!(finished.elapsed() >= Duration::from_secs(1), "{:?}", finished.elapsed());
}

#[test]
fn a_spent_runner_that_is_asked_to_go_waits_for_nobody() {
    require!("namespace");
    let mut s = spent("60");
    let asked = Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() < PATIENCE / 3, "{:?}", asked.elapsed());
}

/// Whoever may write the directory can put a socket there, and say on it what he likes.
#[test]
fn an_answer_of_somebody_else_is_not_believed() {
    require!("root");
    for (uid, believed) in [(4711, false), (0, true)] {
        let dir = tempfile::tempdir().expect("a directory");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(dir.path(), open).expect("ours");
        // The system notes who listens, on whichever thread.
        let ids = Ids { uid, gid: uid, groups: vec![uid] };
        let liar = RunnerUser { ids, home: "/".into(), name: uid.to_string() };
        let socket = dir.path().join("http.sock");
        let door = liar.run_as(|| UnixListener::bind(&socket)).expect("root may").expect("a socket");
        let says = std::thread::spawn(move || {
            let (mut guest, _) = door.accept().expect("a guest");
            let _ = guest.read(&mut [0; 4096]);
            let _ = guest.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\nall is well, sir");
        });
        let (code, line) = health(dir.path(), &[]);
        let expected =
            if believed { "all is well, sir\n" } else { "answered by uid 4711, who is neither us nor root" };
        assert!(code == i32::from(!believed) && line.contains(expected), "{code}: {line}");
        says.join().expect("no panic");
    }
}
