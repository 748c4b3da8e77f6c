//! Process hardening: non-dumpable, no core, a lower `oom_score`. A process of ours cannot be looked into, leaves no core
//! and dies last; a child of ours gets back what we were given.
//!
//! | what | why | for our children |
//! |---|---|---|
//! | non-dumpable | our uid's other processes, and root without `CAP_SYS_PTRACE`, may not open our environment, memory or descriptors | the next `execve` ends it |
//! | `RLIMIT_CORE` 0, the soft limit only | a core would hold every secret; a pipe in `core_pattern` ignores the limit, but not being non-dumpable | the limit we were given: it is the operator's, and a job may want its cores |
//! | `oom_score_adj` lowered by `LOWERED`, where permitted | the runner's steps have 500: they are to die before the listener, and that before us | the value we were given, its floor with it |
//!
//! Where the system refuses one of them there was no such protection to begin with, and nobody is told.

use nix::libc::{self, c_char};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::sync::OnceLock;
use zeroize::Zeroize as _;

/// How far below what we were given our `oom_score_adj` goes. Not to -1000, which would exempt us: a leak of ours would
/// then be paid for by everybody else.
const LOWERED: i32 = 500;
const LOWEST: i32 = -999;
const SCORE: &str = "/proc/self/oom_score_adj";

/// What this process was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inherited {
    /// `RLIMIT_CORE`, soft and hard, in bytes, if we changed it.
    core: Option<(u64, u64)>,
    /// `oom_score_adj`, if we changed it.
    lowered_from: Option<i32>,
    /// `oom_score_adj`, if it can be read.
    score: Option<i32>,
}

static INHERITED: OnceLock<Inherited> = OnceLock::new();

/// Applies the hardening; before anything else, and once.
pub(crate) fn apply() {
    // First: the rest is of use only to those who may look.
    let _ = prctl::set_dumpable(false);
    let _ = INHERITED.set(Inherited { core: drop_core(), ..lower_score() });
}

/// What this process was started with; nothing if the hardening was never applied.
pub(crate) fn inherited() -> Inherited {
    INHERITED.get().copied().unwrap_or_default()
}

fn drop_core() -> Option<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).ok().filter(|(soft, _)| *soft > 0)?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard).ok()?;
    Some((soft, hard))
}

fn lower_score() -> Inherited {
    let score = std::fs::read_to_string(SCORE).ok().and_then(|text| text.trim().parse::<i32>().ok());
    // A non-dumpable process's files in /proc belong to root: whoever can write this one can write the child's too.
    let lowered_from = score.filter(|score| {
        let lower = (score - LOWERED).max(LOWEST);
        lower < *score && std::fs::write(SCORE, lower.to_string()).is_ok()
    });
    Inherited { core: None, lowered_from, score }
}

impl Inherited {
    /// The `oom_score_adj` our children have, -1000 to 1000.
    pub(crate) fn score(&self) -> Option<i32> {
        self.score
    }

    /// What gives it back, to be called between fork and exec while still root.
    pub(crate) fn restore_in_child(self) -> impl Fn() + Send + Sync + 'static {
        let text = self.lowered_from.map(|score| score.to_string().into_bytes());
        move || {
            if let Some((soft, hard)) = self.core {
                // Our own hard limit: it is not raised.
                let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
                // SAFETY: the kernel reads one struct, which outlives the call; async-signal-safe.
                #[expect(
                    unsafe_code,
                    reason = "runs between fork and exec, where only bare system calls may"
                )]
                unsafe {
                    libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
                }
            }
            if let Some(text) = &text {
                write_score(text);
            }
        }
    }
}

/// Raising is always permitted; with the privilege that lowered it, the floor rises too.
fn write_score(text: &[u8]) {
    // SAFETY: a C string and a buffer that outlive their calls, a descriptor of ours closed once; async-signal-safe.
    #[expect(unsafe_code, reason = "runs between fork and exec, where only bare system calls may")]
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, text.as_ptr().cast(), text.len());
            libc::close(file);
        }
    }
}

#[expect(unsafe_code, reason = "no crate of ours names it")]
unsafe extern "C" {
    /// The environment of the C library, which is that of the kernel until somebody sets a variable.
    static environ: *const *mut c_char;
}

/// Takes the variables that `is_gone` out of this process's own environment, which a child inherits as it is: asked to leave some
/// out, a command would copy all of it, secrets too, to where nothing wipes them.
///
/// Only to be called while this process has one thread, as [`wipe_environment`].
pub(crate) fn forget(is_gone: impl Fn(&[u8]) -> bool) {
    // SAFETY: the array that the kernel laid out in writable memory of ours, ended by a null pointer, of NUL-terminated strings;
    // entries only move to the front, and nobody else reads or changes it, as the caller promises.
    #[expect(unsafe_code, reason = "std's own way is unsafe too, and copies")]
    unsafe {
        let (mut from, mut to) = (environ.cast_mut(), environ.cast_mut());
        while !from.is_null() && !(*from).is_null() {
            let text = std::slice::from_raw_parts((*from).cast::<u8>(), libc::strlen(*from));
            let name = memchr::memchr(b'=', text).map_or(text, |at| &text[..at]);
            if !is_gone(name) {
                *to = *from;
                to = to.add(1);
            }
            from = from.add(1);
        }
        if !to.is_null() {
            *to = std::ptr::null_mut();
        }
    }
}

/// Overwrites the values of those variables of this process's own environment that `is_secret`, so that not even who
/// may look finds them in `/proc/PID/environ`; the names stay, with empty values.
///
/// Only to be called while this process has one thread: whoever reads a variable meanwhile would read half a value.
pub(crate) fn wipe_environment(is_secret: impl Fn(&[u8]) -> bool) {
    // SAFETY: the C library's array of NUL-terminated strings, which the kernel laid out in writable memory of ours;
    // nobody else reads or changes it, as the caller promises. The string keeps its terminator and its name.
    #[expect(unsafe_code, reason = "std cannot reach the memory that the kernel shows as the environment")]
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = std::slice::from_raw_parts_mut((*entry).cast::<u8>(), libc::strlen(*entry));
            if let Some(at) = memchr::memchr(b'=', text)
                && is_secret(&text[..at])
            {
                text[at + 1..].zeroize();
            }
            entry = entry.add(1);
        }
    }
}
