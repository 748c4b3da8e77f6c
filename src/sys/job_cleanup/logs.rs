//! The runner's logs in `_diag` are kept below a limit; whatever is not a log is not looked at.

use crate::domain::retention::{Log, excess, is_exceeded};
use crate::sys::processes;
use rustix::fs::{AtFlags, Dir, FileType, statat, unlinkat};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

/// Removes the oldest logs of this directory until at most `limit` bytes are left, or nothing more may go; how many.
pub(super) fn bound(diag: io::Result<OwnedFd>, limit: u64) -> u64 {
    let Ok(dir) = diag else { return 0 };
    let logs = logs(&dir);
    if !is_exceeded(&logs, limit) {
        return 0;
    }
    let open: BTreeSet<Vec<u8>> = processes::open_names(Log::is_named);
    let goes = excess(logs, limit, |name| open.contains(name));
    let is_removed = |log: &&Log| unlinkat(&dir, log.name.as_slice(), AtFlags::empty()).is_ok();
    goes.iter().filter(is_removed).count() as u64
}

fn logs(dir: &OwnedFd) -> Vec<Log> {
    let names = Dir::read_from(dir).into_iter().flatten().flatten().map(|entry| entry.file_name().to_owned());
    let log = |name: CString| {
        let found = statat(dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        let modified = (found.st_mtime, found.st_mtime_nsec);
        let size = found.st_size.try_into().ok()?;
        is_file.then(|| Log { name: name.into_bytes(), size, modified })
    };
    names.filter(|name| Log::is_named(name.to_bytes())).filter_map(log).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    #[test]
    fn only_logs_go_and_none_that_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("pages")).unwrap();
        fs::write(path("pages/page.log"), [0; 900]).unwrap();
        fs::write(path("big.txt"), [0; 900]).unwrap();
        fs::write(dir.path().join("pages/kept"), "").unwrap();
        symlink(path("big.txt"), path("link.log")).unwrap();
        for (name, age) in
            [("Runner_1.log", 50), ("Worker_1.log", 40), ("Worker_2.log", 30), ("Runner_2.log", 20)]
        {
            fs::write(path(name), [0; 100]).unwrap();
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
            File::options().write(true).open(path(name)).unwrap().set_modified(modified).unwrap();
        }
        let held = File::open(path("Runner_1.log")).unwrap();
        let bound = |limit| bound(File::open(dir.path()).map(OwnedFd::from), limit);
        assert_eq!(bound(400), 0);
        assert_eq!(bound(100), 1, "one is open, two are the newest");
        assert!(!path("Worker_1.log").exists());
        drop(held);
        assert_eq!(bound(200), 1);
        assert!(!path("Runner_1.log").exists());
        for kept in ["Worker_2.log", "Runner_2.log", "link.log", "big.txt", "pages/page.log"] {
            assert!(path(kept).exists(), "{kept}");
        }
        assert_eq!(super::bound(Err(io::ErrorKind::NotFound.into()), 0), 0);
    }
}
