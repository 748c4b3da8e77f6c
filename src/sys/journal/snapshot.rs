//! The snapshot is what compacted rows have said: replaced whole, or not at all.

use super::files::{self, Paths};
use super::sealed;
use crate::domain::totals::Ledger;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

const VERSION: u32 = 2;

/// The beginning of the log that the snapshot has folded in. It stands there until the new log has replaced the old one,
/// and tells after a crash which of the two is in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Coverage {
    /// Bytes of the old log that are counted.
    len: u64,
    /// Their CRC-32.
    crc32: u32,
    /// Length of the whole old log; the new one begins shorter.
    log_len: u64,
}

impl Coverage {
    /// Describes the first `len` bytes of a log.
    pub(super) fn of(log: &File, len: u64) -> io::Result<Coverage> {
        Ok(Coverage { len, crc32: crc_of(log, len)?, log_len: log.metadata()?.len() })
    }

    /// How many bytes of this log are counted already: all it covers if it is the old log, else none.
    pub(super) fn counted(&self, log: &File) -> io::Result<u64> {
        let old = log.metadata()?.len() >= self.log_len && crc_of(log, self.len)? == self.crc32;
        Ok(if old { self.len } else { 0 })
    }
}

fn crc_of(mut log: &File, len: u64) -> io::Result<u32> {
    log.seek(SeekFrom::Start(0))?;
    let mut rest = log.take(len);
    let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), vec![0; 64 * 1024]);
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Body<T> {
    covers: Option<Coverage>,
    totals: T,
}

/// Writes the snapshot beside its place and syncs it; [`publish`] puts it there.
pub(super) fn prepare<T: Ledger>(paths: &Paths, totals: &T, covers: Option<Coverage>) -> io::Result<()> {
    let body = Body { covers, totals: totals.clone() };
    sealed::prepare(&paths.snapshot_new, &paths.snapshot, VERSION, body)
}

/// Puts the prepared snapshot in place. The name is durable after the directory's sync.
pub(super) fn publish(paths: &Paths) -> io::Result<()> {
    files::rename(&paths.snapshot_new, &paths.snapshot)
}

/// Reads the snapshot. `Ok(None)`: there is none.
///
/// # Errors
/// `InvalidData` if it cannot be believed, or the error of reading it.
pub(super) fn load<T: Ledger>(paths: &Paths) -> io::Result<Option<(T, Option<Coverage>)>> {
    let Some(Body::<T> { covers, totals }) = sealed::load(&paths.snapshot, VERSION)? else { return Ok(None) };
    if !totals.is_sound() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a histogram does not add up"));
    }
    Ok(Some((totals, covers)))
}
