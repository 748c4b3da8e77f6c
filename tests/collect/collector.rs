//! What a collector takes, counts and shows, by itself.

use crate::collected::{Collector, size};
use crate::supervised::{job, runner};
use crate::{ns, require};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) fn row(runner: &str, n: u64, status: &str) -> Value {
    let at = format!("2026-11-22T20:{:02}:{:02}.{:03}Z", n / 60_000 % 60, n / 1000 % 60, n % 1000);
    json!({
        "timestamp": at, "started_at": at, "job_id": format!("{n}_build"), "status": status, "job_name": "build",
        "repository": "octo/cat", "workflow": "CI", "run_attempt": "1", "duration_seconds": 1.5,
        "runner_name": runner, "runner_type": "standard", "amendment": false,
    })
}

pub(crate) fn sent(runner: &str, rows: &[Value]) -> String {
    json!({ "runner_name": runner, "runner_type": "standard", "metrics_port": 9091, "rows": rows })
        .to_string()
}

fn tally(body: &str) -> [u64; 4] {
    let tally: Value = serde_json::from_str(body).expect("JSON");
    ["counted", "amended", "known", "refused"].map(|name| tally[name].as_u64().expect("a count"))
}

#[test]
fn a_row_is_counted_once_also_by_the_next_life_and_its_amendment_is_none() {
    let collector = Collector::start(&[("JOBS_LOG_MAX_RECORDS", "100")]);
    let rows: Vec<Value> = (0..300).map(|n| row("r", n, "success")).collect();
    for part in rows.chunks(50) {
        assert_eq!(tally(&collector.post("", &sent("r", part)).body), [50, 0, 0, 0]);
    }
    assert_eq!(tally(&collector.post("", &sent("r", &rows)).body), [0, 0, 300, 0]);
    // Another runner's job of the same id and moment is another job.
    assert_eq!(tally(&collector.post("", &sent("s", &[row("s", 7, "failed")])).body), [1, 0, 0, 0]);
    let mut more = row("r", 299, "success");
    more["queue_time_seconds"] = 3.0.into();
    more["amendment"] = true.into();
    assert_eq!(tally(&collector.post("", &sent("r", &[more.clone()])).body), [0, 1, 0, 0]);
    assert_eq!(tally(&collector.post("", &sent("r", &[more])).body), [0, 0, 1, 0]);
    let check = |collector: &Collector| {
        assert_eq!(collector.results(), [("failed".to_owned(), 1), ("success".to_owned(), 300)].into());
        let of = |name: &str| collector.value(&format!("{name}{{runner_type=\"standard\"}}"));
        assert_eq!(of("github_runner_job_duration_seconds_count"), Some(301.0));
        assert_eq!(of("github_runner_job_duration_seconds_sum"), Some(451.5));
        assert_eq!(of("github_runner_queue_time_seconds_sum"), Some(3.0));
    };
    check(&collector);
    assert!(size(&collector.path("state/jobs.log")) < 200 * 400, "it is compacted");
    let collector = collector.kill_and_start();
    check(&collector);
    assert_eq!(tally(&collector.post("", &sent("r", &rows)).body), [0, 0, 300, 0], "the compacted ones too");
    check(&collector);
    assert_eq!(collector.json("/api/v1/jobs?limit=1")["jobs"][0]["job_id"], "299_build");
    // What was compacted before a restart is a sum: three quarters of 100 rows were kept, and one came behind them.
    assert_eq!(collector.json("/api/v1/jobs")["jobs"].as_array().expect("jobs").len(), 76);
    assert_eq!(collector.stop(), Some(0));
}

#[test]
fn labels_are_chosen_and_bounded_and_the_rest_is_other() {
    let collector = Collector::start(&[("COLLECT_LABELS", "repository"), ("COLLECT_MAX_LABEL_SETS", "2")]);
    let of = |n: u64| {
        let mut row = row("r", n, "success");
        row["repository"] = format!("octo/{n}").into();
        row
    };
    collector.post("", &sent("r", &(0..5).map(of).collect::<Vec<_>>()));
    let read = |head: &str| -> [Option<f64>; 4] {
        let page = collector.get_with("/metrics", head).body;
        ["octo/0", "octo/1", "other", "octo/2"].map(|repository| {
            let series =
                format!("github_runner_jobs_total{{repository=\"{repository}\",status=\"success\"}} ");
            page.lines().find_map(|line| line.strip_prefix(&*series)).and_then(|value| value.parse().ok())
        })
    };
    let told = [Some(1.0), Some(1.0), Some(3.0), None];
    assert_eq!((read(""), read("")), (told, told), "what is, at once");
    let scraped = || read("X-Prometheus-Scrape-Timeout-Seconds: 10\r\n");
    assert_eq!(scraped(), [Some(0.0), Some(0.0), Some(0.0), None], "new: at 0 on one page");
    assert_eq!(scraped(), told);
    assert_eq!(collector.value("github_runner_collect_other_jobs_total"), Some(3.0));
    assert_eq!(collector.log().matches("event=label_sets_full").count(), 1);
    assert!(!collector.get("/metrics").body.contains("runner_name"), "no series of a runner");
}

#[test]
fn who_sends_needs_a_token_and_so_does_who_reads() {
    let collector = Collector::start(&[
        ("COLLECT_TOKEN", "send-me-0123456789"),
        ("METRICS_AUTH_TOKEN", "read-me-0123456789"),
    ]);
    let body = sent("r", &[row("r", 1, "success")]);
    assert_eq!(collector.post("", &body).status, 401);
    assert_eq!(collector.post("Authorization: Bearer read-me-0123456789\r\n", &body).status, 401);
    assert_eq!(collector.post("Authorization: Bearer send-me-0123456789\r\n", &body).status, 200);
    for path in ["/", "/metrics", "/api/v1/jobs", "/api/v1/sd", "/readyz", "/nowhere"] {
        assert_eq!(collector.get(path).status, 401, "{path}");
        let with =
            |token: &str| collector.get_with(path, &format!("Authorization: Bearer {token}\r\n")).status;
        assert_ne!(with("read-me-0123456789"), 401, "{path}");
        assert_eq!(with("send-me-0123456789"), 401, "{path}");
    }
    assert_eq!(collector.get("/livez").status, 200);
    assert!(!collector.log().contains("0123456789"));
}

#[test]
fn what_is_no_row_is_refused_and_told_and_keeps_no_other_out() {
    let collector = Collector::start(&[]);
    let mut odd = row("r", 2, "success");
    odd["status"] = "running".into();
    let body = sent("r", &[row("r", 1, "success"), odd, json!(7)]);
    assert_eq!(tally(&collector.post("", &body).body), [1, 0, 0, 2]);
    assert!(
        collector.log().contains("event=rows_refused runner=r rows=2 says=\"the job is not over\""),
        "{}",
        collector.log()
    );
    for (body, status) in [("", 400), ("{}", 400), ("[]", 400), (r#"{"runner_name":"r"}"#, 200)] {
        assert_eq!(collector.post("", body).status, status, "{body}");
    }
    assert_eq!(collector.value("github_runner_collect_rows_total{result=\"refused\"}"), Some(2.0));
}

#[test]
fn the_page_names_who_reports_what_failed_and_runs_nothing() {
    let collector = Collector::start(&[]);
    let mut hostile = row("<script>alert(1)</script>", 1, "failed");
    hostile["job_name"] = "<img src=x>".into();
    collector.post("", &sent("<script>alert(1)</script>", &[hostile]));
    let page = collector.get("/");
    let policy =
        page.head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-security-policy:"));
    assert!(
        policy.is_some_and(|policy| policy.contains("default-src 'none'") && !policy.contains("script-src")),
        "{}",
        page.head
    );
    assert!(!page.body.contains("<script") && !page.body.contains("<img"), "nothing runs");
    for text in ["1 of 1 runners heard lately", "octo/cat", "&lt;img src=x&gt;", "Durations of the last jobs"]
    {
        assert!(page.body.contains(text), "{text}");
    }
}

#[test]
fn runners_that_say_that_they_live_are_targets_until_they_leave() {
    require!("namespace");
    let collector = Collector::start(&[]);
    let mut s = runner(&[job("build", 20)]).env("JOB_EVENTS_URL", &collector.url()).start();
    collector.until("the job is counted", |c| c.results().contains_key("success"));
    let port = s.address().rsplit(':').next().expect("a port").to_owned();
    let groups = collector.json("/api/v1/sd");
    assert_eq!(groups[0]["targets"], json!([format!("127.0.0.1:{port}")]));
    assert_eq!(groups[0]["labels"]["__meta_runner_init_runner_name"], "test-runner");
    assert_eq!(collector.json("/api/v1/runners")["runners"][0]["jobs"], 1);
    let jobs = collector.json("/api/v1/jobs");
    assert_eq!(
        (&jobs["jobs"][0]["job_name"], &jobs["jobs"][0]["runner_name"]),
        (&json!("build"), &json!("test-runner"))
    );
    assert_eq!(s.stop(), 0);
    assert_eq!(collector.json("/api/v1/sd"), json!([]));
    assert_eq!(collector.json("/api/v1/runners")["runners"][0]["left"], true);
    let collector = collector.kill_and_start();
    assert_eq!(
        collector.get("/api/v1/sd").status,
        503,
        "Prometheus keeps what it knows until everybody has spoken"
    );
}

#[test]
fn the_document_is_what_is_served_in_both_directions() {
    let collector = Collector::start(&[]);
    collector.post("", &sent("r", &[row("r", 1, "success")]));
    let document = collector.json("/api/v1/openapi.json");
    let named: BTreeSet<&str> =
        document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    let source = include_str!("../../src/collect/router.rs");
    let served: BTreeSet<&str> =
        source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(named, served);
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let (verb, operation) = operations.as_object().expect("verbs").iter().next().expect("one");
        let answer = match verb.as_str() {
            "get" => collector.get(path),
            _ => collector.post("", &sent("r", &[row("r", 2, "failed")])),
        };
        let promised = &operation["responses"][answer.status.to_string()];
        assert!(promised.is_object(), "{verb} {path} answers {}", answer.status);
        let head = answer.head.to_ascii_lowercase();
        for (kind, content) in promised["content"].as_object().into_iter().flatten() {
            assert!(head.contains(&format!("content-type: {kind}")), "{path}: {head}");
            if kind == "application/json" {
                let whole = json!({ "allOf": [content["schema"]], "components": document["components"] });
                let schema = jsonschema::draft202012::options().build(&whole).expect("a schema");
                let body: Value = serde_json::from_str(&answer.body).expect("JSON");
                let faults: Vec<String> = schema.iter_errors(&body).map(|fault| fault.to_string()).collect();
                assert!(faults.is_empty(), "{path}: {faults:?}");
            }
        }
    }
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_full_disk_is_an_answer_that_keeps_the_rows_with_their_runner() {
    let collector = Collector::start(&[]);
    // Its log's place is taken by a directory: what is written next has nowhere to go.
    let log = collector.path("state/jobs.log");
    std::fs::remove_file(&log).expect("it was there");
    std::fs::create_dir(&log).expect("ours");
    let body = sent("r", &[row("r", 1, "success")]);
    assert_eq!(collector.post("", &body).status, 503);
    assert_eq!(collector.get("/readyz").status, 503);
    std::fs::remove_dir(&log).expect("ours");
    assert_eq!(tally(&collector.post("", &body).body), [1, 0, 0, 0], "it is new: it was not taken before");
    assert_eq!(collector.get("/readyz").status, 200);
    assert_eq!(collector.value("github_runner_journal_faults_total{kind=\"write_failed\"}"), Some(1.0));
}
