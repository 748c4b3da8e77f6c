//! A Worker that does not come to its end: it breaks at a time of the scenario's, or SIGTERM's 30 s are over.

use super::WorkerRun;
use crate::clock;
use crate::scenario::Crash;
use crate::terminal::Stream;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ops::ControlFlow;

impl WorkerRun {
    pub(super) fn check_deadlines(&mut self) -> ControlFlow<i32> {
        let now = clock::instant();
        if let (Some(crash), true) = (self.task.job.worker.crash, self.crash_at.is_some_and(|at| at <= now)) {
            return ControlFlow::Break(self.crash(crash));
        }
        match self.term_deadline {
            Some(at) if at <= now => ControlFlow::Break(143),
            _ => ControlFlow::Continue(()),
        }
    }

    fn crash(&self, crash: Crash) -> i32 {
        match crash.code {
            134 => self
                .console
                .line(Stream::Stderr, "Unhandled exception. System.NullReferenceException: simulated."),
            // It does not return from this.
            137 => _ = kill(Pid::this(), Signal::SIGKILL),
            _ => {}
        }
        crash.code
    }
}
