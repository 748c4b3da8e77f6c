//! A step's process: its output goes to the log, and a cancelled one is asked twice before it is killed, alone.

use super::{Event, Stop, WorkerRun};
use crate::clock;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// How a step's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code; 128 + the signal's number if a signal ended it.
    pub(crate) code: i32,
    /// It was asked to end.
    pub(crate) cancelled: bool,
}

/// The ladder of `ProcessInvoker.CancelAndKillProcessTree`: signal, and how long it has.
const LADDER: [(Signal, u64); 3] =
    [(Signal::SIGINT, 7500), (Signal::SIGTERM, 2500), (Signal::SIGKILL, 60_000)];
/// A process this young has not set its handlers yet; the real Worker takes longer to begin than a shell does. Real time.
const YOUNG: Duration = Duration::from_millis(300);
/// How long a process that has ended is waited for while another one holds its output.
const HELD_MS: u64 = 5000;

impl WorkerRun {
    /// Runs a command to its end; `spares` says which stop leaves it alone.
    ///
    /// # Errors
    /// If it cannot be started; told in the log by the caller.
    pub(crate) fn run_process(
        &mut self,
        mut command: Command,
        spares: fn(Stop) -> bool,
    ) -> ControlFlow<i32, io::Result<Ended>> {
        let started = clock::instant();
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return ControlFlow::Continue(Err(error)),
        };
        drop(child.stdin.take());
        let number = child.id();
        let pid = Pid::from_raw(i32::try_from(number).expect("a pid is positive and fits"));
        let score = self.env.get("PIPELINE_JOB_OOMSCOREADJ").unwrap_or("500");
        // Not every container may raise it; the real runner goes on as well.
        _ = std::fs::write(format!("/proc/{number}/oom_score_adj"), score);
        read_lines(child.stdout.take(), number, &self.sender);
        read_lines(child.stderr.take(), number, &self.sender);
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            // It is left to be reaped by the main thread, so that its pid stays its own until then.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid), flags) {}
            _ = sender.send(Event::Ended(number));
        });
        let cancelled = self.attend(number, pid, started, spares)?;
        let status = match child.wait() {
            Ok(status) => status,
            Err(error) => return ControlFlow::Continue(Err(error)),
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let elapsed = clock::instant() - started;
        let text = format!("Finished process {number} with exit code {code}, and elapsed time {elapsed:?}.");
        self.info("ProcessInvokerWrapper", &text);
        ControlFlow::Continue(Ok(Ended { code, cancelled }))
    }

    /// Waits for the process and the end of its output; gives whether it was cancelled.
    fn attend(
        &mut self,
        number: u32,
        pid: Pid,
        started: Instant,
        spares: fn(Stop) -> bool,
    ) -> ControlFlow<i32, bool> {
        let (mut open, mut held, mut rungs) = (2, None::<Instant>, LADDER.iter());
        let (mut next_rung, mut cancelled) = (None::<Instant>, false);
        loop {
            if !cancelled && self.stop.is_some_and(|stop| !spares(stop)) {
                cancelled = true;
                next_rung = Some(clock::instant().max(started + YOUNG));
            }
            if held.is_none() && next_rung.is_some_and(|at| at <= clock::instant()) {
                next_rung = rungs.next().map(|(signal, ms)| {
                    // It has not been reaped, so the pid is its own.
                    _ = kill(pid, *signal);
                    self.pace.deadline(*ms)
                });
            }
            match self.next_event(held.or(next_rung))? {
                Some(Event::Line(from, text)) if from == number => self.log.line(&text),
                Some(Event::Closed(from)) if from == number => open -= 1,
                Some(Event::Ended(from)) if from == number => held = Some(self.pace.deadline(HELD_MS)),
                None if held.is_some() => return ControlFlow::Continue(cancelled),
                // Late output of an earlier step, a message that `next_event` has noted, or the next rung.
                Some(
                    Event::Line(..)
                    | Event::Closed(_)
                    | Event::Ended(_)
                    | Event::Message(_)
                    | Event::Terminate
                    | Event::Interrupt
                    | Event::Shutdown,
                )
                | None => {}
            }
            if open == 0 && held.is_some() {
                return ControlFlow::Continue(cancelled);
            }
        }
    }
}

/// Sends every line of a pipe: it ends with `\n`, `\r\n` or a lone `\r`.
fn read_lines(pipe: Option<impl Read + Send + 'static>, number: u32, sender: &Sender<Event>) {
    let sender = sender.clone();
    std::thread::spawn(move || {
        let (mut splitter, mut chunk) = (Splitter::default(), [0; 4096]);
        let mut pipe = pipe.expect("the pipe was asked for");
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            splitter.push(&chunk[..count], |line| _ = sender.send(Event::Line(number, line)));
        }
        splitter.finish(|line| _ = sender.send(Event::Line(number, line)));
        _ = sender.send(Event::Closed(number));
    });
}

/// Cuts output into lines as .NET's reader does.
#[derive(Debug, Default)]
struct Splitter {
    line: Vec<u8>,
    after_return: bool,
}

impl Splitter {
    fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(String)) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => emit(String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned()),
                other => self.line.push(*other),
            }
            self.after_return = *byte == b'\r';
        }
    }

    fn finish(self, emit: impl FnOnce(String)) {
        if !self.line.is_empty() {
            emit(String::from_utf8_lossy(&self.line).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_either_return_also_across_reads() {
        let mut lines = Vec::new();
        let mut splitter = Splitter::default();
        for part in ["a\r", "\nb\rc\n", "\nd"] {
            splitter.push(part.as_bytes(), |line| lines.push(line));
        }
        splitter.finish(|line| lines.push(line));
        assert_eq!(lines, ["a", "b", "c", "", "d"]);
    }
}
