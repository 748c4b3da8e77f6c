//! What a collector counts is what a real Prometheus records of it by the shipped rules, also of labels that are new to it.

use crate::collected::{Collector, Network};
use crate::collector::{row, sent};
use crate::prom::Prometheus;
use crate::{ns, require};
use serde_json::Value;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);
const COUNTED: &str = "github_runner_collect_rows_total{result=\"counted\"}";

/// The rule of jobs as it is shipped, but for its minute, which is five seconds.
fn rule() -> String {
    let text = include_str!("../../dashboards/prometheus/rules/events.yml");
    let begin = text.find("      - record: runner:github_runner_jobs_total:events1m").expect("it is there");
    let rule = &text[begin..];
    let end = rule[1..].find("      - record: ").expect("it is not the last");
    let rule = rule[..=end].replace("offset 1m", "offset 5s");
    assert!(rule.contains("offset 5s"), "{rule}");
    format!("groups:\n  - name: events\n    interval: 5s\n    rules:\n{rule}")
}

/// So many jobs of a repository, told apart from those of all others by their numbers.
fn post(collector: &Collector, repository: &str, status: &str, numbers: std::ops::Range<u64>) {
    let of = |n: u64| {
        let mut row = row("r", n, status);
        row["repository"] = repository.into();
        row
    };
    let rows: Vec<Value> = numbers.map(of).collect();
    assert_eq!(collector.post("", &sent("r", &rows)).status, 200);
    // Another scraper, so that no 0 is left for ours.
    collector.get_with("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
}

#[test]
fn the_first_job_of_new_labels_is_recorded() {
    require!("prometheus");
    let collector = Collector::start(&[("COLLECT_LABELS", "runner_type,repository")]);
    let network = Network::to(&collector.address);
    // Before Prometheus comes: its past, of which nothing is recorded.
    post(&collector, "octo/old", "success", 0..7);
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nrule_files: ['*.rules']\nscrape_configs:\n  - job_name: fleet\n    \
         static_configs: [{{targets: ['{}']}}]\n",
        network.address
    );
    let prometheus = Prometheus::start(&config, &[("events.rules", &rule())], None, &[]);
    let value = |expression: &str| {
        let result = prometheus.query(expression, None).unwrap_or_default();
        result.first().and_then(|it| it["value"][1].as_str()?.parse::<f64>().ok())
    };
    let recorded = |status: &str| {
        let events = format!("runner:github_runner_jobs_total:events1m{{status=\"{status}\"}}");
        value(&format!("sum(sum_over_time({events}[10m]))"))
    };
    // Rules are evaluated every five seconds, a little later than it says.
    let has_been_there = |rows: u32| {
        let before = format!("last_over_time({COUNTED}[1h] offset 12s) == {rows}");
        ns::wait_until(LONG, "a collector that has been there for a while", || value(&before).is_some());
    };
    has_been_there(7);
    assert_eq!(recorded("success"), None, "its past is none of ours");
    post(&collector, "octo/new", "success", 10..13);
    post(&collector, "octo/other", "failed", 20..22);
    ns::wait_until(LONG, "five jobs", || (recorded("success"), recorded("failed")) == (Some(3.0), Some(2.0)));
    post(&collector, "octo/new", "success", 30..31);
    ns::wait_until(LONG, "one more", || recorded("success") == Some(4.0));
    let collector = collector.kill_and_start();
    network.lead_to(&collector.address);
    has_been_there(0);
    post(&collector, "octo/old", "success", 40..41);
    post(&collector, "octo/newest", "failed", 50..54);
    ns::wait_until(LONG, "what came after its restart", || {
        (recorded("success"), recorded("failed")) == (Some(5.0), Some(6.0))
    });
    // Nothing is told again.
    has_been_there(5);
    assert_eq!((recorded("success"), recorded("failed")), (Some(5.0), Some(6.0)));
    prometheus.stop();
}
