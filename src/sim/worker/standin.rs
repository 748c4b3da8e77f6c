//! A Worker of a played recording: it is there, it has a step below it, it swallows signals as every Worker does, and it leaves
//! when it is told to.

use super::wire::Message;
use super::workspace;
use crate::environment::Environment;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Stdio};

/// Longer than any played job; a step that its killed Worker leaves behind ends some time all the same.
const STEP_MS: &str = "900000";

/// Lives until it is told to leave, or its listener is gone; one byte to `answers` for each step that ended by itself.
pub(super) fn live(root: &Path, messages: impl Iterator<Item = Message>, answers: &File) -> io::Result<i32> {
    let mut env = Environment::of_process();
    workspace::prepare_env(&mut env);
    let mut step: Option<Child> = None;
    let mut code = 1;
    for message in messages {
        match message {
            Message::Step { stubborn } => {
                end(step.take());
                step = Some(begin(&env, root, stubborn, answers.try_clone()?)?);
            }
            Message::EndStep => end(step.take()),
            Message::Leave(told) => {
                code = told;
                break;
            }
            Message::NewJobRequest(_)
            | Message::CancelRequest
            | Message::RunnerShutdown
            | Message::StandIn => {}
        }
    }
    end(step);
    Ok(code)
}

fn begin(env: &Environment, root: &Path, stubborn: bool, mut answers: File) -> io::Result<Child> {
    let mut command = env.command(root.join("externals/node20/bin/node"));
    command.args(["sleep", STEP_MS]);
    if stubborn {
        command.args(["--ignore", "INT", "--ignore", "TERM"]);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pid = Pid::from_raw(child.id().try_into().map_err(io::Error::other)?);
    std::thread::spawn(move || {
        // It is left to be reaped by whoever ends it, so that its pid stays its own until then.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid), flags) {}
        // A listener that has died does not want to know.
        _ = answers.write_all(b"\n");
    });
    Ok(child)
}

fn end(step: Option<Child>) {
    if let Some(mut step) = step {
        // It may have ended by itself.
        _ = step.kill();
        _ = step.wait();
    }
}
