//! The one definition of what has happened within a minute, and the rule of every counter made from it.

use runner_init::telemetry::catalog::{self as c, Metric};
use std::fmt::Write as _;

/// A counter, which parts of it if it is a histogram, and the labels that are kept besides the runner's.
type Counter = (&'static Metric, &'static [&'static str], &'static [&'static str]);

const COUNTERS: [Counter; 20] = [
    (&c::JOBS, &[""], &["status"]),
    (&c::JOB_DURATION, &["_count", "_sum", "_bucket"], &[]),
    (&c::QUEUE_TIME, &["_count", "_sum", "_bucket"], &[]),
    (&c::QUEUE_TIME_UNKNOWN, &[""], &["reason"]),
    (&c::DEPLOYMENTS, &[""], &["status"]),
    (&c::LEAD_TIME, &["_count", "_bucket"], &[]),
    (&c::RECOVERY_TIME, &["_count", "_sum"], &[]),
    (&c::STEP_DURATION, &["_count", "_sum"], &["step"]),
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
#   1. A runner that stays: what its counter has gained on a minute ago, or what it shows if it has begun anew since; of a series
#      that was not there a minute ago, what it has gained on its first sample. That one tells nothing: its job log may be older
#      than this Prometheus.
#   2. An ephemeral runner (github_runner_info{ephemeral="true"}): the first sample counts whole, for it is of its only job. By type,
#      without runner_name: a name of one job says nothing, and would be a series a job.
#   3. A collector (series without runner_name): as 1, but labels that are new to it count whole, unless it has begun within the
#      minute itself. Where it has a counter of a type, 1 and 2 are silent for that type.
# Events of up to an hour without scrapes are counted once they are over. `interval`, `offset` and 59s are one: change all or none.
#
# runner_type: is the sum of each type, from which dashboards and rules read what is no single runner's: one series for a thousand.
#
# Before the rules were loaded nothing is recorded. To record the past: promtool tsdb create-blocks-from rules --start=… FILE, twice:
# the sums are made of what the first time has written, once Prometheus has loaded it.
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
            let all = all.join("\n  or\n");
            out += &recorded(&format!("runner:{name}:events1m"), &all);
            // Made of what has just been recorded: a range that is a moment shorter has nothing of the minute before.
            let sum =
                format!("sum by ({}) (last_over_time(runner:{name}:events1m[59s]))", by(&[], of_bucket));
            out += &recorded(&format!("runner_type:{name}:events1m"), &sum);
        }
    }
    out + &states() + &looks()
}

fn recorded(name: &str, expression: &str) -> String {
    let lines = expression.lines().fold(String::new(), |mut lines, line| {
        let _ = writeln!(lines, "          {line}");
        lines
    });
    format!("      - record: {name}\n        expr: |\n{lines}")
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

/// A collector that was there a minute ago and has not begun anew: what it shows of new labels, it has counted since.
const COLLECTOR: &str =
    "on (job, instance) last_over_time(github_runner_collect_rows_total{result=\"counted\"}[1h] offset 1m)
        <= last_over_time(github_runner_collect_rows_total{result=\"counted\"}[5m])";

fn unless_collected(name: &str) -> String {
    format!("unless on (runner_type) last_over_time({name}{{runner_type!=\"\", {OF_COLLECTORS}}}[1h])")
}

fn lasting(name: &str, labels: &[&str]) -> String {
    let [now, before] = now_and_before(name, OF_RUNNERS);
    format!(
        "sum by ({}) (\n  {now}\n    - ({before} * ({before} <= bool {now})\n      or min_over_time({name}{{runner_type!=\"\", {OF_RUNNERS}}}[1m]))\n    unless {EPHEMERAL}\n    {}\n)",
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
    format!(
        "sum by ({}) (\n  {now}\n    - ({before} * ({before} <= bool {now})\n      or 0 * {now}\n      and {COLLECTOR})\n)",
        by(&[], labels)
    )
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
      # The state of each runner as a number, in the order in which the catalogue has them; and whether it leaves after its job.
      - record: runner:github_runner_state:code
        expr: |
          max by (runner_type, runner_name, ephemeral) (
            (
              {}
            ) * on (job, instance, runner_name) group_left (ephemeral) github_runner_info{{runner_type!=\"\"}}
          )
      # The share of the minute in which it was busy; in one group with its state, so that both have the same minutes.
      - record: runner:github_runner_state:avg1m
        expr: max by (runner_type, runner_name, state) (avg_over_time(github_runner_state{{runner_type!=\"\", state=\"busy\"}}[1m])) > 0
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
        codes.join("\n                or ")
    )
}

/// Gauges of a type as a whole, and of the scrapes.
const OF_A_TYPE: &str = r#"      - record: runner_type:github_runner_work_dir_free_bytes:min
        expr: min by (runner_type) (github_runner_work_dir_free_bytes{runner_type!=""})
      - record: runner_type:github_runner_container_memory_bytes:max
        expr: max by (runner_type) (github_runner_container_memory_bytes{runner_type!=""})
      # Seconds since the oldest.
      - record: runner_type:github_runner_job_start_timestamp_seconds:max_age
        expr: time() - min by (runner_type) (github_runner_job_start_timestamp_seconds{runner_type!=""})
      - record: runner_type:github_runner_last_update_timestamp_seconds:max_age
        expr: time() - min by (runner_type) (github_runner_last_update_timestamp_seconds{runner_type!=""})
      - record: runner_type:github_runner_github_api_rate_limit_remaining:min
        expr: min by (runner_type) (github_runner_github_api_rate_limit_remaining{runner_type!=""})
      # That stay: the least of a quarter of an hour.
      - record: runner_type:github_runner_zombie_processes:max15m
        expr: max by (runner_type) (min_over_time(github_runner_zombie_processes{runner_type!=""}[15m]))
      - record: runner_type:process_resident_memory_bytes:max
        expr: max by (runner_type) (process_resident_memory_bytes{runner_type!=""})
      - record: runner_type:process_cpu_seconds_total:max5m
        expr: max by (runner_type) (rate(process_cpu_seconds_total{runner_type!=""}[5m]))
      - record: job:up:sum
        expr: sum by (job) (up{job="github-runners"})
      - record: job:up:count
        expr: count by (job) (up{job="github-runners"})
      - record: job:scrape_duration_seconds:max
        expr: max by (job) (max_over_time(scrape_duration_seconds{job="github-runners"}[1m]))
"#;

/// What is looked at over a week: of a type as a whole, or of each runner in minutes in which there was something. Read from the
/// samples of every runner it would take as long as there are runners.
fn looks() -> String {
    format!(
        "
  - name: github-runner-looks
    interval: 1m
    rules:
      # A container that has begun anew.
      - record: runner:github_runner_start_time_seconds:changes1m
        expr: |
          count by (runner_type, runner_name) (
            last_over_time(github_runner_start_time_seconds{{runner_type!=\"\"}}[5m])
              != last_over_time(github_runner_start_time_seconds{{runner_type!=\"\"}}[1h] offset 1m)
          )
      # States in which a runner takes no job, at any time within the minute.
      - record: runner:github_runner_state:max1m
        expr: |
          max by (runner_type, runner_name, state) (
            max_over_time(github_runner_state{{runner_type!=\"\", state=~\"draining|disconnected|ghost|backoff|stopped\"}}[1m])
          ) > 0
      # What the jobs that ended within the minute have used; of ephemeral runners by type, as above.
      - record: runner:github_runner_job_peak_memory_bytes:max1m
        expr: |
          max by (runner_type, runner_name) (
            {new_peak}
              unless {EPHEMERAL}
          )
            or
          max by (runner_type) (
            {new_peak}
              and {EPHEMERAL}
          )
{OF_A_TYPE}",
        new_peak = "last_over_time(github_runner_job_peak_memory_bytes{runner_type!=\"\"}[5m])
              unless last_over_time(github_runner_job_peak_memory_bytes{runner_type!=\"\"}[5m])
                == last_over_time(github_runner_job_peak_memory_bytes{runner_type!=\"\"}[1h] offset 1m)",
    )
}
