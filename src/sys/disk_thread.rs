//! A thread for whatever may hang: a disk, a network file system above all. Who asks waits no longer than it likes, and what
//! hangs holds up nobody but those who ask this thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// An answer of the runner's directory that takes longer is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// And this long behind one that did not come: whoever leaves has no time for each of them.
const IMPATIENCE: Duration = Duration::from_millis(100);
/// Looks that may wait for the one that hangs; further ones are answered with nothing at once.
const MOST: usize = 8;
const STACK: usize = 256 * 1024;

/// Does it on a thread of its own and waits for it here; `None` if it does not end in time, and is left to itself.
///
/// # Errors
/// If the operating system refuses a thread.
pub fn within<T: Send + 'static>(
    patience: Duration,
    task: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (done, answer) = channel();
    // Nobody may be waiting any more.
    let work = move || drop(done.send(task()));
    std::thread::Builder::new().name("within".to_owned()).spawn(work)?;
    Ok(answer.recv_timeout(patience).ok())
}

type Task = Box<dyn FnOnce() + Send>;

/// The way to the thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct DiskThread {
    tasks: Sender<Task>,
    /// Tasks that have not come back.
    behind: Arc<AtomicUsize>,
    /// An answer did not come in time, and nothing has been done since.
    is_late: Arc<AtomicBool>,
    patience: Duration,
}

impl DiskThread {
    /// Begins now: later there may be no process left to be had.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start(name: &str, patience: Duration) -> io::Result<DiskThread> {
        let (tasks, inbox): (Sender<Task>, Receiver<Task>) = channel();
        let (behind, is_late) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (done, awake) = (Arc::clone(&behind), Arc::clone(&is_late));
        let work = move || {
            for task in inbox {
                task();
                done.fetch_sub(1, Ordering::Relaxed);
                awake.store(false, Ordering::Relaxed);
            }
        };
        std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work)?;
        Ok(DiskThread { tasks, behind, is_late, patience })
    }

    /// Has it done behind what was asked for before, whether the answer is waited for or not.
    pub fn ask<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let (done, reply) = oneshot::channel();
        // Nobody may want to know any more.
        self.send(move || drop(done.send(task())));
        self.answer(reply)
    }

    /// Has it looked at: not if too much waits already, nor once nobody waits for the answer any more.
    pub fn look<T: Send + 'static>(&self, look: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let (done, reply) = oneshot::channel();
        if self.behind.load(Ordering::Relaxed) < MOST {
            self.send(move || {
                if !done.is_closed() {
                    drop(done.send(look()));
                }
            });
        }
        self.answer(reply)
    }

    fn send(&self, task: impl FnOnce() + Send + 'static) {
        self.behind.fetch_add(1, Ordering::Relaxed);
        // The thread lives as long as we do.
        let _ = self.tasks.send(Box::new(task));
    }

    fn answer<T>(&self, reply: oneshot::Receiver<T>) -> Answer<T> {
        let is_late = self.is_late.load(Ordering::Relaxed);
        let until = Instant::now() + if is_late { IMPATIENCE } else { self.patience };
        Answer { reply, until, is_late: Arc::clone(&self.is_late), seen: None }
    }
}

/// What the thread will have seen.
#[derive(Debug)]
pub struct Answer<T> {
    reply: oneshot::Receiver<T>,
    until: Instant,
    is_late: Arc<AtomicBool>,
    #[expect(clippy::option_option, reason = "answered and known are two questions")]
    seen: Option<Option<T>>,
}

impl<T> Answer<T> {
    /// What was seen; `None` once the time is over, or if nobody could look. Cancel-safe, and the same until it is taken.
    pub async fn get(&mut self) -> Option<&mut T> {
        if self.seen.is_none() {
            let reply = timeout_at(self.until, &mut self.reply).await;
            self.is_late.fetch_or(reply.is_err(), Ordering::Relaxed);
            self.seen = Some(reply.ok().and_then(Result::ok));
        }
        self.seen.as_mut().and_then(Option::as_mut)
    }

    /// [`Answer::get`], for whoever asks once.
    pub async fn take(mut self) -> Option<T> {
        self.get().await;
        self.seen.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const LONG: Duration = Duration::from_secs(60);

    /// Holds the thread up until something is sent.
    fn hang(thread: &DiskThread) -> (Sender<()>, Answer<bool>) {
        let (go, hangs) = channel::<()>();
        (go, thread.ask(move || hangs.recv().is_ok()))
    }

    #[tokio::test]
    async fn what_was_seen_is_the_same_each_time() {
        let thread = DiskThread::start("test", LONG).expect("a thread");
        let mut answer = thread.look(|| 7);
        assert_eq!((answer.get().await.copied(), answer.get().await.copied()), (Some(7), Some(7)));
        assert_eq!(answer.take().await, Some(7));
    }

    #[tokio::test]
    async fn what_hangs_is_not_waited_for_and_what_comes_behind_it_is_done_in_order() {
        let thread = DiskThread::start("test", IMPATIENCE * 3).expect("a thread");
        assert_eq!(thread.ask(|| 1).take().await, Some(1));
        let (go, mut hung) = hang(&thread);
        assert_eq!(hung.get().await, None);
        assert_eq!(hung.get().await, None, "the same each time");
        let done = Arc::new(Mutex::new(Vec::new()));
        let note = |number| {
            let done = Arc::clone(&done);
            move || done.lock().expect("no panic").push(number)
        };
        let first = thread.ask(note(1));
        assert!(first.until <= Instant::now() + IMPATIENCE, "nobody is as patient behind it");
        assert_eq!(first.take().await, None);
        let mut second = thread.ask(note(2));
        second.until = Instant::now() + LONG;
        go.send(()).expect("it hangs");
        assert_eq!(second.take().await, Some(()));
        assert_eq!(*done.lock().expect("no panic"), [1, 2]);
        let mut third = thread.ask(|| 3);
        third.until = Instant::now() + LONG;
        assert_eq!(third.take().await, Some(3));
        assert!(thread.ask(|| 4).until > Instant::now() + IMPATIENCE, "it has come back");
    }

    #[tokio::test]
    async fn looks_that_are_too_many_or_that_nobody_waits_for_are_not_made() {
        let thread = DiskThread::start("test", LONG).expect("a thread");
        let (go, _hung) = hang(&thread);
        let made = Arc::new(AtomicUsize::new(0));
        let look = |number: usize| {
            let made = Arc::clone(&made);
            thread.look(move || {
                made.fetch_add(1, Ordering::Relaxed);
                number
            })
        };
        drop(look(0));
        let looks: Vec<_> = (1..2 * MOST).map(look).collect();
        let mut looks = looks.into_iter();
        let last = looks.next_back().expect("many");
        assert_eq!(last.take().await, None, "too many: at once, not in a minute");
        go.send(()).expect("it hangs");
        let kept: Vec<_> = looks.by_ref().take(MOST - 2).collect();
        for (number, answer) in kept.into_iter().enumerate() {
            assert_eq!(answer.take().await, Some(number + 1));
        }
        assert_eq!(thread.ask(|| 1).take().await, Some(1));
        assert_eq!(made.load(Ordering::Relaxed), MOST - 2);
    }
}
