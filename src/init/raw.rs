//! The bare system calls: what nix has only for the signals it has names for, and a byte shared with a child to be.
//!
//! `nix::sys::wait::waitpid` takes a child that died of a real-time signal and then answers EINVAL: the status is
//! lost, and with it our exit code. `nix::sys::signal::kill` cannot name those signals at all, and the C libraries keep
//! the lowest of them (32 to 34) out of every set of theirs.

use crate::child_setup::{self, ProcessGroup, StartStep};
use nix::libc::{self, c_int, c_ulong, pid_t};
use nix::unistd::fchdir;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Bytes in the kernel's signal set: 64 signals, one bit each.
const SIGSET_BYTES: usize = 8;

/// What a look for changed children found.
pub(super) enum Waited {
    /// This child ended (its exit is now taken, its pid free) or was stopped.
    Child(pid_t, ExitStatus),
    /// There are children, and none has changed.
    NothingNew,
    /// There are no children.
    NoChildren,
}

/// Takes the status of one child that ended or was stopped, without waiting.
pub(super) fn wait_any() -> Waited {
    let mut status: c_int = 0;
    // SAFETY: the kernel writes one int to `status`, which outlives the call.
    #[expect(unsafe_code, reason = "nix loses the status of a child killed by a real-time signal")]
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    match pid {
        1.. => Waited::Child(pid, ExitStatus::from_raw(status)),
        0 => Waited::NothingNew,
        // ECHILD: with WNOHANG and these arguments no other error is possible.
        _ => Waited::NoChildren,
    }
}

/// Every signal, as a set of the kernel's.
pub(super) const EVERY: u64 = u64::MAX;
/// All but those that tell of a child.
pub(super) const BUT_CHILDREN: u64 = EVERY & !(1 << (libc::SIGCHLD - 1));

/// The next pending signal of these, which must be blocked; waits for one, at most for `patience` if there is one.
///
/// `None` if there was none, also when we were stopped and continued meanwhile. Signals of our own are not for the child:
/// a write to a closed standard error sends SIGPIPE.
pub(super) fn next_signal(wanted: u64, patience: Option<Duration>) -> Option<c_int> {
    let limit = patience.map(|patience| libc::timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the kernel reads eight bytes from `wanted` and a timespec or nothing from `limit`, and writes at most
        // one siginfo_t; all three outlive the call. All zero is a valid siginfo_t, and `si_pid` of any kind an integer.
        #[expect(unsafe_code, reason = "nix has no sigtimedwait")]
        let (signal, sender) = unsafe {
            let signal = libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const wanted,
                info.as_mut_ptr(),
                limit,
                SIGSET_BYTES,
            );
            let info = info.assume_init();
            (signal, (info.si_code == libc::SI_USER).then(|| info.si_pid()))
        };
        let signal = c_int::try_from(signal).ok().filter(|signal| *signal > 0)?;
        // A signal of the kernel's has no sender: nobody asks it who we are.
        if sender.is_none_or(|sender| sender != std::process::id().cast_signed()) {
            return Some(signal);
        }
    }
}

/// `kill(2)`: `target` is a pid, a process group's id negated, or -1 for everybody.
///
/// # Errors
/// As the kernel answers: EPERM, ESRCH.
pub(super) fn kill(target: pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: two integers.
    #[expect(unsafe_code, reason = "nix cannot send a real-time signal")]
    let sent = unsafe { libc::kill(target, signal) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets go of a child that has made us its tracer (`PTRACE_TRACEME`) and now waits for us; it gets the signal it was
/// stopped by. `false` if it is not traced but plainly stopped.
///
/// SIGTRAP is the exception: the kernel made it for the tracer, and nobody else expects it.
pub(super) fn release(pid: pid_t, stopped_by: c_int) -> bool {
    let deliver = if stopped_by == libc::SIGTRAP { 0 } else { stopped_by };
    let deliver = c_ulong::try_from(deliver).unwrap_or_default();
    // SAFETY: integers; the address is not looked at.
    #[expect(unsafe_code, reason = "nix cannot name a real-time signal")]
    let done =
        unsafe { libc::syscall(libc::SYS_ptrace, libc::c_long::from(libc::PTRACE_DETACH), pid, 0, deliver) };
    done == 0
}

/// Has the kernel send us `signal` when the thread that started us ends.
///
/// # Errors
/// As the kernel answers.
pub(super) fn die_with_parent(signal: c_int) -> io::Result<()> {
    // SAFETY: two integers.
    #[expect(unsafe_code, reason = "nix cannot name a real-time signal")]
    let done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has `command` start its child in this directory.
pub(super) fn start_in(command: &mut Command, directory: Arc<OwnedFd>) {
    // SAFETY: runs in the forked child; one bare system call on a descriptor that lives as long as the command.
    #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
    unsafe {
        command.pre_exec(move || fchdir(directory.as_fd()).map_err(io::Error::from));
    }
}

/// Where a child leaves how far it came, for its parent to look up if it never became the program: std tells the error of
/// whatever failed, and not what that was.
pub(super) struct Progress {
    /// A page shared with the child; `None` where there is none to be had.
    page: Option<NonNull<AtomicU8>>,
}

impl Progress {
    /// Makes `command` start its child clean, as [`child_setup::reset`] does, and report.
    pub(super) fn of(command: &mut Command, group: ProcessGroup) -> Progress {
        // SAFETY: a new anonymous mapping of the kernel's own choosing, as large as a page, zeroed.
        #[expect(unsafe_code, reason = "memory that outlives a fork on both sides")]
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<AtomicU8>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        let page = NonNull::new(page.cast::<AtomicU8>()).filter(|_| page != libc::MAP_FAILED);
        let address = page.map(|page| page.as_ptr() as usize);
        child_setup::reset_reporting(command, group, move |step| {
            if let Some(address) = address {
                // SAFETY: the page is mapped until `Progress` is dropped, which its owner does after the spawn; the
                // child has its own mapping of it.
                #[expect(unsafe_code, reason = "the one byte both sides see")]
                unsafe { &*(address as *const AtomicU8) }.store(step as u8, Ordering::Release);
            }
        });
        Progress { page }
    }

    /// The step at which the last child failed.
    pub(super) fn step(&self) -> StartStep {
        // SAFETY: mapped until we are dropped.
        #[expect(unsafe_code, reason = "the one byte both sides see")]
        let step = self.page.map(|page| unsafe { page.as_ref() }.load(Ordering::Acquire));
        match step {
            Some(0) => StartStep::Fork,
            Some(1) => StartStep::Group,
            _ => StartStep::Exec,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(page) = self.page {
            // SAFETY: our own mapping, which nobody looks at any more.
            #[expect(unsafe_code, reason = "gives back what was mapped")]
            unsafe {
                libc::munmap(page.as_ptr().cast(), size_of::<AtomicU8>());
            }
        }
    }
}
