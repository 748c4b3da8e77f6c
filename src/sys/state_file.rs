//! State files: small JSON, replaced atomically. What the next supervisor must know lies in a small file of ours:
//! replaced whole, closed to others, and believed only if it is ours.

use super::door::{self, Odd};
use super::remove::remove;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Far more than any has.
const MOST: u64 = 64 * 1024;

/// What a predecessor has written there; `None` if it is not ours, or says nothing that can be understood. What is there
/// instead is told.
pub fn read<T: DeserializeOwned>(path: &Path, odd: &Odd) -> Option<T> {
    serde_json::from_slice(&door::read_own(path, MOST, odd).ok()?).ok()
}

/// Puts it in the place of what was there.
///
/// # Errors
/// If the directory cannot be written.
pub fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    put(path, value, |_| Ok(()))
}

/// The same, and it is on disk when it returns, whatever happens to the machine.
///
/// # Errors
/// If the directory cannot be written, or the disk not be reached.
pub fn write_through<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    // A name that is there before what it stands for would be an empty file after a power cut.
    put(path, value, File::sync_all)?;
    door::sync_dir_of(path)
}

fn put<T: Serialize>(path: &Path, value: &T, settle: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let new = PathBuf::from(new);
    remove(&new)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    settle(&file)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_written_is_read_again_and_is_nobody_elses() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kept");
        assert_eq!(read::<Vec<u8>>(&path, &Odd::default()), None);
        write(&path, &vec![1, 2]).expect("ours");
        write(&path, &vec![3]).expect("in its place");
        assert_eq!(read::<Vec<u8>>(&path, &Odd::default()), Some(vec![3]));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::hard_link(&path, dir.path().join("other")).expect("ours");
        assert_eq!(
            read::<Vec<u8>>(&path, &Odd::default()),
            None,
            "a file with another name may be one of another purpose"
        );
        remove(&path).expect("removed");
        std::os::unix::fs::symlink("other", &path).expect("ours");
        assert_eq!(read::<Vec<u8>>(&path, &Odd::default()), None, "a link leads to what somebody else chose");
        if nix::unistd::geteuid().is_root() {
            remove(&path).expect("removed");
            std::fs::write(&path, "[3]").expect("ours");
            std::os::unix::fs::chown(&path, Some(1001), None).expect("root may");
            assert_eq!(read::<Vec<u8>>(&path, &Odd::default()), None, "somebody else's word");
        }
    }
}
