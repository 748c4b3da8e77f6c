//! The page of a simulated runner: every family of the catalogue, seeded, moved and absent as the real exporter has it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]

use super::week_board::Board;
use runner_init::domain::cache::{CacheResult, CacheType, Caches};
use runner_init::domain::dora::Outcome;
use runner_init::domain::record::JobStatus;
use runner_init::domain::status::State;
use runner_init::domain::step_times;
use runner_init::domain::totals::{Buckets, Totals};
use runner_init::telemetry::catalog::{self as c, Metric, MetricKind};

/// A supervisor has just started: everything bounded is there at 0, what the job log knows is restored.
pub fn start(
    board: &mut Board,
    at: f64,
    totals: &Totals,
    caches: &Caches,
    versions: [&str; 2],
    ephemeral: bool,
) {
    for metric in c::ALL {
        seed(board, metric);
    }
    for kind in caches.from_the_start() {
        for result in CacheResult::ALL {
            let labels = [("cache_type", kind.as_str()), ("result", result.as_str())];
            board.set(c::CACHE_REQUESTS.name, &labels, 0.0);
        }
    }
    board.set(c::START_TIME.name, &[], at);
    board.set("process_start_time_seconds", &[], at.floor());
    board.set("process_max_fds", &[], 1_048_576.0);
    let [version, init_version] = versions;
    let ephemeral = if ephemeral { "true" } else { "false" };
    let labels =
        [("version", version), ("init_version", init_version), ("arch", "x86_64"), ("ephemeral", ephemeral)];
    board.set(c::INFO.name, &labels, 1.0);
    show_totals(board, totals);
    board.as_it_is();
}

fn seed(board: &mut Board, metric: &Metric) {
    if c::is_late(metric.name) {
        return;
    }
    if let (MetricKind::Counter, [label]) = (metric.kind, metric.labels) {
        for value in label.values {
            board.set(metric.name, &[(label.name, value)], 0.0);
        }
    } else if let (MetricKind::Counter, []) = (metric.kind, metric.labels) {
        board.set(metric.name, &[], 0.0);
    }
}

/// The state and, if there is one, the job's start in seconds.
pub fn show_state(board: &mut Board, now: State, job: Option<f64>) {
    board.set(c::STATUS.name, &[], f64::from(u8::from(now.is_online())));
    for state in State::ALL {
        let is_it = f64::from(u8::from(state == now));
        board.set(c::STATE.name, &[("state", state.as_str())], is_it);
    }
    match job {
        Some(start) => board.set(c::JOB_START.name, &[], start),
        None => board.remove(c::JOB_START.name, &[]),
    }
}

/// What is a view of the job log.
pub fn show_totals(board: &mut Board, totals: &Totals) {
    board.set(c::JOBS_STARTED.name, &[], totals.started as f64);
    for (status, count) in JobStatus::ALL.into_iter().zip(totals.finished) {
        board.set(c::JOBS.name, &[("status", status.as_str())], count as f64);
    }
    for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
        let labels = [("status", outcome.as_str())];
        if totals.dora.deployments != [0; 2] {
            board.set(c::DEPLOYMENTS.name, &labels, totals.dora.deployments[at] as f64);
        }
        if let Some(end) = totals.dora.newest[at] {
            board.set(c::LAST_DEPLOYMENT.name, &labels, end.timestamp_millis() as f64 / 1000.0);
        }
    }
    histogram(board, &c::JOB_DURATION, &totals.duration);
    for (metric, buckets) in [
        (&c::QUEUE_TIME, &totals.queue_time),
        (&c::LEAD_TIME, &totals.lead_time),
        (&c::RECOVERY_TIME, &totals.recovery_time),
    ] {
        if buckets.count() > 0 {
            histogram(board, metric, buckets);
        }
    }
}

fn histogram(board: &mut Board, metric: &Metric, buckets: &Buckets) {
    let name = |suffix: &str| format!("{}{suffix}", metric.name);
    let mut below = 0;
    let bounds = buckets.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    for (bound, cell) in bounds.zip(&buckets.cells) {
        below += cell.count;
        board.set(&name("_bucket"), &[("le", &bound)], below as f64);
    }
    board.set(&name("_sum"), &[], buckets.sum());
    board.set(&name("_count"), &[], buckets.count() as f64);
}

/// The steps of a job that took so many seconds: those that every job has, and one that was asked for.
pub fn show_steps(board: &mut Board, took: f64) {
    let (set_up, post) = (took.min(1.5 + took % 4.0), (took % 7.0).min(took / 10.0));
    let steps =
        [(step_times::SET_UP, set_up), (step_times::POST, post), ("Build", (took - set_up - post) * 0.6)];
    for (step, seconds) in steps {
        let name = |part: &str| format!("{}{part}", c::STEP_DURATION.name);
        for bound in step_times::BOUNDS.into_iter().chain([f64::INFINITY]) {
            let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            let labels = [("step", step), ("le", le.as_str())];
            let is_in = f64::from(u8::from(seconds <= bound));
            board.add(&name("_bucket"), &labels, is_in);
        }
        board.add(&name("_sum"), &[("step", step)], seconds);
        board.add(&name("_count"), &[("step", step)], 1.0);
    }
}

/// One request of a cache.
pub fn show_cache(board: &mut Board, kind: &CacheType, result: CacheResult, rate: Option<f64>) {
    let kind = kind.as_str();
    board.add(c::CACHE_REQUESTS.name, &[("cache_type", kind), ("result", result.as_str())], 1.0);
    if let Some(rate) = rate {
        board.set(c::CACHE_HIT_RATE.name, &[("cache_type", kind)], rate);
    }
}
