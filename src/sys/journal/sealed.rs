//! A file of JSON that vouches for itself: it is read as it was written, or not believed.

use super::files;
use crate::sys::door;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::Path;

/// A snapshot is a few kilobytes, [`crate::domain::totals::MAX_OPEN`] rows of texts at most.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Sealed<B> {
    version: u32,
    /// Of the body as serialized: a flipped digit is as bad as a missing brace.
    crc32: u32,
    body: B,
}

/// Writes it at `new`, beside the place where it belongs, and syncs it.
pub(super) fn prepare<B: Serialize>(new: &Path, place: &Path, version: u32, body: B) -> io::Result<()> {
    let crc32 = crc32fast::hash(&serde_json::to_vec(&body)?);
    let mut bytes = serde_json::to_vec(&Sealed { version, crc32, body })?;
    bytes.push(b'\n');
    let file = files::create_like(new, place)?;
    files::write_once(&file, &bytes)?;
    files::sync(&file)
}

/// Reads it. `Ok(None)`: there is none.
///
/// # Errors
/// `InvalidData` if it cannot be believed, or the error of reading it.
pub(super) fn load<B: Serialize + DeserializeOwned>(place: &Path, expected: u32) -> io::Result<Option<B>> {
    let file = match door::open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let Sealed::<B> { version, crc32, body } = serde_json::from_slice(&bytes)?;
    let damaged = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if version != expected {
        return damaged("written by another version");
    }
    if crc32fast::hash(&serde_json::to_vec(&body)?) != crc32 {
        return damaged("checksum does not match");
    }
    Ok(Some(body))
}
