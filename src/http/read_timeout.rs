//! Write timeout of a connection. A stream whose answers must be read: while one waits to be read nothing more is
//! heard, and it may not wait for long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// From the first byte that finds no room until all are taken. A page is some 20 kB: this is a line of 16 kbit/s.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(10);

/// The stream, and since when it is blocked.
pub(super) struct ReadTimeout<S> {
    inner: S,
    within: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    is_blocked: Arc<AtomicBool>,
    has_more_to_say: bool,
}

impl<S> ReadTimeout<S> {
    /// `is_blocked` is true while answers wait to be read.
    pub(super) fn new(inner: S, within: Duration, is_blocked: Arc<AtomicBool>) -> ReadTimeout<S> {
        ReadTimeout { inner, within, deadline: None, is_blocked, has_more_to_say: false }
    }

    /// Of an attempt to write: one that has to wait has to wait no longer than the deadline.
    fn within<T>(&mut self, attempt: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if attempt.is_pending() {
            self.is_blocked.store(true, Ordering::Relaxed);
            let within = self.within;
            let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        attempt
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.is_some() {
            self.has_more_to_say = true;
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.within(attempt, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.within(attempt, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Asked for when all is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.inner).poll_flush(cx);
        ready!(self.within(attempt, cx))?;
        self.deadline = None;
        self.is_blocked.store(false, Ordering::Relaxed);
        if std::mem::take(&mut self.has_more_to_say) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.within(attempt, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const WITHIN: Duration = Duration::from_millis(50);

    fn block_on(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn who_does_not_read_is_not_heard_and_then_left() {
        block_on(async {
            let (near, mut far) = tokio::io::duplex(8);
            let blocked = Arc::new(AtomicBool::new(false));
            let mut near = ReadTimeout::new(near, WITHIN, Arc::clone(&blocked));
            far.write_all(b"more").await.unwrap();
            let answer = async {
                near.write_all(&[7; 20]).await?;
                near.flush().await
            };
            let begin = tokio::time::Instant::now();
            assert_eq!(answer.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(blocked.load(Ordering::Relaxed) && begin.elapsed() >= WITHIN);
            let heard = tokio::time::timeout(WITHIN, near.read(&mut [0; 4])).await;
            assert!(heard.is_err(), "nothing is heard while an answer waits");
        });
    }

    #[test]
    fn who_reads_in_the_end_is_heard_again() {
        block_on(async {
            let (near, mut far) = tokio::io::duplex(8);
            let blocked = Arc::new(AtomicBool::new(false));
            let mut near = ReadTimeout::new(near, READ_WITHIN, Arc::clone(&blocked));
            far.write_all(b"more").await.unwrap();
            let reader = async {
                tokio::time::sleep(WITHIN).await;
                far.read_exact(&mut [0; 20]).await.unwrap();
            };
            let (sent, ()) = tokio::join!(
                async {
                    near.write_all(&[7; 20]).await?;
                    near.flush().await
                },
                reader
            );
            sent.unwrap();
            assert!(!blocked.load(Ordering::Relaxed));
            let mut heard = [0; 4];
            near.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"more");
        });
    }
}
