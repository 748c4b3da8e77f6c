//! Deployments on a fixed history worked out by hand: as rows, from the disk, after a compaction, in other orders, and from
//! outside over restarts of the real program.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal::SIGKILL;
use runner_init::domain::context::Context;
use runner_init::domain::dora::{DeploymentRule, Matcher, StreamRule};
use runner_init::domain::job::usage::Usage;
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use runner_init::domain::totals::{Bounds, Buckets, Totals};
use runner_init::sys::journal::{Journal, JournalSettings};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use supervised::{Plan, Supervised, runner};

const S: JobStatus = JobStatus::Success;
const F: JobStatus = JobStatus::Failed;
const CANCELLED: JobStatus = JobStatus::Cancelled;
const SKIPPED: JobStatus = JobStatus::Skipped;
const ABANDONED: JobStatus = JobStatus::Abandoned;

/// End (minutes after midnight), workflow, job, ref, commit (minutes), status → deployment?, lead time, recovery time
/// (minutes), all worked out by hand for the default rule.
type Line =
    (i64, &'static str, &'static str, &'static str, Option<i64>, JobStatus, bool, Option<u64>, Option<u64>);
#[rustfmt::skip]
const HISTORY: [Line; 18] = [
    (  10, "CD",      "deploy",  "refs/heads/main",   Some(0),   S,         true,  Some(10),   None),
    (  20, "CI",      "test",    "refs/heads/main",   Some(15),  F,         false, None,       None),       // no deployment
    (  30, "CD",      "deploy",  "refs/heads/main",   Some(25),  F,         true,  None,       None),       // main fails from 30
    (  40, "CD",      "deploy",  "refs/heads/next",   Some(35),  S,         true,  Some(5),    None),       // another branch repairs nothing
    (  50, "CD",      "deploy",  "refs/heads/main",   Some(45),  F,         true,  None,       None),       // still fails
    (  60, "Release", "publish", "refs/heads/main",   None,      S,         true,  None,       None),       // another workflow repairs nothing
    (  70, "CD",      "deploy",  "refs/heads/main",   Some(65),  CANCELLED, true,  None,       None),       // no result
    (  80, "CD",      "deploy",  "refs/heads/main",   Some(75),  SKIPPED,   true,  None,       None),       // no result
    (  90, "CD",      "deploy",  "refs/heads/main",   Some(85),  S,         true,  Some(5),    Some(60)),   // 90 - 30
    ( 100, "CD",      "deploy",  "refs/heads/main",   Some(85),  S,         true,  Some(15),   None),       // nothing to repair
    ( 110, "Release", "publish", "refs/tags/v1",      None,      F,         true,  None,       None),       // tags fail from 110
    ( 120, "CD",      "deploy",  "refs/heads/next",   Some(130), F,         true,  None,       None),       // next fails from 120
    ( 130, "CD",      "deploy",  "refs/pull/3/merge", Some(125), F,         false, None,       None),       // no deployment
    ( 140, "CD",      "deploy",  "refs/heads/next",   Some(150), S,         true,  None,       Some(20)),   // 140 - 120; a commit of the future
    ( 150, "CD",      "deploy",  "refs/heads/main",   Some(145), F,         true,  None,       None),       // main fails from 150
    ( 160, "CD",      "deploy",  "refs/heads/main",   Some(155), ABANDONED, true,  None,       None),       // no result
    (1590, "Release", "publish", "refs/tags/v1.0.1",  Some(150), S,         true,  Some(1440), Some(1480)), // the next tag: 1590 - 110
    (1600, "CD",      "deploy",  "refs/heads/hotfix", None,      S,         true,  None,       None),       // main still fails
];
/// Successes and failures of the table, counted.
const DEPLOYMENTS: [u64; 2] = [8, 5];
/// 10 + 5 + 5 + 15 + 1440 minutes of five deployments; one took a day.
const LEAD_SUM: f64 = 1475.0 * 60.0;
const LEAD_CELLS: [u64; 8] = [4, 0, 1, 0, 0, 0, 0, 0];
/// 60 + 20 + 1480 minutes of three recoveries: two within the hour, one in more than a day.
const RECOVERY_SUM: f64 = 1560.0 * 60.0;
const RECOVERY_CELLS: [u64; 8] = [0, 2, 0, 0, 1, 0, 0, 0];

fn minute(minutes: i64) -> DateTime<Utc> {
    "2026-11-02T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

/// The table as the log's rows: one when the job began, a minute before its end, and one when it ended.
fn history() -> Vec<[JobRecord; 2]> {
    let rule = DeploymentRule { job: Matcher::new("(?i)deploy|release|publish").unwrap(), branch: None };
    let rows = |(end, workflow, name, git_ref, commit, status, ..): Line| {
        let running = JobRecord {
            timestamp: minute(end - 1),
            started_at: Some(minute(end - 1)),
            job_id: format!("{end}_{name}"),
            status: RowStatus::Running,
            job_name: Some(name.into()),
            context: Context {
                repository: Some("octo/cat".into()),
                workflow: Some(workflow.into()),
                git_ref: Some(git_ref.into()),
                commit_at: commit.map(minute),
                ..Context::default()
            },
            ..JobRecord::blank()
        };
        let mut over = JobRecord {
            timestamp: minute(end),
            status: RowStatus::Finished(status),
            duration: Some(Duration::from_secs(60)),
            ..running.clone()
        };
        rule.mark(&mut over);
        [running, over]
    };
    HISTORY.into_iter().map(rows).collect()
}

fn totals(rows: impl IntoIterator<Item = JobRecord>) -> Totals {
    let mut totals = Totals::new(&Bounds::with_duration(vec![60.0]));
    for row in rows {
        totals.fold(&row);
    }
    totals
}

fn write(path: &Path, max_records: usize, rows: impl IntoIterator<Item = JobRecord>) {
    let mut journal = Journal::open(settings(path, max_records)).unwrap().0;
    for row in rows {
        journal.append(&row).unwrap();
        journal.compact_if_due().unwrap();
    }
}

fn settings(path: &Path, max_records: usize) -> JournalSettings {
    let bounds = Bounds::with_duration(vec![60.0]);
    JournalSettings { path: path.to_owned(), max_records, bounds, streams: StreamRule::default(), jobs: None }
}

#[track_caller]
fn is_as_worked_out(totals: &Totals) {
    let cells = |buckets: &Buckets| buckets.cells.iter().map(|cell| cell.count).collect::<Vec<_>>();
    assert_eq!(totals.dora.deployments, DEPLOYMENTS);
    assert_eq!(totals.dora.newest, [Some(minute(1600)), Some(minute(150))]);
    assert_eq!(cells(&totals.lead_time), LEAD_CELLS);
    assert_eq!(cells(&totals.recovery_time), RECOVERY_CELLS);
    assert_eq!(totals.lead_time.sum().to_bits(), LEAD_SUM.to_bits());
    assert_eq!(totals.recovery_time.sum().to_bits(), RECOVERY_SUM.to_bits());
}

#[test]
fn every_row_says_what_the_table_says() {
    let minutes = |time: Option<u64>| time.map(|minutes| Duration::from_secs(minutes * 60));
    let mut folded = totals([]);
    for (line, [_, row]) in HISTORY.into_iter().zip(history()) {
        let (.., status, deployment, lead, recovery) = line;
        assert_eq!((row.deployment, row.lead_time), (Some(deployment), minutes(lead)), "{line:?}");
        let told = folded.fold(&row).deployment;
        assert_eq!(told.is_some(), deployment && [S, F].contains(&status), "{line:?}");
        assert_eq!(told.and_then(|told| told.recovery_time), minutes(recovery), "{line:?}");
    }
    // Change failure rate: 5 of 13.
    let [good, bad] = folded.dora.deployments;
    assert_eq!((bad * 1000) / (good + bad), 384);
    is_as_worked_out(&totals(history().into_iter().flatten()));
}

#[test]
fn a_replay_and_a_compaction_say_the_same() {
    let live = totals(history().into_iter().flatten());
    for max_records in [10_000, 10, 4, 1] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.log");
        write(&path, max_records, history().into_iter().flatten());
        let (_, replay) = Journal::open(settings(&path, max_records)).unwrap();
        assert_eq!(replay.totals, live, "{max_records} rows at most");
        assert!(replay.rows <= max_records as u64 + 1);
        is_as_worked_out(&replay.totals);
    }
}

/// Whose turn it is does not matter, as long as each stream's own jobs come one after the other.
#[test]
fn the_order_of_other_streams_changes_nothing() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..200 {
        let mut jobs = history();
        for _ in 0..1000 {
            let at = random.usize(1..jobs.len());
            let stream = |job: &[JobRecord; 2]| {
                // All tags are one.
                let context = &job[1].context;
                let git_ref = context.git_ref.as_deref().unwrap_or_default().replace("v1.0.1", "v1");
                (context.workflow.clone(), git_ref)
            };
            if stream(&jobs[at - 1]) != stream(&jobs[at]) {
                jobs.swap(at - 1, at);
            }
        }
        is_as_worked_out(&totals(jobs.into_iter().flatten()));
    }
}

const FAMILIES: [&str; 4] =
    ["deployments_total", "lead_time_seconds", "recovery_time_seconds", "last_deployment"];

/// Our families on the page, as they are written.
fn shown(s: &Supervised) -> Vec<String> {
    let page = s.get("/metrics").body;
    let ours = |line: &&str| {
        FAMILIES.iter().any(|name| line.strip_prefix("github_runner_").is_some_and(|l| l.starts_with(name)))
    };
    page.lines().filter(ours).map(str::to_owned).collect()
}

fn deployments(s: &Supervised) -> [Option<f64>; 2] {
    ["success", "failed"]
        .map(|status| s.metric(&format!("github_runner_deployments_total{{status=\"{status}\"}}")))
}

fn newest(s: &Supervised) -> [Option<f64>; 2] {
    ["success", "failed"].map(|status| {
        s.metric(&format!("github_runner_last_deployment_timestamp_seconds{{status=\"{status}\"}}"))
    })
}

/// No row of a job that has a name and no more is anything else.
fn marks(s: &Supervised) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(s.path("state/jobs.log")).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap()).filter(|row| &row[2] != "running");
    rows.map(|row| (row[5].to_owned(), row[15].to_owned())).collect()
}

fn idling() -> Plan {
    runner(&[])
}

#[test]
fn a_restart_changes_nothing_and_the_next_deployment_counts() {
    require!("namespace");
    // Nobody tells when their commits were made, and each is a workflow of its own.
    let by_hand = |name: &str, ms: u64, result: &str| {
        let context = json!({ "event_name": "workflow_dispatch", "workflow": name });
        json!({"job": {"name": name, "ms": ms, "result": result, "context": context}})
    };
    let jobs = [
        by_hand("Deploy api", 50, "Succeeded"),
        by_hand("test", 50, "Succeeded"),
        by_hand("deploy web", 50, "Failed"),
        by_hand("deploy for ever", 100_000, "Succeeded"),
    ];
    let mut s = runner(&jobs).start();
    assert_eq!((deployments(&s), newest(&s)), ([None, None], [None, None]), "nothing is known yet");
    s.until("two deployments have ended and one runs", |s| s.table().len() == 7);
    s.until("they are counted", |s| deployments(s) == [Some(1.0), Some(1.0)]);
    assert!(newest(&s).iter().all(|at| at.is_some_and(|at| at > 1.7e9)));
    let before = shown(&s);
    s.signal(SIGKILL);
    s.exit_code();

    let mut s = idling().in_dir_of(&s).start();
    s.until("the lost job is written down", |s| s.results().len() == 4);
    assert_eq!(shown(&s), before);
    let mark = |name: &str, mark: &str| (name.to_owned(), mark.to_owned());
    assert_eq!(
        marks(&s),
        [
            mark("Deploy api", "true"),
            mark("test", "false"),
            mark("deploy web", "true"),
            mark("deploy for ever", "true")
        ]
    );
    assert_eq!(s.stop(), 0);
    write(&s.path("state/jobs.log"), 10_000, history().into_iter().flatten());

    let publish = [by_hand("publish", 50, "Succeeded")];
    let mut s = runner(&publish).env("DORA_BRANCH_MATCH", "^release/").in_dir_of(&s).start();
    s.until("the job is counted", |s| s.results().len() == 5 + HISTORY.len());
    assert_eq!(s.stop(), 0);
    let mut s = runner(&publish).in_dir_of(&s).start();
    // 1 + 8 + 1 and 1 + 5.
    s.until("the second is counted", |s| deployments(s) == [Some(10.0), Some(6.0)]);
    assert_eq!(
        marks(&s)[22..],
        [mark("publish", "false"), mark("publish", "true")],
        "of release branches, of any"
    );
    assert_eq!(s.metric("github_runner_lead_time_seconds_sum"), Some(LEAD_SUM));
    assert_eq!(s.metric("github_runner_recovery_time_seconds_sum"), Some(RECOVERY_SUM));
    assert_eq!(s.metric("github_runner_recovery_time_seconds_count"), Some(3.0));
    let before = shown(&s);
    assert_eq!(before.len(), 2 + 10 + 10 + 2);
    s.signal(SIGKILL);
    s.exit_code();
    let mut s = idling().in_dir_of(&s).start();
    assert_eq!(shown(&s), before);
    assert_eq!(s.stop(), 0);
}

/// A monorepo's workflow deploys its services by a matrix; its checks in the queue and for pull requests deploy nothing.
#[test]
fn a_service_is_repaired_by_its_own_deployment_alone() {
    require!("namespace");
    let deploy = |service: &str, result: &str, event: &str, git_ref: &str| {
        let context = json!({ "event_name": event, "workflow": "CD", "ref": git_ref });
        json!({"job": {"name": format!("deploy ({service})"), "ms": 50, "result": result, "context": context}})
    };
    let queued = "refs/heads/gh-readonly-queue/main/pr-104-c1a9a3f4";
    let jobs = [
        deploy("billing", "Failed", "push", "refs/heads/main"),
        deploy("search", "Succeeded", "push", "refs/heads/main"),
        deploy("billing", "Succeeded", "pull_request_target", "refs/heads/main"),
        deploy("billing", "Failed", "merge_group", queued),
    ];
    let recoveries = |s: &Supervised| s.metric("github_runner_recovery_time_seconds_count");
    let rule = ("DORA_STREAM", r"\((.+)\)$");
    let mut s = runner(&jobs).env(rule.0, rule.1).start();
    s.until("all have ended", |s| s.results().len() == jobs.len());
    assert_eq!((deployments(&s), recoveries(&s)), ([Some(1.0), Some(1.0)], Some(0.0)));
    let mark = |service: &str, mark: &str| (format!("deploy ({service})"), mark.to_owned());
    assert_eq!(
        marks(&s),
        [mark("billing", "true"), mark("search", "true"), mark("billing", "false"), mark("billing", "false")]
    );
    assert_eq!(s.stop(), 0);

    let fixed = [deploy("billing", "Succeeded", "push", "refs/heads/main")];
    let mut s = runner(&fixed).env(rule.0, rule.1).in_dir_of(&s).start();
    s.until("it is repaired", |s| recoveries(s) == Some(1.0));
    let before = shown(&s);
    assert_eq!(s.stop(), 0);
    let mut s = idling().env(rule.0, rule.1).in_dir_of(&s).start();
    assert_eq!(shown(&s), before);
    assert_eq!(s.stop(), 0);
}

#[test]
fn the_api_tells_all_a_row_knows() {
    require!("namespace");
    let mut s = idling().start();
    assert_eq!(s.stop(), 0);
    let ended = history()[0][1].clone();
    let row = JobRecord {
        duration: Some(Duration::from_secs(60)),
        conclusion: Some("failure".into()),
        context: Context { run_number: Some("12".into()), actor: Some("octocat".into()), ..ended.context },
        usage: Usage { cpu_time: Some(Duration::from_millis(61_500)), peak_memory: Some(1 << 30) },
        ..ended
    };
    write(&s.path("state/jobs.log"), 100, [row, JobRecord::blank()]);
    let mut s = idling().in_dir_of(&s).start();
    let body: Value = serde_json::from_str(&s.get("/api/v1/jobs").body).unwrap();
    let keys = [
        ("deployment", json!(true)),
        ("lead_time_seconds", json!(600.0)),
        ("conclusion", json!("failure")),
        ("run_number", json!("12")),
        ("actor", json!("octocat")),
        ("committed_at", json!("2026-11-02T00:00:00.000Z")),
        ("cpu_seconds", json!(61.5)),
        ("peak_memory_bytes", json!(1 << 30)),
    ];
    for (key, value) in keys {
        assert_eq!(body["jobs"][1][key], value, "{key}");
        assert_eq!(body["jobs"][0].get(key), Some(&Value::Null), "{key} is unknown");
    }
    assert_eq!(s.stop(), 0);
}
