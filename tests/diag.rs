//! The follower of the job's log, over files written, turned and deleted as the worker does it.
#![allow(clippy::disallowed_methods, reason = "a test plays the worker")]

use nix::sys::stat::Mode;
use runner_init::domain::cache::CacheResult;
use runner_init::sys::door::Dir;
use runner_init::sys::job_log_tail::{self, Batch, Follower};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);
const TIMELINE: &str = "aaaaaaaa-d9cb-469f-a165-70867728950e";
const PAGE: usize = 8 << 20;

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A runner's directory and who watches it.
struct Stage {
    dir: TempDir,
    follower: Follower,
    batches: mpsc::Receiver<Batch>,
    heard: Vec<String>,
}

impl Stage {
    fn new() -> Stage {
        let dir = TempDir::new().expect("a directory");
        job_log_tail::prepare(dir.path(), None).expect("it is ours");
        Stage::in_dir(dir)
    }

    fn in_dir(dir: TempDir) -> Stage {
        let (follower, batches) =
            Follower::start(Dir::open(dir.path()).expect("ours"), Arc::default(), Arc::default())
                .expect("a watch");
        Stage { dir, follower, batches, heard: Vec::new() }
    }

    fn pages(&self) -> PathBuf {
        self.dir.path().join("_diag/pages")
    }

    fn take(&mut self) {
        while let Ok(batch) = self.batches.try_recv() {
            for event in &batch {
                for result in CacheResult::ALL {
                    let word = format!("{} {}", event.kind.as_str(), result.as_str());
                    self.heard.extend((0..event.tally.count(result)).map(|_| word.clone()));
                }
            }
        }
    }

    /// Waits for so many events in all.
    fn hears(&mut self, want: &[&str]) {
        until(&format!("{want:?}"), || {
            self.take();
            self.heard.len() >= want.len()
        });
        assert_eq!(self.heard, want);
    }

    /// Everything that was written is read, then it ends.
    fn ends_with(mut self, want: &[&str]) {
        self.follower.stop();
        until("the end", || {
            self.take();
            self.batches.is_closed() && self.batches.is_empty()
        });
        assert_eq!(self.heard, want);
    }

    /// Waits until a file is open in us a second time: the follower's descriptor beside the worker's.
    fn holds(path: &Path) {
        let path = path.canonicalize().expect("it is there");
        until(&format!("{} is followed", path.display()), || descriptors(&path) == 2);
    }
}

/// How often this process has a file open.
fn descriptors(path: &Path) -> usize {
    let fds = fs::read_dir("/proc/self/fd").expect("proc").flatten();
    fds.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path)).count()
}

/// One logger of the worker's.
struct Log {
    dir: PathBuf,
    stem: String,
    number: u32,
    bytes: usize,
    file: File,
}

impl Log {
    fn new(dir: &Path, record: u32) -> Log {
        let stem = format!("{TIMELINE}_{record:08x}-d9cb-469f-a165-70867728950e");
        let file = page(dir, &stem, 1);
        Log { dir: dir.to_owned(), stem, number: 1, bytes: 0, file }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(format!("{}_{}.log", self.stem, self.number))
    }

    fn line(&mut self, text: &str) {
        let line = format!("2026-08-17T13:15:44.1234567Z {text}\n");
        self.file.write_all(line.as_bytes()).expect("room");
        self.bytes += line.len();
        if self.bytes >= PAGE {
            let full = self.path();
            self.number += 1;
            self.bytes = 0;
            self.file = page(&self.dir, &self.stem, self.number);
            fs::remove_file(full).expect("ours");
        }
    }

    /// Closed, and deleted the same moment.
    fn close(self) {
        let path = self.path();
        drop(self.file);
        fs::remove_file(path).expect("ours");
    }
}

fn page(dir: &Path, stem: &str, number: u32) -> File {
    let mut file = File::create_new(dir.join(format!("{stem}_{number}.log"))).expect("new");
    file.write_all(b"\xEF\xBB\xBF").expect("room");
    file
}

/// One job: its log, and at most one step's.
struct Job {
    log: Log,
    step: Option<Log>,
    records: u32,
}

impl Job {
    /// The first step begins, as `Set up job` does: its log is made first, as by the real worker, or second.
    fn begin(dir: &Path, number: u32, job_first: bool) -> Job {
        let records = number * 0x1000;
        let first = Log::new(dir, records + u32::from(!job_first));
        let second = Log::new(dir, records + u32::from(job_first));
        let (log, step) = if job_first { (first, second) } else { (second, first) };
        Job { log, step: Some(step), records: records + 1 }
    }

    fn line(&mut self, text: &str) {
        self.step.as_mut().expect("a step").line(text);
        self.log.line(text);
    }

    /// The next step.
    fn step(&mut self) {
        self.step.take().into_iter().for_each(Log::close);
        self.records += 1;
        self.step = Some(Log::new(&self.log.dir, self.records));
    }

    fn cache(&mut self, key: &str) {
        self.step();
        let header = ["##[group]Run actions/cache@v4", "with:", "  key: k", "##[endgroup]"];
        for line in header {
            self.line(line);
        }
        self.line(&format!("Cache restored from key: {key}"));
    }

    fn end(mut self) {
        self.step.take().into_iter().for_each(Log::close);
        self.log.close();
    }
}

#[test]
fn the_job_s_log_is_told_from_its_steps_in_either_order() {
    for job_first in [false, true] {
        let mut stage = Stage::new();
        let mut job = Job::begin(&stage.pages(), 1, job_first);
        job.line("Current runner version: '2.336.0'");
        Stage::holds(&job.log.path());
        job.cache("k");
        job.step();
        stage.hears(&["actions hit"]);
        job.cache("other");
        job.end();
        stage.hears(&["actions hit", "actions partial"]);
        stage.ends_with(&["actions hit", "actions partial"]);
    }
}

#[test]
fn a_page_is_turned_at_8_mib_and_deleted_at_once() {
    let mut stage = Stage::new();
    let mut job = Job::begin(&stage.pages(), 1, false);
    Stage::holds(&job.log.path());
    job.cache("k");
    job.step();
    let mut want = vec!["actions hit"];
    let filler = "x".repeat(1000);
    for page in 1..=3 {
        // A header before the turn of the page and its answer after it.
        while job.log.bytes < PAGE - 20_000 {
            job.line(&filler);
        }
        let header = ["##[group]Run actions/cache@v4", "with:", "  key: k", "##[endgroup]"];
        for line in header {
            job.line(line);
        }
        while job.log.number == page {
            job.line(&filler);
        }
        Stage::holds(&job.log.path());
        job.line("Cache not found for input keys: k");
        want.push("actions miss");
    }
    assert_eq!(job.log.number, 4);
    job.end();
    stage.hears(&want);
    stage.ends_with(&want);
}

#[test]
fn files_deleted_the_moment_they_are_closed_are_read_all_the_same() {
    let mut stage = Stage::new();
    let mut want = Vec::new();
    for number in 1..=20 {
        let mut job = Job::begin(&stage.pages(), number, number % 2 == 0);
        Stage::holds(&job.log.path());
        job.cache("k");
        // Neither is seen to be closed before it is gone.
        job.end();
        want.push("actions hit");
        stage.hears(&want);
        assert_eq!(fs::read_dir(stage.pages()).expect("there").count(), 0);
    }
    stage.ends_with(&want);
}

#[test]
fn a_killed_worker_leaves_its_files_and_the_next_job_is_read() {
    let mut stage = Stage::new();
    let mut killed = Job::begin(&stage.pages(), 1, false);
    Stage::holds(&killed.log.path());
    killed.cache("k");
    killed.step();
    stage.hears(&["actions hit"]);
    killed.cache("other");
    killed.log.file.write_all(b"2026-08-17T13:15:44.1234567Z Cache resto").expect("room");
    // The kernel closes what it had open; nothing is deleted.
    drop(killed);
    stage.hears(&["actions hit", "actions partial"]);
    let mut early = Job::begin(&stage.pages(), 2, false);
    early.line("Current runner version: '2.336.0'");
    drop(early);
    let mut next = Job::begin(&stage.pages(), 3, true);
    Stage::holds(&next.log.path());
    next.cache("K");
    next.end();
    assert_eq!(fs::read_dir(stage.pages()).expect("there").count(), 4, "we delete nothing");
    stage.hears(&["actions hit", "actions partial", "actions hit"]);
    stage.ends_with(&["actions hit", "actions partial", "actions hit"]);
}

#[test]
fn a_directory_that_comes_late_is_watched_from_then_on() {
    for made in ["", "_diag"] {
        let dir = TempDir::new().expect("a directory");
        fs::create_dir_all(dir.path().join(made)).expect("ours");
        let mut stage = Stage::in_dir(dir);
        fs::create_dir_all(stage.pages()).expect("ours");
        let mut job = Job::begin(&stage.pages(), 1, false);
        Stage::holds(&job.log.path());
        job.cache("k");
        job.end();
        stage.hears(&["actions hit"]);
        // Somebody clears the directory away, and it is made again.
        fs::remove_dir_all(stage.dir.path().join("_diag")).expect("ours");
        fs::create_dir_all(stage.pages()).expect("ours");
        let mut job = Job::begin(&stage.pages(), 2, false);
        Stage::holds(&job.log.path());
        job.cache("other");
        job.end();
        stage.hears(&["actions hit", "actions partial"]);
        stage.ends_with(&["actions hit", "actions partial"]);
    }
}

#[test]
fn what_a_job_puts_there_itself_neither_hangs_nor_takes_a_later_job_s_place() {
    let mut stage = Stage::new();
    let pages = stage.pages();
    let name = |n: u32| pages.join(format!("{TIMELINE}_{n:08x}-0000-0000-0000-000000000000_1.log"));
    nix::unistd::mkfifo(&name(1), Mode::S_IRWXU).expect("ours");
    std::os::unix::fs::symlink("/dev/zero", name(2)).expect("ours");
    fs::create_dir(name(3)).expect("ours");
    fs::write(pages.join("notes.txt"), "x").expect("ours");
    // Open for ever, before, between and after the worker's own.
    let planted = File::create(name(4)).expect("ours");
    let mut job = Job::begin(&pages, 1, false);
    Stage::holds(&job.log.path());
    job.cache("k");
    let more = File::create(name(5)).expect("ours");
    fs::write(name(6), "2026-08-17T13:15:44.1234567Z Cache restored from key: k\n").expect("ours");
    job.cache("other");
    // Its own log, opened and closed by somebody else.
    drop(File::options().append(true).open(job.log.path()).expect("ours"));
    job.cache("k");
    job.end();
    stage.hears(&["actions hit", "actions partial", "actions hit"]);
    let mut next = Job::begin(&pages, 2, false);
    Stage::holds(&next.log.path());
    next.cache("k");
    next.end();
    let want = ["actions hit", "actions partial", "actions hit", "actions hit"];
    stage.hears(&want);
    drop((planted, more));
    stage.ends_with(&want);
}

#[test]
fn it_ends_when_it_is_dropped() {
    let Stage { follower, batches, dir: _dir, .. } = Stage::new();
    assert!(!batches.is_closed());
    drop(follower);
    until("the channel's end", || batches.is_closed());
}

#[test]
fn it_ends_when_nobody_listens() {
    let stage = Stage::new();
    let mut job = Job::begin(&stage.pages(), 1, false);
    Stage::holds(&job.log.path());
    let Stage { dir: _dir, batches, follower: _follower, .. } = stage;
    drop(batches);
    job.cache("k");
    job.step();
    let path = job.log.path().canonicalize().expect("it is there");
    until("only the worker's descriptor is left", || descriptors(&path) == 1);
}
