//! The runner's job hooks are ours, the user's own come after them and decide: scripts for the way in, a socket for the way back.
//!
//! Both stand in `hooks/` of the run directory, where the runner may look and not write.

mod shims;
mod socket;

pub use shims::{Kept, Reason, ShimFault, Shims};
pub use socket::{Received, Socket};

use super::run_dir;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

/// Makes `hooks/` in the run directory, ours alone; for somebody else than us, `open` to pass through but not to write.
///
/// # Errors
/// If it cannot be made, or belongs to somebody else.
pub fn make_dir(run_dir: &Path, open: bool) -> io::Result<PathBuf> {
    let dir = run_dir.join("hooks");
    run_dir::make_ours(&dir)?;
    if open {
        for dir in [run_dir, &dir] {
            let mode = dir.metadata()?.mode() & 0o7777;
            std::fs::set_permissions(dir, PermissionsExt::from_mode(mode | 0o011))?;
        }
    }
    Ok(dir)
}
