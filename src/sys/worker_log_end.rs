//! Reads the end of a worker's log. The end of a worker's log, read beside the loop: a disk that hangs costs the row
//! its patience and no more.

use super::door::Dir;
use super::job_cleanup;
use crate::child_setup::Ids;
use crate::domain::last_word::LastWord;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use tokio::sync::oneshot;

/// What a worker says between its result and its end: two lines for each file it uploads.
const TAIL: u64 = 256 * 1024;

/// Reads it, below the runner's directory, with the rights of the runner's user.
///
/// # Errors
/// If the operating system refuses a thread.
pub fn read(runner: Dir, path: String, user: Option<Ids>) -> io::Result<oneshot::Receiver<LastWord>> {
    let (done, answer) = oneshot::channel();
    let work = move || {
        if let Some(ids) = &user {
            job_cleanup::become_on_disk(ids);
        }
        // What cannot be read says nothing; and nobody may want to know any more.
        let _ = done.send(tail(&runner, &path).map(|log| LastWord::read(&log)).unwrap_or_default());
    };
    std::thread::Builder::new().name("last-word".to_owned()).spawn(work)?;
    Ok(answer)
}

/// Of the end only: a log has no limit.
fn tail(runner: &Dir, path: &str) -> io::Result<Vec<u8>> {
    let mut file = runner.file(path)?;
    let found = file.metadata()?;
    file.seek(SeekFrom::Start(found.len().saturating_sub(TAIL)))?;
    let mut log = Vec::new();
    file.take(TAIL).read_to_end(&mut log)?;
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_file_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let text = b"0123456789".repeat(30_000);
        std::fs::write(path("log"), &text).expect("a file");
        let tail_len = usize::try_from(TAIL).expect("small");
        let runner = Dir::open(dir.path()).expect("ours");
        assert_eq!(tail(&runner, "log").expect("readable"), text[text.len() - tail_len..]);
        std::os::unix::fs::symlink(path("log"), path("link")).expect("a link");
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for none in ["link", "pipe", ".", "nothing"] {
            assert!(tail(&runner, none).is_err(), "{none}");
        }
    }
}
