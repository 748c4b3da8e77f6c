//! Over the demo a real Prometheus has every metric that was promised and an answer to every expression the documents give.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::float_cmp, reason = "counts are exact in a float")]

#[path = "support/demo.rs"]
mod demo;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "support/prom.rs"]
mod prom;
#[path = "support/wire.rs"]
mod wire;

use demo::Demo;
use nix::sys::signal::Signal;
use ns::wait_until;
use page::Page;
use prom::{Prometheus, promtool, unreadable};
use runner_init::telemetry::catalog;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// What the demo plays; it has shown everything after the first dozen.
const JOBS: u32 = 26;
/// Between the two looks at the series there are at least so many jobs.
const BETWEEN: f64 = 10.0;
/// More series than this per runner is a fault.
const BUDGET: f64 = 150.0;
const LONG: Duration = Duration::from_secs(120);
const OURS: &str = "{job=\"runner\",__name__=~\"(github_runner|process)_.+\"}";

/// What every runner has by contract. Spelt out: the catalogue cannot say what it has forgotten.
const CONTRACT: [&str; 39] = [
    "github_runner_status",
    "github_runner_state",
    "github_runner_info",
    "github_runner_uptime_seconds",
    "github_runner_start_time_seconds",
    "github_runner_last_update_timestamp_seconds",
    "github_runner_jobs_total",
    "github_runner_jobs_started_total",
    "github_runner_job_start_timestamp_seconds",
    "github_runner_job_duration_seconds",
    "github_runner_queue_time_seconds",
    "github_runner_step_duration_seconds",
    "github_runner_cache_requests_total",
    "github_runner_cache_hit_rate",
    "github_runner_deployments_total",
    "github_runner_lead_time_seconds",
    "github_runner_recovery_time_seconds",
    "github_runner_last_deployment_timestamp_seconds",
    "github_runner_restarts_total",
    "github_runner_reconnects_total",
    "github_runner_connection_errors_total",
    "github_runner_github_api_requests_total",
    "github_runner_github_api_rate_limit_remaining",
    "github_runner_job_peak_memory_bytes",
    "github_runner_container_memory_bytes",
    "github_runner_container_cpu_seconds_total",
    "github_runner_oom_kills_total",
    "github_runner_pressure_seconds_total",
    "github_runner_work_dir_free_bytes",
    "github_runner_zombie_processes",
    "github_runner_journal_faults_total",
    "github_runner_output_lines_total",
    "github_runner_output_dropped_lines_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_start_time_seconds",
    "process_threads",
];

/// Families the demo cannot have, and why.
const NO_SOURCE: [(&str, &str); 8] = [
    ("github_runner_queue_time_seconds", "only GitHub knows it"),
    ("github_runner_queue_time_unknown_total", "GitHub was never asked"),
    ("github_runner_claims_dropped_total", "none was"),
    ("github_runner_swept_engine_objects_total", "no job has left any"),
    ("github_runner_odd_files_total", "there was none"),
    ("github_runner_output_dropped_lines_total", "none was"),
    ("github_runner_github_api_requests_total", "there is no credential, so GitHub is never asked"),
    ("github_runner_github_api_rate_limit_remaining", "GitHub was never asked, so it has not said"),
];

/// A hook's report may come when its brief job is over, or in time.
const BY_CHANCE: &str = catalog::REPORTS_REFUSED.name;

/// Families the demo has, but whose expressions give nothing once its jobs are over, and why.
const NO_ANSWER: [(&str, &str); 1] =
    [("github_runner_job_start_timestamp_seconds", "no job runs; asked while one did")];

/// Expressions of `docs/PROMETHEUS_USAGE.md` that give nothing over the demo, by a part of each, and why.
const EMPTY_HERE: [(&str, &str); 1] = [("offset 1h", "Prometheus was not there an hour ago")];

#[test]
fn every_metric_and_every_expression_has_its_answer() {
    require!("namespace", "prometheus", "promtool");
    let jobs = JOBS.to_string();
    // In a container: of the machine it would say less.
    let argv = [demo::BIN, "demo", "--speed", "30", "--jobs", &jobs];
    let demo = Demo::spawn(ns::in_pid_namespace(&argv), &[("METRICS_PORT", "0")]);
    let init = ns::children(demo.tree.pid())[0];
    let listener = hold(ns::children(init)[0]);
    let dora = include_str!("../docs/DORA.md");
    let prometheus = Prometheus::scraping(&demo.address, &(fenced(dora, "yaml").concat() + &events()));
    // `increase` sees only what comes after the first sample.
    wait_until(LONG, "the first samples", || {
        prometheus.samples("github_runner_jobs_started_total").len() > 1
    });
    ns::send(listener, Signal::SIGCONT);
    let while_a_job_runs = catalog::JOB_START.examples[0].promql;
    wait_until(LONG, "an answer while a job runs", || has_answer(&prometheus, while_a_job_runs));
    // Asked of Prometheus, not of the page: what begins late is at 0 on one page, and that one is to be Prometheus's.
    wait_until(LONG, "everything to have been shown", || is_shown(&prometheus));
    let (early, middle) = (ended(&demo.page()), lasting(&demo.page()));
    promtool(&raw(&demo), "in the middle");
    wait_until(LONG, "the end of the jobs", || {
        last(&prometheus, "sum(github_runner_jobs_total)") == Some(f64::from(JOBS))
    });
    assert!(ended(&demo.page()) - early >= BETWEEN, "{early} of {JOBS} jobs had ended in the middle");
    assert_eq!(lasting(&demo.page()), middle, "a job made or took a series");
    promtool(&raw(&demo), "at the end");
    check_families(&prometheus);
    check_budget(&prometheus);
    check_examples(&prometheus);
    check_dora(&prometheus, dora);
    check_usage(&prometheus, include_str!("../docs/PROMETHEUS_USAGE.md"));
}

/// The rules that the documents ask for, as they are shipped, but of each second.
fn events() -> String {
    let text = include_str!("../dashboards/prometheus/rules/events.yml");
    let rules =
        text.split("    rules:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a group");
    let lines = rules.lines().map(|line| format!("{}\n", line.strip_prefix("      ").expect("a rule")));
    lines.collect::<String>().replace("offset 1m", "offset 1s")
}

/// Stops the listener as soon as it is there.
fn hold(supervisor: i32) -> i32 {
    let mut found = None;
    wait_until(LONG, "a listener", || {
        let is_listener =
            |pid: &i32| ns::read(Path::new(&format!("/proc/{pid}/comm"))).trim() == "Runner.Listener";
        found = ns::children(supervisor).into_iter().find(is_listener);
        found.is_some()
    });
    let listener = found.expect("was waited for");
    ns::send(listener, Signal::SIGSTOP);
    listener
}

fn raw(demo: &Demo) -> String {
    wire::get(&demo.address, "/metrics", "").expect("a page").text()
}

fn ended(page: &Page) -> f64 {
    page.family(catalog::JOBS.name).expect("from the start").series.iter().map(|s| s.value).sum()
}

/// What comes only with the first of its kind is there.
fn is_shown(prometheus: &Prometheus) -> bool {
    let count =
        |metric: &catalog::Metric, part: &str| last(prometheus, &format!("count({}{part})", metric.name));
    let killed = last(prometheus, &format!("{}{{reason=\"killed\"}}", catalog::RESTARTS.name));
    killed == Some(1.0)
        && count(&catalog::CACHE_HIT_RATE, "") == Some(4.0)
        && count(&catalog::LAST_DEPLOYMENT, "") == Some(2.0)
        && count(&catalog::RECOVERY_TIME, "_count").is_some()
        && count(&catalog::LEAD_TIME, "_count").is_some()
        && count(&catalog::STEP_DURATION, "_count") == Some(2.0)
}

/// Every series but that of the running job.
fn lasting(page: &Page) -> BTreeSet<String> {
    let lasts = page.series().filter(|s| s.name != catalog::JOB_START.name);
    lasts.map(|s| format!("{} {:?}", s.name, s.labels)).collect()
}

/// The values of an expression; it must be one.
fn answers(prometheus: &Prometheus, expression: &str) -> Vec<f64> {
    let result = prometheus.query(expression, None).unwrap_or_default();
    let number =
        |series: &serde_json::Value| series["value"][1].as_str().expect("a text").parse().expect("a number");
    result.iter().map(number).collect()
}

fn last(prometheus: &Prometheus, expression: &str) -> Option<f64> {
    answers(prometheus, expression).first().copied()
}

fn has_answer(prometheus: &Prometheus, expression: &str) -> bool {
    answers(prometheus, expression).iter().any(|value| value.is_finite())
}

fn check_families(prometheus: &Prometheus) {
    let unreadable = unreadable(true);
    let families: BTreeSet<&str> = CONTRACT.into_iter().chain(catalog::ALL.iter().map(|m| m.name)).collect();
    for family in families.into_iter().filter(|name| *name != BY_CHANCE) {
        let series = format!("last_over_time({{__name__=~\"{family}(_bucket|_sum|_count)?\"}}[1h])");
        let is_there = has_answer(prometheus, &series);
        let why_not = NO_SOURCE.iter().find(|(name, _)| *name == family).map(|(_, why)| *why);
        let why_not = why_not.or(unreadable.contains(&family).then_some("this machine does not tell"));
        assert_eq!(is_there, why_not.is_none(), "{family} in Prometheus; a reason to be absent: {why_not:?}");
    }
}

fn check_budget(prometheus: &Prometheus) {
    // Of all time: what was there only for a while counts as well.
    let total = last(prometheus, &format!("count(last_over_time({OURS}[1h]))")).expect("series");
    println!("{total} series of a busy runner");
    assert!(total <= BUDGET, "{total} series");
    let scraped = last(prometheus, "max_over_time(scrape_samples_scraped[1h])").expect("scrapes");
    assert!(scraped > 80.0 && scraped <= total, "{scraped} samples in one scrape, {total} series");
}

fn check_examples(prometheus: &Prometheus) {
    let unreadable = unreadable(true);
    for metric in catalog::ALL.iter().filter(|metric| metric.name != BY_CHANCE) {
        let excuse = NO_SOURCE.iter().chain(&NO_ANSWER).find(|(name, _)| *name == metric.name);
        let is_excused = excuse.is_some() || unreadable.contains(&metric.name);
        for example in metric.examples {
            let answer = has_answer(prometheus, example.promql);
            assert_eq!(answer, !is_excused, "{}; expected to be empty: {excuse:?}", example.promql);
        }
    }
    for (metric, number) in [(&catalog::JOBS, 0), (&catalog::DEPLOYMENTS, 1), (&catalog::CACHE_REQUESTS, 0)] {
        let promql = metric.examples[number].promql;
        let shares = answers(prometheus, promql);
        assert!(
            shares.iter().all(|share| (0.0..1.0).contains(share) && *share > 0.0),
            "{promql}: {shares:?}"
        );
    }
}

fn check_dora(prometheus: &Prometheus, text: &str) {
    let expressions = fenced(text, "promql");
    assert_eq!(expressions.len(), 4, "each of the four keys");
    for expression in expressions {
        // In steps of whole minutes: the demo may lie between two of them.
        let may_be_empty = expression.contains(":1m]");
        assert!(has_answer(prometheus, &expression) || may_be_empty, "{expression}");
    }
    let recorded = answers(prometheus, "max_over_time(fleet:deployment_failing:bool[1h])");
    assert_eq!(recorded.len(), 1, "the recording rule gives one series");
}

/// Each is understood, and has an answer unless it cannot have one here.
fn check_usage(prometheus: &Prometheus, text: &str) {
    let expressions = fenced(text, "promql");
    assert!(!expressions.is_empty(), "none were found");
    for (part, _) in EMPTY_HERE {
        assert!(
            expressions.iter().any(|expression| expression.contains(part)),
            "{part} is not there any more"
        );
    }
    for expression in expressions {
        let excuse = EMPTY_HERE.iter().find(|(part, _)| expression.contains(part)).map(|(_, why)| *why);
        // A query that is not understood panics.
        let answer = has_answer(prometheus, &expression);
        assert_eq!(answer, excuse.is_none(), "{expression}; expected to be empty: {excuse:?}");
    }
}

/// The blocks of this language in a document.
fn fenced(markdown: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    markdown.split(&opening).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}
