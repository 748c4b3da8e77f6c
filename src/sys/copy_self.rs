//! Our own program, copied for another container to start: whole or not at all, and closed to whoever may only run it.

use super::remove::remove;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Whoever starts it cannot read it, so that its processes cannot be looked into.
const MODE: u32 = 0o711;

/// Puts our program into `dir`, in the place of one that is there, even of one that runs; where it is now.
///
/// # Errors
/// If it cannot be read, or nothing can be written there.
pub fn copy_into(dir: &Path) -> io::Result<PathBuf> {
    let (path, new) = (dir.join("runner-init"), dir.join("runner-init.new"));
    let mut ours = File::open("/proc/self/exe").map_err(|error| {
        let says = format!("its own file can be read by its owner alone, run this as root: {error}");
        io::Error::new(error.kind(), says)
    })?;
    remove(&new)?;
    let mut file = File::options().write(true).create_new(true).mode(MODE).open(&new)?;
    io::copy(&mut ours, &mut file)?;
    // Whatever the umask.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    Ok(path)
}
