//! Who gets the interrupt decides what still runs: the recordings `stop-group-*`, `stop-single-*` and `stop-steps-*`, done again.

use crate::harness::{Listener, Root, comm, descendants, poll};
use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;

const SCRIPT: &str = "#!/bin/bash\necho ran >> \"$RUNNER_WORKSPACE/completed\"\n";

/// The last record of a Worker that was told to cancel; others have one more.
const REPORTED: &str = "INFO JobRunner] Raising job completed against run service\n";

/// A job of a step that works and of what stands behind it, with a completed hook, as far as its first step.
fn begun(steps: &[Value]) -> (Root, Listener) {
    let root = Root::new(json!({ "speed": 5, "launches": [{ "steps": [{ "job": { "steps": steps } }] }] }));
    let hook = root.path("completed.sh");
    fs::write(&hook, SCRIPT).unwrap();
    let env = [("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", hook.to_str().unwrap())];
    let mut listener = root.run_with(&["--once"], &env);
    listener.until("Running job");
    poll("the step's work", || {
        root.path("_work/widgets/ready").exists() && below(&listener).iter().any(|pid| comm(*pid) == "sleep")
    });
    (root, listener)
}

/// What is below the Worker.
fn below(listener: &Listener) -> Vec<u32> {
    descendants(listener.worker())
}

/// `work` as a step's script that says when it begins.
fn step(work: &str) -> Value {
    json!({ "run": format!("touch $RUNNER_WORKSPACE/ready; {work}") })
}

fn always(name: &str) -> Value {
    json!({ "run": format!("sleep 0.8; touch $RUNNER_WORKSPACE/{name}"), "always": true })
}

fn send(pid: i32, signal: Signal) {
    // One of several may have ended meanwhile.
    _ = kill(Pid::from_raw(pid), signal);
}

fn left(root: &Root) -> Vec<&'static str> {
    let there = |name: &&str| root.path(&format!("_work/widgets/{name}")).exists();
    ["always", "second", "completed"].into_iter().filter(there).collect()
}

fn of(pid: u32) -> i32 {
    pid.try_into().unwrap()
}

#[test]
fn an_interrupt_of_the_group_lets_one_always_step_run_and_then_nothing() {
    let (root, mut listener) = begun(&[step("sleep 60"), always("always"), always("second")]);
    send(-of(listener.pid()), SIGINT);
    listener.until("completed with result: Canceled");
    assert_eq!(listener.code(), 0);
    assert_eq!(left(&root), ["always"], "it is cancelled, and a shell survives that for 7.5 s");
    let log = root.texts("_diag", "Worker_");
    assert!(log.contains("Job result after all job steps finish: Failed"), "GitHub hears a failure");
    assert!(log.contains("INFO Worker] Cancellation/Shutdown message received.\n"));
    assert!(log.ends_with(REPORTED), "and it hears it");
}

#[test]
fn an_interrupt_of_the_group_lets_the_completed_hook_run() {
    let (root, mut listener) = begun(&[step("sleep 60")]);
    send(-of(listener.pid()), SIGINT);
    assert_eq!((listener.code(), left(&root)), (0, vec!["completed"]));
}

#[test]
fn after_an_interrupt_of_the_listener_alone_nothing_more_runs() {
    let (root, mut listener) = begun(&[step("sleep 60"), always("always")]);
    listener.signal(SIGINT);
    assert_eq!((listener.code(), left(&root)), (0, vec![]));
}

#[test]
fn what_is_below_the_worker_can_be_ended_without_it() {
    let stubborn = step("trap '' INT TERM; sleep 60; sleep 60");
    let (root, mut listener) = begun(&[stubborn, always("always")]);
    listener.signal(SIGINT);
    poll("the Worker knows", || root.texts("_diag", "Worker_").contains("Runner will be shutdown"));
    for signal in [SIGINT, SIGTERM, SIGKILL] {
        for pid in below(&listener) {
            send(of(pid), signal);
        }
    }
    listener.until("completed with result: Canceled");
    assert_eq!((listener.code(), left(&root)), (0, vec![]));
    assert!(root.texts("_diag", "Worker_").ends_with(REPORTED));
}
