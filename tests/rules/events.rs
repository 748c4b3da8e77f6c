//! The one definition of what has happened within a minute, and the rule of every counter made from it.

use runner_init::telemetry::catalog::{self as c, Metric};
use std::fmt::Write as _;

/// A counter, which parts of it if it is a histogram, and the labels that are kept besides the runner's.
type Counter = (&'static Metric, &'static [&'static str], &'static [&'static str]);

const COUNTERS: [Counter; 19] = [
    (&c::JOBS, &[""], &["status"]),
    (&c::JOB_DURATION, &["_count", "_sum", "_bucket"], &[]),
    (&c::QUEUE_TIME, &["_count", "_sum", "_bucket"], &[]),
    (&c::QUEUE_TIME_UNKNOWN, &[""], &["reason"]),
    (&c::DEPLOYMENTS, &[""], &["status"]),
    (&c::LEAD_TIME, &["_count", "_bucket"], &[]),
    (&c::RECOVERY_TIME, &["_count", "_sum"], &[]),
    (&c::CACHE_REQUESTS, &[""], &["cache_type", "result"]),
    (&c::RESTARTS, &[""], &["reason"]),
    (&c::RECONNECTS, &[""], &[]),
    (&c::CONNECTION_ERRORS, &[""], &[]),
    (&c::DISAGREEMENTS, &[""], &[]),
    (&c::OOM_KILLS, &[""], &[]),
    (&c::CPU, &[""], &[]),
    (&c::SWEPT_PROCESSES, &[""], &[]),
    (&c::REPORTS_REFUSED, &[""], &[]),
    (&c::JOURNAL_FAULTS, &[""], &[]),
    (&c::OUTPUT_DROPPED, &[""], &[]),
    (&c::API_REQUESTS, &[""], &["code"]),
];

const HEAD: &str = r#"# What has happened within each minute: the one definition that the dashboards and the other rules count by. It is exact: summed
# over a range (sum_over_time) it is what the runners have counted in it, neither estimated nor rounded as increase() is.
# Rendered by `UPDATE_GOLDEN=1 cargo test --test rules`; do not edit.
#
# Of each counter, per runner, only in minutes in which something happened:
#   1. A runner that stays: what its counter has gained on a minute ago, or what it shows if it has begun anew since. Its first
#      sample tells nothing: its job log may be older than this Prometheus.
#   2. An ephemeral runner (github_runner_info{ephemeral="true"}): the first sample counts whole, for it is of its only job. By type,
#      without runner_name: a name of one job says nothing, and would be a series a job.
#   3. A collector (series without runner_name): as 1. Where it has a counter of a type, 1 and 2 are silent for that type.
# Events of up to an hour without scrapes are counted once they are over. `interval` and `offset` are one: change both or neither.
#
# Before the rules were loaded nothing is recorded. To record the past: promtool tsdb create-blocks-from rules --start=… FILE.
# tests/rules/events.yml has a case of each, tests/week.rs holds a week of a fleet to its ledger.
groups:
"#;

/// `dashboards/prometheus/rules/events.yml`
pub(crate) fn file() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("  - name: github-runner-events\n    interval: 1m\n    rules:\n");
    for (metric, parts, labels) in COUNTERS {
        for part in parts {
            let of_bucket: &[&str] = if *part == "_bucket" { &["le"] } else { labels };
            let name = format!("{}{part}", metric.name);
            let all = if *part == "_bucket" {
                // Every bound, also those below: a quantile needs the empty buckets.
                let count = format!("{}_count", metric.name);
                let each = |part: fn(&str, &[&str]) -> String| {
                    format!(
                        "{}\n  and on (runner_type, runner_name) ({} > 0)",
                        part(&name, of_bucket),
                        part(&count, &[])
                    )
                };
                [each(lasting), each(ephemeral), each(collected)]
            } else {
                [lasting, ephemeral, collected].map(|part| format!("{} > 0", part(&name, labels)))
            };
            let _ = writeln!(out, "      - record: runner:{name}:events1m\n        expr: |");
            for line in all.join("\n  or\n").lines() {
                let _ = writeln!(out, "          {line}");
            }
        }
    }
    out + &states()
}

/// The newest sample, and the newest of a minute ago.
fn now_and_before(name: &str, whose: &str) -> [String; 2] {
    let series = format!("{name}{{runner_type!=\"\", {whose}}}");
    [format!("last_over_time({series}[5m])"), format!("last_over_time({series}[1h] offset 1m)")]
}

fn by(labels: &[&str], more: &[&str]) -> String {
    ["runner_type"].iter().chain(labels).chain(more).copied().collect::<Vec<_>>().join(", ")
}

const OF_RUNNERS: &str = "runner_name!=\"\"";
const OF_COLLECTORS: &str = "runner_name=\"\"";
const EPHEMERAL: &str = "on (job, instance, runner_name) last_over_time(github_runner_info{runner_type!=\"\", ephemeral=\"true\"}[5m])";

fn unless_collected(name: &str) -> String {
    format!("unless on (runner_type) last_over_time({name}{{runner_type!=\"\", {OF_COLLECTORS}}}[1h])")
}

fn lasting(name: &str, labels: &[&str]) -> String {
    let [now, before] = now_and_before(name, OF_RUNNERS);
    format!(
        "sum by ({}) (\n  {now}\n    - {before} * ({before} <= bool {now})\n    unless {EPHEMERAL}\n    {}\n)",
        by(&["runner_name"], labels),
        unless_collected(name)
    )
}

fn ephemeral(name: &str, labels: &[&str]) -> String {
    let [now, before] = now_and_before(name, OF_RUNNERS);
    format!(
        "sum by ({}) (\n  {now}\n    - (({before} <= {now})\n      or 0 * {now})\n    and {EPHEMERAL}\n    {}\n)",
        by(&[], labels),
        unless_collected(name)
    )
}

fn collected(name: &str, labels: &[&str]) -> String {
    let [now, before] = now_and_before(name, OF_COLLECTORS);
    format!("sum by ({}) (\n  {now}\n    - {before} * ({before} <= bool {now})\n)", by(&[], labels))
}

/// What is drawn over a week and would be read from every sample of every runner.
fn states() -> String {
    let codes = c::STATE.labels[0].values.iter().zip(1..);
    let codes: Vec<_> = codes
        .map(|(state, code)| {
            format!("(github_runner_state{{runner_type!=\"\", state=\"{state}\"}} == 1) * {code}")
        })
        .collect();
    format!(
        "
  - name: github-runner-timeline
    interval: 1m
    rules:
      # The state of each runner as a number, in the order in which the catalogue has them.
      - record: runner:github_runner_state:code
        expr: |
          max by (runner_type, runner_name) (
            {}
          )
      # Runners that were in a state at any time within the minute.
      - record: runner_type:github_runner_state:max1m
        expr: sum by (runner_type, state) (max_over_time(github_runner_state{{runner_type!=\"\"}}[1m]))
      - record: runner_type:github_runner_pressure_seconds_total:max5m
        expr: max by (runner_type, resource) (rate(github_runner_pressure_seconds_total{{runner_type!=\"\"}}[5m]))
      # What the fullest will have left in a day if it goes on as in the last six hours; of who has been up for an hour.
      - record: runner_type:github_runner_work_dir_free_bytes:in_1d
        expr: |
          min by (runner_type) (
            clamp_min(predict_linear(github_runner_work_dir_free_bytes{{runner_type!=\"\"}}[6h], 86400), 0)
              < github_runner_work_dir_free_bytes{{runner_type!=\"\"}}
              and on (job, instance, runner_name) github_runner_uptime_seconds{{runner_type!=\"\"}} > 3600
          )
",
        codes.join("\n              or ")
    )
}
