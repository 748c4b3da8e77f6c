//! The listener from its start to its last word: what it says is heard with the evidence of the moment, and its exit is not its end.

use super::{Supervisor, runner};
use crate::domain::event::{Exit, Worker};
use crate::domain::lifecycle::Input;
use crate::sys::child::{Heard, Listener};
use crate::sys::worker;
use std::time::Duration;
use tokio::time::Instant;

/// Exit is not end of file: a grandchild may hold the pipe, but what the listener wrote is in it by now.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The listener's exit has been taken, its pipes may still hold words.
pub(super) struct Gone {
    exit: Exit,
    open_pipes: u8,
    pub(super) until: Instant,
}

impl Supervisor {
    pub(super) fn spawn(&mut self) -> Input {
        self.launches += 1;
        self.listener = None;
        match Listener::start(&self.launch, self.launches, &self.output, &self.heard.0) {
            Ok(listener) => {
                let pid = listener.pid();
                self.listener = Some(listener);
                Input::Started { pid }
            }
            Err(error) => Input::NotStarted { error: format!("{}: {error}", self.launch.program.display()) },
        }
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Sentence { launch, reading } if launch == self.launches => {
                let evidence = match (self.life.open_job(), &self.listener) {
                    (Some(job), Some(listener)) => {
                        worker::evidence(listener.pid(), &self.launch.dir, job.worker_since)
                    }
                    (None, _) | (_, None) => Worker::Unknown,
                };
                self.feed(Input::Said(reading, evidence));
            }
            Heard::Eof { launch } if launch == self.launches => {
                if let Some(gone) = &mut self.gone {
                    gone.open_pipes = gone.open_pipes.saturating_sub(1);
                    if gone.open_pipes == 0 {
                        self.listener_is_gone();
                    }
                } else {
                    self.closed_pipes += 1;
                }
            }
            // An updater, or a daemon a job left behind, still holds an earlier listener's pipe.
            Heard::Sentence { .. } | Heard::Eof { .. } => {}
        }
    }

    pub(super) fn exit_taken(&mut self, exit: std::io::Result<Exit>) {
        // Only if somebody else waited for our child, which init's design excludes.
        let exit = exit.unwrap_or(Exit::Signal(0));
        let open_pipes = 2u8.saturating_sub(std::mem::take(&mut self.closed_pipes));
        self.gone = Some(Gone { exit, open_pipes, until: Instant::now() + LAST_WORDS });
        if open_pipes == 0 {
            self.listener_is_gone();
        }
    }

    pub(super) fn listener_is_gone(&mut self) {
        let Some(Gone { exit, .. }) = self.gone.take() else { return };
        let configured = runner::is_configured(&self.launch, exit);
        let cause = self.cause(exit);
        self.feed(Input::Exited { exit, configured, cause });
        self.listener = None;
    }
}
