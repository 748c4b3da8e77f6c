//! Process setup between fork and exec, and in PID 1. A child starts as if nobody had been there before it: default
//! signals, an empty mask, no descriptor but 0, 1 and 2.
//!
//! Whoever starts a process hands its own signal mask, its ignored signals and every inheritable descriptor on,
//! together with what it was handed itself. std resets SIGPIPE and nothing more. [`reset`] clears the rest between
//! fork and exec, where only async-signal-safe calls are allowed: the code below makes bare system calls on stack
//! memory, allocates nothing and takes no lock.

use crate::hardening;
use nix::libc::{self, c_int, c_uint, c_void};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The highest signal number of Linux on every architecture we are built for.
const LAST_SIGNAL: c_int = 64;
/// Bytes in the kernel's signal set: 64 signals, one bit each.
const SIGSET_BYTES: usize = 8;
/// The first descriptor that is not one of the standard three.
const FIRST_EXTRA: c_int = 3;

/// Which process group the child runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessGroup {
    /// Ours.
    Same,
    /// Its own; the group's id is the child's pid by the time `spawn` returns.
    Own,
    /// Its own, and the foreground of the terminal on the child's descriptor 0, if that is our controlling terminal.
    Foreground,
}

/// Makes `command` start its child clean, in the process group asked for.
///
/// For tokio's command call it with `as_std_mut()`. Everything from descriptor 3 on is marked close-on-exec in the
/// child, so a descriptor to be inherited must be one of its standard three; where they can neither be marked by range nor
/// be listed (Linux before 5.11 without `/proc`), those that we were given stay open. That the terminal cannot be taken is
/// no error either.
pub fn reset(command: &mut Command, group: ProcessGroup) {
    reset_reporting(command, group, |_| {});
}

/// How far a child came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum StartStep {
    /// There is none yet.
    Fork,
    /// It leaves its parent's process group.
    Group,
    /// It becomes the program.
    Exec,
}

impl StartStep {
    /// The system call of this step.
    pub(crate) fn call(self) -> &'static str {
        match self {
            StartStep::Fork => "fork",
            StartStep::Group => "setpgid",
            StartStep::Exec => "execve",
        }
    }
}

/// [`reset`], telling `report` in the child what it does next. That runs between fork and exec too.
pub(crate) fn reset_reporting(
    command: &mut Command,
    group: ProcessGroup,
    report: impl Fn(StartStep) + Send + Sync + 'static,
) {
    let take_terminal = group == ProcessGroup::Foreground;
    let restore = hardening::inherited().restore_in_child();
    let clean = move || {
        if group != ProcessGroup::Same {
            report(StartStep::Group);
            lead_group()?;
        }
        if take_terminal {
            take_foreground();
        }
        close_on_exec();
        report(StartStep::Exec);
        (1..=LAST_SIGNAL).for_each(default_disposition);
        set_mask(0);
        restore();
        Ok(())
    };
    // SAFETY: `clean` runs in the forked child and is async-signal-safe, as the module's first lines say.
    #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
    unsafe {
        command.pre_exec(clean);
    }
}

/// User and groups of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Every group, the primary one among them or not.
    pub groups: Vec<u32>,
}

/// Makes `command` start its child as somebody else; call it after [`reset`], which needs our own privileges.
///
/// `spawn` reports an error if the system refuses. From root to another uid the kernel takes all capabilities away.
pub fn as_user(command: &mut Command, ids: &Ids) {
    let ids = ids.clone();
    let switch = move || take_ids(&ids);
    // SAFETY: `switch` runs in the forked child and makes three bare system calls on memory allocated before.
    #[expect(unsafe_code, reason = "the only way to act between fork and exec; std has no stable groups")]
    unsafe {
        command.pre_exec(switch);
    }
}

/// Makes the calling thread somebody else: groups first, the user last, since each takes away the right to the one before.
///
/// By system call: the C libraries change every thread of the process, by signals to all of them.
pub(crate) fn take_ids(ids: &Ids) -> io::Result<()> {
    let Ids { uid, gid, groups } = ids;
    // SAFETY: the kernel reads `groups`, which outlives the call; the other two take integers.
    #[expect(unsafe_code, reason = "nix calls the C library's, which is not async-signal-safe")]
    let refused = unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) != 0
            || libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid) != 0
            || libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid) != 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives this process's signal its default action, whatever was inherited. SIGKILL and SIGSTOP have no other.
///
/// By system call, since the C libraries refuse the numbers they keep for themselves (32 to 34) and those are
/// inherited like any other.
pub(crate) fn default_disposition(signal: c_int) {
    // All zero is SIG_DFL, no flags, no mask; at least as large as the kernel's struct.
    let action = [0_u64; 4];
    let none = std::ptr::null_mut::<c_void>();
    // SAFETY: the kernel reads one `struct sigaction` from `action`, which outlives the call, and writes nothing.
    #[expect(unsafe_code, reason = "nix's sigaction has no real-time signals")]
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, SIGSET_BYTES);
    }
}

/// Closes every descriptor from 3 on that this process was started with.
///
/// Only to be called before anything of ours is open: it does not ask whose a descriptor is.
///
/// # Errors
/// When the descriptors can neither be closed by range nor be listed.
pub(crate) fn close_inherited() -> io::Result<()> {
    if close_range(0) {
        return Ok(());
    }
    // SAFETY: the caller holds no descriptor yet, so nobody else believes to own this number.
    #[expect(unsafe_code, reason = "closes by number what nobody in this process owns")]
    each_extra(|fd| unsafe {
        libc::close(fd);
    })
}

/// Makes the calling process's group the terminal's foreground. From the background this takes a blocked SIGTTOU.
fn take_foreground() {
    set_mask(u64::MAX);
    // SAFETY: two system calls on integers.
    #[expect(
        unsafe_code,
        reason = "nix's tcsetpgrp wants a descriptor with an owner; descriptor 0 has none here"
    )]
    unsafe {
        libc::tcsetpgrp(0, libc::getpgrp());
    }
}

/// Sets the calling thread's signal mask; bit n - 1 blocks signal n.
pub(crate) fn set_mask(blocked: u64) {
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads eight bytes from `blocked`, which outlives the call, and writes nothing.
    #[expect(unsafe_code, reason = "the C libraries keep signals 32 to 34 out of every mask")]
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const blocked, none, SIGSET_BYTES);
    }
}

/// What is ours is marked already.
fn close_on_exec() {
    if close_range(libc::CLOSE_RANGE_CLOEXEC) {
        return;
    }
    // SAFETY: sets a flag on an open descriptor.
    #[expect(unsafe_code, reason = "marks descriptors by number")]
    let _ = each_extra(|fd| unsafe {
        libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
    });
}

/// Makes the calling process the leader of a new group.
fn lead_group() -> io::Result<()> {
    // SAFETY: a system call on integers.
    #[expect(unsafe_code, reason = "runs between fork and exec, where only bare system calls may")]
    let done = unsafe { libc::setpgid(0, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `close_range` of everything from 3 on; false where the kernel (< 5.9, its flag < 5.11) or a seccomp filter refuses.
fn close_range(flags: c_uint) -> bool {
    // SAFETY: the callers' business is theirs; the call itself takes three integers.
    #[expect(unsafe_code, reason = "nix has no close_range")]
    let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST_EXTRA, c_uint::MAX, flags) };
    done == 0
}

/// Calls `deed` with every open descriptor from 3 on, as `/proc/self/fd` lists them.
fn each_extra(mut deed: impl FnMut(c_int)) -> io::Result<()> {
    // u64 for the records' alignment.
    let mut buffer = [0_u64; 128];
    let path = c"/proc/self/fd".as_ptr();
    // SAFETY: `path` is a C string; the kernel writes at most the buffer's size; `dir` is ours and closed once.
    #[expect(unsafe_code, reason = "readdir allocates, which is not allowed between fork and exec")]
    unsafe {
        let dir = libc::open(path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
        if dir < 0 {
            return Err(io::Error::last_os_error());
        }
        let outcome = loop {
            let size = size_of_val(&buffer);
            let read = libc::syscall(libc::SYS_getdents64, dir, buffer.as_mut_ptr(), size);
            let Ok(read @ 1..) = usize::try_from(read) else {
                break if read == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
            };
            let bytes = std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), read);
            entries(bytes).filter(|&fd| fd >= FIRST_EXTRA && fd != dir).for_each(&mut deed);
        };
        libc::close(dir);
        outcome
    }
}

/// The numeric names in a `getdents64` buffer. Record: inode 8, offset 8, length 2, type 1, name up to a NUL.
fn entries(mut bytes: &[u8]) -> impl Iterator<Item = c_int> {
    std::iter::from_fn(move || {
        let length = bytes.get(16..18).map(|l| usize::from(u16::from_ne_bytes([l[0], l[1]])))?;
        let (record, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some(record.get(19..)?.iter().take_while(|b| **b != 0))
    })
    .filter_map(|name| {
        name.into_iter().try_fold(0, |number: c_int, digit| {
            let digit = digit.is_ascii_digit().then(|| c_int::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn the_list_names_every_extra_descriptor_once_and_not_its_own() {
        // More than one buffer full.
        let files: Vec<File> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        let mut listed = Vec::new();
        each_extra(|fd| listed.push(fd)).unwrap();
        for file in &files {
            assert_eq!(listed.iter().filter(|fd| **fd == file.as_raw_fd()).count(), 1);
        }
        assert!(listed.iter().all(|fd| *fd >= FIRST_EXTRA), "{listed:?}");
    }

    #[test]
    fn both_ways_mark_close_on_exec() {
        let marked = |file: &File| fcntl(file, FcntlArg::F_GETFD).unwrap() & FdFlag::FD_CLOEXEC.bits() != 0;
        let file = File::open("/dev/null").unwrap();
        for way in ["range", "list"] {
            fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
            assert!(!marked(&file));
            if way == "range" {
                close_on_exec();
            } else {
                // SAFETY: sets a flag on an open descriptor.
                #[expect(unsafe_code, reason = "the very deed under test")]
                each_extra(|fd| unsafe {
                    libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                })
                .unwrap();
            }
            assert!(marked(&file), "{way}");
        }
    }

    #[test]
    fn a_broken_record_ends_the_list() {
        let mut record = vec![0_u8; 24];
        record[16..18].copy_from_slice(&24_u16.to_ne_bytes());
        record[19..22].copy_from_slice(b"17\0");
        assert_eq!(entries(&record).collect::<Vec<_>>(), [17]);
        record[19..22].copy_from_slice(b"..\0");
        assert_eq!(entries(&record).count(), 0);
        record[16..18].copy_from_slice(&999_u16.to_ne_bytes());
        assert_eq!(entries(&record).count(), 0);
        record[16..18].copy_from_slice(&0_u16.to_ne_bytes());
        assert_eq!(entries(&record).count(), 0);
    }
}
