//! Signals become values on a channel; one that was inherited as ignored stays ignored, as the .NET runtime keeps it.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Delivers SIGINT, SIGQUIT and SIGTERM, one call per signal, from a thread of its own. If two are pending at once the
/// interrupt is first, whichever came first. What is returned is true from the moment on at which one has come, which may be before it
/// is delivered.
///
/// # Errors
/// If a handler cannot be installed.
pub(crate) fn listen(mut deliver: impl FnMut(i32) + Send + 'static) -> io::Result<Arc<AtomicBool>> {
    let ignored = mask("SigIgn");
    let came = Arc::new(AtomicBool::new(false));
    let mut sources = Vec::new();
    for signal in [SIGINT, SIGQUIT, SIGTERM] {
        if ignored >> (signal - 1) & 1 == 0 {
            let (read, write) = UnixStream::pair()?;
            flag::register(signal, Arc::clone(&came))?;
            pipe::register(signal, write)?;
            sources.push((signal, read));
        }
    }
    std::thread::spawn(move || {
        while let Some(signal) = next(&sources) {
            deliver(signal);
        }
    });
    Ok(came)
}

/// Waits for the next signal; `None` if there is none to wait for.
fn next(sources: &[(i32, UnixStream)]) -> Option<i32> {
    loop {
        let mut fds: Vec<PollFd> =
            sources.iter().map(|(_, read)| PollFd::new(read.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) => return None,
            Ok(_) => {}
        }
        let ready = fds.iter().position(|fd| fd.any() == Some(true))?;
        let (signal, mut read) = (sources[ready].0, &sources[ready].1);
        if read.read(&mut [0]).is_ok_and(|count| count == 1) {
            return Some(signal);
        }
    }
}

/// A signal mask of this process, as `/proc/self/status` names it: `SigIgn` or `SigBlk`. 0 if unreadable.
pub(crate) fn mask(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}
