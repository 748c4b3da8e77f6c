//! On the way out: each further ask and each deadline takes the next step, and none of them is later than the orchestrator's KILL.

use crate::ns;
use crate::supervised::{Supervised, job};
use crate::world::{APART, World, deaf, docker_stop, launch, unconnected};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::json;
use std::time::Duration;

/// In a drain that will not end by itself.
fn draining(world: &World, job: serde_json::Value, comm: &str) -> Supervised {
    let mut s = world.start(&[launch(&[job])], &[]);
    world.phase(&mut s, "busy");
    s.until_process(comm);
    s.signal(SIGTERM);
    world.phase(&mut s, "draining");
    s.until_log("event=drain_started");
    s
}

/// The listener, and it alone, was interrupted, once; it said how the job ended.
fn cancelled_properly(s: &Supervised) {
    let out = String::from_utf8_lossy(&s.out()).into_owned();
    assert_eq!(out.matches("Exiting...").count(), 1, "{out}");
    assert!(out.contains("completed with result: Canceled"), "{out}");
    assert!(s.log().contains("event=listener_interrupted cancels_job=true"), "{}", s.log());
    assert!(!s.log().contains("event=listener_killed"), "{}", s.log());
}

pub fn back_off_stop(world: &World) {
    let mut s = world.start(&[unconnected(), unconnected()], &[]);
    s.until_log("event=listener_started");
    ns::send(s.until_process("Runner.Listener"), SIGKILL);
    world.phase(&mut s, "backoff");
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], world.before_its_job());
    assert_eq!(s.log().matches("event=listener_started").count(), 1, "it was not launched again");
}

pub fn draining_stop(world: &World) {
    let mut s = draining(world, job("long", 600_000), "node");
    std::thread::sleep(APART);
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &["cancelled"], world.before_its_job());
    cancelled_properly(&s);
}

pub fn draining_exit(world: &World) {
    let mut s = draining(world, job("long", 600_000), "node");
    ns::send(s.until_process("Runner.Listener"), SIGKILL);
    world.ended(&mut s, 137, &["abandoned"], world.before_its_job());
    assert_eq!(s.log().matches("event=listener_started").count(), 1, "it was not launched again");
}

/// A step in the listener's own process group that notes every SIGINT it gets, beside one that ends by the Worker's.
fn witnessed() -> serde_json::Value {
    let witness = "import os, signal, time\n\
        signal.signal(signal.SIGINT, lambda *_: open('interrupted', 'w').close())\n\
        open('watching', 'w').close()\n\
        time.sleep(600)";
    let script = format!("python3 -c \"{witness}\" >/dev/null 2>&1 & exec sleep 600");
    json!({ "job": { "name": "late", "steps": [{ "run": script }] } })
}

pub fn draining_deadline(world: &World) {
    let grace = Duration::from_secs(50);
    let env = [("RUNNER_STOP_GRACE", "50s"), ("RUNNER_DRAIN_TIMEOUT", "1s")];
    let mut s = world.start(&[launch(&[witnessed()])], &env);
    let workspace = s.path("runner/_work/widgets/widgets");
    s.until("the witness watches", |_| workspace.join("watching").exists());
    let listener = s.until_process("Runner.Listener");
    let witness = s.until_process("python3");
    assert_eq!(ns::stat(witness).map(|stat| stat.group), Some(listener), "a group's signal would reach it");
    let took = docker_stop(&mut s, grace);
    assert!(took >= Duration::from_secs(1), "not before its time: {took:?}");
    world.ended(&mut s, 0, &["cancelled"], world.before_its_job());
    cancelled_properly(&s);
    assert!(!workspace.join("interrupted").exists(), "the signal was for the listener alone");
}

pub fn stopping_stop(world: &World) {
    let mut s = draining(world, deaf(), "sleep");
    std::thread::sleep(APART);
    s.signal(SIGTERM);
    s.until_log("event=listener_interrupted");
    world.phase(&mut s, "draining");
    std::thread::sleep(APART);
    s.signal(SIGTERM);
    world.ended(&mut s, 137, &["abandoned"], world.before_its_job());
    assert!(s.log().contains("event=listener_killed"), "{}", s.log());
}

pub fn stopping_deadline(world: &World) {
    // 4 s for the listener, 3 s for the removal, 1 s and 2 s for ourselves; 7 s where there is nothing to remove.
    let mut s = world.start(&[launch(&[deaf()])], &[("RUNNER_STOP_GRACE", "10s")]);
    world.phase(&mut s, "busy");
    s.until_process("sleep");
    let took = docker_stop(&mut s, Duration::from_secs(10));
    assert!(took >= Duration::from_secs(4), "not before its time: {took:?}");
    let left = world.in_a_hurry(&mut s);
    world.ended(&mut s, 137, &["abandoned"], left);
    assert!(s.log().contains("event=listener_killed"), "{}", s.log());
}
