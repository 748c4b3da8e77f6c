//! Files that the runner's user can write are opened here: no link is followed, nothing waits, a regular file only, of bounded size.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Without waiting for whoever would have to come to the other end.
const CAREFULLY: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file for reading. A pipe, a socket or a device in its place is an error at once, and so is a link, wherever
/// it leads; the directory is taken as it is named.
///
/// # Errors
/// If there is none, or something else in its place.
pub fn open(path: &Path) -> io::Result<File> {
    regular(path, OFlags::RDONLY)
}

/// Opens a regular file for reading and appending; one that is not there is made, for us only.
///
/// # Errors
/// As [`open`]; or if it cannot be made.
pub fn append(path: &Path) -> io::Result<File> {
    regular(path, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)
}

fn regular(path: &Path, how: OFlags) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(rustix::fs::open(path, how | CAREFULLY, mode).map_err(said)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(odd()) }
}

/// The whole of a regular file that has at most so many bytes.
///
/// # Errors
/// As [`open`]; and if it is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {most} bytes")));
    }
    Ok(text)
}

/// In words what the kernel says by numbers that would tell an operator nothing.
fn said(error: rustix::io::Errno) -> io::Error {
    match error {
        rustix::io::Errno::LOOP => {
            io::Error::new(io::ErrorKind::InvalidData, "a link, which is not followed")
        }
        rustix::io::Errno::NXIO | rustix::io::Errno::NODEV | rustix::io::Errno::ISDIR => odd(),
        error => error.into(),
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode as Bits;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_regular_file_is_read_and_nothing_waits() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "12345").expect("ours");
        nix::unistd::mkfifo(&path("fifo"), Bits::S_IRWXU).expect("a pipe");
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
        std::fs::create_dir(path("dir")).expect("ours");
        symlink("file", path("link")).expect("ours");
        symlink("/dev/zero", path("zero")).expect("ours");
        symlink("nowhere", path("dangling")).expect("ours");
        std::fs::File::create(path("sparse")).expect("ours").set_len(1 << 30).expect("a hole");

        assert_eq!(read(&path("file"), 5).expect("all of it"), b"12345");
        for odd in ["fifo", "socket", "dir", "link", "zero", "dangling", "sparse"] {
            let error = read(&path(odd), 4096).expect_err(odd);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{odd}: {error}");
        }
        for device in ["/dev/zero", "/dev/null"] {
            assert_eq!(open(device.as_ref()).expect_err(device).kind(), io::ErrorKind::InvalidData);
        }
        for odd in ["fifo", "socket", "dir", "link", "zero", "dangling"] {
            assert_eq!(append(&path(odd)).expect_err(odd).kind(), io::ErrorKind::InvalidData, "{odd}");
        }
        assert!(!path("nowhere").exists(), "what a link leads to is not made");
        append(&path("made")).expect("it is made");
        assert_eq!(read(&path("nothing"), 5).expect_err("none").kind(), io::ErrorKind::NotFound);
        assert!(read(&path("file"), 4).expect_err("too long").to_string().contains("more than 4 bytes"));
    }
}
