//! Killed -9 at any moment, again and again on one work directory: of each job that the runner's own log tells of there is a row for
//! its beginning and one for its end, or neither if nobody was told of it; and the counters are the rows.

use crate::supervised::{PATIENCE, Plan, Row, Supervised, plan};
use crate::{ns, require};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use runner_init::domain::record::{HEADER, JobRecord, JobStatus, RowStatus};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// A status, and what the runner says of such a job.
const STATUSES: [(&str, &str); 5] = [
    ("success", "Succeeded"),
    ("failed", "Failed"),
    ("skipped", "Skipped"),
    ("cancelled", "Canceled"),
    ("abandoned", ""),
];
/// As few rows as may be, so that a row behind them is followed by a compaction.
const MOST_ROWS: usize = 100;
/// A life in so many has no jobs: what is shown then stays as it is.
const QUIET: u32 = 10;

/// When it is killed, and how long after that at most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Moment {
    Start,
    Row,
    Compaction,
    Stop,
}

impl Moment {
    fn most(self) -> u64 {
        match self {
            Moment::Start => 700_000,
            Moment::Row => 3_000,
            Moment::Compaction => 5_000,
            Moment::Stop => 100_000,
        }
    }
}

fn supervised(scenario: serde_json::Value) -> Plan {
    plan(scenario).env("JOBS_LOG_MAX_RECORDS", &MOST_ROWS.to_string())
}

/// Short jobs, named by their life and number, so near to each other as can be told apart (docs/RELIABILITY.md). Those of a life end alike:
/// the worker's log has the last word, and where several begin in a second, as no real ones do, that may be a neighbour's.
fn restless(life: u32) -> Plan {
    let result = STATUSES[life as usize % 3].1;
    let job = |number: usize| json!({ "job": { "name": format!("{life}-{number}"), "ms": 0, "spawn_ms": 0, "result": result } });
    let steps: Vec<_> = (0..100).flat_map(|number| [job(number), json!({ "idle_ms": 60 })]).collect();
    // The ids of its runs are those of no other life.
    let context = json!({ "run_id": fastrand::u64(1..1 << 50) });
    supervised(
        json!({ "launches": [{ "connect_ms": 0, "steps": steps }], "then": "repeat", "context": context }),
    )
}

/// What the runner did, as it wrote down itself before it said so: its jobs of this life in order, and how each ended.
fn played(s: &Supervised, life: u32) -> Vec<(String, Option<String>)> {
    let entries = std::fs::read_dir(s.path("runner/_diag")).into_iter().flatten();
    let mut traces: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    traces.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Runner_")));
    traces.sort();
    let mut jobs: Vec<(String, Option<String>)> = Vec::new();
    for text in traces.iter().map(|path| ns::read(path)) {
        for line in text.lines().filter(|line| line.contains("WRITE LINE: ")) {
            if let Some((_, name)) = line.split_once(": Running job: ") {
                if name.starts_with(&format!("{life}-")) {
                    jobs.push((name.to_owned(), None));
                }
            } else if let Some((job, result)) = line.split_once(" completed with result: ")
                && let Some(last) = jobs.last_mut().filter(|last| job.ends_with(&format!(": Job {}", last.0)))
            {
                last.1 = Some(result.to_owned());
            }
        }
    }
    jobs
}

/// What was acknowledged or read, of all lives: whose beginning, whose end.
#[derive(Default)]
struct Books {
    begun: BTreeSet<String>,
    ended: BTreeMap<String, String>,
    acknowledged: usize,
    untold: usize,
    moments: BTreeMap<(Moment, bool), u32>,
}

impl Books {
    fn end(&mut self, name: &str, status: &str) {
        let known = self.ended.entry(name.to_owned()).or_insert_with(|| status.to_owned());
        assert_eq!(known, status, "{name} ends once");
    }

    /// No row is there twice.
    fn read(&mut self, rows: &[Row]) {
        let mut seen = BTreeSet::new();
        for row in rows {
            let is_end = row.status != "running";
            assert!(seen.insert((&row.name, is_end)), "twice: {row:?} in {rows:?}");
            if is_end {
                self.end(&row.name, &row.status);
            } else {
                self.begun.insert(row.name.clone());
            }
        }
    }

    /// What its log has said to be so.
    fn hear(&mut self, log: &str) {
        let value = |line: &str, key: &str| {
            let value = line.split(&format!(" {key}=")).nth(1)?.split_whitespace().next()?;
            Some(value.trim_matches('"').to_owned())
        };
        for line in log.lines().filter(|line| line.contains("event=job_")) {
            let name = || value(line, "job").expect("a job has a name");
            if line.contains("event=job_started") {
                self.begun.insert(name());
                self.acknowledged += 1;
            } else if line.contains("event=job_finished") {
                self.end(&name(), &value(line, "status").expect("a status"));
                self.acknowledged += 1;
            }
        }
    }

    /// The rows tell what the runner did: nothing that it did not do, each end as it was, and no beginning is left out between others.
    fn compare(&mut self, life: u32, played: &[(String, Option<String>)]) {
        let of_life = format!("{life}-");
        let done: BTreeMap<_, _> = played.iter().map(|(name, end)| (name.as_str(), end.as_deref())).collect();
        assert_eq!(done.len(), played.len(), "{played:?}");
        for name in self.begun.iter().chain(self.ended.keys()).filter(|name| name.starts_with(&of_life)) {
            let end = done.get(name.as_str()).unwrap_or_else(|| panic!("{name} is invented: {played:?}"));
            let status = self.ended.get(name).map_or("abandoned", String::as_str);
            let is_so = STATUSES.iter().any(|(known, result)| *known == status && *end == Some(result));
            assert!(is_so || status == "abandoned", "{name} ended with {end:?} and is {status}");
        }
        let untold = played.iter().filter(|(name, _)| !self.begun.contains(name)).count();
        let last = &played[played.len() - untold..];
        assert!(last.iter().all(|(name, _)| !self.begun.contains(name)), "a hole: {last:?} {played:?}");
        self.untold += untold;
    }

    /// Jobs begun, and jobs over by status.
    fn counted(&self) -> Vec<usize> {
        let count = |status: &str| self.ended.values().filter(|known| *known == status).count();
        [self.begun.len()].into_iter().chain(STATUSES.map(|(status, _)| count(status))).collect()
    }
}

/// The same from `/metrics`.
fn shown(s: &Supervised) -> Vec<usize> {
    let page = s.get("/metrics").body;
    let value = |name: &str, label: &str| {
        let line = page.lines().find(|l| l.starts_with(name) && l.contains(label)).expect("it is seeded");
        line.rsplit(' ').next().and_then(|v| v.parse().ok()).expect("a number")
    };
    let of = |(status, _)| value("github_runner_jobs_total{", &format!("status=\"{status}\""));
    [value("github_runner_jobs_started_total", "")].into_iter().chain(STATUSES.map(of)).collect()
}

/// Waits until what is to happen first has happened, so long at most; whether it has.
fn wait(mut happened: impl FnMut() -> bool) -> bool {
    let from = Instant::now();
    while from.elapsed() < PATIENCE {
        if happened() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    false
}

/// Waits for the moment; whether it came.
fn await_moment(s: &Supervised, moment: Moment) -> bool {
    let (log, next) = (s.path("state/jobs.log"), s.path("state/jobs.log.snapshot.new"));
    let written = || std::fs::metadata(&log).ok().map(|log| (log.ino(), log.size()));
    let another = || {
        let before = written();
        wait(|| written() != before)
    };
    let some = fastrand::u32(0..25);
    let came = match moment {
        Moment::Start => wait(|| s.try_pid().is_some()),
        Moment::Row => (0..=some).all(|_| another()),
        Moment::Compaction => (0..some).all(|_| another()) && wait(|| next.exists()),
        Moment::Stop => {
            let came = wait(|| s.log().contains("event=job_started"));
            s.try_pid().map(|init| kill(Pid::from_raw(init), SIGTERM));
            came
        }
    };
    // Rather sooner than later: what it is in the middle of is soon over.
    let most = moment.most() >> fastrand::u32(0..6);
    std::thread::sleep(Duration::from_micros(fastrand::u64(0..most)));
    came
}

/// The whole container, or only the supervisor in it; nobody, if a stop was over before.
fn kill_9(s: &mut Supervised, only_supervisor: bool) {
    let mut victim = None;
    // The kernel's list of children is empty at times.
    s.until("who is to be killed is found, or has ended", |s| {
        victim = s.try_pid();
        victim.is_some() || s.ended().is_some()
    });
    if let Some(init) = victim {
        let supervisor = ns::children(init).first().copied().filter(|_| only_supervisor);
        // It may be gone meanwhile. What is killed as soon as it is there is no program of ours yet, so the code may be `unshare`'s.
        let _ = kill(Pid::from_raw(supervisor.unwrap_or(init)), SIGKILL);
    }
    s.exit_code();
}

/// A job log that is full, as an earlier life has left it.
fn full_log() -> Supervised {
    let mut s = supervised(json!({})).start();
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
    let mut log = format!("{HEADER}\n").into_bytes();
    for number in 0..i64::try_from(MOST_ROWS / 2).expect("small") {
        let begun = chrono::DateTime::from_timestamp(1_790_000_000 + 10 * number, 0).expect("a time");
        for status in [RowStatus::Running, RowStatus::Finished(JobStatus::Success)] {
            let row = JobRecord {
                timestamp: begun,
                started_at: Some(begun),
                job_id: format!("earlier-{number}"),
                job_name: Some(format!("earlier-{number}")),
                status,
                ..JobRecord::blank()
            };
            log.extend(row.to_csv_row());
        }
    }
    std::fs::write(s.path("state/jobs.log"), log).expect("ours");
    s
}

/// A life without a job: each job has ended, and the counters are the rows.
fn look(books: &mut Books, last: &Supervised) -> Supervised {
    let mut s = supervised(json!({})).in_dir_of(last).start();
    s.until_state("idle");
    books.hear(&s.log());
    books.read(&s.table());
    let open: Vec<_> = books.begun.iter().filter(|name| !books.ended.contains_key(*name)).collect();
    assert!(open.is_empty(), "never ended: {open:?}");
    assert_eq!(books.begun.len(), books.ended.len(), "ended and never begun");
    assert_eq!(shown(&s), books.counted());
    s
}

fn die_often(times: u32) -> Books {
    let mut books = Books::default();
    let mut s = full_log();
    books.read(&s.table());
    for life in 0..times {
        if life % QUIET == QUIET - 1 {
            s = look(&mut books, &s);
            kill_9(&mut s, fastrand::bool());
            continue;
        }
        s = restless(life).in_dir_of(&s).start_unseen();
        let moment = [Moment::Start, Moment::Row, Moment::Compaction, Moment::Stop][fastrand::usize(..4)];
        let came = await_moment(&s, moment);
        *books.moments.entry((moment, came)).or_default() += 1;
        kill_9(&mut s, fastrand::bool());
        books.hear(&s.log());
        books.read(&s.table());
        books.compare(life, &played(&s, life));
    }
    assert_eq!(look(&mut books, &s).stop(), 0);
    books
}

/// Four containers at a time, each with a log of its own.
fn kills(times: u32) {
    require!("namespace");
    let began = Instant::now();
    let all = std::thread::scope(|scope| {
        let lives: Vec<_> = (0..4).map(|_| scope.spawn(|| die_often(times / 4))).collect();
        lives.into_iter().map(|life| life.join().expect("it held")).collect::<Vec<_>>()
    });
    let sum = |of: fn(&Books) -> usize| all.iter().map(of).sum::<usize>();
    let (jobs, abandoned) = (sum(|books| books.begun.len()), sum(|books| books.counted()[5]));
    let (acknowledged, untold) = (sum(|books| books.acknowledged), sum(|books| books.untold));
    let mut moments = BTreeMap::new();
    for (moment, count) in all.iter().flat_map(|books| &books.moments) {
        *moments.entry(*moment).or_insert(0) += count;
    }
    eprintln!(
        "{times} kills in {:?}: {jobs} jobs, {abandoned} of them cut, {acknowledged} rows acknowledged, {untold} jobs nobody was \
         told of; moments (and whether they came) {moments:?}",
        began.elapsed()
    );
    // The jobs that were there before are no news.
    let heard = jobs - abandoned - 4 * MOST_ROWS / 2;
    let least = usize::try_from(times / 4).expect("small");
    assert!(heard >= least && abandoned >= least && acknowledged >= least, "too few to tell");
}

#[test]
fn a_kill_at_any_moment_loses_and_doubles_no_row() {
    kills(40);
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_kills_lose_and_double_no_row() {
    kills(1000);
}
