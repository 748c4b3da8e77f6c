//! Buffered writer of our stdout and stderr, a thread for each. Our own stdout and stderr: whole lines go out through a
//! thread of their own, so that a consumer who stands still can stop neither the runner nor us.
//!
//! A slow consumer slows the runner down, as any pipe would. One that stands still does so for a second: after that what is
//! written waits in memory, and when that is full, lines are let go and counted until the consumer has caught up.

mod sole_writer;
mod tee;

pub(super) use tee::Tee;

use crate::domain::event::Stream;
use sole_writer::SoleWriter;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes that may wait for a consumer that stands still, log lines of ours included.
const ROOM: usize = 8 * 1024 * 1024;
/// With more waiting than this the runner waits too; enough to keep a consumer busy, and small enough to keep.
const HIGH: usize = 1024 * 1024;
/// Until no more than this is left: one wake-up for many lines.
const LOW: usize = HIGH / 2;
/// How long a consumer may stand still before the runner waits for it no longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Buffers kept for reuse.
const SPARES: usize = 3;
/// What the kernel holds between two processes, where it lets us choose: fewer, longer steps. Users have a quota of 64 MiB for
/// all their pipes, and over it every new one shrinks: runners of one user share it with their jobs.
pub(super) const PIPE: usize = 256 * 1024;
const STACK: usize = 64 * 1024;

/// One of our two output streams. Clones share it.
#[derive(Clone)]
pub struct OutputWriter {
    shared: Arc<Shared>,
}

struct Shared {
    file: File,
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
    room: Notify,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Vec<u8>>,
    spares: Vec<Vec<u8>>,
    bytes: usize,
    /// By the thread, or by a [`SoleWriter`].
    writing: bool,
    /// The writer waits for `filled`; a call that wakes nobody still costs a system call.
    idle: bool,
    pace: Backpressure,
    dropped: u64,
}

/// What becomes of more lines than the consumer takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Backpressure {
    /// Over [`HIGH`] their writer waits.
    #[default]
    Block,
    /// The consumer stands still: they fill the [`ROOM`].
    Buffer,
    /// It is full: they are let go until half of it is free.
    Drop,
}

impl OutputWriter {
    /// Starts the writer of one stream on a duplicate of our descriptor.
    ///
    /// # Errors
    /// If the descriptor cannot be duplicated or the thread not started.
    pub fn start(stream: Stream) -> io::Result<OutputWriter> {
        let fd = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned()?,
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned()?,
        };
        OutputWriter::onto(fd, stream.as_str())
    }

    /// Starts one on that descriptor.
    pub(super) fn onto(fd: OwnedFd, name: &str) -> io::Result<OutputWriter> {
        widen(&fd);
        let outlet = OutputWriter {
            shared: Arc::new(Shared {
                file: File::from(fd),
                queue: Mutex::default(),
                filled: Condvar::new(),
                emptied: Condvar::new(),
                room: Notify::new(),
            }),
        };
        let shared = Arc::clone(&outlet.shared);
        std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK)
            .spawn(move || shared.write_forever())?;
        Ok(outlet)
    }

    /// Where the kernel's copies of such lines can go on by themselves; `None` if this stream is no pipe.
    pub(super) fn tee(&self) -> Option<Tee> {
        Tee::onto(self.shared.file.as_fd().try_clone_to_owned().ok()?)
    }

    /// Whether nothing waits, and nobody writes.
    pub(super) fn is_free(&self) -> bool {
        self.lock().is_free()
    }

    /// Like [`OutputWriter::write`]: what `tee` holds of these lines goes on from there while the consumer takes it, and is not
    /// written.
    pub(super) async fn write_beside(&self, mut lines: Vec<u8>, tee: &mut Tee) -> Vec<u8> {
        let writer = if tee.held() > 0 { SoleWriter::take(self) } else { None };
        let Some(writer) = writer else {
            tee.clear();
            return self.write(lines).await;
        };
        let sent = tee.send(lines.len()).await;
        lines.drain(..sent);
        if !lines.is_empty() {
            tee.clear();
        }
        writer.end(lines)
    }

    /// Passes whole lines on, waiting for room while the consumer moves. Returns an empty buffer to fill next.
    pub async fn write(&self, lines: Vec<u8>) -> Vec<u8> {
        let mut ahead = self.queued();
        while ahead > HIGH && tokio::time::timeout(PATIENCE, self.wait_capacity()).await.is_err() {
            let before = std::mem::replace(&mut ahead, self.queued());
            if ahead >= before {
                self.lock().pace = Backpressure::Buffer;
                break;
            }
        }
        self.try_write(lines)
    }

    /// Passes whole lines on, or lets them go at once if there is no room.
    pub fn try_write(&self, mut lines: Vec<u8>) -> Vec<u8> {
        let mut queue = self.lock();
        if queue.pace == Backpressure::Drop || queue.bytes + lines.len() > ROOM {
            queue.pace = Backpressure::Drop;
            queue.dropped += memchr::memchr_iter(b'\n', &lines).count() as u64;
            lines.clear();
            return lines;
        }
        queue.bytes += lines.len();
        queue.chunks.push_back(lines);
        let spare = queue.spares.pop().unwrap_or_default();
        let wake = std::mem::take(&mut queue.idle);
        drop(queue);
        if wake {
            self.shared.filled.notify_one();
        }
        spare
    }

    /// How many lines were let go since the last call.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Waits until all has been written, at most `limit`. `false` if something is still waiting.
    pub fn flush(&self, limit: Duration) -> bool {
        let busy = |queue: &mut Queue| !queue.is_free();
        let waited = self.shared.emptied.wait_timeout_while(self.lock(), limit, busy);
        let (_queue, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Bytes the consumer has still to take, if it is waited for.
    fn queued(&self) -> usize {
        let queue = self.lock();
        if queue.pace == Backpressure::Block { queue.bytes } else { 0 }
    }

    async fn wait_capacity(&self) {
        while self.queued() > LOW {
            self.shared.room.notified().await;
        }
        // An earlier launch's pipe may wait as well.
        self.shared.room.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Nothing waits, and nobody writes.
    fn is_free(&self) -> bool {
        self.chunks.is_empty() && !self.writing
    }
}

impl Write for OutputWriter {
    /// A log line, whole; never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.try_write(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn write_forever(&self) {
        loop {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let mut chunk = loop {
                if !queue.writing {
                    if let Some(chunk) = queue.chunks.pop_front() {
                        break chunk;
                    }
                    queue.pace = Backpressure::Block;
                    self.emptied.notify_all();
                }
                queue.idle = true;
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            queue.writing = true;
            drop(queue);
            // A closed consumer is no reason to end a job: what it does not want is let go.
            let _ = write_all(&self.file, &chunk);
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.writing = false;
            let written = chunk.len();
            queue.bytes -= written;
            if queue.spares.len() < SPARES {
                chunk.clear();
                queue.spares.push(chunk);
            }
            queue.pace = match queue.pace {
                Backpressure::Drop if queue.bytes <= ROOM / 2 => Backpressure::Buffer,
                Backpressure::Buffer if queue.bytes <= LOW => Backpressure::Block,
                same @ (Backpressure::Block | Backpressure::Buffer | Backpressure::Drop) => same,
            };
            if queue.bytes <= LOW && queue.bytes + written > LOW {
                self.room.notify_one();
            }
        }
    }
}

/// Gives a pipe more room; what is no pipe, or may not grow, stays as it is.
pub(crate) fn widen(pipe: impl AsFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
}

/// Like `write_all`, but a descriptor that somebody has made non-blocking is waited for.
fn write_all(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_writable(file.as_fd()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn wait_writable(fd: BorrowedFd<'_>) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    // An error shows at the next write.
    let _ = poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE);
}
