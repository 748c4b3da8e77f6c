//! The most memory the container used while a job ran: the kernel's own mark where it tells of the job alone, else the largest sample.
//!
//! | source | when |
//! |---|---|
//! | `memory.peak`, reset for our descriptor alone | version 2, Linux 6.12, and the file can be written |
//! | `memory.max_usage_in_bytes`, reset for everybody | version 1, and the file can be written |
//! | either of them as it is | it rose while the job ran: then the job made it rise |
//! | the largest of the samples | else: at the start, every `METRICS_UPDATE_INTERVAL`, at the end |

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// The kernel's mark of the most memory in use, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeakCounter {
    path: PathBuf,
    /// What resets it.
    reset: &'static str,
}

impl PeakCounter {
    pub(super) fn of_v1(path: PathBuf) -> PeakCounter {
        PeakCounter { path, reset: "0" }
    }

    /// Any text resets it (`Documentation/admin-guide/cgroup-v2.rst`); before 6.12 the file is read-only.
    pub(super) fn of_v2(path: PathBuf) -> PeakCounter {
        PeakCounter { path, reset: "reset\n" }
    }
}

/// The mark of one job.
#[derive(Debug)]
pub struct JobPeak {
    /// Open since before the job: version 2 remembers a reset by descriptor.
    mark: Option<File>,
    /// Where the mark stood when the job began; `None` if it was reset.
    before: Option<u64>,
    largest: Option<u64>,
}

impl JobPeak {
    /// A job begins while `memory` is in use.
    pub fn begin(counter: Option<PeakCounter>, memory: Option<u64>) -> JobPeak {
        let reset = counter.as_ref().and_then(|counter| {
            let file = OpenOptions::new().read(true).write(true).open(&counter.path).ok()?;
            file.write_at(counter.reset.as_bytes(), 0).ok().map(|_| file)
        });
        let is_reset = reset.is_some();
        let mark = reset.or_else(|| File::open(counter?.path).ok());
        let before = if is_reset { None } else { mark.as_ref().and_then(read) };
        JobPeak { mark, before, largest: memory }
    }

    /// So much is in use now.
    pub fn sample(&mut self, memory: Option<u64>) {
        self.largest = self.largest.max(memory);
    }

    /// The most that was in use until now, bytes; `None` if nothing tells.
    pub fn read(&self) -> Option<u64> {
        most(self.before, self.mark.as_ref().and_then(read), self.largest)
    }
}

/// `mark` counts if it was reset (`before` is `None`) or has risen.
fn most(before: Option<u64>, mark: Option<u64>, largest: Option<u64>) -> Option<u64> {
    mark.filter(|mark| before.is_none_or(|before| *mark > before)).max(largest)
}

fn read(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_counts_only_if_it_is_the_job_s() {
        let rows = [
            (None, Some(50), Some(30), Some(50)),
            (Some(40), Some(50), Some(30), Some(50)),
            (Some(50), Some(50), Some(30), Some(30)),
            (Some(50), Some(50), None, None),
            (None, None, Some(30), Some(30)),
            (None, Some(20), Some(30), Some(30)),
            (None, None, None, None),
        ];
        for (before, mark, largest, want) in rows {
            assert_eq!(most(before, mark, largest), want, "{before:?} {mark:?} {largest:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_compared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory.peak");
        let missing = JobPeak::begin(Some(PeakCounter::of_v2(path.clone())), Some(3));
        assert_eq!(missing.read(), Some(3), "Linux before 5.19");
        assert_eq!(JobPeak::begin(None, None).read(), None);
        std::fs::write(&path, "700\n").unwrap();
        // A plain file keeps what is written: the reset of version 1 reads as it would in the kernel.
        let mut peak = JobPeak::begin(Some(PeakCounter::of_v1(path)), Some(3));
        assert_eq!(peak.before, None, "it was reset");
        peak.sample(Some(2));
        peak.sample(None);
        assert_eq!(peak.largest, Some(3));
    }
}
