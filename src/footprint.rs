//! The memory that the program's own file takes: what has been needed and is needed no more is let go of.

use nix::libc::{self, c_int, c_void};
use nix::unistd::{SysconfVar, sysconf};
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often at most, in the long run.
const EVERY: Duration = Duration::from_millis(100);
/// And how often in a row after a rest: what one scrape wakes us for.
const IN_A_ROW: u32 = 16;

/// Sheds whenever there is nothing to do, but not so often that it would cost much where there is much to do: the pages that are
/// needed again come back in a tenth of a millisecond.
#[derive(Debug)]
pub(crate) struct Shedder {
    /// When all of a row may be taken again, in microseconds of the system's.
    rested: AtomicU64,
}

impl Shedder {
    /// A start is one row already: it needs most of what it has touched until it serves.
    pub(crate) fn begin() -> Shedder {
        Shedder::since(now())
    }

    fn since(now: Duration) -> Shedder {
        Shedder { rested: AtomicU64::new(micros(now + EVERY * IN_A_ROW)) }
    }

    /// To be called by the one thread that has nothing to do.
    pub(crate) fn rest(&self) {
        if self.may(now()) {
            shed();
        }
    }

    fn may(&self, now: Duration) -> bool {
        let rested = self.rested.load(Ordering::Relaxed).max(micros(now)) + micros(EVERY);
        let may = rested <= micros(now + EVERY * IN_A_ROW);
        if may {
            self.rested.store(rested, Ordering::Relaxed);
        }
        may
    }
}

fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Unmaps every page of the program that is as the file has it; the kernel maps those again that are still needed, sixteen at a
/// time. They count as this process's memory for as long as they are mapped, needed or not: the role of PID 1 needs a
/// fiftieth of what its start has touched, an idle supervisor a tenth of what a scrape does.
pub(crate) fn shed() {
    // SAFETY: the callback is called for each object that is loaded, before this returns, and gets no data.
    #[expect(unsafe_code, reason = "where the program's own segments are, only the C library tells")]
    unsafe {
        libc::dl_iterate_phdr(Some(shed_object), std::ptr::null_mut());
    }
}

/// SAFETY: to be called by `dl_iterate_phdr`.
#[expect(unsafe_code, reason = "it is the C library that calls it")]
unsafe extern "C" fn shed_object(object: *mut libc::dl_phdr_info, _size: usize, _data: *mut c_void) -> c_int {
    // SAFETY: what the C library hands over lives during the call, the headers as long as the object.
    #[expect(unsafe_code, reason = "as above")]
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr, std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
    };
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok());
    let Some(page) = page else { return 1 };
    // What can be written may have been: relocations, and variables.
    for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
        let from = (base + header.p_vaddr) / page * page;
        let length = base + header.p_vaddr + header.p_memsz - from;
        let (Ok(from), Ok(length)) = (usize::try_from(from), usize::try_from(length)) else { continue };
        // SAFETY: a mapping of a file that nobody can write to, nor change while it runs: what is read there afterwards is what was
        // read there before. Refused where it is locked, which does no harm.
        #[expect(unsafe_code, reason = "nix takes a pointer too")]
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(from), length, libc::MADV_DONTNEED);
        }
    }
    // The first object is the program; nobody else's pages are ours to judge.
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilobytes of the program's own file that are mapped and as the file has them.
    fn mapped() -> u64 {
        let program = std::fs::read_link("/proc/self/exe").expect("a program");
        let text = std::fs::read_to_string("/proc/self/smaps").expect("our own");
        let (mut is_ours, mut sum) = (false, 0);
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [_, rights, _, _, _, path] => is_ours = !rights.contains('w') && path == program.as_os_str(),
                ["Rss:", count, "kB"] if is_ours => sum += count.parse::<u64>().expect("a number"),
                _ => {}
            }
        }
        sum
    }

    #[test]
    fn a_scrape_leaves_nothing_and_a_storm_is_not_slowed_down() {
        let shedder = Shedder::since(Duration::ZERO);
        let count =
            |from: u64, to: u64| (from..to).filter(|ms| shedder.may(Duration::from_millis(*ms))).count();
        assert_eq!((count(0, 100), count(100, 101)), (0, 1), "not while it starts");
        assert_eq!(count(5000, 5004), 4, "each time");
        assert_eq!(count(5004, 15_004), 112, "ten times a second");
        assert_eq!(count(20_000, 20_020), 16, "after a rest all of a row again");
    }

    #[test]
    fn what_is_not_needed_is_no_longer_mapped_and_everything_still_works() {
        // Read whole, as a start reads what it needs.
        let text = std::fs::read("/proc/self/exe").expect("our own file").len();
        let before = mapped();
        shed();
        let after = mapped();
        assert!(after < before, "{before} kB before, {after} kB after, of {text} bytes");
        shed();
        assert_eq!(format!("{:?}", [1.5, 2.0]), "[1.5, 2.0]");
    }
}
