//! What may have to be removed is written down when a job begins: a killed supervisor's successor has no other way to know it.

use crate::domain::engine::{Mark, label, spellings};
use ring::digest::{SHA256, digest};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `.runner` has a few hundred bytes, and so has the memory.
const MOST: u64 = 64 * 1024;

/// The labels of the worker that works with the registration in this directory; `None` if there is none.
pub(super) fn labels(runner_dir: &Path) -> Option<Vec<String>> {
    let mut text = Vec::new();
    File::open(runner_dir.join(".runner")).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    let digest =
        |text: &String| digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes");
    let mut labels: Vec<String> = spellings(&text).iter().map(|text| label(digest(text))).collect();
    labels.dedup();
    Some(labels)
}

/// The marks, here and on disk.
pub(super) struct Memory {
    path: PathBuf,
    pub(super) marks: Vec<Mark>,
}

impl Memory {
    /// With what the predecessor has left in the file.
    pub(super) fn open(path: PathBuf) -> Memory {
        let marks = read(&path).unwrap_or_default();
        Memory { path, marks }
    }

    /// Where it cannot be written, only we know.
    pub(super) fn write(&self) {
        // A state directory that cannot be written is told of by the job log.
        let _ = if self.marks.is_empty() { std::fs::remove_file(&self.path) } else { self.replace() };
    }

    fn replace(&self) -> io::Result<()> {
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(&self.marks)?)?;
        std::fs::rename(&new, &self.path)
    }
}

/// Nobody else's word: what stands there is removed.
fn read(path: &Path) -> io::Result<Vec<Mark>> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let file = File::from(file);
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() {
        return Ok(Vec::new());
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    let marks: Vec<Mark> = serde_json::from_slice(&text)?;
    let is_label = |label: &String| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(marks.into_iter().filter(|mark| mark.labels.iter().all(is_label)).collect())
}
