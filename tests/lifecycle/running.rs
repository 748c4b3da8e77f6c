//! Running: idle it leaves at once, busy it drains, and the listener's exit is followed by what its code means.

use crate::case::Credential;
use crate::ns;
use crate::world::{Left, World, held, launch, let_go};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::{Value, json};

pub fn idle_stop(world: &World) {
    let mut s = world.start(&[launch(&[])], &[]);
    world.phase(&mut s, "idle");
    assert_eq!(world.fake.runners().len(), 1);
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], world.before_its_job());
    assert!(s.log().contains("event=finished reason=asked code=0"), "{}", s.log());
}

pub fn idle_exit_that_ends(world: &World) {
    for (code, reason) in [(0, "success"), (1, "terminated_error"), (7, "version_deprecated")] {
        let mut s = world.start(&[launch(&[json!({ "idle_ms": 100 }), json!({ "exit": code })])], &[]);
        world.ended(&mut s, code, &[], world.before_its_job());
        assert!(s.log().contains(&format!("event=finished reason={reason} code={code}")), "{}", s.log());
        assert_eq!(s.log().matches("event=listener_started").count(), 1);
        world.others_clean_up();
    }
}

pub fn idle_exit_that_is_followed_by_a_launch(world: &World) {
    let mut s = world.start(&[launch(&[json!({ "exit": 2 })]), launch(&[])], &[]);
    world.phase(&mut s, "backoff");
    let known = world.fake.runners();
    world.phase(&mut s, "idle");
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"retryable_error\"}"), Some(1.0));
    assert_eq!(world.fake.runners(), known, "the registration outlives the listener");
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], world.before_its_job());
}

/// The launch after it is at least 24 s away; that it registers anew is shown where time is an argument.
pub fn idle_exit_in_a_session_conflict(world: &World) {
    let mut s = world.start(&[launch(&[json!({ "exit": 5 })])], &[]);
    world.phase(&mut s, "backoff");
    s.until_log("event=restart_scheduled reason=session_conflict");
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], world.before_its_job());
}

pub fn idle_exit_of_a_dropped_registration(world: &World) {
    let told = launch(&[json!({ "deleted_on_server": {} })]);
    let mut s = world.start(&[told, launch(&[])], &[]);
    s.until_log("event=ghost_detected cause=removed_by_server");
    let first = world.fake.runners();
    world.fake.clear_runners();
    if !world.case.asks() {
        world.ended(&mut s, 0, &[], Left::Nobody);
        assert!(s.log().contains("event=finished reason=removed_by_server code=0"), "{}", s.log());
        return;
    }
    world.phase(&mut s, "backoff");
    world.phase(&mut s, "idle");
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"reregistered\"}"), Some(1.0));
    let second = world.fake.runners();
    assert!(second.len() == 1 && second[0].id > first[0].id, "{first:?}, {second:?}");
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], Left::Nobody);
}

pub fn busy_stop(world: &World) {
    let mut s = world.start(&[launch(&[held("long")])], &[]);
    world.phase(&mut s, "busy");
    s.signal(SIGTERM);
    match world.case.credential {
        Credential::Pat | Credential::App | Credential::AskedJit => {
            s.until_log("event=labels_taken_away");
            assert!(world.fake.runners()[0].labels.is_empty());
        }
        Credential::Token => s.until_log("event=labels_stay"),
        Credential::Jit => s.until_log("event=drain_started"),
    }
    world.phase(&mut s, "draining");
    assert!(!String::from_utf8_lossy(&s.out()).contains("Exiting..."), "nothing is sent");
    let_go(&s);
    world.ended(&mut s, 0, &["success"], world.after_its_job());
}

pub fn busy_exit(world: &World) {
    let mut s = world.start(&[launch(&[held("lost")]), launch(&[])], &[]);
    world.phase(&mut s, "busy");
    let step = s.until_process("bash");
    ns::send(s.until_process("Runner.Listener"), SIGKILL);
    if world.case.is_ephemeral() {
        world.ended(&mut s, 137, &["abandoned"], world.before_its_job());
        assert!(s.log().contains("event=finished reason=job_lost code=137"), "{}", s.log());
        assert!(ns::stat(step).is_none(), "nobody works for it any more");
        return;
    }
    world.phase(&mut s, "backoff");
    s.until("its end is on disk", |s| s.results() == ["abandoned"]);
    s.until("nobody works for it any more", |_| ns::stat(step).is_none());
    world.phase(&mut s, "idle");
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"killed\"}"), Some(1.0));
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &["abandoned"], world.before_its_job());
}

/// What a listener may do once its job has ended, with the code the container has then if that was its only job.
fn ends() -> [Value; 4] {
    [
        json!([{ "exit": 2 }]),
        json!([{ "exit": 5 }]),
        json!([{ "signal": 9 }]),
        // 2.336: "Cleaning up local configuration", 0.
        json!([{ "deleted_on_server": {} }]),
    ]
}

/// A one-job runner takes no second job and registers no second time, whoever could give it one; one that stays goes on.
pub fn after_a_job_every_end_of_the_listener(world: &World) {
    for after in ends() {
        let first = json!({ "job": { "name": "first", "ms": 100, "after": after } });
        let mut s = world.start(&[launch(&[first]), launch(&[held("second")])], &[]);
        if world.case.is_ephemeral() {
            assert_eq!(s.exit_code(), 0, "{after}: {}", s.log());
            assert_eq!(s.results(), ["success"], "{after}: {}", s.log());
            assert!(s.log().contains("event=finished reason=ephemeral_done code=0"), "{after}: {}", s.log());
            assert_eq!(s.log().matches("event=listener_started").count(), 1, "{after}: {}", s.log());
            assert!(s.log().matches("event=registered").count() <= 1, "{after}: {}", s.log());
            let files_are_gone = after[0]["deleted_on_server"].is_object();
            let stays = files_are_gone || world.case.credential == Credential::Jit;
            assert_eq!(world.fake.runners().len(), usize::from(stays), "{after}: {}", s.log());
        } else if after[0]["exit"] == 5 {
            // The next launch is at least 24 s away.
            s.until_log("event=restart_scheduled reason=session_conflict");
            s.signal(SIGTERM);
            s.exit_code();
        } else if after[0]["deleted_on_server"].is_object() && !world.case.asks() {
            assert_eq!(s.exit_code(), 0, "{}", s.log());
            assert!(s.log().contains("event=finished reason=removed_by_server code=0"), "{}", s.log());
        } else {
            s.until_log("event=job_started job=second");
            assert_eq!(s.log().matches("event=listener_started").count(), 2, "{}", s.log());
            let_go(&s);
            s.signal(SIGTERM);
            assert_eq!(s.exit_code(), 0, "{after}: {}", s.log());
            assert_eq!(s.results(), ["success", "success"], "{after}: {}", s.log());
        }
        world.others_clean_up();
    }
}

/// The listener has told no end: the code is its own. With 2 it cancels the job first, and the Worker leaves its word.
pub fn in_a_job_the_listener_leaves(world: &World) {
    if !world.case.is_ephemeral() {
        return;
    }
    for (code, status) in [(2, "failed"), (5, "abandoned")] {
        let lost = json!({ "job": { "name": "lost", "ms": 600_000, "completion": "missing", "during": [{ "exit": code }] } });
        let mut s = world.start(&[launch(&[lost]), launch(&[held("second")])], &[]);
        world.ended(&mut s, code, &[status], world.before_its_job());
        assert!(s.log().contains(&format!("event=finished reason=job_lost code={code}")), "{}", s.log());
        assert_eq!(s.log().matches("event=listener_started").count(), 1, "{}", s.log());
        world.others_clean_up();
    }
}
