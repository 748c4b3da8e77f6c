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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::steps::pages::Pages;
    use std::path::Path;

    const NAMES: [&str; 3] = ["0200-utc.log", "0201-utc.log", "0203-utc.log"];

    /// A log of the real worker.
    fn real(job: &str) -> String {
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/recordings/logs");
        std::fs::read_to_string(logs.join(job).join("worker.log")).expect("readable")
    }

    /// What is read of the worker whose log goes on in these files, beside that of one before it.
    fn steps(parts: &[&str]) -> JobSteps {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| format!("{DIAG}/Worker_20261130-10{name}");
        std::fs::create_dir(dir.path().join(DIAG)).expect("ours");
        for (name, text) in
            ["0159-utc.log"].iter().chain(&NAMES).zip([real("fail").as_str()].iter().chain(parts))
        {
            std::fs::write(dir.path().join(path(name)), text).expect("ours");
        }
        let watch = PageWatch::default();
        // They were not seen: what the log says is believed.
        watch.note(Pages::miss);
        let runner = Dir::open(dir.path()).expect("ours");
        read(&runner, &path(NAMES[0]), None, &watch, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_log_that_goes_on_in_other_files_tells_the_same_wherever_it_was_cut() {
        let log = real("kinds");
        let whole = steps(&[&log]);
        let names: Vec<&str> = whole.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!((names.len(), names[0], names[13]), (14, "Set up job", "Complete job"), "{names:?}");
        // The worker writes a record in two pieces, and may begin the next file behind each.
        let records = log.match_indices("\n[2026-11-30 10:").map(|(at, _)| at + 1);
        let text = |record: usize| log[record..].find("] ").map(|at| record + at + 2);
        // A first file is never so short that it ends before the job's message does.
        let first = log.find("\"jobId\"").expect("a message");
        let cuts = records.flat_map(|record| [Some(record), text(record)]).flatten();
        let cuts: Vec<usize> = cuts.filter(|cut| *cut > first).collect();
        for (number, cut) in cuts.iter().enumerate().step_by(29) {
            let (one, rest) = log.split_at(*cut);
            let (two, three) = rest.split_at(cuts[number + (cuts.len() - number) / 2] - cut);
            assert_eq!(steps(&[one, two, three]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn the_next_worker_s_log_is_not_taken_for_the_rest_of_one_that_was_killed() {
        let log = real("kinds");
        let killed = &log[..log.find("Processing step: DisplayName='prints'").expect("a step")];
        let alone = steps(&[killed]);
        assert_eq!(alone.steps.len(), 8, "{alone:?}");
        assert_eq!(steps(&[killed, &real("plain")]), alone);
        assert_eq!(steps(&[killed, &log[killed.len()..], &real("plain")]), steps(&[&log]));
    }
}
