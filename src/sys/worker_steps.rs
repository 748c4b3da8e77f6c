//! A job's steps, read once its worker is gone: its log from the beginning, with no more rights than the runner's user has, and the
//! pages that were seen.

use super::door::Dir;
use super::job_cleanup;
use super::job_log_tail::PageWatch;
use crate::child_setup::Ids;
use crate::domain::steps::{JobSteps, WorkerLog, steps_of};
use chrono::{DateTime, Utc};
use std::io::{self, Read as _};
use std::time::Duration;

/// Of a log, and of those it goes on in, no more than this is read: its own tracing can fill gigabytes.
const MOST: u64 = 64 << 20;
/// Files it may go on in: a new one is begun at 8 MiB, or at what the operator has set.
const FILES: usize = 64;
const CHUNK: usize = 64 * 1024;
/// The follower of pages is behind by no more than this, unless it is in trouble.
const PATIENCE: Duration = Duration::from_millis(500);
const DIAG: &str = "_diag";

/// The steps of the worker whose log that is, below the runner's directory, and which had ended by then. Empty if nobody knows.
pub fn read(runner: &Dir, path: &str, user: Option<&Ids>, pages: &PageWatch, end: DateTime<Utc>) -> JobSteps {
    let read = || {
        let mut log = WorkerLog::default();
        // What has been read by then counts.
        let _ = read_all(runner, path, &mut log);
        log
    };
    let log = user.map_or_else(read, |ids| job_cleanup::as_on_disk(ids, read));
    let Some(job) = log.job() else { return JobSteps::default() };
    let pages = pages.read(PATIENCE, |pages| pages.of_job(job));
    steps_of(&log, &pages, end)
}

fn read_all(runner: &Dir, path: &str, log: &mut WorkerLog) -> io::Result<()> {
    let mut left = read_one(runner, path, MOST, log)?;
    if log.is_over() {
        return Ok(());
    }
    let name = path.strip_prefix(DIAG).and_then(|name| name.strip_prefix('/')).unwrap_or(path);
    let mut next: Vec<String> =
        runner.names(DIAG)?.filter(|other| other.starts_with("Worker_") && other.as_str() > name).collect();
    next.sort_unstable();
    for name in next.into_iter().take(FILES) {
        log.turn();
        left = read_one(runner, &format!("{DIAG}/{name}"), left, log)?;
        // One that begins with a worker's first words is another one's, and so are those behind it.
        if log.is_over() || log.is_another_s() {
            break;
        }
    }
    Ok(())
}

/// How much more may be read.
fn read_one(runner: &Dir, path: &str, most: u64, log: &mut WorkerLog) -> io::Result<u64> {
    let mut file = runner.file(path)?.take(most);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(file.limit()),
            Ok(count) => log.feed(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if log.is_another_s() {
            return Ok(0);
        }
    }
}
