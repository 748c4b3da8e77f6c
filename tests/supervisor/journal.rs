//! The whole container is killed at random moments while jobs run: what was acknowledged is in the job log once, and the
//! counters are the rows.

use crate::supervised::{Plan, Row, Supervised, plan};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const STATUSES: [&str; 5] = ["success", "failed", "cancelled", "skipped", "abandoned"];

/// As many and as short jobs as the runner can play.
fn restless() -> Plan {
    let quick = json!({ "job": { "name": "quick", "ms": 0, "spawn_ms": 0 } });
    // The ids of its runs are those of no other life.
    let context = json!({ "run_id": fastrand::u64(1..1 << 50) });
    let launch = json!({ "connect_ms": 0, "steps": [quick] });
    plan(json!({ "launches": [launch], "then": "repeat", "context": context }))
}

/// Jobs begun, and jobs over by status: as the rows have them.
fn counted(rows: &[Row]) -> Vec<usize> {
    let count = |status: &str| rows.iter().filter(|row| row.status == status).count();
    [count("running")].into_iter().chain(STATUSES.map(count)).collect()
}

/// The same from `/metrics`.
fn shown(s: &Supervised) -> Vec<usize> {
    let page = s.get("/metrics").body;
    let value = |name: &str, label: &str| {
        let line = page.lines().find(|l| l.starts_with(name) && l.contains(label)).expect("it is seeded");
        line.rsplit(' ').next().and_then(|v| v.parse().ok()).expect("a number")
    };
    let of = |status: &str| value("github_runner_jobs_total{", &format!("status=\"{status}\""));
    [value("github_runner_jobs_started_total", "")].into_iter().chain(STATUSES.map(of)).collect()
}

/// The ids that the log line of a finished job has acknowledged.
fn acknowledged(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("event=job_finished"));
    let id = |line: &str| line.split("job_id=").nth(1)?.split_whitespace().next().map(str::to_owned);
    lines.map(|line| id(line).expect("a job has an id")).collect()
}

/// One start over the log of the one before, and its death after a while.
fn live_and_die(earlier: Option<&Supervised>, moment: Duration) -> Supervised {
    let next = match earlier {
        None => restless(),
        Some(earlier) => restless().in_dir_of(earlier),
    };
    let mut s = next.start();
    // Between two jobs both are the same; if a job were counted twice, or not, they never would be again.
    s.until("the counters are the rows", |s| {
        let rows = counted(&s.table());
        shown(s) == rows
    });
    std::thread::sleep(moment);
    s.signal(SIGKILL);
    s.exit_code();
    s
}

fn die_often(times: u32) {
    let began = Instant::now();
    let mut random = fastrand::Rng::new();
    let mut acks = Vec::new();
    let mut last: Option<Supervised> = None;
    for _ in 0..times {
        let moment = Duration::from_micros(random.u64(0..150_000));
        let s = live_and_die(last.as_ref(), moment);
        acks.extend(acknowledged(&s.log()));
        last = Some(s);
    }
    let mut s = plan(json!({})).in_dir_of(&last.expect("it was started")).start();
    s.until_state("idle");
    let rows = s.table();
    let mut over: BTreeMap<&str, u32> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status != "running") {
        *over.entry(&row.job_id).or_default() += 1;
    }
    for id in &acks {
        assert_eq!(over.get(id.as_str()), Some(&1), "{id} was acknowledged");
    }
    assert!(over.values().all(|times| *times == 1), "no job ends twice");
    assert_eq!(shown(&s), counted(&rows));
    assert_eq!(counted(&rows)[0], over.len(), "every job that began has ended");
    assert!(acks.len() >= usize::try_from(times / 10).expect("small"), "jobs ran: {}", acks.len());
    eprintln!("{times} deaths, {} rows, {} acknowledged, {:?}", rows.len(), acks.len(), began.elapsed());
    assert_eq!(s.stop(), 0);
}

#[test]
fn two_hundred_deaths_lose_nothing() {
    require!("namespace");
    // Four containers at a time, each with a log of its own.
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| die_often(50)))));
}

#[test]
#[ignore = "takes minutes"]
fn five_hundred_deaths_of_one_container_lose_nothing() {
    require!("namespace");
    die_often(500);
}
