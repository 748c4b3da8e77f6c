//! A Worker is started as the real dispatcher starts it: the line and the process come in either order.

use super::Running;
use crate::clock;
use crate::listener::{Event, Listener};
use crate::scenario::{Completion, Job};
use crate::terminal::Stream;
use crate::worker::wire::{Assignment, Message};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Stdio};
use std::sync::Arc;

impl Listener {
    /// The line is first, then the Worker, if one comes.
    pub(super) fn line_then_worker(
        &mut self,
        job: &Job,
        id: &str,
        plan: &str,
    ) -> ControlFlow<i32, Option<io::Result<Running>>> {
        self.terminal.stamped(&format!("Running job: {}", job.name));
        self.pause(job.spawn_ms)?;
        if self.stop.is_some() {
            // Cancelled before the Worker starts: there is no completion line.
            self.leave(None)?;
        }
        if job.completion == Completion::NoWorker {
            let text = "System.ComponentModel.Win32Exception (2): An error occurred trying to start process 'Runner.Worker'";
            self.terminal.info("JobDispatcher", text);
            return ControlFlow::Continue(None);
        }
        ControlFlow::Continue(Some(self.start_worker(job, id, plan)))
    }

    /// The Worker is first.
    pub(super) fn worker_then_line(
        &mut self,
        job: &Job,
        id: &str,
        plan: &str,
        ms: u64,
    ) -> ControlFlow<i32, Option<io::Result<Running>>> {
        let running = self.start_worker(job, id, plan);
        self.pace.sleep(ms);
        self.terminal.stamped(&format!("Running job: {}", job.name));
        ControlFlow::Continue(Some(running))
    }

    /// Starts the Worker as the real dispatcher does: two anonymous pipes, cwd `bin`, output captured.
    fn start_worker(&self, job: &Job, id: &str, plan: &str) -> io::Result<Running> {
        let (command_read, command_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (answers, answer_write) = pipe2(OFlag::O_CLOEXEC)?;
        for end in [&command_read, &answer_write] {
            fcntl(end.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        let bin = self.root.join("bin");
        let mut command = self.env.command(bin.join("Runner.Worker"));
        command.arg("spawnclient");
        command.args([&command_read, &answer_write].map(|end| end.as_raw_fd().to_string()));
        let mut child = command.current_dir(&bin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        self.relay(child.stdout.take());
        self.relay(child.stderr.take());
        self.watch(&child, File::from(answers));
        let message = Message::NewJobRequest(Box::new(Assignment {
            job: job.clone(),
            context: self.scenario.context.for_job(self.state.jobs, &job.context, clock::utc())?,
            job_id: id.to_owned(),
            plan_id: plan.to_owned(),
            request_id: self.state.jobs,
            runner_name: self.registration.agent_name.clone(),
            work_folder: self.registration.work_folder.clone(),
            speed: self.scenario.speed,
        }));
        let due = Vec::new();
        let commands = File::from(command_write);
        let mut running = Running { child, commands, due, cut: None, told: false, exit_after: None };
        running.tell(&message);
        Ok(running)
    }

    /// Forwards the Worker's output while log printing is on, and drops it otherwise.
    fn relay(&self, pipe: Option<impl Read + Send + 'static>) {
        let Some(pipe) = pipe else { return };
        let terminal = Arc::clone(&self.terminal);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if terminal.trace.printed() {
                    terminal.console.line(Stream::Stdout, &String::from_utf8_lossy(&line));
                }
            }
        });
    }

    /// Tells the event loop when the Worker is ready, and when it has ended; it is left to be reaped there, so its pid
    /// stays its own.
    fn watch(&self, child: &Child, mut answers: File) {
        let ready = self.sender.clone();
        std::thread::spawn(move || {
            if answers.read(&mut [0]).is_ok_and(|count| count == 1) {
                _ = ready.send(Event::WorkerReady);
            }
        });
        let sender = self.sender.clone();
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid is positive and fits"));
        std::thread::spawn(move || {
            while let Err(nix::errno::Errno::EINTR) =
                waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
            {}
            _ = sender.send(Event::WorkerEnded);
        });
    }
}
