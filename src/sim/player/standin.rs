//! The Worker of a played job, as its listener sees it: a child of the right name, told what to do through a pipe.

use super::Heard;
use crate::environment::Environment;
use crate::worker::wire::Message;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::Sender;

/// A Worker that is only there.
#[derive(Debug)]
pub(super) struct StandIn {
    child: Child,
    commands: File,
    /// Its step takes INT and TERM as nothing.
    pub(super) stubborn: bool,
}

impl StandIn {
    /// Starts it as the real dispatcher starts a Worker.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(env: &Environment, root: &Path, heard: &Sender<Heard>) -> io::Result<StandIn> {
        let (command_read, command_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (answers, answer_write) = pipe2(OFlag::O_CLOEXEC)?;
        for end in [&command_read, &answer_write] {
            fcntl(end.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        let bin = root.join("bin");
        let mut command = env.command(bin.join("Runner.Worker"));
        command.arg("spawnclient");
        command.args([&command_read, &answer_write].map(|end| end.as_raw_fd().to_string()));
        let child = command.current_dir(&bin).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        watch(&child, File::from(answers), heard)?;
        let mut worker = StandIn { child, commands: File::from(command_write), stubborn: false };
        worker.tell(&Message::StandIn);
        Ok(worker)
    }

    /// Its pid.
    pub(super) fn number(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn begin_step(&mut self, stubborn: bool) {
        self.stubborn = stubborn;
        self.tell(&Message::Step { stubborn });
    }

    pub(super) fn end_step(&mut self) {
        self.tell(&Message::EndStep);
    }

    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
    }

    /// Leaves, and is gone when this returns.
    pub(super) fn leave(mut self, code: i32) {
        self.tell(&Message::Leave(code));
        _ = self.child.wait();
    }

    /// Errors mean that it is gone, which its exit tells better.
    fn tell(&mut self, message: &Message) {
        let line = serde_json::to_string(message).expect("a message is plain data");
        _ = self.commands.write_all(format!("{line}\n").as_bytes());
    }
}

/// Tells the player when a step has ended, and when the Worker has; it is left to be reaped by [`StandIn::leave`].
fn watch(child: &Child, mut answers: File, heard: &Sender<Heard>) -> io::Result<()> {
    let (number, steps, sender) = (child.id(), heard.clone(), heard.clone());
    let pid = Pid::from_raw(number.try_into().map_err(io::Error::other)?);
    std::thread::spawn(move || {
        while answers.read(&mut [0]).is_ok_and(|count| count == 1) {
            _ = steps.send(Heard::StepEnded(number));
        }
    });
    std::thread::spawn(move || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid), flags) {}
        _ = sender.send(Heard::WorkerEnded(number));
    });
    Ok(())
}
