//! What the file system of a directory has left.

use crate::domain::death::Space;
use std::path::Path;

/// The file system of `dir`, or of the nearest directory above it that exists; `None` if it cannot be asked.
pub fn space(dir: &Path) -> Option<Space> {
    let found = dir.ancestors().find_map(|dir| nix::sys::statvfs::statvfs(dir).ok())?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    let no_file_can_be_made = found.files() > 0 && found.files_available() == 0;
    let free = if no_file_can_be_made { 0 } else { bytes(found.blocks_available()) };
    Some(Space { free, size: bytes(found.blocks()) })
}

/// How large the file system of `dir` is, bytes; `None` if there is no such directory.
pub fn size(dir: &Path) -> Option<u64> {
    dir.is_dir().then(|| space(dir)).flatten().map(|space| space.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_space_of_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let here = space(dir.path()).unwrap();
        assert!(here.size > 0 && here.free <= here.size, "{here:?}");
        assert_eq!(space(&dir.path().join("a/b/c")).unwrap().size, here.size);
        assert_eq!((size(dir.path()), size(&dir.path().join("a"))), (Some(here.size), None));
    }
}
