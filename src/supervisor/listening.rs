//! The listener process: spawn, output, exit. The listener from its start to its last word: what it says is heard with
//! the evidence of the moment, and its exit is not its end.

use super::workers::Workers;
use super::{Supervisor, runner};
use crate::domain::event::Exit;
use crate::domain::failure::Space;
use crate::domain::ladder::{LAST_WORDS, Rung};
use crate::domain::lifecycle::Input;
use crate::sys::below::{self, Whom};
use crate::sys::child::{Heard, Listener};
use crate::sys::disk_thread::PATIENCE;
use crate::sys::prober::Answer;
use crate::sys::runner_file;
use crate::sys::worker_probe::Watch;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// The listener that runs, and how many there have been.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) launches: u64,
    pub(super) listener: Option<Listener>,
    pub(super) closed_pipes: u8,
    pub(super) gone: Option<Gone>,
}

/// The listener's exit has been taken, its pipes may still hold words: exit is not end of file.
pub(super) struct Gone {
    exit: Exit,
    open_pipes: u8,
    until: Instant,
    /// Whether a registration is still there, which the disk may be slow to say.
    looks: Option<oneshot::Receiver<bool>>,
    looked_by: Instant,
    configured: bool,
    /// What the jobs' disk has left, looked at since the exit, while the pipes are read.
    space: Answer<Option<Space>>,
}

impl Gone {
    /// Its pipes are closed, or have had their time; then what was seen since, or had its time too. Cancel-safe.
    async fn seen(&mut self) -> Option<Space> {
        if self.open_pipes > 0 {
            tokio::time::sleep_until(self.until).await;
        }
        if let Some(answer) = &mut self.looks {
            // Where the disk does not say, nothing is changed at GitHub: it is launched again.
            let answer = timeout_at(self.looked_by, answer).await;
            self.configured = answer.ok().and_then(Result::ok).unwrap_or(true);
            self.looks = None;
        }
        self.space.get().await.flatten()
    }
}

/// How far the listener's end is.
pub(super) enum ListenerEnd {
    /// It has exited; its pipes are still read.
    Exited(std::io::Result<Exit>),
    /// It has said all it will; what the jobs' disk has left, where that can be seen.
    Silent(Option<Space>),
}

impl Listening {
    /// The next step of its end; never, if there is no listener. Cancel-safe.
    pub(super) async fn next(&mut self) -> ListenerEnd {
        if let Some(gone) = &mut self.gone {
            return ListenerEnd::Silent(gone.seen().await);
        }
        match &mut self.listener {
            Some(listener) => ListenerEnd::Exited(listener.wait().await),
            None => std::future::pending().await,
        }
    }
}

impl Supervisor {
    pub(super) fn spawn(&mut self) -> Input {
        self.listening.launches += 1;
        self.listening.listener = None;
        match Listener::start(&self.launch, self.listening.launches, &self.output, &self.heard.0) {
            Ok(listener) => {
                let pid = listener.pid();
                self.workers = Workers::of(Watch::start(pid, &self.files.dir));
                self.listening.listener = Some(listener);
                Input::Started { pid }
            }
            Err(error) => Input::NotStarted { error: format!("{}: {error}", self.launch.program.display()) },
        }
    }

    /// As from a terminal; a step that works in a group of its own would not hear that.
    pub(super) fn interrupt(&mut self) {
        self.listening.listener.iter().for_each(Listener::interrupt);
        self.tell_below(Whom::OutsideTheGroup, Rung::Interrupt);
    }

    pub(super) fn tell_below(&mut self, whom: Whom, rung: Rung) {
        if let Some(listener) = &self.listening.listener {
            below::tell(self.sweeper.plan(), listener.pid(), whom, rung, self.below.0.clone());
        }
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Sentence { launch, reading } if launch == self.listening.launches => {
                self.said(reading);
            }
            Heard::Eof { launch } if launch == self.listening.launches => {
                if let Some(gone) = &mut self.listening.gone {
                    gone.open_pipes = gone.open_pipes.saturating_sub(1);
                } else {
                    self.listening.closed_pipes += 1;
                    self.feed(Input::Muted);
                }
            }
            // An updater, or a daemon a job left behind, still holds an earlier listener's pipe.
            Heard::Sentence { .. } | Heard::Eof { .. } => {}
        }
    }

    /// What was said before now comes before what is asked now.
    pub(super) fn hear_all(&mut self) {
        while let Ok(heard) = self.heard.1.try_recv() {
            self.hear(heard);
        }
    }

    pub(super) fn exit_taken(&mut self, exit: std::io::Result<Exit>) {
        // Only if somebody else waited for our child, which init's design excludes.
        let exit = exit.unwrap_or(Exit::Signal(0));
        let open_pipes = 2u8.saturating_sub(std::mem::take(&mut self.listening.closed_pipes));
        let dir = self.files.dir.clone();
        let looks = Some(self.files.clerk.send(move || runner_file::is_configured(&dir)));
        let now = Instant::now();
        let (until, looked_by) = (now + LAST_WORDS, now + PATIENCE);
        let space = self.sampler.free_space();
        let gone = Gone { exit, open_pipes, until, looks, looked_by, configured: true, space };
        self.listening.gone = Some(gone);
    }

    pub(super) fn listener_is_gone(&mut self, space: Option<Space>) {
        self.look();
        let Some(Gone { exit, configured, .. }) = self.listening.gone.take() else { return };
        let configured = configured || runner::has_jit(&self.launch, exit);
        let cause = self.sampler.cause(exit, space, self.clock.now().up);
        self.feed(Input::Exited { exit, configured, cause });
        self.listening.listener = None;
    }
}
