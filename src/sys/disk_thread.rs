//! A thread for blocking file access. What an errand reads and writes on the disk is done in its order on one thread,
//! and waited for only so long: a disk that hangs costs an answer, and nobody else's time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// An answer that takes longer is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// And this long behind one that did not come: whoever leaves has no time for each of them.
const IMPATIENCE: Duration = Duration::from_millis(100);
const STACK: usize = 256 * 1024;

type Task = Box<dyn FnOnce() + Send>;

/// The way to the thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct DiskThread {
    tasks: Sender<Task>,
    is_late: Arc<AtomicBool>,
    patience: Duration,
}

impl DiskThread {
    /// Begins now: later there may be no process left to be had.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start() -> io::Result<DiskThread> {
        DiskThread::with(PATIENCE)
    }

    fn with(patience: Duration) -> io::Result<DiskThread> {
        let (tasks, inbox) = channel::<Task>();
        let work = move || inbox.into_iter().for_each(|task| task());
        std::thread::Builder::new().name("clerk".to_owned()).stack_size(STACK).spawn(work)?;
        Ok(DiskThread { tasks, is_late: Arc::default(), patience })
    }

    /// Hands it over; it is done behind those before it, whether the answer is waited for or not.
    pub fn send<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (done, answer) = oneshot::channel();
        // The thread lives as long as we do.
        let _ = self.tasks.send(Box::new(move || {
            // Nobody may want to know any more.
            let _ = done.send(task());
        }));
        answer
    }

    /// [`DiskThread::send`], and its answer; `None` if it does not come in time.
    pub async fn ask<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let answer = self.send(task);
        let is_late = self.is_late.load(Ordering::Relaxed);
        let answer = timeout(if is_late { IMPATIENCE } else { self.patience }, answer).await.ok();
        self.is_late.store(answer.is_none(), Ordering::Relaxed);
        answer?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_hangs_is_not_waited_for_and_what_comes_behind_it_is_done_in_order() {
        let clerk = DiskThread::with(IMPATIENCE * 3).expect("a thread");
        assert_eq!(clerk.ask(|| 1).await, Some(1));
        let (go, hangs) = mpsc::channel::<()>();
        assert_eq!(clerk.ask(move || hangs.recv().is_ok()).await, None);
        let done = Arc::new(Mutex::new(Vec::new()));
        let note = |number| {
            let done = Arc::clone(&done);
            move || done.lock().expect("no panic").push(number)
        };
        assert_eq!(clerk.ask(note(1)).await, None);
        let second = clerk.send(note(2));
        go.send(()).expect("it hangs");
        second.await.expect("it is done");
        assert_eq!(*done.lock().expect("no panic"), [1, 2]);
        assert_eq!(clerk.ask(|| 3).await, Some(3));
    }
}
