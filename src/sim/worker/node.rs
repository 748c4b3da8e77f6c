//! Stands in for the bundled node: a step that is no script is a child process that lives for a while and exits.

use crate::environment::Environment;
use crate::tether;
use nix::unistd::setsid;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// `node sleep MS [--exit N] [--ignore INT|TERM]… [--daemon MS [--untracked] [--holds-output]] [--session]`; all
/// milliseconds are real ones. Anything else, a real script too, fails.
pub(crate) fn main(args: &[String]) -> i32 {
    tie();
    let number = |name: &str| value(args, name).and_then(|text| text.parse::<u64>().ok());
    let Some(ms) = number("sleep") else { return 1 };
    if args.iter().any(|arg| arg == "--session") {
        // Fails only for a group leader, which is its own session's business then.
        _ = setsid();
    }
    for (name, signal) in [("INT", SIGINT), ("TERM", SIGTERM)] {
        let ignored = args.windows(2).any(|pair| pair[0] == "--ignore" && pair[1] == name);
        if ignored && signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).is_err() {
            return 1;
        }
    }
    if number("--daemon").is_some_and(|life| daemon(life, args).is_err()) {
        return 1;
    }
    std::thread::sleep(Duration::from_millis(ms));
    number("--exit").and_then(|code| code.try_into().ok()).unwrap_or(0)
}

/// To the owner of the runner whose `externals/nodeN/bin/node` this is.
fn tie() {
    let program = std::env::args_os().next().unwrap_or_default();
    if let Some(root) = Path::new(&program).ancestors().nth(4) {
        tether::tie(root);
    }
}

fn value<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    args.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str())
}

/// Leaves a process in its own session behind.
fn daemon(life: u64, args: &[String]) -> io::Result<()> {
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let mut env = Environment::of_process();
    if has("--untracked") {
        env.0.remove("RUNNER_TRACKING_ID");
    }
    let program = std::env::args_os().next().unwrap_or_default();
    let mut command = env.command(program);
    command.args(["sleep", &life.to_string(), "--session"]).stdin(Stdio::null());
    if !has("--holds-output") {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    command.spawn().map(drop)
}
