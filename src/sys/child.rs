//! The listener's process: started in a group of its own, heard on both pipes, and signalled only here.
//!
//! Everything it writes is passed on, byte for byte and in whole lines; what it means travels to the supervisor.

use super::stdio::{OutputWriter, Tee, widen};
use crate::child_setup::{self, Ids};
use crate::domain::event::{Exit, Stream};
use crate::domain::line::LineDecoder;
use crate::domain::parse::{ParsedLine, parse};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{Receiver, pipe};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Read at most this much at once.
const CHUNK: usize = 128 * 1024;
/// An unfinished line is shown after this, so that a hanging process shows its last words.
const PATIENCE: Duration = Duration::from_millis(250);

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its working directory.
    pub dir: PathBuf,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Who it is; `None`: who we are.
    pub user: Option<Ids>,
}

impl Launch {
    /// The command: a group of its own, default signals, stdin `/dev/null`, both outputs piped.
    pub(super) fn command(&self) -> Command {
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever asks for the command starts it and owns the child"
        )]
        let mut process = Command::new(&self.program);
        process.args(&self.args).current_dir(&self.dir).env_clear().envs(self.env.iter().cloned());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        child_setup::reset(process.as_std_mut(), child_setup::ProcessGroup::Own);
        if let Some(ids) = &self.user {
            child_setup::as_user(process.as_std_mut(), ids);
        }
        process
    }
}

/// Where the listener's output goes and is counted.
#[derive(Clone)]
pub struct Output {
    /// Our stdout and stderr, in the order of [`Stream::ALL`].
    pub outlets: [OutputWriter; 2],
    /// Lines heard, in the same order.
    pub lines: Arc<[AtomicU64; 2]>,
}

/// What the pipes bring. `launch` tells launches apart: an old one's pipe may outlive it.
#[derive(Debug)]
pub enum ListenerOutput {
    /// A line of the listener's that means something.
    Line {
        /// Which launch.
        launch: u64,
        /// What it said.
        reading: ParsedLine,
    },
    /// One of its two pipes has been closed by all who held it.
    Eof {
        /// Which launch.
        launch: u64,
    },
}

/// A running listener.
#[derive(Debug)]
pub struct Listener {
    child: Child,
    pid: u32,
}

impl Listener {
    /// Starts it.
    ///
    /// # Errors
    /// What the operating system says: no such file, no permission, no more processes.
    ///
    /// # Panics
    /// Never: a fresh child has a pid.
    pub fn start(
        command: &Launch,
        launch: u64,
        output: &Output,
        heard: &mpsc::Sender<ListenerOutput>,
    ) -> io::Result<Listener> {
        let mut process = command.command();
        let (out, stdout) = pipe()?;
        let (err, stderr) = pipe()?;
        process.stdout(out.into_blocking_fd()?).stderr(err.into_blocking_fd()?);
        let child = process.spawn()?;
        let pid = child.id().expect("it has not been waited for");
        for (pipe, stream) in [stdout, stderr].into_iter().zip(Stream::ALL) {
            widen(&pipe);
            tokio::spawn(hear(pipe, stream, launch, output.clone(), heard.clone()));
        }
        Ok(Listener { child, pid })
    }

    /// Its process id, which is its group's too.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end. Cancel-safe.
    ///
    /// # Errors
    /// If somebody else has waited for it.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        self.child.wait().await.map(exit_of)
    }

    /// SIGINT to its group, and SIGCONT, without which who is stopped hears nothing. Nothing once its exit was taken.
    pub fn interrupt(&self) {
        if let Some(pid) = self.child.id() {
            for signal in [Signal::SIGINT, Signal::SIGCONT] {
                // It may be gone this very moment.
                let _ = killpg(as_pid(pid), signal);
            }
        }
    }

    /// SIGKILL to its group. Also right after its exit was taken: the number stays the group's while a member lives.
    pub fn kill_group(&self) {
        let _ = killpg(as_pid(self.pid), Signal::SIGKILL);
    }
}

/// How a process ended, in our words.
pub(super) fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

fn as_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a pid fits"))
}

/// Passes one pipe on and hears it, until everyone who holds its other end is gone.
async fn hear(
    mut pipe: Receiver,
    stream: Stream,
    launch: u64,
    output: Output,
    heard: mpsc::Sender<ListenerOutput>,
) {
    let index = stream as usize;
    let outlet = &output.outlets[index];
    let mut tee = outlet.tee();
    let mut decoder = LineDecoder::default();
    let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK);
    let mut readings = Vec::new();
    loop {
        let read = tokio::select! {
            // No timer is set while there is something to read.
            biased;
            read = read(&mut pipe, outlet, tee.as_mut(), &mut buffer) => read,
            () = tokio::time::sleep(PATIENCE), if !buffer.is_empty() => {
                buffer = pass(outlet, tee.as_mut(), buffer, true).await;
                continue;
            }
        };
        let Ok(count @ 1..) = read else { break };
        let fresh = &buffer[buffer.len() - count..];
        let mut lines = 0;
        decoder.push(fresh, |line| {
            lines += 1;
            readings.extend(parse(stream, line.bytes));
        });
        output.lines[index].fetch_add(lines, Ordering::Relaxed);
        // Whoever has seen a line, and asks us to stop for it, finds that we know it.
        for reading in readings.drain(..) {
            let _ = heard.send(ListenerOutput::Line { launch, reading }).await;
        }
        buffer = pass(outlet, tee.as_mut(), buffer, false).await;
        // Whoever writes without an end keeps nobody else from being heard.
        tokio::task::coop::consume_budget().await;
    }
    decoder.finish(|line| readings.extend(parse(stream, line.bytes)));
    for reading in readings {
        let _ = heard.send(ListenerOutput::Line { launch, reading }).await;
    }
    pass(outlet, tee.as_mut(), buffer, true).await;
    let _ = heard.send(ListenerOutput::Eof { launch }).await;
}

/// Reads what comes next. What can go on by itself is in the tee as well, if all of the buffer is. Cancel-safe.
async fn read(
    pipe: &mut Receiver,
    outlet: &OutputWriter,
    mut tee: Option<&mut Tee>,
    buffer: &mut Vec<u8>,
) -> io::Result<usize> {
    loop {
        pipe.readable().await?;
        let tee = tee.as_mut().filter(|tee| tee.held() == buffer.len() && outlet.is_free());
        let read = match tee.map_or(0, |tee| tee.copy(&*pipe, buffer.capacity() - buffer.len())) {
            0 => pipe.try_read_buf(buffer),
            // Nobody else reads this pipe: so much is there at once.
            copied => pipe.take(copied as u64).read_buf(buffer).await,
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

/// Hands whole lines to the outlet, or everything if `all` or if one line fills the buffer; returns what remains.
pub(super) async fn pass(
    outlet: &OutputWriter,
    tee: Option<&mut Tee>,
    mut buffer: Vec<u8>,
    all: bool,
) -> Vec<u8> {
    let end = memchr::memrchr(b'\n', &buffer).map_or(0, |at| at + 1);
    let end = if all || (end == 0 && buffer.len() >= CHUNK) { buffer.len() } else { end };
    if end == 0 {
        return buffer;
    }
    let rest = buffer[end..].to_vec();
    buffer.truncate(end);
    let mut next = match tee {
        Some(tee) => outlet.write_beside(buffer, tee).await,
        None => outlet.write(buffer).await,
    };
    next.reserve(CHUNK.max(rest.len()));
    next.extend_from_slice(&rest);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    /// Pieces cut anywhere, a reader that pauses, and somebody else who writes to the same stream.
    #[tokio::test]
    async fn lines_come_out_whole_and_in_order() {
        const OURS: &str = "ours\n";
        let (put, pipe) = pipe().expect("a pipe");
        let (mut taken, to) = std::io::pipe().expect("a pipe");
        let outlet = OutputWriter::onto(to.into(), "test").expect("a thread");
        let lines: Vec<String> =
            (0..40_000).map(|n: usize| format!("{n} {}\n", "x".repeat(n * 7919 % 200))).collect();
        let text = lines.concat();
        let whole = text.len() + 100 * OURS.len();
        let (all, other) = (text.clone(), outlet.clone());
        let writer = std::thread::spawn(move || {
            let mut put = std::fs::File::from(put.into_blocking_fd().expect("a pipe"));
            let (mut rest, mut ours) = (all.as_bytes(), 0);
            while !rest.is_empty() {
                let piece = (rest.len() * 31 % 40_000 + 1).min(rest.len());
                put.write_all(&rest[..piece]).expect("it is read");
                rest = &rest[piece..];
                if ours < 100 {
                    other.try_write(OURS.into());
                    ours += 1;
                }
            }
            (ours..100).for_each(|_| drop(other.try_write(OURS.into())));
        });
        let reader = std::thread::spawn(move || {
            let (mut out, mut piece) = (Vec::new(), vec![0; 100_000]);
            while out.len() < whole {
                if out.len() * 8 / whole != (out.len() + piece.len()) * 8 / whole {
                    // Longer than it is waited for.
                    std::thread::sleep(Duration::from_millis(40));
                }
                let count = taken.read(&mut piece).expect("it comes");
                out.extend_from_slice(&piece[..count]);
            }
            String::from_utf8(out).expect("a text")
        });
        let (heard, _) = mpsc::channel(1);
        let output = Output { outlets: [outlet.clone(), outlet], lines: Arc::default() };
        hear(pipe, Stream::Stdout, 1, output.clone(), heard).await;
        writer.join().expect("it has written all");
        let out = reader.join().expect("it has read all");
        assert!(out.split_inclusive('\n').filter(|line| *line != OURS).eq(lines.iter()));
        assert_eq!(output.lines[0].load(Ordering::Relaxed), 40_000);
    }
}
