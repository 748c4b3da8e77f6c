//! Deregistering: GitHub, or `config.sh`, may hang; then another ask or the deadline ends it, and what stays is said.

use crate::case::Credential;
use crate::github::Play;
use crate::supervised::Supervised;
use crate::world::{APART, Left, World, docker_stop, launch};
use nix::sys::signal::Signal::SIGTERM;
use runner_init::github::Endpoint;
use std::time::Duration;

/// An idle runner whose removal will hang.
fn stuck(world: &World, grace: &str) -> Supervised {
    let hangs = world.case.credential == Credential::Token;
    let hang = ("CONFIG_SH_REMOVE_HANGS", "1");
    let env = [("RUNNER_STOP_GRACE", grace), if hangs { hang } else { ("LANG", "C.UTF-8") }];
    let mut s = world.start(&[launch(&[])], &env);
    world.phase(&mut s, "idle");
    world.fake.script(Endpoint::DeleteRunner, [Play::Hang, Play::Hang, Play::Hang]);
    s
}

/// There is such a phase at all.
fn removes(world: &World) -> bool {
    world.case.credential != Credential::Jit
}

pub fn stop(world: &World) {
    let mut s = stuck(world, "60s");
    s.signal(SIGTERM);
    if !removes(world) {
        return world.ended(&mut s, 0, &[], Left::ForItsOwner);
    }
    s.until_log("event=deregistration_started");
    world.phase(&mut s, "draining");
    std::thread::sleep(APART);
    s.signal(SIGTERM);
    world.ended(&mut s, 0, &[], Left::Said);
}

pub fn deadline(world: &World) {
    let mut s = stuck(world, "10s");
    docker_stop(&mut s, Duration::from_secs(10));
    world.ended(&mut s, 0, &[], if removes(world) { Left::Said } else { Left::ForItsOwner });
}
