//! What init says and the codes it leaves with; a command's name is shown printable, never raw.

use super::InitOptions;
use super::sweep::SweepResult;
use crate::domain::text::{escape, spelt};
use crate::exit_code::ExitCode;
use nix::errno::Errno;
use nix::libc::{self, PIPE_BUF, c_int, pid_t};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::low_level::signal_name;
use std::env::split_paths;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// How much of a command's name is shown, in characters.
const SHOWN: usize = 200;

/// How long a line of ours may wait for a reader of standard error who stands still.
const PATIENCE: Duration = Duration::from_millis(100);
/// More than a loop around one system call needs; std raises it to what the C library demands.
const STACK: usize = 16 * 1024;
/// A line is being written.
static BUSY: AtomicBool = AtomicBool::new(false);

/// One line on standard error, in one write. Nobody waits longer than [`PATIENCE`] for it.
pub(super) fn say(text: &str) {
    say_within(format!("runner-init: {text}\n").as_bytes(), PATIENCE);
}

/// Writes `text` to standard error, and goes on after `patience` whether or not it has been taken.
///
/// The pipe may be full, the terminal stopped (^S), somebody else quicker than we with the room that a poll has seen; and
/// whether a write may block is the open file's property, not ours to change. So it is done in a thread of its own, which
/// blocks for us, and ends with us. While it does, what else there is to say is let go. Closed is no reason to fail.
pub(crate) fn say_within(text: &[u8], patience: Duration) {
    if BUSY.swap(true, Ordering::Acquire) {
        return;
    }
    let text = Arc::<[u8]>::from(text);
    let (done, written) = mpsc::sync_channel(1);
    let writer = {
        let text = Arc::clone(&text);
        move || {
            write_all(&text);
            BUSY.store(false, Ordering::Release);
            let _ = done.send(());
        }
    };
    if std::thread::Builder::new().stack_size(STACK).spawn(writer).is_ok() {
        let _ = written.recv_timeout(patience);
        return;
    }
    // No thread to be had: as good as can be, where nobody else writes.
    let stderr = io::stderr();
    let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if text.len() <= PIPE_BUF && poll(&mut room, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        write_all(&text);
    }
    BUSY.store(false, Ordering::Release);
}

/// Not by std's handle: whoever blocks in it holds its lock.
fn write_all(mut text: &[u8]) {
    while !text.is_empty() {
        match nix::unistd::write(io::stderr(), text) {
            Ok(written) => text = &text[written..],
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// The code a shell would report: the child's own, or 128 + the signal's number.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| ExitCode::of_signal(status.signal().unwrap_or_default()))
}

/// `SIGKILL (9)`; `signal 40` where there is no name.
pub(super) fn signal_label(signal: c_int) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), |name| format!("{name} ({signal})"))
}

/// A command's name, printable and not at length.
pub(super) fn shown(program: &OsStr) -> String {
    spelt(&program.to_string_lossy(), escape).chars().take(SHOWN).collect()
}

/// One orphan that was reaped, if that is to be said.
pub(super) fn reaped(options: &InitOptions, pid: pid_t, status: ExitStatus) {
    if options.warn {
        let how = status.signal().map_or_else(
            || format!("code {}", status.code().unwrap_or_default()),
            |signal| format!("killed by {}", signal_label(signal)),
        );
        say(&format!("reaped orphan {pid}: {how}"));
    }
}

/// Why `program` did not start, and the exit code for it. `path` is where it was looked for, if its name has no slash.
pub(super) fn refusal(program: &OsStr, path: &OsStr, error: &io::Error) -> (i32, String) {
    // execvp answers EACCES too for one directory of PATH that it may not search.
    let denied = matches!(error.raw_os_error(), Some(libc::EACCES));
    if denied
        && !program.as_bytes().contains(&b'/')
        && !split_paths(path).any(|dir| dir.join(program).exists())
    {
        return refusal(program, path, &io::Error::from_raw_os_error(libc::ENOENT));
    }
    let name = shown(program);
    let (code, expected) = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG) => (
            ExitCode::NotFound,
            "; expected a program in PATH or the path of one, or a command of runner-init, see --help",
        ),
        Some(libc::EACCES | libc::EPERM | libc::ENOEXEC | libc::EISDIR | libc::ETXTBSY | libc::ELIBBAD) => {
            (ExitCode::CannotExecute, "; expected an executable file")
        }
        Some(libc::E2BIG) => (ExitCode::CannotExecute, "; expected fewer arguments or a smaller environment"),
        _ => (ExitCode::Os, ""),
    };
    (code.code(), format!("cannot run {name}: {error}{expected}"))
}

/// What became of the orphans: `reaped` before the child's end, the rest in the sweep. `None` if there were none.
pub(super) fn orphans(reaped: u64, swept: &SweepResult) -> Option<String> {
    let total = reaped + swept.ended + swept.killed;
    if total == 0 && !swept.left {
        return None;
    }
    let mut text = format!("reaped {total} orphan{}", if total == 1 { "" } else { "s" });
    let parts = [(swept.ended, "outlived the child"), (swept.killed, "had to be killed")];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, ", {count} {what}");
    }
    if swept.left {
        text.push_str(", some did not end");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_shells() {
        for code in 0..=255 {
            assert_eq!(exit_code(ExitStatus::from_raw(code << 8)), code);
        }
        for signal in 1..=64 {
            assert_eq!(exit_code(ExitStatus::from_raw(signal)), 128 + signal);
            // With a core dump.
            assert_eq!(exit_code(ExitStatus::from_raw(signal | 0x80)), 128 + signal);
        }
    }

    #[test]
    fn each_refusal_has_its_code_and_says_what_was_expected() {
        let rows = [
            (libc::ENOENT, 127, "expected a program in PATH"),
            (libc::ENOTDIR, 127, "expected a program in PATH"),
            (libc::EACCES, 126, "expected an executable file"),
            (libc::ENOEXEC, 126, "expected an executable file"),
            (libc::E2BIG, 126, "expected fewer arguments"),
            (libc::EAGAIN, 71, "unavailable"),
            (libc::ENOMEM, 71, "memory"),
        ];
        for (errno, code, text) in rows {
            let (got, reason) =
                refusal(OsStr::new("/prog"), OsStr::new(""), &io::Error::from_raw_os_error(errno));
            assert_eq!(got, code, "{reason}");
            assert!(reason.starts_with("cannot run /prog: ") && reason.contains(text), "{reason}");
        }
    }

    #[test]
    fn an_unsearchable_directory_is_not_an_unexecutable_program() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        let code = |program: &str, path: &str| refusal(OsStr::new(program), OsStr::new(path), &denied).0;
        assert_eq!(code("no-such-program", "/proc/1:/dev"), 127);
        // There it is, so it is the program that may not be executed.
        assert_eq!(code("null", "/proc/1:/dev"), 126);
        assert_eq!(code("/no/such/program", ""), 126);
    }

    #[test]
    fn a_command_is_never_shown_raw_nor_at_length() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);
        let (_, reason) = refusal(OsStr::from_bytes(b"a\nb\x1b[31m\xff"), OsStr::new(""), &error);
        assert!(reason.starts_with("cannot run a\\nb\\u{1b}[31m\u{fffd}: "), "{reason:?}");
        let (_, reason) = refusal(OsStr::new(&"x".repeat(100_000)), OsStr::new(""), &error);
        assert!(reason.len() < 400, "{}", reason.len());
    }

    #[test]
    fn signals_have_names_where_there_are_any() {
        assert_eq!(signal_label(libc::SIGKILL), "SIGKILL (9)");
        assert_eq!(signal_label(40), "signal 40");
    }

    #[test]
    fn orphans_are_counted_by_how_they_ended() {
        let swept = |ended, killed, left| SweepResult { ended, killed, left };
        let rows = [
            (0, swept(0, 0, false), None),
            (1, swept(0, 0, false), Some("reaped 1 orphan")),
            (1000, swept(0, 0, false), Some("reaped 1000 orphans")),
            (2, swept(1, 3, false), Some("reaped 6 orphans, 1 outlived the child, 3 had to be killed")),
            (0, swept(0, 0, true), Some("reaped 0 orphans, some did not end")),
        ];
        for (reaped, swept, text) in rows {
            assert_eq!(orphans(reaped, &swept).as_deref(), text);
        }
    }
}
