//! The listener process: spawn, output, signals, exit. Its exit is not its end: its pipes are read for a moment more.

use super::effect::Effect;
use super::files::RunnerFiles;
use super::runner;
use crate::config::{Secret, vars};
use crate::domain::event::Exit;
use crate::domain::failure::Space;
use crate::domain::ladder::{LAST_WORDS, Rung};
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::sys::below::{self, Told, Whom};
use crate::sys::child::{Launch, Listener, ListenerOutput, Output};
use crate::sys::disk_thread::Answer;
use crate::sys::job_cleanup::CleanupPlan;
use crate::sys::runner_file;
use std::io;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Lines that may wait for the loop; then the pipe fills.
const LINES: usize = 64;

/// The listener that runs, and how many there have been.
pub(super) struct ListenerProcess {
    launch: Launch,
    files: RunnerFiles,
    output: Output,
    launches: u64,
    process: Option<Listener>,
    /// The one before it, whose group may outlive it.
    ended: Option<Listener>,
    pipes: (mpsc::Sender<ListenerOutput>, mpsc::Receiver<ListenerOutput>),
    closed_pipes: u8,
    draining: Option<Draining>,
    signalled: (mpsc::UnboundedSender<Told>, mpsc::UnboundedReceiver<Told>),
    update: Option<JoinHandle<io::Result<bool>>>,
}

/// Its exit has been taken, its pipes may still hold words.
struct Draining {
    exit: Exit,
    open_pipes: u8,
    until: Instant,
    /// Whether a registration is still there, which the disk may be slow to say.
    configured: Answer<bool>,
    /// What the jobs' disk has left, looked at since the exit, while the pipes are read.
    space: Answer<Option<Space>>,
}

impl Draining {
    /// Its pipes are closed, or have had their time; then what was seen since, or had its time too. Cancel-safe.
    async fn seen(&mut self) -> ListenerEvent {
        if self.open_pipes > 0 {
            tokio::time::sleep_until(self.until).await;
        }
        // Where the disk does not say, nothing is changed at GitHub: it is launched again.
        let configured = self.configured.get().await.copied().unwrap_or(true);
        let space = self.space.get().await.copied().flatten();
        ListenerEvent::Silent(LastSight { exit: self.exit, configured, space })
    }
}

/// What was seen of a listener that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LastSight {
    /// How it ended.
    pub(super) exit: Exit,
    /// `.runner` is still there.
    pub(super) configured: bool,
    /// What the jobs' disk has left, where that can be seen.
    pub(super) space: Option<Space>,
}

/// What has happened to it.
#[derive(Debug)]
pub(super) enum ListenerEvent {
    /// Something came through its pipes.
    Pipe(ListenerOutput),
    /// It has exited; its pipes are still read.
    Exited(io::Result<Exit>),
    /// It has said all it will.
    Silent(LastSight),
    /// Who is below its worker was signalled.
    Signalled(Told),
    /// The updater's marker was seen; `false` if it cannot be watched for, then the deadline decides.
    Updated(bool),
}

impl ListenerProcess {
    pub(super) fn new(launch: Launch, files: RunnerFiles, output: Output) -> ListenerProcess {
        ListenerProcess {
            launch,
            files,
            output,
            launches: 0,
            process: None,
            ended: None,
            pipes: mpsc::channel(LINES),
            closed_pipes: 0,
            draining: None,
            signalled: mpsc::unbounded_channel(),
            update: None,
        }
    }

    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }

    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    /// What it is given instead of a registration, from the next launch on.
    pub(super) fn give(&mut self, jit: &Secret) {
        let name = vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name;
        self.launch.env.retain(|(given, _)| given != name);
        self.launch.env.push((name.into(), jit.expose().into()));
    }

    /// Starts it; its process id.
    ///
    /// # Errors
    /// What the operating system says, in words.
    pub(super) fn spawn(&mut self) -> Result<u32, String> {
        self.launches += 1;
        (self.process, self.ended) = (None, None);
        let started = Listener::start(&self.launch, self.launches, &self.output, &self.pipes.0);
        let listener = started.map_err(|error| format!("{}: {error}", self.launch.program.display()))?;
        let pid = listener.pid();
        self.process = Some(listener);
        Ok(pid)
    }

    /// As from a terminal; a step that works in a group of its own would not hear that.
    pub(super) fn interrupt(&self, plan: CleanupPlan) {
        self.process.iter().for_each(Listener::interrupt);
        self.signal(plan, Whom::OutsideTheGroup, Rung::Interrupt);
    }

    /// Signals who is below its worker.
    pub(super) fn signal_below(&self, plan: CleanupPlan, rung: Rung) {
        self.signal(plan, Whom::All, rung);
    }

    fn signal(&self, plan: CleanupPlan, whom: Whom, rung: Rung) {
        if let Some(listener) = &self.process {
            below::tell(plan, listener.pid(), whom, rung, self.signalled.0.clone());
        }
    }

    pub(super) fn kill_group(&self) {
        self.process.iter().chain(&self.ended).for_each(Listener::kill_group);
    }

    pub(super) fn watch_update(&mut self) {
        self.update = Some(self.files.watch_update());
    }

    /// It runs, and its exit has not been taken.
    pub(super) fn is_running(&self) -> bool {
        self.process.is_some() && !self.is_exited()
    }

    /// Its exit has been taken.
    pub(super) fn is_exited(&self) -> bool {
        self.draining.is_some()
    }

    /// What happens next to it. Cancel-safe.
    pub(super) async fn next(&mut self) -> ListenerEvent {
        let ListenerProcess { process, pipes, draining, signalled, update, .. } = self;
        tokio::select! {
            Some(heard) = pipes.1.recv() => ListenerEvent::Pipe(heard),
            Some(told) = signalled.1.recv() => ListenerEvent::Signalled(told),
            event = end(process.as_mut(), draining.as_mut()) => event,
            finished = updated(update.as_mut()) => ListenerEvent::Updated(finished),
        }
    }

    /// What came through its pipes and waits.
    pub(super) fn waiting(&mut self) -> Option<ListenerEvent> {
        self.pipes.1.try_recv().ok().map(ListenerEvent::Pipe)
    }

    /// `space` looks at the jobs' disk.
    pub(super) fn handle(
        &mut self,
        event: ListenerEvent,
        space: impl FnOnce() -> Answer<Option<Space>>,
    ) -> Option<Effect> {
        match event {
            ListenerEvent::Pipe(heard) => self.heard(heard),
            ListenerEvent::Silent(last) => {
                let configured = last.configured || runner::has_jit(&self.launch, last.exit);
                Some(Effect::Gone(LastSight { configured, ..last }))
            }
            ListenerEvent::Exited(exit) => {
                // Only if somebody else waited for our child, which init's design excludes.
                self.drain(exit.unwrap_or(Exit::Signal(0)), space());
                None
            }
            ListenerEvent::Signalled(Told { processes: 0, .. }) => None,
            ListenerEvent::Signalled(Told { rung, processes }) => {
                Some(Notice::BelowSignalled { rung, processes }.into())
            }
            ListenerEvent::Updated(finished) => {
                self.update = None;
                finished.then(|| Input::UpdateFinished.into())
            }
        }
    }

    /// It is gone, but for its group.
    pub(super) fn forget(&mut self) {
        self.draining = None;
        self.ended = self.process.take();
    }

    fn heard(&mut self, heard: ListenerOutput) -> Option<Effect> {
        match heard {
            ListenerOutput::Line { launch, reading } if launch == self.launches => {
                Some(Effect::Line(reading))
            }
            ListenerOutput::Eof { launch } if launch == self.launches => {
                if let Some(draining) = &mut self.draining {
                    draining.open_pipes = draining.open_pipes.saturating_sub(1);
                    return None;
                }
                self.closed_pipes += 1;
                Some(Input::Muted.into())
            }
            // An updater, or a daemon a job left behind, still holds an earlier listener's pipe.
            ListenerOutput::Line { .. } | ListenerOutput::Eof { .. } => None,
        }
    }

    fn drain(&mut self, exit: Exit, space: Answer<Option<Space>>) {
        let open_pipes = 2u8.saturating_sub(std::mem::take(&mut self.closed_pipes));
        let dir = self.files.dir.clone();
        let configured = self.files.disk.ask(move || runner_file::is_configured(&dir));
        let until = Instant::now() + LAST_WORDS;
        self.draining = Some(Draining { exit, open_pipes, until, configured, space });
    }
}

/// The next step of its end; never, if there is no listener. Cancel-safe.
async fn end(process: Option<&mut Listener>, draining: Option<&mut Draining>) -> ListenerEvent {
    match (draining, process) {
        (Some(draining), _) => draining.seen().await,
        (None, Some(listener)) => ListenerEvent::Exited(listener.wait().await),
        (None, None) => std::future::pending().await,
    }
}

async fn updated(task: Option<&mut JoinHandle<io::Result<bool>>>) -> bool {
    match task {
        Some(task) => matches!(task.await, Ok(Ok(true))),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::disk_thread::DiskThread;
    use crate::sys::stdio::OutputWriter;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    fn listener(dir: &Path) -> ListenerProcess {
        let (files, _) = RunnerFiles::open(dir).expect("ours");
        let outlet = |stream| OutputWriter::start(stream).expect("a thread");
        let outlets = crate::domain::event::Stream::ALL.map(outlet);
        let program = dir.join("nothing");
        let launch = Launch { program, args: Vec::new(), dir: dir.into(), env: Vec::new(), user: None };
        ListenerProcess::new(launch, files, Output { outlets, lines: Arc::default() })
    }

    fn space() -> Answer<Option<Space>> {
        DiskThread::start("test", Duration::from_secs(60))
            .expect("a thread")
            .look(|| Some(Space { free: 1, size: 2 }))
    }

    #[tokio::test]
    async fn an_exit_is_the_end_once_both_pipes_are_closed_and_the_disk_was_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut listener = listener(dir.path());
        listener.launches = 2;
        let handle = |listener: &mut ListenerProcess, event| listener.handle(event, space);
        let eof = |launch| ListenerEvent::Pipe(ListenerOutput::Eof { launch });
        assert!(handle(&mut listener, eof(1)).is_none(), "an earlier one's pipe");
        let news = handle(&mut listener, eof(2));
        assert!(matches!(news, Some(Effect::Input(Input::Muted))), "{news:?}");
        assert!(handle(&mut listener, ListenerEvent::Exited(Ok(Exit::Code(3)))).is_none());
        assert!(listener.is_exited() && !listener.is_running());
        assert!(handle(&mut listener, eof(2)).is_none());
        let event = listener.next().await;
        let Some(Effect::Gone(last)) = handle(&mut listener, event) else { panic!("it is gone") };
        let space = Some(Space { free: 1, size: 2 });
        assert_eq!(last, LastSight { exit: Exit::Code(3), configured: false, space });
        listener.forget();
        assert!(!listener.is_exited());
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_its_name_and_is_given_what_it_registers_by() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut listener = listener(dir.path());
        let error = listener.spawn().expect_err("there is no such program");
        assert!(error.starts_with(&dir.path().join("nothing").display().to_string()), "{error}");
        for jit in ["one", "two"] {
            listener.give(&Secret::new(jit.to_owned()));
        }
        assert_eq!(listener.launch().env, [(vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name.into(), "two".into())]);
        let exit = ListenerEvent::Exited(Ok(Exit::Code(1)));
        assert!(listener.handle(exit, space).is_none());
        for _ in 0..2 {
            assert!(listener.handle(ListenerEvent::Pipe(ListenerOutput::Eof { launch: 1 }), space).is_none());
        }
        let event = listener.next().await;
        let news = listener.handle(event, space);
        assert!(matches!(news, Some(Effect::Gone(LastSight { configured: true, .. }))), "{news:?}");
    }

    #[test]
    fn only_who_was_signalled_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut listener = listener(dir.path());
        let mut told = |processes| {
            listener.handle(ListenerEvent::Signalled(Told { rung: Rung::Kill, processes }), space)
        };
        assert!(told(0).is_none());
        let news = told(2);
        let Some(Effect::Notice(notice)) = news else { panic!("{news:?}") };
        assert_eq!(notice, Notice::BelowSignalled { rung: Rung::Kill, processes: 2 });
    }
}
