//! Reports of odd files in the runner's directory, told once a job.

use crate::domain::notice::Notice;
use crate::domain::odd_file::{OddFile, Told};
use tokio::sync::mpsc;

/// What is odd there, and what of it has been told.
pub(super) struct OddFiles {
    found: mpsc::Receiver<OddFile>,
    told: Told,
}

impl OddFiles {
    pub(super) fn new(found: mpsc::Receiver<OddFile>) -> OddFiles {
        OddFiles { found, told: Told::default() }
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> OddFile {
        match self.found.recv().await {
            Some(odd) => odd,
            None => std::future::pending().await,
        }
    }

    pub(super) fn handle(&mut self, odd: OddFile) -> Option<Notice> {
        self.told.is_new(&odd).then_some(Notice::OddFile(odd))
    }

    /// What was found and not yet heard.
    pub(super) fn last(&mut self) -> Vec<Notice> {
        let waiting: Vec<OddFile> = std::iter::from_fn(|| self.found.try_recv().ok()).collect();
        waiting.into_iter().filter_map(|odd| self.handle(odd)).collect()
    }

    /// A job may put there what it likes from now on.
    pub(super) fn job_began(&mut self) {
        self.told.job_began();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::odd_file::Oddity;

    #[test]
    fn what_is_odd_is_told_once_a_job_and_to_the_very_end() {
        let (put, found) = mpsc::channel(8);
        let mut files = OddFiles::new(found);
        let odd = || OddFile { path: ".runner".to_owned(), oddity: Oddity::Link };
        assert_eq!(files.handle(odd()), Some(Notice::OddFile(odd())));
        assert_eq!(files.handle(odd()), None);
        files.job_began();
        put.try_send(odd()).expect("there is room");
        put.try_send(odd()).expect("there is room");
        assert_eq!(files.last(), [Notice::OddFile(odd())]);
        assert_eq!(files.last(), []);
    }
}
