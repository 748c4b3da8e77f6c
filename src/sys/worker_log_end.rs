//! The end of a worker's log, where it says how its job ended: read with no more rights than the runner's user has.

use super::door::Dir;
use super::job_cleanup;
use crate::child_setup::Ids;
use crate::domain::last_word::LastWord;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// What a worker says between its result and its end: two lines for each file it uploads.
const TAIL: u64 = 256 * 1024;

/// Reads it, below the runner's directory, with the rights of the runner's user. What cannot be read says nothing.
pub fn read(runner: &Dir, path: &str, user: Option<&Ids>) -> LastWord {
    let read = || tail(runner, path).map(|log| LastWord::read(&log)).unwrap_or_default();
    user.map_or_else(read, |ids| job_cleanup::as_on_disk(ids, read))
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
