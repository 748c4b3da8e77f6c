//! A thread that looks at places which may hang, a network file system above all: who asks waits no longer than it likes, and
//! what hangs holds up nobody but those who ask this thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Looks that may wait for the one that hangs; further ones are answered with nothing at once.
const MOST: usize = 8;
const STACK: usize = 128 * 1024;

type ProbeTask = Box<dyn FnOnce() + Send>;

/// One such thread.
#[derive(Debug)]
pub struct Prober {
    looks: Sender<ProbeTask>,
    /// Looks that have not come back.
    behind: Arc<AtomicUsize>,
}

impl Prober {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system refuses one.
    pub fn start(name: &str) -> io::Result<Prober> {
        let (looks, inbox): (Sender<ProbeTask>, Receiver<ProbeTask>) = channel();
        let work = move || inbox.iter().for_each(|look| look());
        std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work)?;
        Ok(Prober { looks, behind: Arc::default() })
    }

    /// Has the thread look, and waits for its answer for so long at most.
    pub fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<T> {
        let (done, reply) = oneshot::channel();
        if self.behind.fetch_add(1, Ordering::Relaxed) < MOST {
            let behind = Arc::clone(&self.behind);
            let look = move || {
                // Who has given up meanwhile needs no look any more.
                if !done.is_closed() {
                    let _ = done.send(look());
                }
                behind.fetch_sub(1, Ordering::Relaxed);
            };
            // The thread lives as long as we do.
            let _ = self.looks.send(Box::new(look));
        } else {
            self.behind.fetch_sub(1, Ordering::Relaxed);
        }
        Answer { reply, until: Instant::now() + patience, seen: None }
    }
}

/// What the thread will have seen.
#[derive(Debug)]
pub struct Answer<T> {
    reply: oneshot::Receiver<T>,
    until: Instant,
    #[expect(clippy::option_option, reason = "answered and known are two questions")]
    seen: Option<Option<T>>,
}

impl<T: Clone> Answer<T> {
    /// What was seen; `None` once the time is over, or if nobody could look. Cancel-safe, and the same each time.
    pub async fn get(&mut self) -> Option<T> {
        if self.seen.is_none() {
            let reply = timeout_at(self.until, &mut self.reply).await;
            self.seen = Some(reply.ok().and_then(Result::ok));
        }
        self.seen.clone().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
            .block_on(test);
    }

    #[test]
    fn what_was_seen_is_the_same_each_time() {
        run(async {
            let prober = Prober::start("test").expect("a thread");
            let mut answer = prober.ask(LONG, || 7);
            assert_eq!((answer.get().await, answer.get().await), (Some(7), Some(7)));
        });
    }

    #[test]
    fn who_asks_a_thread_that_hangs_is_answered_in_time_and_it_goes_on_when_that_is_over() {
        run(async {
            let prober = Prober::start("test").expect("a thread");
            let (go, hung) = channel::<()>();
            let mut first = prober.ask(Duration::ZERO, move || hung.recv().is_ok());
            assert_eq!((first.get().await, first.get().await), (None, None));
            let mut late: Vec<_> = (0..2 * MOST).map(|n| prober.ask(LONG, move || n)).collect();
            assert_eq!(late[MOST].get().await, None, "too many: at once, not in a minute");
            go.send(()).expect("it hangs");
            assert_eq!(late[0].get().await, Some(0));
            assert_eq!(late[MOST - 2].get().await, Some(MOST - 2));
            let mut again = prober.ask(LONG, || 1);
            assert_eq!(again.get().await, Some(1));
        });
    }
}
