//! Registering: a stop undoes what may be there, a failure is tried again, and what cannot be had is given up with 69.

use crate::case::Credential;
use crate::github::Play;
use crate::ns;
use crate::supervised::Supervised;
use crate::world::{Left, NAME, World, launch, unconnected};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use runner_init::github::Endpoint;
use serde_json::json;

/// An answer that nobody can read, though GitHub has made the runner.
const LOST: Play = Play::Raw(201, "application/json", "{");

/// Who is left where only the API could remove it.
fn unless_it_cannot_look(world: &World) -> Left {
    if world.case.asks() { Left::Nobody } else { Left::Said }
}

/// With a configuration that somebody else asked for there is nothing to register.
fn never_registered(s: &Supervised) {
    assert!(!s.log().contains("event=registration"), "{}", s.log());
}

pub fn stop(world: &World) {
    match world.case.credential {
        Credential::Pat | Credential::App | Credential::Token => {
            // Nothing else may wake who waits for GitHub's answer.
            let env =
                [("CONFIG_SH_HANGS", "1"), ("METRICS_UPDATE_INTERVAL", "1h"), ("RUNNER_STOP_GRACE", "60s")];
            let mut s = world.start(&[], &env);
            let sleeper = s.until_process("sleep");
            assert_eq!(world.fake.runners().len(), 1, "the server knows it, the disk does not");
            world.phase(&mut s, "registering");
            let secrets = world.fake.secrets();
            for pid in s.all_processes() {
                let argv = ns::read(format!("/proc/{pid}/cmdline").as_ref());
                assert!(
                    !secrets.iter().any(|secret| argv.contains(secret)),
                    "an argument list tells a secret"
                );
            }
            s.signal(SIGTERM);
            s.until("its group is killed", |_| ns::stat(sleeper).is_none_or(|stat| stat.state == 'Z'));
            world.ended(&mut s, 0, &[], unless_it_cannot_look(world));
            assert!(!s.log().contains("the time for it is over"), "GitHub's answer was heard: {}", s.log());
        }
        Credential::AskedJit => {
            world.fake.script(Endpoint::JitConfig, [Play::Hang]);
            let mut s = world.start(&[], &[]);
            s.until("GitHub is asked", |_| !world.fake.take_log().is_empty());
            world.fake.add_leftover(NAME, &["gpu"]);
            world.phase(&mut s, "registering");
            s.signal(SIGTERM);
            world.ended(&mut s, 0, &[], Left::Nobody);
        }
        Credential::Jit => {
            let mut s = world.start(&[unconnected()], &[]);
            s.until_log("event=listener_started");
            world.phase(&mut s, "starting");
            s.signal(SIGTERM);
            world.ended(&mut s, 0, &[], Left::ForItsOwner);
            never_registered(&s);
        }
    }
}

pub fn fails_then_succeeds(world: &World) {
    let mut s = match world.case.credential {
        Credential::Pat | Credential::App | Credential::Token => {
            let configure = json!([{ "outcome": "unreachable" }, { "outcome": "ok" }]);
            world.start_scenario(json!({ "configure": configure, "launches": [launch(&[])] }), &[])
        }
        Credential::AskedJit => {
            world.fake.script(Endpoint::JitConfig, [LOST]);
            let mut s = world.start(&[launch(&[])], &[]);
            s.until_log("event=registration_failed");
            world.fake.add_leftover(NAME, &["gpu"]);
            s
        }
        Credential::Jit => {
            let mut s = world.start(&[unconnected(), launch(&[])], &[]);
            s.until("it is on its way", |s| {
                String::from_utf8_lossy(&s.out()).contains("Connected to GitHub")
            });
            ns::send(s.until_process("Runner.Listener"), SIGKILL);
            s
        }
    };
    world.phase(&mut s, "backoff");
    world.phase(&mut s, "idle");
    let registers = world.case.credential != Credential::Jit;
    let reason = if registers { "registration_failed" } else { "killed" };
    let series = format!("github_runner_restarts_total{{reason=\"{reason}\"}}");
    assert_eq!(s.metric(&series), Some(1.0));
    assert_eq!(world.fake.runners().len(), 1, "the first attempt left none beside it");
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], world.before_its_job());
    if !registers {
        never_registered(&s);
    }
}

pub fn gives_up(world: &World) {
    let once = [("RUNNER_MAX_RESTARTS", "1")];
    match world.case.credential {
        Credential::Pat | Credential::App | Credential::Token => {
            let mut s = world.start_scenario(json!({ "configure": [{ "outcome": "unreachable" }] }), &once);
            world.phase(&mut s, "backoff");
            world.ended(&mut s, 69, &[], unless_it_cannot_look(world));
        }
        Credential::AskedJit => {
            world.fake.script(Endpoint::JitConfig, [LOST, LOST]);
            let mut s = world.start(&[], &once);
            s.until_log("event=registration_failed");
            world.fake.add_leftover(NAME, &["gpu"]);
            world.phase(&mut s, "backoff");
            world.ended(&mut s, 69, &[], Left::Nobody);
        }
        Credential::Jit => {
            let mut s = world.start(&[json!({ "connect_ms": 300, "session": "deleted" })], &once);
            world.fake.clear_runners();
            world.ended(&mut s, 1, &[], Left::Nobody);
            assert!(s.log().contains("event=finished reason=ghost code=1"), "{}", s.log());
            never_registered(&s);
        }
    }
}
