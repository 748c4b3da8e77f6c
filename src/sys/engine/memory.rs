//! What may have to be removed is written down when a job begins: a killed supervisor's successor has no other way to know it.

use crate::domain::engine::{Mark, label, spellings};
use crate::sys::door::{Dir, Odd};
use crate::sys::remove::remove;
use crate::sys::{runner_file, state_file};
use ring::digest::{SHA256, digest};
use std::path::{Path, PathBuf};

/// The labels of the worker that works with the registration in this directory; `None` if there is none.
pub(super) fn labels(runner: &Dir) -> Option<Vec<String>> {
    let text = runner.read(".runner", runner_file::MOST).ok()?;
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
    pub(super) fn open(path: PathBuf, odd: &Odd) -> Memory {
        let marks = read(&path, odd).unwrap_or_default();
        Memory { path, marks }
    }

    /// Where it cannot be written, only we know.
    pub(super) fn write(&self) {
        // A state directory that cannot be written is told of by the job log.
        let _ = match &self.marks[..] {
            [] => remove(&self.path).map(drop),
            marks => state_file::write(&self.path, &marks),
        };
    }
}

/// A label is a digest: what is not one is nobody's word of ours.
fn read(path: &Path, odd: &Odd) -> Option<Vec<Mark>> {
    let marks: Vec<Mark> = state_file::read(path, odd)?;
    let is_label = |label: &String| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(marks.into_iter().filter(|mark| mark.labels.iter().all(is_label)).collect())
}
