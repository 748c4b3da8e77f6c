//! How old what is sampled may be. Nothing is looked at before somebody looks at the page: who finds the last sample too old has a
//! newer one taken, and waits for it no longer than a scrape can spare.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// A disk that hangs, or a loop that does not turn, costs a scrape so much and no more: it shows what there is.
const PATIENCE: Duration = Duration::from_millis(250);

/// Who waits for a sample.
pub type SampleReader = oneshot::Sender<()>;

/// When the last sample was taken, and where a newer one is asked for.
#[derive(Debug)]
pub struct Freshness {
    most: Duration,
    taken: Mutex<Option<Instant>>,
    readers: mpsc::Sender<SampleReader>,
}

impl Freshness {
    /// A sample is too old after `most`; whoever takes them hears of the readers.
    pub fn new(most: Duration) -> (Freshness, mpsc::Receiver<SampleReader>) {
        let (readers, heard) = mpsc::channel(64);
        (Freshness { most, taken: Mutex::default(), readers }, heard)
    }

    /// One was taken, and is shown.
    pub fn taken(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Waits until what is shown is fresh enough, or for as long as a scrape can. The very first sample, which nobody has to ask
    /// for, is not waited for.
    pub async fn wait(&self) {
        let taken = *self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_none_or(|taken| taken.elapsed() < self.most) {
            return;
        }
        let (reader, answer) = oneshot::channel();
        // Too many ask already: the answer is theirs, and the next page's.
        if self.readers.try_send(reader).is_ok() {
            let _ = timeout(PATIENCE, answer).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_sample_is_asked_for_only_if_the_last_one_is_too_old() {
        let (long, mut nobody) = Freshness::new(Duration::from_secs(3600));
        long.wait().await;
        long.taken();
        long.wait().await;
        assert!(nobody.try_recv().is_err(), "the last one is young");

        let (short, mut readers) = Freshness::new(Duration::ZERO);
        short.wait().await;
        assert!(readers.try_recv().is_err(), "the first one is on its way");
        short.taken();
        let sampler = async {
            let reader = readers.recv().await.expect("somebody looks");
            short.taken();
            reader.send(()).expect("it is waited for");
        };
        tokio::join!(short.wait(), sampler);
    }

    #[tokio::test]
    async fn a_sampler_that_is_gone_is_not_waited_for() {
        let (freshness, readers) = Freshness::new(Duration::ZERO);
        freshness.taken();
        drop(readers);
        freshness.wait().await;
    }
}
