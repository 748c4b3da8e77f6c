//! On the way out: each further ask and each deadline takes the next step, and none of them is later than the orchestrator's KILL.

use crate::ns;
use crate::supervised::{Supervised, job};
use crate::world::{APART, World, deaf, docker_stop, launch, mute, unconnected};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
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

/// The listener was interrupted, once; it said how the job ended.
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

pub fn draining_deadline(world: &World) {
    let grace = Duration::from_secs(50);
    let env = [("RUNNER_STOP_GRACE", "50s"), ("RUNNER_DRAIN_TIMEOUT", "1s")];
    let mut s = world.start(&[launch(&[job("late", 600_000)])], &env);
    world.phase(&mut s, "busy");
    s.until_process("node");
    let took = docker_stop(&mut s, grace);
    assert!(took >= Duration::from_secs(1), "not before its time: {took:?}");
    world.ended(&mut s, 0, &["cancelled"], world.before_its_job());
    cancelled_properly(&s);
}

pub fn stopping_stop(world: &World) {
    let mut s = draining(world, mute(), "node");
    for event in ["listener_interrupted", "stop_hurried"] {
        std::thread::sleep(APART);
        s.signal(SIGTERM);
        s.until_log(&format!("event={event}"));
        world.phase(&mut s, "draining");
    }
    std::thread::sleep(APART);
    s.signal(SIGTERM);
    world.ended(&mut s, 137, &["abandoned"], world.before_its_job());
    assert!(s.log().contains("event=listener_killed"), "{}", s.log());
}

pub fn stopping_deadline(world: &World) {
    // With a report that does not come out, the whole time of the removal is given to it.
    let mut s = world.start(&[launch(&[mute()])], &[("RUNNER_STOP_GRACE", "10s")]);
    world.phase(&mut s, "busy");
    s.until_process("node");
    let took = docker_stop(&mut s, Duration::from_secs(10));
    assert!(took >= Duration::from_millis(7500), "not before its time: {took:?}");
    let left = world.in_a_hurry(&mut s);
    world.ended(&mut s, 137, &["abandoned"], left);
    assert!(s.log().contains("event=listener_killed"), "{}", s.log());
}

pub fn stopping_a_deaf_step(world: &World) {
    let mut s = world.start(&[launch(&[deaf()])], &[("RUNNER_STOP_GRACE", "10s")]);
    world.phase(&mut s, "busy");
    s.until_process("sleep");
    docker_stop(&mut s, Duration::from_millis(9500));
    let left = world.in_a_hurry(&mut s);
    world.ended(&mut s, 0, &["cancelled"], left);
    let log = s.log();
    assert!(
        log.contains("event=below_signalled signal=KILL") && !log.contains("event=listener_killed"),
        "{log}"
    );
}
