//! The directory of our sockets: ours alone, and found by the health check without being told.

use super::runner_user::uid;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where it may be, best first: as configured, else `/run/runner-init`, else a directory of ours in `/tmp`.
pub fn candidates(configured: Option<&Path>) -> Vec<PathBuf> {
    match configured {
        Some(dir) => vec![dir.to_owned()],
        None => vec![PathBuf::from("/run/runner-init"), PathBuf::from(format!("/tmp/runner-init-{}", uid()))],
    }
}

/// Makes the first candidate that can be made, 0700.
///
/// # Errors
/// The last candidate's, if none can be used.
pub fn create(candidates: &[PathBuf]) -> io::Result<PathBuf> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for dir in candidates {
        match make_ours(dir) {
            Ok(()) => return Ok(dir.clone()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Makes `dir`, 0700, or finds it there and ours.
pub(super) fn make_ours(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // Somebody else's directory, or a link in /tmp, would let them answer in our name.
    let found = std::fs::symlink_metadata(dir)?;
    if !found.is_dir() || found.uid() != uid() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
    }
    nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK)?;
    Ok(())
}
