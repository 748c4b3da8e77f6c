//! Whatever a step does, a stop ends with GitHub told, nobody left, and within its grace; by the clocks of the real runner.

use crate::steps::{KINDS, Kind};
use crate::supervised::{Plan, Supervised, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGTERM;
use std::time::{Duration, Instant};

/// About what the real Worker needs for its uploads.
const UPLOAD: u64 = 600;

fn plan(kind: Kind, grace: u64) -> Plan {
    let plan = runner(&[kind.job(UPLOAD)]).env("RUNNER_STOP_GRACE", &format!("{grace}s"));
    // Otherwise it would be drained for.
    plan.env("RUNNER_DRAIN_TIMEOUT", "0s")
}

/// Its step works, in its own way of working.
fn works(mut s: Supervised, kind: Kind) -> Supervised {
    s.until_state("busy");
    s.until("the step works", |s| s.path("runner/_work/widgets/ready").exists());
    if kind.name == "stopped" {
        let is_stopped = |pid: i32| ns::stat(pid).is_some_and(|stat| stat.state == 'T');
        s.until("it is stopped", |s| s.processes("bash").into_iter().any(is_stopped));
    } else {
        // A shell that is interrupted before its child has begun goes on.
        let wanted = if kind.name == "a daemon holds its output" { 2 } else { 1 };
        s.until("it sleeps", |s| s.processes("sleep").len() == wanted);
    }
    s
}

/// Waits for the end, which GitHub has been told; how long it took from the signal that was sent at `asked`.
fn told(s: &mut Supervised, kind: Kind, asked: Instant) -> Duration {
    let before = s.all_processes();
    let code = s.exit_code();
    let took = asked.elapsed();
    let (name, log) = (kind.name, s.log());
    assert_eq!(code, 0, "{name}: {log}");
    assert!(!log.contains("event=listener_killed"), "{name}: {log}");
    let out = String::from_utf8_lossy(&s.out()).into_owned();
    assert!(out.contains("Job stopped completed with result: Canceled"), "{name}: {out}");
    // A Worker that was told to cancel says no more than this.
    let reported = worker_log(s).ends_with("INFO JobRunner] Raising job completed against run service\n");
    assert!(reported, "{name}: the Worker has reported it");
    let rows = s.table();
    let last = rows.last().expect("a row");
    let told = [&last.status, &last.conclusion, &last.cause].map(String::as_str);
    assert_eq!(told, ["cancelled", "failure", "stopped"], "{name}");
    assert!(before.into_iter().all(|pid| ns::stat(pid).is_none()), "{name}: somebody is left");
    took
}

fn worker_log(s: &Supervised) -> String {
    let files = crate::supervised::files(&s.path("runner/_diag"));
    let log = files.into_iter().find(|(name, _)| name.contains("/Worker_")).expect("a log of the worker");
    String::from_utf8_lossy(&log.1).into_owned()
}

/// Every kind at once, which mostly sleep; how long each took.
fn every_kind(grace: u64) -> Vec<(Kind, Duration, bool)> {
    let one = |kind: Kind| {
        let mut s = works(plan(kind, grace).start(), kind);
        let asked = Instant::now();
        s.signal(SIGTERM);
        let took = told(&mut s, kind, asked);
        assert!(took < Duration::from_secs(grace), "{}: {took:?}", kind.name);
        (kind, took, s.path("runner/_work/widgets/always").exists())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = KINDS.map(|kind| scope.spawn(move || one(kind))).into();
        all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn within_the_default_grace() {
    require!("namespace", "bash", "setsid");
    for (kind, took, always) in every_kind(10) {
        assert!(took < Duration::from_millis(9500), "{}: {took:?}", kind.name);
        assert_eq!(always, kind.name == "an always() step of 1 s", "{}: it had its turn", kind.name);
    }
}

#[test]
fn within_five_seconds() {
    require!("namespace", "bash", "setsid");
    every_kind(5);
}

#[test]
fn no_longer_than_the_ladder_whatever_the_grace() {
    require!("namespace", "bash", "setsid");
    for (kind, took, _) in every_kind(60) {
        assert!(took < Duration::from_secs(20), "{}: {took:?}", kind.name);
        let is_quick = ["ordinary", "stopped", "a session of its own"].contains(&kind.name);
        assert!(
            !is_quick || took < Duration::from_secs(5),
            "{}: its group was told at once: {took:?}",
            kind.name
        );
    }
}

/// A step that ignores everything that can be ignored.
fn stubborn() -> Kind {
    KINDS.into_iter().find(|kind| kind.name == "ignores INT and TERM").expect("in the list")
}

#[test]
fn a_second_ask_shortens_the_ladder_and_github_is_told_all_the_same() {
    require!("namespace", "bash");
    let mut s = works(plan(stubborn(), 60).start(), stubborn());
    let asked = Instant::now();
    s.signal(SIGTERM);
    s.until_log("event=listener_interrupted");
    std::thread::sleep(Duration::from_millis(1100));
    s.signal(SIGTERM);
    s.until_log("event=stop_hurried");
    let took = told(&mut s, stubborn(), asked);
    assert!(took < Duration::from_secs(8), "its own ladder would take longer: {took:?}");
}

#[test]
fn the_steps_of_another_user_are_told_too() {
    require!("namespace", "bash", "root");
    let kinds = ["a session of its own", "a daemon holds its output", "ignores INT and TERM"];
    for kind in KINDS.into_iter().filter(|kind| kinds.contains(&kind.name)) {
        let mut s = works(plan(kind, 10).with_runner_user(1234).start(), kind);
        let asked = Instant::now();
        s.signal(SIGTERM);
        told(&mut s, kind, asked);
    }
}
