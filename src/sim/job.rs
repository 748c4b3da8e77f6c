//! One job on the listener's side: a Worker is started, told, waited for, and its end is printed.
//!
//! `Running job` and the Worker come in either order; the completion line after it has ended, if it comes at all.

mod start;

use super::clock::{self, Pace};
use super::configure;
use super::listener::{Event, Flow, Listener};
use super::scenario::{Completion, Job, TaskResult, Update};
use super::script::{Deed, schedule};
use super::worker::wire::Message;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::SIGKILL;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What falls due while a job runs.
#[derive(Debug)]
enum Due {
    /// The server cancels the job.
    Cancel,
    /// The lock is lost.
    LoseLock,
    /// The server's cancel timeout is over.
    Kill,
    /// The package of an update has come.
    Downloaded(Update),
    /// A step of the job's `during`.
    Deed(Deed),
}

/// Why a job ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Cancelled by the server or by the runner's shutdown.
    Cancelled,
    /// The lock could not be renewed.
    LockLost,
}

/// A job whose Worker is alive.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    commands: File,
    due: Vec<(Instant, Due)>,
    cut: Option<Cut>,
    told: bool,
    exit_after: Option<i32>,
}

impl Running {
    /// Signals the Worker, which cannot have been reaped yet.
    pub(crate) fn kill(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw);
        if let (Ok(pid), Ok(signal)) = (pid, Signal::try_from(signal)) {
            // It may have ended by itself meanwhile, and be a zombie.
            _ = kill(pid, signal);
        }
    }

    /// Cancels the job as a shutdown does; the listener leaves with `code` afterwards.
    pub(crate) fn shut_down_for(&mut self, code: i32) {
        self.exit_after = Some(code);
        self.shut_down();
    }

    /// An update's package comes after its download time.
    pub(crate) fn after_download(&mut self, update: Update, pace: Pace) {
        let at = pace.deadline(update.download_ms);
        self.due.push((at, Due::Downloaded(update)));
    }

    fn shut_down(&mut self) {
        if !self.told {
            self.told = true;
            self.cut.get_or_insert(Cut::Cancelled);
            self.tell(&Message::RunnerShutdown);
        }
    }

    /// Errors mean that the Worker is gone, which its exit tells better.
    fn tell(&mut self, message: &Message) {
        let line = serde_json::to_string(message).expect("a message is plain data");
        _ = self.commands.write_all(format!("{line}\n").as_bytes());
    }

    /// The next moment something falls due.
    fn next(&self) -> Option<Instant> {
        self.due.iter().map(|(at, _)| *at).min()
    }

    /// Takes the first thing that is due; of two at the same moment, the one that was planned first.
    fn take(&mut self, now: Instant) -> Option<Due> {
        let first = self.due.iter().enumerate().min_by_key(|(index, (at, _))| (*at, *index))?;
        let (index, (at, _)) = first;
        (*at <= now).then(|| self.due.remove(index).1)
    }
}

impl Listener {
    /// Plays one job to its end.
    pub(crate) fn job(&mut self, job: &Job) -> Flow {
        self.state.jobs += 1;
        _ = self.state.save(&self.root);
        let id = clock::guid();
        let plan = clock::guid();
        let number = self.state.jobs;
        self.terminal
            .info("JobDispatcher", &format!("Job request {number} for plan {plan} job {id} received."));
        let started = match job.worker_first_ms {
            Some(ms) => self.worker_then_line(job, &id, &plan, ms)?,
            None => self.line_then_worker(job, &id, &plan)?,
        };
        let mut running = match started {
            None => return ControlFlow::Continue(()),
            Some(Ok(running)) => running,
            Some(Err(error)) => return self.refuse(&[&format!("An error occurred: {error}")], 2),
        };
        self.attend(job, &mut running)?;
        self.conclude(job, &id, &mut running)
    }

    /// Plans the rest of the job; its times count from here, so that a slow start of the Worker changes nothing.
    fn plan(&self, job: &Job, running: &mut Running) {
        let now = clock::instant();
        let mut add = |ms, due| running.due.push((now + self.pace.ms(ms), due));
        if let Some(ms) = job.cancel_after_ms {
            add(ms, Due::Cancel);
            add(ms + job.cancel_timeout_ms.max(60_000) - 15_000, Due::Kill);
        }
        if let Some(ms) = job.lose_lock_after_ms {
            add(ms, Due::LoseLock);
        }
        for (ms, deed) in schedule(&job.during).0 {
            add(ms, Due::Deed(deed));
        }
    }

    /// Waits for the Worker's end and does meanwhile what falls due.
    fn attend(&mut self, job: &Job, running: &mut Running) -> Flow {
        loop {
            let cap = self.stop.and_then(|stop| stop.deadline);
            let end = running.next().into_iter().chain(cap).min();
            match self.next_event(end) {
                Some(Event::WorkerEnded) => {
                    // A signal to the whole group ends the step, and with it the Worker, at the same moment: it comes first, as it
                    // does where a Worker takes a while to report.
                    while self.stop.is_none() && self.interrupted.load(Ordering::Relaxed) {
                        if let Some(Event::Signal(signal)) = self.next_event(None) {
                            self.heed(signal)?;
                            running.shut_down();
                        }
                    }
                    return ControlFlow::Continue(());
                }
                Some(Event::WorkerReady) => self.plan(job, running),
                Some(Event::Signal(signal)) => {
                    self.heed(signal)?;
                    running.shut_down();
                }
                None if cap.is_some_and(|cap| cap <= clock::instant()) => {
                    return ControlFlow::Break(self.scenario.term_exit);
                }
                None => {
                    while let Some(due) = running.take(clock::instant()) {
                        self.fall_due(due, running)?;
                    }
                }
            }
        }
    }

    fn fall_due(&mut self, due: Due, running: &mut Running) -> Flow {
        match due {
            Due::Cancel => {
                self.terminal.info(
                    "JobDispatcher",
                    "Job cancellation request received, cancellation timeout 5 minutes.",
                );
                running.cut.get_or_insert(Cut::Cancelled);
                running.tell(&Message::CancelRequest);
            }
            Due::LoseLock => {
                running.cut.get_or_insert(Cut::LockLost);
                running.tell(&Message::CancelRequest);
            }
            Due::Kill => running.kill(SIGKILL),
            Due::Downloaded(update) => self.downloaded(&update),
            Due::Deed(deed) => return self.deed(&deed, Some(running)),
        }
        ControlFlow::Continue(())
    }

    /// The Worker has ended: reaps it, prints the result, and does what was put off until now.
    fn conclude(&mut self, job: &Job, id: &str, running: &mut Running) -> Flow {
        let status = running.child.wait().ok();
        let code = status.and_then(|status| status.code());
        self.terminal
            .info("JobDispatcher", &format!("Worker finished for job {id}. Code: {}", code.unwrap_or(-1)));
        let result = match running.cut {
            Some(Cut::Cancelled) => TaskResult::Canceled,
            Some(Cut::LockLost) => TaskResult::Abandoned,
            None => TaskResult::from_exit_code(code),
        };
        self.pause(job.completion_ms)?;
        let text = format!("finish job request for job {id} with result: {result:?}");
        self.terminal.info("JobDispatcher", &text);
        if job.completion == Completion::Printed {
            self.terminal.stamped(&format!("Job {} completed with result: {result:?}", job.name));
        }
        if let Some(code) = running.exit_after {
            return self.exit_now(code);
        }
        if self.stop.is_some() {
            return self.leave(None);
        }
        for (_, deed) in schedule(&job.after).0 {
            self.deed(&deed, None)?;
        }
        self.finish_update()?;
        if !self.once {
            return ControlFlow::Continue(());
        }
        let hosted = self.env.is_true("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED");
        let left = self.leave(Some(if hosted { result.exit_code() } else { 0 }));
        if self.registration.ephemeral {
            configure::delete_local(&self.root, &self.terminal);
        }
        left
    }
}
