//! The page as `OpenMetrics`: what a strict parser and a Prometheus with created timestamps make of it.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::float_cmp, reason = "counts are exact in a float")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "support/prom.rs"]
mod prom;
#[path = "support/supervised.rs"]
mod supervised;
#[path = "support/wire.rs"]
mod wire;

use ns::wait_until;
use page::Page;
use prom::Prometheus;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use supervised::{Supervised, plan};

const LONG: Duration = Duration::from_secs(60);
const ACCEPT: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";
/// One version: another could be less strict.
const PARSER: &str = "prometheus-client==0.23.1";
const SUCCESS: &str = "github_runner_jobs_total{status=\"success\"}";

/// A runner that has had a job, and to which nothing happens any more.
fn after_a_job(name: &str) -> Supervised {
    let steps = json!([{"job": {"name": "build", "ms": 50}}]);
    let plan = plan(json!({"launches": [{"connect_ms": 10, "steps": steps}]})).env("RUNNER_NAME", name);
    let plan =
        plan.env("METRICS_UPDATE_INTERVAL", "3600").env("JOB_DURATION_BUCKETS", "0.00002,0.5,10,2592000");
    let mut s = plan.start();
    s.until("the job is over", |s| s.results() == ["success"] && s.state() == "idle");
    s
}

fn get(s: &Supervised, accept: &str) -> wire::Reply {
    wire::get(s.address(), "/metrics", accept).expect("an answer")
}

/// Python with the parser, installed once below `target/`; `None` if it cannot be had.
fn python() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openmetrics-parser");
    let program = dir.join("bin/python");
    let run = |program: &Path, args: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("120").arg(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    let is_there = || run(&program, &["-c", "import prometheus_client"]);
    let install = || {
        run(Path::new("python3"), &["-m", "venv", dir.to_str()?])
            .then(|| run(&dir.join("bin/pip"), &["install", "--quiet", PARSER]))
    };
    (is_there() || (install() == Some(true) && is_there())).then_some(program)
}

/// Name, labels and value of each sample, as the parser has read them, and the type of its family.
fn parsed(python: &Path, text: &str) -> Vec<(String, BTreeMap<String, String>, f64, String)> {
    let program = "import json, sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        print(json.dumps([[s.name, s.labels, repr(s.value), f.type] for f in read(sys.stdin.read()) for s in f.samples]))";
    let mut command = Command::new(python);
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    let samples: Vec<(String, BTreeMap<String, String>, String, String)> =
        serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |value: &str| value.parse().expect("a number");
    samples.into_iter().map(|(name, labels, value, kind)| (name, labels, number(&value), kind)).collect()
}

#[test]
fn a_strict_parser_reads_the_same_page() {
    require!("namespace", "python3", "timeout");
    let Some(python) = python() else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "cannot run in CI: {PARSER} cannot be installed"
        );
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {PARSER} cannot be installed ***\n");
        return;
    };
    for name in ["runner-7", "quote \" and \\ backslash", ",le=\"10\"} 1 # EOF"] {
        let s = after_a_job(name);
        let (plain, open) = (get(&s, ""), get(&s, ACCEPT));
        assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(
            (open.header("content-type"), open.header("vary")),
            (Some(kind), Some("accept, accept-encoding"))
        );
        let page = Page::read(&plain.text()).expect("a page");
        let samples = parsed(&python, &open.text());
        let (dates, values): (Vec<_>, Vec<_>) =
            samples.iter().partition(|(name, ..)| name.ends_with("_created"));
        let of = |name: &str, labels: &BTreeMap<String, String>| {
            values
                .iter()
                .find(|(found, its, ..)| found == name && same(its, labels))
                .map(|(_, _, value, _)| *value)
        };
        for series in page.series() {
            assert_eq!(of(&series.name, &series.labels), Some(series.value), "{series:?}");
        }
        assert_eq!(values.len(), page.series().count(), "and no other");
        let started = page.value("github_runner_start_time_seconds", None).expect("a time");
        assert!(dates.iter().all(|(_, _, at, _)| (at - started).abs() < 0.01), "{started}: {dates:?}");
        let counts = values.iter().filter(|(name, _, _, kind)| {
            kind == "counter"
                && !["oom_kills", "container_cpu", "pressure"].iter().any(|part| name.contains(part))
                || kind == "histogram" && name.ends_with("_count")
        });
        assert_eq!(dates.len(), counts.count(), "each count of ours has its beginning");
    }
}

/// Bounds of buckets are numbers.
fn same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> bool {
    let plain = |labels: &BTreeMap<String, String>| {
        let mut labels = labels.clone();
        let bound: Option<f64> =
            labels.remove("le").map(|le| le.replace("+Inf", "inf").parse().expect("a number"));
        (labels, bound)
    };
    plain(one) == plain(other)
}

#[test]
fn what_an_earlier_life_has_counted_has_no_beginning() {
    require!("namespace");
    let mut s = after_a_job("runner-7");
    let created = |s: &Supervised, family: &str| {
        get(s, ACCEPT).text().lines().filter(|line| line.starts_with(&format!("{family}_created"))).count()
    };
    let all = |s: &Supervised| {
        ["github_runner_jobs", "github_runner_job_duration_seconds", "github_runner_reconnects"]
            .map(|family| created(s, family))
    };
    assert_eq!(all(&s), [5, 1, 1]);
    assert_eq!(s.stop(), 0);
    let next = plan(json!({"launches": [{"connect_ms": 10}]})).in_dir_of(&s).start();
    wait_until(LONG, "its log to be read", || next.metric(SUCCESS) == Some(1.0));
    assert_eq!(all(&next), [0, 0, 1], "its zero is not of now");
}

/// Prometheus 2.42 and its kin do not know the feature; `PROMETHEUS` names a newer one.
fn knows_created_timestamps(program: &str) -> bool {
    let output = Command::new(program).arg("--help").output();
    output.is_ok_and(|output| {
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).contains("created-timestamp-zero-ingestion")
    })
}

#[test]
fn a_prometheus_sees_a_job_that_was_over_before_its_first_scrape() {
    require!("namespace", "prometheus");
    let program = std::env::var("PROMETHEUS").unwrap_or("prometheus".into());
    let s = after_a_job("runner-7");
    let started = s.metric("github_runner_start_time_seconds").expect("a time");
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: runner\n    static_configs: [{{targets: ['{}']}}]\n",
        s.address()
    );
    let first = |flags: &[&str]| {
        let prometheus = Prometheus::run(&program, &config, &[], None, flags);
        let samples = || prometheus.samples(SUCCESS);
        wait_until(LONG, "some scrapes", || samples().len() > 2);
        let created = prometheus.query("{__name__=~\".+_created\"}", None).expect("it listens");
        assert_eq!(created, Vec::<Value>::new(), "a beginning is no series");
        samples()[0]
    };
    // As it is: what has happened before is not seen, and nothing is stored besides.
    assert_eq!(first(&[]).1, 1.0);
    if !knows_created_timestamps(&program) {
        eprintln!(
            "\n*** SKIPPED, NOTHING WAS CHECKED: {program} knows no created timestamps; PROMETHEUS names another ***\n"
        );
        return;
    }
    let (at, value) = first(&["--enable-feature=created-timestamp-zero-ingestion"]);
    assert_eq!(value, 0.0, "it begins at 0");
    assert!((at - started).abs() < 0.01, "when the runner did: {at}, {started}");
}
