//! Between the rows: what an orchestrator does, what slips in, and the moments when nobody seems to listen.

use crate::case::{Case, Credential, Persistence};
use crate::ns;
use crate::require;
use crate::supervised::{Supervised, job};
use crate::world::{Left, World, docker_stop, held, launch, let_go};
use nix::sys::signal::Signal::SIGTERM;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::time::Duration;

pub fn docker_stop_loses_no_job_that_fits(world: &World) {
    // A drain of 12 s at least.
    let mut s = world.start(&[launch(&[job("fits", 1500)])], &[("RUNNER_STOP_GRACE", "60s")]);
    world.phase(&mut s, "busy");
    docker_stop(&mut s, Duration::from_secs(60));
    world.ended(&mut s, 0, &["success"], world.after_its_job());
    assert!(s.log().contains("event=drain_started"), "{}", s.log());
}

/// Like Docker's own 10 s, this has no room for a drain, but for everything else.
pub fn docker_stop_without_room_for_a_drain_cancels_properly(world: &World) {
    let mut s = world.start(&[launch(&[job("too long", 600_000)])], &[("RUNNER_STOP_GRACE", "20s")]);
    world.phase(&mut s, "busy");
    s.until_process("node");
    docker_stop(&mut s, Duration::from_secs(20));
    let left = world.in_a_hurry(&mut s);
    world.ended(&mut s, 0, &["cancelled"], left);
    assert!(!s.log().contains("event=listener_killed"), "{}", s.log());
}

/// A one-job runner is handed no second one: there the drain ends with the first.
pub fn a_job_that_slips_in_during_the_drain_finishes(world: &World) {
    let mut s = world.start(&[launch(&[held("long"), job("next", 300)])], &[]);
    world.phase(&mut s, "busy");
    s.signal(SIGTERM);
    world.phase(&mut s, "draining");
    let_go(&s);
    let jobs: &[&str] = if world.case.is_ephemeral() { &["success"] } else { &["success", "success"] };
    world.ended(&mut s, 0, jobs, world.after_its_job());
}

/// Signals that are blocked or caught by this process, as a mask.
fn heeds(pid: i32) -> u64 {
    let status = ns::read(format!("/proc/{pid}/status").as_ref());
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |text| u64::from_str_radix(text.trim(), 16).unwrap())
    };
    // Whom it waits for in `rt_sigtimedwait`, the kernel shows as not blocked.
    let waits = ns::read(format!("/proc/{pid}/wchan").as_ref()).contains("sigtimedwait");
    if waits { u64::MAX } else { mask("SigBlk:") | mask("SigCgt:") }
}

/// From the first instruction on: before PID 1 heeds a signal the kernel drops it, so there the orchestrator asks again.
pub fn a_stop_right_after_exec(world: &World) {
    const TERM: u64 = 1 << (SIGTERM as u64 - 1);
    for round in 0..6 {
        let mut s = world.plan(json!({ "launches": [launch(&[])] })).start_unseen();
        s.until("it is executed", |s| {
            s.try_pid()
                .is_some_and(|pid| ns::read(format!("/proc/{pid}/comm").as_ref()).starts_with("runner-init"))
        });
        let pid = s.pid();
        // Half of them within the start, half of them up to the first session.
        let most = if round % 2 == 0 { 20_000 } else { 400_000 };
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..most)));
        let heard = heeds(pid) & TERM != 0;
        ns::send(pid, SIGTERM);
        if !heard {
            s.until("it heeds", |s| s.ended().is_some() || heeds(pid) & TERM != 0);
            // It may have heard the first one, and be gone.
            let _ = kill(Pid::from_raw(pid), SIGTERM);
        }
        let code = s.exit_code();
        assert!(code == 0 || code == 143, "{code}: {}", s.log());
        assert_eq!(s.results(), [""; 0]);
        let said = s.log().contains("event=registration_left_behind");
        match world.case.credential {
            Credential::Jit => assert_eq!(world.fake.runners().len(), 1),
            // Its config.sh may have been broken off: it cannot look.
            Credential::Token => assert!(world.fake.runners().is_empty() || said, "{}", s.log()),
            Credential::Pat | Credential::App | Credential::AskedJit => {
                assert!(world.fake.runners().is_empty() && !said, "{}", s.log());
            }
        }
        world.others_clean_up();
    }
}

/// A listener that ends by a KILL, in a job or idle, while somebody still holds its pipes.
fn crash(in_job: bool) -> Value {
    let steps = [json!({ "hold_output_ms": 600_000 }), json!({ "idle_ms": 300 }), json!({ "signal": 9 })];
    if in_job {
        launch(&[json!({ "job": { "name": "lost", "ms": 600_000, "during": steps } })])
    } else {
        launch(&steps)
    }
}

/// The stop came before the listener's end was believed.
fn came_among_the_last_words(s: &Supervised) -> bool {
    let log = s.log();
    let place = |event: &str| log.find(event);
    place("event=stop_asked") < place("event=listener_died")
}

pub fn a_stop_among_the_last_words_of_a_crash(world: &World) {
    for in_job in [false, true] {
        let jobs: &[&str] = if in_job { &["abandoned"] } else { &[] };
        let met = (0..10).any(|_| {
            let mut s = world.start(&[crash(in_job)], &[]);
            // Before that the name is also that of config.sh's.
            s.until_log("event=session_created");
            let listener = s.until_process("Runner.Listener");
            s.until("it has died", |_| ns::stat(listener).is_none_or(|stat| stat.state == 'Z'));
            s.signal(SIGTERM);
            s.exit_code();
            let met = came_among_the_last_words(&s);
            // Too late is a stop in back-off.
            world.ended(&mut s, if met { 137 } else { 0 }, jobs, world.before_its_job());
            world.others_clean_up();
            met
        });
        assert!(met, "the window was never met");
    }
}

/// The two cases that there are not.
#[test]
fn a_just_in_time_runner_cannot_stay() {
    require!("namespace", "python3");
    let stays = [("RUNNER_EPHEMERAL", "false")];
    let world = |credential| World::of(Case { credential, persistence: Persistence::Persistent });
    let given = world(Credential::Jit);
    let mut s = given.start(&[launch(&[job("only", 100), job("never", 100)])], &stays);
    given.ended(&mut s, 0, &["success"], Left::ForGithub);
    assert!(
        s.log().contains("RUNNER_EPHEMERAL says=\"is ignored: a just-in-time runner takes one job\""),
        "{}",
        s.log()
    );
    let asked = world(Credential::AskedJit);
    let mut s = asked.start(&[], &stays);
    asked.ended(&mut s, 64, &[], Left::Nobody);
    assert!(
        s.log().contains("RUNNER_EPHEMERAL") && s.log().contains("contradicts RUNNER_JIT"),
        "{}",
        s.log()
    );
}
