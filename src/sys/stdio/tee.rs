//! The kernel's own copy of what a pipe brings: it goes on to another pipe by whole pages, and nobody writes again what we have
//! read to understand it.

use super::widen;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, pipe_with, splice, tee};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::unix::pipe::Sender;

/// A consumer who takes nothing for so long is left to the thread that can wait.
const PATIENCE: Duration = Duration::from_millis(20);

/// What one pipe has brought, on its way to another one.
#[derive(Debug)]
pub(in crate::sys) struct Tee {
    to: Sender,
    /// Where the kernel's copy waits until we know how much of it is whole lines; made when it is needed.
    between: Option<Between>,
    held: usize,
}

#[derive(Debug)]
struct Between {
    taken: OwnedFd,
    put: OwnedFd,
}

impl Tee {
    /// Towards that descriptor; `None` if it is no pipe.
    pub(in crate::sys) fn onto(to: OwnedFd) -> Option<Tee> {
        fcntl_getpipe_size(&to).ok()?;
        // Its mode is shared with whoever started us, so it stays as it is: of each call alone we ask not to wait.
        let to = Sender::from_owned_fd_unchecked(to).ok()?;
        Some(Tee { to, between: None, held: 0 })
    }

    /// Bytes that wait in it.
    pub(in crate::sys) fn held(&self) -> usize {
        self.held
    }

    /// Takes a copy of what that pipe holds, which is still to be read there: so many bytes; none if it cannot be had.
    pub(in crate::sys) fn copy(&mut self, from: impl AsFd, most: usize) -> usize {
        let copied =
            self.between().and_then(|between| Ok(tee(from, &between.put, most, SpliceFlags::NONBLOCK)?));
        let copied = copied.unwrap_or(0);
        self.held += copied;
        copied
    }

    /// Sends so much of it on as is taken without a long wait, at most `most` bytes; how much.
    pub(in crate::sys) async fn send(&mut self, most: usize) -> usize {
        let most = most.min(self.held);
        let mut sent = 0;
        while let Some(Between { taken, .. }) = self.between.as_ref().filter(|_| sent < most) {
            let to = &self.to;
            let moved = to.try_io(|| Ok(splice(taken, None, to, None, most - sent, SpliceFlags::NONBLOCK)?));
            match moved {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if tokio::time::timeout(PATIENCE, to.writable()).await.is_err() {
                        break;
                    }
                }
                // Whoever writes the rest meets it as well.
                Err(_) => break,
            }
        }
        self.held -= sent;
        sent
    }

    /// Lets go what it holds.
    pub(in crate::sys) fn clear(&mut self) {
        if std::mem::take(&mut self.held) > 0 {
            self.between = None;
        }
    }

    fn between(&mut self) -> io::Result<&Between> {
        Ok(match &mut self.between {
            Some(between) => between,
            none @ None => {
                let (taken, put) = pipe_with(PipeFlags::CLOEXEC)?;
                widen(&put);
                none.insert(Between { taken, put })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::OutputWriter;
    use super::*;
    use std::io::Read as _;
    use tokio::time::Instant;

    fn pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
        std::io::pipe().expect("a pipe")
    }

    fn read(mut pipe: impl io::Read) -> String {
        let mut bytes = [0; 100];
        let count = pipe.read(&mut bytes).expect("something is there");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn so_much_goes_on_as_is_asked_for_and_what_is_copied_is_still_there_to_be_read() {
        let ((from, mut put), (taken, to)) = (pipe(), pipe());
        let mut tee = Tee::onto(to.into()).expect("a pipe");
        assert_eq!(tee.copy(&from, 100), 0, "nothing is there, and nobody waits");
        io::Write::write_all(&mut put, b"one\ntwo").expect("there is room");
        assert_eq!((tee.copy(&from, 100), read(&from).as_str()), (7, "one\ntwo"));
        assert_eq!((tee.send(4).await, read(&taken).as_str(), tee.held()), (4, "one\n", 3));
        io::Write::write_all(&mut put, b"\n").expect("there is room");
        assert_eq!((tee.copy(&from, 100), tee.send(100).await, read(&taken).as_str()), (1, 4, "two\n"));
        tee.copy(&from, 100);
        tee.clear();
        assert_eq!((tee.held(), tee.send(100).await), (0, 0));
        assert!(Tee::onto(tempfile::tempfile().expect("a file").into()).is_none());
    }

    #[tokio::test]
    async fn what_a_consumer_does_not_take_is_left_to_the_thread_before_what_comes_later() {
        let ((from, mut put), (mut taken, to)) = (pipe(), pipe());
        let outlet = OutputWriter::onto(to.into(), "test").expect("a thread");
        let mut tee = outlet.tee().expect("a pipe");
        let mut told = Vec::new();
        let mut is_free = true;
        for number in 0.. {
            let line = format!("{number} {}\n", "x".repeat(10_000)).into_bytes();
            io::Write::write_all(&mut put, &line).expect("there is room");
            assert_eq!(tee.copy(&from, line.len()), line.len());
            (&from).take(line.len() as u64).read_to_end(&mut Vec::new()).expect("it is there");
            let begin = Instant::now();
            told.extend_from_slice(&line);
            outlet.write_beside(line, &mut tee).await;
            assert!(begin.elapsed() < Duration::from_secs(1), "it is not waited for as long as a runner is");
            if !std::mem::replace(&mut is_free, outlet.is_free()) {
                break;
            }
            let spares = outlet.lock().spares.len();
            assert_eq!(spares, 0, "the thread has written nothing");
        }
        assert!(told.len() > 100_000, "a pipe holds more than that");
        let mut all = vec![0; told.len()];
        taken.read_exact(&mut all).expect("all of it comes");
        assert!(all == told, "in order, nothing twice");
        assert!(outlet.flush(Duration::from_secs(60)));
    }
}
