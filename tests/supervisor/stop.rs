//! Asked to go, at every phase: a job that fits is saved, one that does not is cancelled properly, and nobody waits for ever.

use crate::supervised::{Supervised, job, plan, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use serde_json::json;
use std::time::{Duration, Instant};

/// Asks this far apart are two.
const APART: Duration = Duration::from_millis(1100);

/// The one job has begun and its worker runs.
fn busy(steps: &[serde_json::Value], grace: &str) -> Supervised {
    let mut s = runner(steps).env("RUNNER_STOP_GRACE", grace).start();
    s.until_state("busy");
    s.until_process("node");
    s
}

/// A job whose Worker never gets its report out, by the time its step works.
fn mute(grace: &str) -> Supervised {
    let mute = json!({ "job": { "name": "mute", "ms": 600_000, "worker": { "upload_ms": 600_000 } } });
    busy(&[mute], grace)
}

/// Where `text` begins in what the runner said.
#[track_caller]
fn place(s: &Supervised, text: &str) -> usize {
    let out = String::from_utf8_lossy(&s.out()).into_owned();
    out.find(text).unwrap_or_else(|| panic!("{text} is missing in {out}"))
}

#[test]
fn before_the_session_it_leaves_with_0() {
    require!("namespace");
    let mut s = plan(json!({ "launches": [{ "connect_ms": 600_000, "shutdown_ms": 10 }] })).start();
    s.until_log("event=listener_started");
    assert_eq!((s.state().as_str(), s.get("/readyz").status), ("starting", 503));
    assert_eq!(s.stop(), 0);
    assert!(s.log().contains("event=finished reason=asked code=0"), "{}", s.log());
    assert_eq!(s.rows(), Vec::<String>::new());
}

#[test]
fn idle_it_leaves_with_0_by_either_signal() {
    require!("namespace");
    for signal in [SIGTERM, SIGINT] {
        let mut s = runner(&[]).start();
        s.until_state("idle");
        s.signal(signal);
        assert_eq!(s.exit_code(), 0, "{signal}");
        place(&s, "Exiting...");
    }
}

#[test]
fn a_job_that_fits_the_drain_is_saved_and_nothing_disturbs_it() {
    require!("namespace");
    let mut s = busy(&[job("saved", 2500)], "120s");
    s.signal(SIGTERM);
    s.until_log("event=drain_started");
    assert_eq!((s.state().as_str(), s.get("/readyz").status), ("draining", 503));
    assert_eq!((s.get("/livez").status, s.get("/healthz").status), (200, 200), "nobody may kill it for that");
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["success"]);
    assert!(
        place(&s, "completed with result: Succeeded") < place(&s, "Exiting..."),
        "no signal before the end"
    );
}

#[test]
fn a_job_that_does_not_fit_is_cancelled_properly() {
    require!("namespace");
    let mut s = busy(&[job("lost", 600_000)], "10s");
    assert_eq!(s.stop(), 0);
    assert_eq!(s.results(), ["cancelled"]);
    assert!(place(&s, "Exiting...") < place(&s, "Job lost completed with result: Canceled"));
    assert!(s.log().contains("event=listener_interrupted cancels_job=true"), "{}", s.log());
}

#[test]
fn a_drain_that_is_over_becomes_a_cancel() {
    require!("namespace");
    // 39 s are 1 s of drain, 34.5 s for the listener, and 3.5 s for ourselves.
    let mut s = busy(&[job("late", 600_000)], "39s");
    let asked = Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(s.results(), ["cancelled"]);
}

#[test]
fn between_the_start_line_and_the_worker_the_job_is_saved_if_it_fits() {
    require!("namespace");
    let early = json!({ "job": { "name": "early", "ms": 100, "spawn_ms": 1500 } });
    let mut s = runner(&[early]).start();
    s.until("the runner has said so", |s| String::from_utf8_lossy(&s.out()).contains("Running job: early"));
    s.signal(SIGTERM);
    s.until_log("event=drain_started");
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["success"]);
}

#[test]
fn between_the_start_line_and_the_worker_a_job_that_does_not_fit_was_none() {
    require!("namespace");
    // Long enough for a busy machine to ask before the worker is there, and not as long as the listener has.
    let early = json!({ "job": { "name": "early", "spawn_ms": 10_000 } });
    let grace = [("RUNNER_STOP_GRACE", "60s"), ("RUNNER_DRAIN_TIMEOUT", "0")];
    let mut s = runner(&[early]).env(grace[0].0, grace[0].1).env(grace[1].0, grace[1].1).start();
    s.until("the runner has said so", |s| String::from_utf8_lossy(&s.out()).contains("Running job: early"));
    assert_eq!(s.stop(), 0);
    assert!(!String::from_utf8_lossy(&s.out()).contains("completed with result"), "nobody said how it ended");
    assert!(s.table().is_empty(), "{:#?}", s.table());
    assert!(s.log().contains("event=claim_dropped reason=listener_exit"), "{}", s.log());
}

#[test]
fn in_back_off_it_leaves_at_once() {
    require!("namespace");
    let mut s = runner(&[json!({ "exit": 2 })]).start();
    s.until_state("backoff");
    let asked = Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() < Duration::from_secs(3), "the launch was due in 4 s: {:?}", asked.elapsed());
    assert_eq!(s.log().matches("event=listener_started").count(), 1);
}

#[test]
fn during_a_self_update_the_updater_may_end() {
    require!("namespace", "bash");
    // At this speed it takes between 2 and 5 s.
    let launch =
        json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": [{ "update": { "download_ms": 10 } }] });
    let mut s = plan(json!({ "speed": 0.6, "launches": [launch] })).start();
    s.until_log("event=update_awaited");
    assert_eq!(s.stop(), 0);
    assert!(s.log().contains("event=update_ended finished=true"), "{}", s.log());
    assert!(s.path("runner/bin").is_symlink(), "the new version is in place");
    assert!(!s.path("runner/update.finished").exists());
    assert_eq!(s.log().matches("event=listener_started").count(), 1);
}

#[test]
fn during_a_self_update_the_second_ask_insists() {
    require!("namespace", "bash");
    // It would be waited for for 31 s.
    let mut s = runner(&[json!({ "update": { "download_ms": 10, "outcome": "no_flag" } })]).start();
    s.until_log("event=update_awaited");
    s.signal(SIGTERM);
    s.until_log("event=stop_asked");
    std::thread::sleep(APART);
    assert_eq!(s.stop(), 0);
    assert!(!s.log().contains("event=update_ended"), "it waited for nothing more: {}", s.log());
}

#[test]
fn during_a_self_update_the_grace_is_kept() {
    require!("namespace", "bash");
    // It would be waited for for 31 s.
    let update = json!({ "update": { "download_ms": 10, "outcome": "no_flag" } });
    let mut s = runner(&[update]).env("RUNNER_STOP_GRACE", "3s").start();
    s.until_log("event=update_awaited");
    let asked = Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(s.log().contains("event=update_ended finished=false"), "{}", s.log());
}

#[test]
fn at_any_moment_it_leaves_with_0_and_no_job_stays_open() {
    require!("namespace");
    let round = || {
        let jobs =
            [json!({ "job": { "name": "quick", "ms": 50, "spawn_ms": 50 } }), json!({ "idle_ms": 50 })];
        let launch = json!({ "connect_ms": 50, "shutdown_ms": 10, "steps": jobs });
        let mut s = plan(json!({ "launches": [launch], "then": "repeat" })).start();
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..600_000)));
        assert_eq!(s.stop(), 0, "{}", s.log());
        let begun = s.table().iter().filter(|row| row.status == "running").count();
        assert_eq!(begun, s.results().len(), "{:?}", s.table());
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| (0..6).for_each(|_| round()))));
    });
}

#[test]
fn a_listener_that_does_not_stop_is_killed_with_its_group_in_time() {
    require!("namespace");
    // 6 s are 4.8 s for the listener, of which its last words have 0.5 s, and the rest for ourselves.
    let mut s = mute("6s");
    let old = s.all_processes();
    let asked = Instant::now();
    assert_eq!(s.stop(), 137);
    assert!(asked.elapsed() < Duration::from_secs(6), "before the orchestrator would: {:?}", asked.elapsed());
    assert!(asked.elapsed() >= Duration::from_millis(4300), "not before its time: {:?}", asked.elapsed());
    assert!(s.log().contains("event=listener_killed"), "{}", s.log());
    assert!(old.into_iter().all(|pid| ns::stat(pid).is_none()));
    assert_eq!(s.results(), ["abandoned"]);
}

#[test]
fn the_second_ask_insists() {
    require!("namespace");
    let mut s = busy(&[job("lost", 600_000)], "120s");
    s.signal(SIGTERM);
    s.until_log("event=drain_started");
    std::thread::sleep(APART);
    assert_eq!(s.stop(), 0);
    assert_eq!(s.results(), ["cancelled"]);
}

#[test]
fn each_further_ask_takes_the_next_step_and_the_last_one_kills() {
    require!("namespace");
    let mut s = mute("120s");
    for event in ["drain_started", "listener_interrupted", "stop_hurried"] {
        s.signal(SIGTERM);
        s.until_log(&format!("event={event}"));
        std::thread::sleep(APART);
    }
    assert_eq!(s.stop(), 137);
    let log = s.log();
    assert!(log.contains("event=listener_killed") && log.contains("cause=stopped"), "{log}");
    assert_eq!(s.results(), ["abandoned"], "nobody said how it ended");
}

#[test]
fn quit_is_asked_twice() {
    require!("namespace");
    let mut s = busy(&[job("lost", 600_000)], "120s");
    s.signal(SIGQUIT);
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["cancelled"]);
    assert!(!s.log().contains("event=drain_started"), "{}", s.log());
}

#[test]
fn a_storm_of_asks_is_one() {
    require!("namespace");
    let mut s = busy(&[job("saved", 2500)], "120s");
    let pid = s.pid();
    (0..500).for_each(|_| ns::send(pid, SIGTERM));
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["success"]);
    assert_eq!(s.log().matches("event=stop_asked").count(), 1);
}

#[test]
fn usr1_lets_the_job_end_however_short_the_grace() {
    require!("namespace");
    let mut s = busy(&[job("saved", 2500)], "10s");
    s.signal(SIGUSR1);
    s.until_state("draining");
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["success"]);
    let mut s = runner(&[]).start();
    s.until_state("idle");
    s.signal(SIGUSR1);
    assert_eq!(s.exit_code(), 0, "nothing to wait for");
}

#[test]
fn hup_and_usr2_mean_nothing() {
    require!("namespace");
    let mut s = runner(&[]).env("LOG_LEVEL", "debug").start();
    s.until_state("idle");
    for (signal, name) in [(SIGHUP, "SIGHUP"), (SIGUSR2, "SIGUSR2")] as [(Signal, &str); 2] {
        s.signal(signal);
        s.until_log(&format!("event=signal_ignored signal={name}"));
    }
    assert_eq!(s.state(), "idle");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_stop_waits_for_no_scraper_s_connection() {
    require!("namespace");
    let mut s = runner(&[]).start();
    s.until_state("idle");
    let _silent = std::net::TcpStream::connect(s.address()).expect("it listens");
    let asked = Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}
