//! Metrics that are pushed by OTLP: to a strict receiver, and to a real one where it is installed.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes, sockets and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/otlp.rs"]
mod otlp;
#[path = "support/receiver.rs"]
mod receiver;
#[path = "support/supervised.rs"]
mod supervised;

use otlp::{Request, of_page};
use receiver::{Receiver, Says};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use supervised::{Plan, Supervised, job, runner};

/// Pushes to this receiver, ten times a second, and samples once.
fn pushing(plan: Plan, receiver: &Receiver) -> Plan {
    plan.env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())
        .env("OTEL_TRACES_EXPORTER", "none")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100")
        .env("METRICS_UPDATE_INTERVAL", "3600")
}

fn counted(request: &Request, status: &str) -> Option<f64> {
    let label = format!("status={status:?}");
    request.one("github_runner_jobs_total", &[&label]).map(|series| series.value)
}

fn until_counted(s: &mut Supervised, count: f64) {
    s.until("the job is counted", |s| {
        s.metric("github_runner_jobs_total{status=\"success\"}") == Some(count)
    });
    s.until_state("idle");
}

#[test]
fn every_series_of_the_page_is_in_the_request_and_no_other_of_our_names() {
    require!("namespace");
    let receiver = Receiver::start();
    let plan = runner(&[job("build", 50), job("test", 50)])
        .env("RUNNER_NAME", "größter \"runner\" \\ one")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,cicd.pipeline.name=Build");
    let mut s = pushing(plan, &receiver).start();
    until_counted(&mut s, 2.0);
    // What the exports count of themselves is told by the next one.
    let own = |series: &str| series.starts_with("github_runner_otlp_exports_total");
    let mut page = of_page(&s.get("/metrics").body);
    page.retain(|series, _| !own(series));
    let seen = receiver.got().len();
    let request = Request::read(&receiver.nth(seen + 1));
    let ours = |series: &str| !own(series) && !series.starts_with("cicd.");
    let told = request.series.iter().filter(|(series, _)| ours(series));
    let told: std::collections::BTreeMap<_, _> =
        told.map(|(series, one)| (series.clone(), one.value)).collect();
    assert!(page.len() > 50, "{page:#?}");
    for (series, value) in &page {
        assert_eq!(told.get(series), Some(value), "{series}");
    }
    assert_eq!(told.len(), page.len(), "no other");
    let resource = |key: &str| request.resource.get(key).map(String::as_str);
    assert_eq!(resource("service.name"), Some("github-runners"));
    assert_eq!(resource("service.instance.id"), Some("größter \"runner\" \\ one"));
    assert_eq!(resource("deployment.environment.name"), Some("prod"));
    let pipeline = "cicd.pipeline.name=\"Build\"";
    let of = |name: &str, labels: &[&str]| request.one(name, labels).map(|series| series.value);
    let duration = "cicd.pipeline.run.duration_count";
    assert_eq!(of(duration, &[pipeline, "state=\"executing\"", "result=\"success\""]), Some(2.0));
    assert_eq!(of("cicd.pipeline.run.active", &[pipeline, "executing"]), Some(0.0));
    assert_eq!(of("cicd.worker.count", &["available"]), Some(1.0));
    assert_eq!(of("cicd.worker.count", &["busy"]), Some(0.0));
    assert_eq!(of("cicd.pipeline.run.errors", &["failed"]), Some(0.0));
    assert_eq!(of("cicd.system.errors", &["connection_lost"]), Some(0.0));
    let jobs = request.one("github_runner_jobs_total", &["success"]).unwrap();
    assert_eq!((jobs.is_delta, jobs.is_monotonic), (Some(false), true));
    assert!(jobs.start > 0 && jobs.start < jobs.end);
    assert_eq!(request.one("github_runner_job_duration_seconds_sum", &[]).unwrap().unit, "s");
    assert_eq!(s.stop(), 0);
}

#[test]
fn the_last_export_on_leaving_tells_the_last_job() {
    require!("namespace");
    let receiver = Receiver::start();
    // No other export is due while it lives but the first, which nothing is in.
    let mut s = pushing(runner(&[job("build", 300)]), &receiver)
        .env("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
        .start();
    s.until_state("busy");
    let begun = Instant::now();
    assert_eq!(s.stop(), 0, "{}", s.log());
    let last = Request::read(receiver.got().last().expect("one export"));
    assert_eq!(counted(&last, "success"), Some(1.0), "the drained job");
    let stopped = last.one("github_runner_state", &["stopped"]).map(|series| series.value);
    assert_eq!(stopped, Some(1.0));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_receiver_that_hangs_delays_neither_a_job_nor_the_end_beyond_its_share() {
    require!("namespace");
    let receiver = Receiver::start();
    receiver.script(vec![Says::Hang; 100]);
    let plan = pushing(runner(&[job("build", 50)]), &receiver).env("RUNNER_STOP_GRACE", "10s");
    let mut s = plan.start();
    receiver.nth(0);
    until_counted(&mut s, 1.0);
    let begun = Instant::now();
    assert_eq!(s.stop(), 0, "{}", s.log());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(receiver.got().len() <= 2, "never two at once: {}", receiver.got().len());
}

#[test]
fn a_failure_is_counted_each_time_and_said_once_and_its_end_too() {
    require!("namespace");
    let receiver = Receiver::start();
    let key = "hunter2";
    let no = |status: u16| Says::Status(status, Vec::new(), format!("no: {key}\n").into_bytes());
    receiver.script([no(401), no(401), no(400), Says::Reset, Says::status(503)]);
    let headers = format!("authorization=Bearer%20{key}");
    let plan = pushing(runner(&[]), &receiver).env("OTEL_EXPORTER_OTLP_HEADERS", &headers);
    let mut s = plan.start();
    s.until("it works again", |s| s.log().contains("event=metrics_pushed_again"));
    let failed = || s.metric("github_runner_otlp_exports_total{result=\"failed\"}");
    assert_eq!(failed(), Some(5.0));
    assert!(s.metric("github_runner_otlp_exports_total{result=\"success\"}") >= Some(1.0));
    let log = s.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains("event=metrics_not_pushed")).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].contains("answered status 401: no: ***"), "{}", said[0]);
    assert_eq!(receiver.got()[0].header("authorization"), Some("Bearer hunter2"));
    let page = s.get("/metrics").body + &s.get("/").body + &s.get("/api/v1/status").body;
    assert!(!page.contains(key) && !s.log().contains(key), "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn what_is_rejected_in_part_is_counted_and_told() {
    require!("namespace");
    let receiver = Receiver::start();
    // partial_success { rejected_data_points: 3, error_message: "too old" }
    let answer = [&[0x0a, 11, 0x08, 3, 0x12, 7][..], b"too old"].concat();
    receiver.script(vec![Says::Status(200, Vec::new(), answer); 3]);
    let mut s = pushing(runner(&[]), &receiver).start();
    s.until("the third is over", |s| {
        s.metric("github_runner_otlp_exports_total{result=\"success\"}") >= Some(1.0)
    });
    assert_eq!(s.metric("github_runner_otlp_exports_total{result=\"partial\"}"), Some(3.0));
    let log = s.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains("event=metrics_rejected")).collect();
    assert!(said.len() == 1 && said[0].contains("points=3") && said[0].contains("too old"), "{log}");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_pause_that_is_asked_for_is_kept() {
    require!("namespace");
    let receiver = Receiver::start();
    receiver.script([Says::Status(429, vec![("retry-after", "2".to_owned())], Vec::new())]);
    let mut s = pushing(runner(&[]), &receiver).start();
    receiver.nth(0);
    let first = Instant::now();
    receiver.nth(1);
    assert!(first.elapsed() >= Duration::from_millis(1900), "{:?}", first.elapsed());
    assert_eq!(s.stop(), 0);
}

/// Counts and start times over a restart: one life after the other, over one job log.
#[test]
fn over_a_restart_counts_go_on_and_a_delta_tells_no_job_twice() {
    require!("namespace");
    for preference in ["cumulative", "delta"] {
        let receiver = Receiver::start();
        let with = |plan: Plan| {
            pushing(plan, &receiver).env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
        };
        let mut first = with(runner(&[job("build", 50), job("test", 50)])).start();
        until_counted(&mut first, 2.0);
        assert_eq!(first.stop(), 0);
        let before = receiver.got().len();
        let mut second = with(runner(&[job("build", 50)]).in_dir_of(&first)).start();
        until_counted(&mut second, 3.0);
        assert_eq!(second.stop(), 0);
        let requests: Vec<Request> = receiver.got().iter().map(Request::read).collect();
        let jobs = |request: &Request| request.one("github_runner_jobs_total", &["success"]).unwrap().clone();
        let sums = |requests: &[Request]| requests.iter().map(|each| jobs(each).value).sum::<f64>();
        let took = |request: &Request| {
            request.one("github_runner_job_duration_seconds_count", &[]).map_or(0.0, |series| series.value)
        };
        let last = requests.last().unwrap();
        if preference == "delta" {
            assert_eq!((sums(&requests[..before]), sums(&requests[before..])), (2.0, 1.0));
            assert_eq!(Some(requests.iter().map(took).sum::<f64>()), Some(3.0));
            assert!(requests.iter().all(|each| jobs(each).is_delta == Some(true)));
            let pairs = requests[..before].windows(2);
            assert!(pairs.into_iter().all(|pair| jobs(&pair[0]).end == jobs(&pair[1]).start), "no gap");
        } else {
            assert_eq!((jobs(&requests[before]).value, jobs(last).value, took(last)), (2.0, 3.0, 3.0));
            let starts: Vec<u64> = requests.iter().map(|each| jobs(each).start).collect();
            assert_eq!(starts.iter().min(), starts.iter().max(), "counted since the log was begun");
            let own = |request: &Request| request.one("github_runner_reconnects_total", &[]).unwrap().start;
            assert!(own(&requests[before]) > own(&requests[0]), "what this life counts began with it");
        }
    }
}

#[test]
fn it_is_off_unless_asked_for_and_with_a_protocol_that_is_not_spoken() {
    require!("namespace");
    let receiver = Receiver::start();
    for set in [vec![], vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], vec![("OTEL_SDK_DISABLED", "true")]] {
        let plan = if set.is_empty() { runner(&[]) } else { pushing(runner(&[]), &receiver) };
        let mut s = set.iter().fold(plan, |plan, (name, value)| plan.env(name, value)).start();
        s.until_state("idle");
        let page = s.get("/metrics").body;
        assert!(!page.contains("otlp"), "its series are for who asked");
        let is_told = s.log().contains("is not spoken here, only http/protobuf is");
        assert_eq!(is_told, set.first().is_some_and(|(name, _)| name.ends_with("PROTOCOL")), "{}", s.log());
        assert_eq!(s.stop(), 0);
    }
    assert_eq!(receiver.got().len(), 0);
}

#[test]
fn a_certificate_that_is_not_there_is_said_at_once() {
    let mut s = runner(&[])
        .without_namespace()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem")
        .start();
    assert_eq!(s.exit_code(), 64);
    assert!(s.log().contains("OTEL_EXPORTER_OTLP_ENDPOINT: no certificate authority found"), "{}", s.log());
}

/// A real `VictoriaMetrics`, until it is dropped.
struct Victoria {
    process: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Victoria {
    /// One that takes OTLP, as Debian stable's does not yet: `tests/support/victoria-metrics` knows where one is.
    fn program() -> Option<PathBuf> {
        let fetched = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/target/tools/victoria-metrics/root/usr/bin/victoria-metrics"
        );
        let takes_otlp = |program: &PathBuf| {
            let help = Command::new(program).arg("-help").output();
            help.is_ok_and(|help| {
                String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).contains("opentelemetry")
            })
        };
        [PathBuf::from(fetched), "victoria-metrics".into()].into_iter().find(takes_otlp)
    }

    fn start(program: &Path) -> Victoria {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let process = Command::new(program)
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(format!("-storageDataPath={}", dir.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let victoria = Victoria { process, url: format!("http://127.0.0.1:{port}"), _dir: dir };
        let begun = Instant::now();
        while victoria.get("/health").is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "never healthy");
            std::thread::sleep(Duration::from_millis(20));
        }
        victoria
    }

    fn get(&self, path: &str) -> String {
        let got =
            Command::new("curl").args(["-sf", "--max-time", "10", &format!("{}{path}", self.url)]).output();
        String::from_utf8(got.unwrap().stdout).unwrap()
    }

    /// Its last value of each series of this name, by the labels that are asked for.
    fn series(&self, name: &str) -> Vec<serde_json::Value> {
        let answer =
            self.get(&format!("/api/v1/query?query=%7B__name__%3D%22{name}%22%7D&latency_offset=1ms"));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn victoria_metrics_stores_them_under_our_names() {
    require!("namespace", "curl");
    let Some(program) = Victoria::program() else {
        let why = "there is no VictoriaMetrics that takes OTLP: run tests/support/victoria-metrics";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
        return eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
    };
    let victoria = Victoria::start(&program);
    let mut s = runner(&[job("build", 50), job("test", 50)])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("{}/opentelemetry", victoria.url))
        .env("OTEL_TRACES_EXPORTER", "none")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100")
        .env("OTEL_RESOURCE_ATTRIBUTES", "job=github-runners")
        .start();
    until_counted(&mut s, 2.0);
    s.until("an export of that was taken", |s| {
        s.metric("github_runner_otlp_exports_total{result=\"success\"}") >= Some(2.0)
    });
    let page = of_page(&s.get("/metrics").body);
    assert_eq!(s.stop(), 0, "{}", s.log());
    assert_eq!(s.log().matches("event=metrics_not_pushed").count(), 0, "{}", s.log());
    let value = |series: &serde_json::Value| series["value"][1].as_str().unwrap_or_default().to_owned();
    let begun = Instant::now();
    loop {
        victoria.get("/internal/force_flush");
        let jobs = victoria.series("github_runner_jobs_total");
        let done = jobs.iter().find(|series| series["metric"]["status"] == "success").map(value);
        if done.as_deref() == Some("2") {
            assert_eq!(jobs.len(), 5, "{jobs:?}");
            assert_eq!(jobs[0]["metric"]["runner_name"], "test-runner");
            assert_eq!(jobs[0]["metric"]["job"], "github-runners");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{jobs:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let names: std::collections::BTreeSet<_> =
        page.keys().filter_map(|series| series.split('{').next()).collect();
    let missing: Vec<_> = names.iter().filter(|name| victoria.series(name).is_empty()).collect();
    assert!(missing.is_empty() && names.len() > 20, "{missing:?} of {names:?}");
    assert_eq!(victoria.series("github_runner_job_duration_seconds_count").len(), 1);
    assert!(!victoria.series("cicd.pipeline.run.duration_count").is_empty());
}
