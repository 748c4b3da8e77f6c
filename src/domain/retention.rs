//! Log rotation in `_diag`. Logs beyond the limit go, the oldest first; never one that may still be written, nor the
//! last word of listener and worker.
//!
//! `actions/runner` bounds its logs by age alone (`HostTraceListener.cs`).

/// The beginnings of the names the runner gives to its logs. The newest of each is what tells of a trouble, and the newest
/// of the worker's is our evidence that a job's worker has begun.
const KINDS: [&[u8]; 2] = [b"Runner_", b"Worker_"];

/// A file of `_diag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its name.
    pub name: Vec<u8>,
    /// Bytes.
    pub size: u64,
    /// When it was last written: seconds and nanoseconds since 1970.
    pub modified: (i64, u64),
}

impl Log {
    /// Whether it is a log by its name.
    pub fn is_named(name: &[u8]) -> bool {
        name.ends_with(b".log")
    }
}

/// Whether there is anything to do.
pub fn is_exceeded(logs: &[Log], limit: u64) -> bool {
    total(logs) > limit
}

/// Which are to go so that the rest is at most `limit` bytes, or nothing more may go.
pub fn excess(mut logs: Vec<Log>, limit: u64, is_open: impl Fn(&[u8]) -> bool) -> Vec<Log> {
    logs.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
    let newest = KINDS.map(|kind| logs.iter().rposition(|log| log.name.starts_with(kind)));
    let mut left = total(&logs);
    let mut goes = |at: usize, log: &Log| {
        let may = !newest.contains(&Some(at)) && !is_open(&log.name);
        let goes = may && left > limit;
        left -= if goes { log.size } else { 0 };
        goes
    };
    logs.into_iter().enumerate().filter(|(at, log)| goes(*at, log)).map(|(_, log)| log).collect()
}

fn total(logs: &[Log]) -> u64 {
    logs.iter().map(|log| log.size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in the order of their age, ten bytes each.
    fn gone(names: &[&str], limit: u64, open: &[&str]) -> Vec<String> {
        let log = |(at, name): (usize, &&str)| Log {
            name: name.as_bytes().to_owned(),
            size: 10,
            modified: (100 + i64::try_from(at).unwrap(), 0),
        };
        let mut logs: Vec<Log> = names.iter().enumerate().map(log).collect();
        logs.reverse();
        let is_open = |name: &[u8]| open.iter().any(|open| open.as_bytes() == name);
        let gone = excess(logs, limit, is_open);
        gone.into_iter().map(|log| String::from_utf8(log.name).unwrap()).collect()
    }

    #[test]
    fn a_log_is_one_by_its_name_and_nothing_is_done_up_to_the_limit() {
        assert!(Log::is_named(b"Worker_1.log") && !Log::is_named(b"Worker_1.log.gz"));
        let logs = [7, 3].map(|size| Log { name: b"Runner_1.log".to_vec(), size, modified: (0, 0) });
        assert_eq!([9, 10, 11].map(|limit| is_exceeded(&logs, limit)), [true, false, false]);
    }

    #[test]
    fn the_oldest_go_first_and_no_more_than_must() {
        let names = ["Worker_1.log", "Runner_1.log", "Worker_2.log", "Runner_2.log", "Worker_3.log"];
        assert_eq!(gone(&names, 50, &[]), [""; 0]);
        assert_eq!(gone(&names, 49, &[]), ["Worker_1.log"]);
        assert_eq!(gone(&names, 30, &[]), ["Worker_1.log", "Runner_1.log"]);
        assert_eq!(gone(&names, 0, &[]), ["Worker_1.log", "Runner_1.log", "Worker_2.log"], "the newest stay");
    }

    #[test]
    fn what_may_be_written_stays_and_the_next_goes() {
        let names = ["Runner_1.log", "Worker_1.log", "SelfUpdate-1.log", "Worker_2.log", "Runner_2.log"];
        assert_eq!(gone(&names, 40, &["Runner_1.log"]), ["Worker_1.log"]);
        assert_eq!(gone(&names, 30, &["Runner_1.log"]), ["Worker_1.log", "SelfUpdate-1.log"]);
    }
}
