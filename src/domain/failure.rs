//! Failure causes, of listeners and of jobs. Why a listener died, or a job failed, is told from facts: how it ended,
//! whether the kernel killed for memory meanwhile, what the disk has left.

use super::event::Exit;
use std::fmt;
use std::time::Duration;

/// Less than this, in bytes, and programs fail for want of space.
const LEAST_FREE: u64 = 64 * 1024 * 1024;
/// A reading this old was taken before whatever has happened just now.
const BEFORE: Duration = Duration::from_secs(1);
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;

/// What ended a listener, or a job with it: the job log's last column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel killed for memory in our cgroup.
    Oom,
    /// The work directory's file system is full.
    DiskFull,
    /// The listener was killed by this signal, nobody knows by whom.
    Signal(i32),
    /// The listener left with this code and the job open.
    Exit(i32),
    /// We were asked to stop, and ended the job; without a conclusion the listener too, which did not leave in its time.
    Stopped,
    /// The listener took another job, or a new session, without a word about this one.
    Unfinished,
    /// The runner gave the job up: its lock could not be renewed.
    LockLost,
    /// GitHub has not taken the worker's report of how it ended.
    NotReported,
    /// The supervisor that wrote the job's start did not live to see its end.
    SupervisorLost,
}

impl fmt::Display for Cause {
    /// `oom`, `disk_full`, `signal 9`, `listener exit 2`, …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Oom => f.write_str("oom"),
            Cause::DiskFull => f.write_str("disk_full"),
            Cause::Signal(signal) => write!(f, "signal {signal}"),
            Cause::Exit(code) => write!(f, "listener exit {code}"),
            Cause::Stopped => f.write_str("stopped"),
            Cause::Unfinished => f.write_str("no word of its end"),
            Cause::LockLost => f.write_str("lock lost"),
            Cause::NotReported => f.write_str("not reported"),
            Cause::SupervisorLost => f.write_str("supervisor lost"),
        }
    }
}

/// A file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What an ordinary user may still write; 0 if no file can be made any more.
    pub free: u64,
    /// All of it.
    pub size: u64,
}

impl Space {
    /// Less than 64 MiB or less than 1 % is left, whichever is more; never on a file system that small as a whole.
    pub fn is_full(self) -> bool {
        let scarce = self.size > LEAST_FREE && self.free < LEAST_FREE.max(self.size / 100);
        scarce || (self.size > 0 && self.free == 0)
    }
}

/// How often the kernel has killed for memory, over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OomWatch {
    latest: Option<Reading>,
    earlier: Option<Reading>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    at: Duration,
    kills: u64,
}

impl OomWatch {
    /// Remembers a reading of the cgroup's count, at this monotonic time.
    pub fn note(&mut self, at: Duration, kills: u64) {
        // At the beginning any earlier one is better than none.
        if self.earlier.is_none() || self.latest.is_some_and(|latest| latest.at + BEFORE <= at) {
            self.earlier = self.latest;
        }
        self.latest = Some(Reading { at, kills });
    }

    /// The count before what has just happened: the sampler may have come between a death and its news.
    pub fn before(&self, now: Duration) -> Option<u64> {
        let settled = self.latest.filter(|latest| latest.at + BEFORE <= now);
        settled.or(self.earlier).or(self.latest).map(|reading| reading.kills)
    }
}

/// Whether the count rose; not if it is unknown.
fn rose(before: Option<u64>, after: Option<u64>) -> bool {
    before.zip(after).is_some_and(|(before, after)| after > before)
}

/// What ended the listener. `before` and `after` are the cgroup's OOM kills, `None` where they cannot be read.
///
/// The OOM killer kills by SIGKILL and by nothing else. A full disk makes the .NET runtime abort, or the listener
/// return a code of failure; it neither kills nor makes it leave in order.
pub fn cause(exit: Exit, before: Option<u64>, after: Option<u64>, space: Option<Space>) -> Cause {
    let full = space.is_some_and(Space::is_full);
    match exit {
        Exit::Signal(SIGKILL) | Exit::Code(137) if rose(before, after) => Cause::Oom,
        Exit::Signal(SIGABRT | SIGBUS | SIGSEGV) | Exit::Code(134 | 135 | 139) if full => Cause::DiskFull,
        Exit::Signal(signal) => Cause::Signal(signal),
        Exit::Code(0 | 3 | 4 | 5 | 7 | 100..=105 | 128..) => Cause::Exit(exit.shell_code()),
        Exit::Code(_) if full => Cause::DiskFull,
        Exit::Code(code) => Cause::Exit(code),
    }
}

/// What may have made a job fail under a listener that lives: a kill for memory since its start, of a step or of its
/// worker, or a full disk at its end. `None` if neither.
pub fn of_job(before: Option<u64>, after: Option<u64>, space: Option<Space>) -> Option<Cause> {
    let full = space.is_some_and(Space::is_full);
    if rose(before, after) { Some(Cause::Oom) } else { full.then_some(Cause::DiskFull) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const FULL: Option<Space> = Some(Space { free: 1 << 20, size: 20 * GIB });
    const ROOM: Option<Space> = Some(Space { free: 10 * GIB, size: 20 * GIB });

    #[test]
    fn every_row_of_the_table_of_causes() {
        let rows = [
            (Exit::Signal(9), Some(0), Some(1), ROOM, Cause::Oom),
            (Exit::Code(137), Some(4), Some(5), FULL, Cause::Oom),
            (Exit::Signal(9), Some(1), Some(1), ROOM, Cause::Signal(9)),
            (Exit::Signal(9), Some(1), Some(1), FULL, Cause::Signal(9)),
            (Exit::Signal(9), None, Some(1), ROOM, Cause::Signal(9)),
            (Exit::Signal(9), Some(1), None, ROOM, Cause::Signal(9)),
            // A step was killed for memory in the same moment; a SIGTERM is not the kernel's.
            (Exit::Signal(15), Some(0), Some(1), FULL, Cause::Signal(15)),
            (Exit::Signal(6), Some(0), Some(1), FULL, Cause::DiskFull),
            (Exit::Signal(7), None, None, FULL, Cause::DiskFull),
            (Exit::Signal(6), None, None, ROOM, Cause::Signal(6)),
            (Exit::Code(134), None, None, FULL, Cause::DiskFull),
            (Exit::Code(143), None, None, FULL, Cause::Exit(143)),
            (Exit::Code(2), None, None, FULL, Cause::DiskFull),
            (Exit::Code(2), Some(0), Some(1), None, Cause::Exit(2)),
            (Exit::Code(0), None, None, FULL, Cause::Exit(0)),
            (Exit::Code(5), None, None, FULL, Cause::Exit(5)),
            (Exit::Code(101), None, None, FULL, Cause::Exit(101)),
        ];
        for (exit, before, after, space, want) in rows {
            assert_eq!(cause(exit, before, after, space), want, "{exit:?} {before:?} {after:?} {space:?}");
        }
    }

    #[test]
    fn a_failed_job_is_explained_by_memory_first() {
        assert_eq!(of_job(Some(1), Some(2), FULL), Some(Cause::Oom));
        assert_eq!(of_job(Some(2), Some(2), FULL), Some(Cause::DiskFull));
        assert_eq!(of_job(None, Some(2), ROOM), None);
    }

    #[test]
    fn full_is_64_mib_or_one_percent() {
        let space = |free, size| Space { free, size }.is_full();
        assert!(space(LEAST_FREE - 1, GIB) && !space(LEAST_FREE, GIB));
        assert!(space(GIB - 1, 100 * GIB) && !space(GIB, 100 * GIB));
        assert!(space(0, 1 << 20) && !space(1, 1 << 20), "a small tmpfs is full when it is full");
        assert!(!space(0, 0), "a file system that tells no size tells nothing");
    }

    #[test]
    fn readings_close_together_at_the_beginning_do_not_hide_a_kill() {
        let mut watch = OomWatch::default();
        for (millis, kills) in [(118, 0), (450, 0), (1_110, 1)] {
            watch.note(Duration::from_millis(millis), kills);
        }
        assert_eq!(watch.before(Duration::from_millis(1_400)), Some(0));
    }

    #[test]
    fn a_sample_between_the_death_and_its_news_does_not_hide_it() {
        let at = Duration::from_millis;
        let mut watch = OomWatch::default();
        assert_eq!(watch.before(at(0)), None);
        watch.note(at(0), 3);
        assert_eq!(watch.before(at(10)), Some(3), "there is no earlier one");
        watch.note(at(30_000), 4);
        assert_eq!(watch.before(at(30_005)), Some(3));
        watch.note(at(30_010), 4);
        assert_eq!(watch.before(at(30_015)), Some(3), "two samples in a row neither");
        assert_eq!(watch.before(at(31_010)), Some(4));
    }
}
