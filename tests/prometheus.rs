//! What Prometheus makes of the page: in every state, for any name, over restarts, and with a real Prometheus scraping.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "counts are exact in a float")]

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
use page::{Page, Series};
use prom::{Prometheus, fixed_port, promtool};
use runner_init::domain::identity::Identity;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use supervised::{Plan, Supervised, plan};

const JOBS: &str = "github_runner_jobs_total";
const STEP: &str = "github_runner_step_duration_seconds";
const DURATION: &str = "github_runner_job_duration_seconds";
/// Hundreds of jobs, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(180);
/// More series than this per runner is a fault.
const BUDGET: usize = 150;
/// Of a runner that has had no job yet: three fifths of the 133 that 2.3.0 had.
const IDLE: usize = 79;

fn quiet(scenario: Value) -> Plan {
    plan(scenario).env("METRICS_UPDATE_INTERVAL", "3600")
}

fn steps(steps: &Value) -> Value {
    json!({"launches": [{"connect_ms": 10, "steps": steps}]})
}

fn raw(s: &Supervised) -> String {
    wire::get(s.address(), "/metrics", "").expect("a page").text()
}

/// A job, and the pause that a runner has at the least between two: it asks the server for each.
fn brief(job: &Value) -> [Value; 2] {
    let mut job = job.clone();
    job["spawn_ms"] = 30.into();
    [json!({"job": job}), json!({"idle_ms": 20})]
}

/// The page, read strictly.
#[track_caller]
fn page(s: &Supervised) -> Page {
    let text = raw(s);
    Page::read(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

/// Series as they are told apart: name and labels.
fn names(page: &Page) -> BTreeSet<String> {
    page.series().map(|s| format!("{} {:?}", s.name, s.labels)).collect()
}

/// The series that are a view of the job log, as they are written.
fn restored(text: &str) -> Vec<&str> {
    let view = [JOBS, "github_runner_jobs_started_total", DURATION];
    text.lines().filter(|line| view.iter().any(|name| line.starts_with(name))).collect()
}

#[test]
fn the_page_is_right_in_every_state() {
    require!("namespace", "promtool");
    let lost = json!({"disconnect": {"ms": 100_000}});
    let long = json!({"job": {"name": "build", "ms": 100_000}});
    let deleted = "The runner no longer exists on the server. Please reconfigure the runner.\n";
    let scenes = [
        ("starting", json!({"launches": [{"session": {"unreachable": {"message": "no route"}}}]})),
        ("idle", steps(&json!([]))),
        ("busy", steps(&json!([long]))),
        ("disconnected", steps(&json!([lost]))),
        ("ghost", steps(&json!([{"stderr": deleted}]))),
        ("backoff", steps(&json!([{"signal": 9}]))),
        ("draining", steps(&json!([long]))),
        ("stopped", steps(&json!([{"exit": 1}]))),
    ];
    for (state, scenario) in scenes {
        let mut s = quiet(scenario).env("METRICS_LINGER_SECONDS", "60").start();
        if state == "draining" {
            s.until_state("busy");
            s.signal(nix::sys::signal::Signal::SIGTERM);
        }
        let shown = |s: &mut Supervised| {
            let status = wire::get(s.address(), "/api/v1/status", "").expect("an answer").json();
            status["state"] == state
        };
        s.until(state, shown);
        let text = raw(&s);
        let page = Page::read(&text).unwrap_or_else(|fault| panic!("{state}: {fault}\n{text}"));
        promtool(&text, state);
        assert_eq!(page.value("github_runner_state", Some(("state", state))), Some(1.0), "{state}");
        let states = page.family("github_runner_state").expect("the state set");
        assert_eq!(states.series.iter().map(|s| s.value).sum::<f64>(), 1.0, "{state}: one at a time");
        let online = f64::from(u8::from(["idle", "busy"].contains(&state)));
        assert_eq!(page.value("github_runner_status", None), Some(online), "{state}");
        let has_job = page.value("github_runner_job_start_timestamp_seconds", None).is_some();
        assert_eq!(has_job, ["busy", "draining"].contains(&state), "{state}: absent unless a job runs");
        assert!(page.series().count() <= BUDGET, "{state}");
        if state == "idle" {
            assert!(page.series().count() <= IDLE, "{} series say nothing", page.series().count() - IDLE);
        }
        for limit in ["process_max_fds", "process_virtual_memory_max_bytes"] {
            assert_ne!(page.value(limit, None), Some(0.0), "{state}: no limit is not a limit of 0");
        }
        for family in &page.families {
            assert!(family.kind != "counter" || family.name.ends_with("_total"), "{state}: {}", family.name);
        }
    }
}

#[test]
fn every_result_is_counted_and_nothing_else_changes_the_page() {
    require!("namespace", "promtool");
    let jobs = [
        json!({"name": "fine", "ms": 50}),
        json!({"name": "grumbling", "ms": 50, "result": "SucceededWithIssues"}),
        json!({"name": "broken", "ms": 50, "result": "Failed"}),
        json!({"name": "skipped", "ms": 50, "result": "Skipped"}),
        json!({"name": "cancelled", "ms": 60_000, "cancel_after_ms": 100}),
        json!({"name": "disowned", "ms": 60_000, "lose_lock_after_ms": 100}),
    ];
    let mut script: Vec<Value> = jobs.iter().flat_map(brief).collect();
    script.push(json!({"disconnect": {"ms": 100}}));
    let mut s = quiet(steps(&json!(script))).start();
    s.until("all is over", |s| page(s).value("github_runner_reconnects_total", None) == Some(1.0));
    let (one, two) = (raw(&s), raw(&s));
    assert!(one == two, "nothing happened, so nothing changed");
    promtool(&one, "after all results");
    let page = page(&s);
    let count = |status| page.value(JOBS, Some(("status", status)));
    let counts = ["success", "failed", "cancelled", "skipped", "abandoned"].map(count);
    assert_eq!(counts, [Some(2.0), Some(1.0), Some(1.0), Some(1.0), Some(1.0)]);
    assert_eq!(page.value("github_runner_jobs_started_total", None), Some(6.0));
    assert_eq!(page.value("github_runner_connection_errors_total", None), Some(1.0));
    // Sums of 1/1024 s are exact.
    let sum = page.value("github_runner_job_duration_seconds_sum", None).expect("a sum");
    assert!(sum > 0.0 && (sum * 1024.0).fract() == 0.0, "{sum}");
}

#[test]
fn a_name_is_any_text_and_one_label() {
    require!("namespace", "promtool");
    for name in [
        "quote \" and \\ backslash",
        "\\",
        "\\n is no newline",
        "a=\"b\"} 1",
        "läuft 🦀 # HELP",
        "},{=\"",
        "x NaN",
    ] {
        let s = quiet(steps(&json!([]))).env("RUNNER_NAME", name).start();
        let text = raw(&s);
        let page = Page::read(&text).unwrap_or_else(|fault| panic!("{name}: {fault}\n{text}"));
        promtool(&text, name);
        for series in page.series() {
            assert_eq!(series.labels["runner_name"], name, "{series:?}");
            assert_eq!(series.labels["runner_type"], "standard");
        }
        let status = wire::get(s.address(), "/api/v1/status", "").expect("an answer").json();
        assert_eq!(status["runner_name"], name);
    }
}

#[test]
fn no_job_name_makes_a_series() {
    require!("namespace");
    let forged = |n: usize| format!("a\nCurrent runner version: '9.9.{n}'\nb");
    let mut names_of_jobs: Vec<String> = runner_sim::hostile_names("other");
    names_of_jobs.extend((0..20).map(forged));
    names_of_jobs.extend((0..100).map(|n| format!("job {:016x}", n * 0x9e37_79b9_7f4a_7c15_u128)));
    let jobs = names_of_jobs.len();
    let script: Vec<Value> =
        names_of_jobs.iter().flat_map(|name| brief(&json!({"name": name, "ms": 1}))).collect();
    let mut s = quiet(json!({"launches": [{"connect_ms": 10, "steps": script}]})).start();
    s.until_log("event=runner_version");
    // One of the running job's, one of the last job's, and, since one of the names is that of a deployment, those of that.
    let of_a_job = [
        "github_runner_job_start_timestamp_seconds",
        "github_runner_job_peak_memory_bytes",
        "github_runner_last_deployment_timestamp_seconds",
        "github_runner_deployments_total",
        "github_runner_lead_time_seconds",
        "github_runner_recovery_time_seconds",
        // A hook's report may come when its brief job is over.
        "github_runner_reports_refused_total",
        // From the first step that is known on.
        STEP,
    ];
    let lasting = |page: &Page| -> BTreeSet<String> {
        let all = names(page).into_iter();
        all.filter(|series| !of_a_job.iter().any(|name| series.starts_with(name))).collect()
    };
    let before = lasting(&page(&s));
    let ended = |page: &Page| page.family(JOBS).expect("jobs").series.iter().map(|s| s.value).sum::<f64>();
    wait_until(LONG, "the end of all jobs", || {
        let page = page(&s);
        let idle = page.value("github_runner_job_start_timestamp_seconds", None).is_none();
        idle && ended(&page) >= jobs as f64
    });
    let after = page(&s);
    assert_eq!(ended(&after), jobs as f64);
    assert_eq!(lasting(&after), before);
    for step in after.family(STEP).iter().flat_map(|family| &family.series) {
        assert!(["Set up job", "Post steps"].contains(&&*step.labels["step"]), "{step:?}");
    }
    assert!(names(&after).len() <= BUDGET, "{} series", names(&after).len());
    let info = &after.family("github_runner_info").expect("info").series;
    assert_eq!(info.iter().map(|s| s.labels["version"].as_str()).collect::<Vec<_>>(), ["2.336.0"]);
}

fn somebody() -> Identity {
    Identity {
        runner_name: "a".into(),
        runner_type: "standard".into(),
        init_version: "1",
        arch: "x",
        ephemeral: false,
        started_at: chrono::Utc::now(),
    }
}

fn page_of(exporter: &runner_init::telemetry::exporter::Exporter) -> Page {
    use runner_init::telemetry::exporter::PageReader::Anybody;

    Page::read(std::str::from_utf8(&exporter.page(Anybody)).expect("UTF-8")).expect("a page")
}

#[test]
fn ten_thousand_jobs_make_no_series() {
    use runner_init::domain::context::Context;
    use runner_init::domain::job::history::JobHistory;
    use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
    use runner_init::domain::totals::{Bounds, Totals};
    use runner_init::telemetry::emit::Telemetry;
    use runner_init::telemetry::exporter::Exporter;

    let bounds = [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0];
    let bounds = Bounds::with_duration(bounds.to_vec());
    let mut history = JobHistory::new(Totals::new(&bounds));
    let exporter = Exporter::install(&somebody(), &bounds).expect("the only one of this process");
    let telemetry = Telemetry::new(exporter.clone(), Arc::new(somebody()));
    for status in [JobStatus::Success, JobStatus::Failed] {
        let status = RowStatus::Finished(status);
        let deployment = JobRecord { status, deployment: Some(true), ..JobRecord::blank() };
        telemetry.emit(&history.written(deployment));
    }
    let mut random = fastrand::Rng::with_seed(7);
    let before = names(&page_of(&exporter));
    let mut total = 0.0;
    for number in 0..10_000 {
        let text = |random: &mut fastrand::Rng| (0..20).map(|_| random.char(..)).collect::<String>();
        let millis = random.u64(0..30_000_000);
        total += (millis as f64 * 1.024).round() / 1024.0;
        let row = JobRecord {
            job_id: format!("id-{number}"),
            job_name: Some(text(&mut random)),
            context: Context {
                workflow: Some(text(&mut random)),
                repository: Some(text(&mut random)),
                git_ref: Some(text(&mut random)),
                ..Context::default()
            },
            deployment: Some(true),
            lead_time: Some(Duration::from_millis(millis)),
            status: RowStatus::Running,
            duration: Some(Duration::from_millis(millis)),
            ..JobRecord::blank()
        };
        telemetry.emit(&history.written(row.clone()));
        let status = RowStatus::Finished(JobStatus::ALL[number % 5]);
        telemetry.emit(&history.written(JobRecord { status, ..row }));
        if number % 500 == 0 {
            assert_eq!(names(&page_of(&exporter)), before, "after {number} jobs");
        }
    }
    let page = page_of(&exporter);
    assert_eq!(names(&page), before);
    assert!(before.len() <= BUDGET, "{} series", before.len());
    assert_eq!(page.value(JOBS, Some(("status", "failed"))), Some(2001.0));
    assert_eq!(page.value("github_runner_job_duration_seconds_count", None), Some(10_000.0));
    let sum = page.value("github_runner_job_duration_seconds_sum", None).expect("a sum");
    assert!((sum - total).abs() < 10.0, "{sum} is not {total}");
}

#[test]
fn a_restart_changes_no_counter_and_no_bucket() {
    require!("namespace");
    let kinds = [
        json!({"ms": 3}),
        json!({"ms": 17, "result": "Failed"}),
        json!({"ms": 29}),
        json!({"ms": 1, "result": "Skipped"}),
        json!({"ms": 5000, "cancel_after_ms": 20}),
    ];
    let script: Vec<Value> = kinds
        .iter()
        .cycle()
        .take(200)
        .enumerate()
        .flat_map(|(number, fields)| {
            let mut job = fields.clone();
            job["name"] = format!("job {number}").into();
            brief(&job)
        })
        .collect();
    let bounded = |plan: Plan| {
        plan.env("JOBS_LOG_MAX_RECORDS", "100").env("JOB_DURATION_BUCKETS", "0.01,0.02,0.03,0.05,0.1")
    };
    let mut s = bounded(quiet(json!({"launches": [{"connect_ms": 10, "steps": script}]}))).start();
    let count = || page(&s).value("github_runner_job_duration_seconds_count", None);
    wait_until(LONG, "the end of 200 jobs", || count() == Some(200.0));
    let before = raw(&s);
    assert!(s.rows().len() < 300, "the log was compacted: {} rows", s.rows().len());
    assert!(s.log().contains("event=journal_compacted"), "{}", s.log());
    assert_eq!(s.stop(), 0);
    for round in 0..3 {
        let mut next = bounded(quiet(steps(&json!([]))).in_dir_of(&s)).start();
        let after = raw(&next);
        assert_eq!(restored(&after), restored(&before), "restart {round}");
        assert!(restored(&after).len() > 10);
        // Also when nobody asks: kill -9 loses nothing that was counted.
        if round == 1 {
            ns::send(ns::children(next.pid())[0], nix::sys::signal::Signal::SIGKILL);
            assert_eq!(next.exit_code(), 137);
        } else {
            assert_eq!(next.stop(), 0);
        }
        s = next;
    }
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Jobs far shorter than the scrape interval, one every `pause`; the first one waits for the file `gate`.
fn short_jobs(gate: Option<&Path>, count: usize, pause: u64) -> Value {
    let mut script = Vec::new();
    if let Some(gate) = gate {
        let run = format!("while [ ! -e '{}' ]; do sleep 0.02; done", gate.display());
        script.push(json!({"job": {"name": "gate", "spawn_ms": 1, "steps": [{"run": run}]}}));
    }
    for number in 0..count {
        let result = if number % 3 == 2 { "Failed" } else { "Succeeded" };
        script.push(json!({"job": {"name": "short", "ms": 60, "spawn_ms": 1, "result": result}}));
        script.push(json!({"idle_ms": pause}));
    }
    steps(&json!(script))
}

#[test]
fn a_real_prometheus_sees_every_job_and_no_phantom() {
    require!("namespace", "prometheus", "bash");
    let long = std::env::var("CI").as_deref() == Ok("true");
    let (count, pause) = if long { (40, 700) } else { (16, 500) };
    let port = fixed_port(20_000).to_string();
    let dir = tempfile::tempdir().expect("a directory");
    let gate = dir.path().join("gate");
    let mut s = quiet(short_jobs(Some(&gate), count, pause)).env("METRICS_PORT", &port).start();
    let prometheus = Prometheus::scraping(s.address(), "");
    let success = format!("{JOBS}{{status=\"success\"}}");
    s.until("Prometheus has seen the zero", |_| {
        prometheus.samples(&success).first().is_some_and(|(_, value)| *value == 0.0)
    });
    std::fs::write(&gate, "").expect("is written");
    let rows = |s: &Supervised, status: &str| {
        s.rows().iter().filter(|row| row.contains(&format!(",{status},"))).count()
    };
    wait_until(LONG, "the end of the jobs", || rows(&s, "success") + rows(&s, "failed") == count + 1);
    let away = unix_now();
    assert_eq!(s.stop(), 0);
    let mut s = quiet(short_jobs(None, count, pause)).in_dir_of(&s).env("METRICS_PORT", &port).start();
    let back = unix_now();
    wait_until(LONG, "the end of the jobs", || rows(&s, "success") + rows(&s, "failed") == 2 * count + 1);
    // A row is on disk before it is counted.
    let counted = || page(&s).value("github_runner_job_duration_seconds_count", None);
    wait_until(LONG, "their being counted", || counted() == Some((2 * count + 1) as f64));
    let last_job = unix_now();
    s.until("it has scraped once more", |_| {
        prometheus.samples("up").last().is_some_and(|(time, _)| *time > last_job)
    });
    check_scrapes(&prometheus.samples("up"), (away, back));
    check_increase(&prometheus, [rows(&s, "success"), rows(&s, "failed")]);
}

/// One scrape a second, and each has succeeded, but for those that met a supervisor that was not there.
fn check_scrapes(up: &[(f64, f64)], (away, back): (f64, f64)) {
    let met_nobody = |time: f64| (away - 0.2..back + 0.2).contains(&time);
    let failed: Vec<_> = up.iter().filter(|(time, value)| *value != 1.0 && !met_nobody(*time)).collect();
    assert!(failed.is_empty(), "{failed:?} of {up:?}, away from {away} to {back}");
    let longest = up.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max);
    assert!(up.len() > 10 && longest < 5.0, "{longest} s between two scrapes: {up:?}");
}

fn check_increase(prometheus: &Prometheus, jobs: [usize; 2]) {
    for (status, jobs) in ["success", "failed"].into_iter().zip(jobs) {
        let series = format!("{JOBS}{{status=\"{status}\"}}");
        let samples = prometheus.samples(&series);
        let last = samples.last().expect("samples");
        assert_eq!((samples[0].1, last.1), (0.0, jobs as f64), "{status}: {samples:?}");
        assert!(samples.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{status} fell: {samples:?}");
        // At the time of the last sample, and from a first one of zero, nothing is extrapolated: the increase is exact.
        assert_eq!(prometheus.value(&format!("resets({series}[1h])"), last.0), 0.0);
        let increase = prometheus.value(&format!("increase({series}[1h])"), last.0);
        assert!((increase - jobs as f64).abs() < 1e-6, "{status}: {increase} is not {jobs}");
    }
    let time = prometheus.samples("github_runner_job_duration_seconds_count").last().expect("samples").0;
    let all = prometheus.value(&format!("increase({DURATION}_count[1h])"), time);
    assert!((all - (jobs[0] + jobs[1]) as f64).abs() < 1e-6, "{all}");
    assert_eq!(prometheus.value(&format!("sum(resets({DURATION}_bucket[1h]))"), time), 0.0);
    assert_eq!(
        prometheus.value(&format!("{DURATION}_bucket{{le=\"+Inf\"}} - ignoring(le) {DURATION}_count"), time),
        0.0
    );
    let median = prometheus.value(&format!("histogram_quantile(0.5, {DURATION}_bucket)"), time);
    assert!((0.0..=10.0).contains(&median), "{median}");
}

#[test]
fn the_strict_reader_is_strict() {
    let fine = "# HELP a_total Help.\n# TYPE a_total counter\na_total{runner_name=\"x\\\\\\\"\\n\",runner_type=\"y\"} 1\n";
    let page = Page::read(fine).expect("is right");
    let Some(Series { labels, .. }) = page.series().next() else { panic!("one series") };
    assert_eq!(labels["runner_name"], "x\\\"\n");
    let l = "runner_name=\"x\",runner_type=\"y\"";
    let family =
        |name: &str, kind: &str, rows: &str| format!("# HELP {name} H.\n# TYPE {name} {kind}\n{rows}");
    let histogram = |rows: &str| family("h", "histogram", &rows.replace("{}", l));
    let bad = [
        fine.trim_end().to_owned(),
        fine.replace("# HELP a_total Help.\n", ""),
        fine.replace("# TYPE a_total counter\n", ""),
        fine.replace("TYPE a_total", "TYPE b_total"),
        fine.replace("counter", "untyped"),
        fine.replace(" 1\n", " NaN\n"),
        fine.replace(" 1\n", " -1\n"),
        fine.replace(" 1\n", " 1 1700000000\n"),
        fine.replace("} 1", "}  1"),
        fine.replace("\\n", "\\t"),
        fine.replace("runner_type", "runner_name"),
        fine.replace(",runner_type=\"y\"", ""),
        fine.replace("\"y\"}", "\"y}"),
        fine.replace("a_total{", "b_total{"),
        fine.repeat(2),
        format!("{fine}{}", &fine[fine.find("a_total{").expect("is there")..]),
        format!("{fine}\n"),
        fine.to_owned() + &family("Z", "gauge", &format!("Z{{{l}}} 1\n")),
        family("g", "gauge", ""),
        histogram("h_bucket{{},le=\"1\"} 2\nh_bucket{{},le=\"+Inf\"} 1\nh_sum{{}} 1\nh_count{{}} 1\n"),
        histogram(
            "h_bucket{{},le=\"2\"} 1\nh_bucket{{},le=\"1\"} 1\nh_bucket{{},le=\"+Inf\"} 1\nh_sum{{}} 1\nh_count{{}} 1\n",
        ),
        histogram("h_bucket{{},le=\"1\"} 1\nh_sum{{}} 1\nh_count{{}} 1\n"),
        histogram("h_bucket{{},le=\"+Inf\"} 2\nh_sum{{}} 1\nh_count{{}} 1\n"),
        histogram("h_bucket{{},le=\"+Inf\"} 1\nh_count{{}} 1\n"),
    ];
    for text in bad {
        assert!(Page::read(&text).is_err(), "this passes:\n{text}");
    }
    let right = "h_bucket{{},le=\"1\"} 1\nh_bucket{{},le=\"+Inf\"} 1\nh_sum{{}} 1\nh_count{{}} 1\n";
    Page::read(&histogram(right)).expect("is right");
}
