//! Keys of rows that have come, 8 bytes each, in two files: the newer is appended to, and takes the place of the older when it is
//! full. What a crash tears off its end is in the job log still.

use super::door;
use super::remove::remove;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of a key.
const SIZE: usize = 8;

/// The files, open for their one writer.
#[derive(Debug)]
pub struct KeyFile {
    newer: PathBuf,
    older: PathBuf,
    file: File,
}

impl KeyFile {
    /// Opens the files beside this log; gives their keys to `each`, the oldest first.
    ///
    /// # Errors
    /// If they cannot be read or made.
    pub fn open(log: &Path, mut each: impl FnMut(u64)) -> io::Result<KeyFile> {
        let beside = |suffix: &str| {
            let mut name = log.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let (newer, older) = (beside(".keys"), beside(".keys.old"));
        match door::open(&older) {
            Ok(mut file) => drop(read(&mut file, &mut each)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = door::append(&newer)?;
        let whole = read(&mut file, &mut each)?;
        file.set_len(whole)?;
        Ok(KeyFile { newer, older, file })
    }

    /// Appends keys; they may not be on disk yet.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn append(&mut self, keys: &[u64]) -> io::Result<()> {
        let bytes: Vec<u8> = keys.iter().flat_map(|key| key.to_le_bytes()).collect();
        self.file.write_all(&bytes)
    }

    /// All that was appended is on disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The newer file is full: it is the older one from now on.
    ///
    /// # Errors
    /// What the disk says; then it goes on growing.
    pub fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        remove(&self.older)?;
        std::fs::rename(&self.newer, &self.older)?;
        self.file = door::append(&self.newer)?;
        door::sync_dir_of(&self.newer)
    }
}

/// Reads whole keys; the bytes of them.
fn read(file: &mut File, each: &mut impl FnMut(u64)) -> io::Result<u64> {
    let (mut buffer, mut held, mut whole) = (vec![0; 64 * 1024], Vec::new(), 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(whole);
        }
        held.extend_from_slice(&buffer[..count]);
        let (keys, rest) = held.as_chunks::<SIZE>();
        for key in keys {
            each(u64::from_le_bytes(*key));
        }
        whole += (keys.len() * SIZE) as u64;
        held = rest.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(log: &Path) -> Vec<u64> {
        let mut found = Vec::new();
        KeyFile::open(log, |key| found.push(key)).unwrap();
        found
    }

    #[test]
    fn keys_come_back_in_order_the_last_two_files_of_them_and_no_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("jobs.log");
        let mut file = KeyFile::open(&log, |_| panic!("there is none")).unwrap();
        file.append(&[1, 2]).unwrap();
        file.rotate().unwrap();
        file.append(&[3]).unwrap();
        file.rotate().unwrap();
        file.append(&[4, u64::MAX]).unwrap();
        file.sync().unwrap();
        assert_eq!(keys(&log), [3, 4, u64::MAX]);
        std::fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join("jobs.log.keys"))
            .unwrap()
            .write_all(b"torn")
            .unwrap();
        let mut file = KeyFile::open(&log, |_| {}).unwrap();
        file.append(&[5]).unwrap();
        assert_eq!(keys(&log), [3, 4, u64::MAX, 5]);
        let many: Vec<u64> = (0..20_000).collect();
        file.append(&many).unwrap();
        assert_eq!(keys(&log).len(), 20_004);
    }
}
