//! Metrics and log lines of jobs. What the job log says, told as it is written and restored as it was: the same
//! counters either way.

use super::{resources, seconds};
use crate::domain::context::{Context, ReportFault};
use crate::domain::dora::{Deployment, Outcome};
use crate::domain::job::Unborn;
use crate::domain::queue::QueueFault;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::totals::{Buckets, Delta, Row, Totals, to_seconds, to_ticks};
use crate::telemetry::catalog::{self as c, Metric};
use crate::telemetry::exporter::Exporter;
use chrono::{DateTime, Utc};
use metrics::{counter, gauge, histogram};
use std::time::Duration;
use tracing::{debug, info, warn};

/// Counters and histograms of a replayed job log, on top of what was counted since the start; `newest` deployments of both.
pub(super) fn restore(exporter: &Exporter, totals: &Totals, newest: [Option<DateTime<Utc>>; 2]) {
    let precede = |metric: &'static Metric, count: u64| {
        if count > 0 {
            exporter.restored(metric);
        }
    };
    counter!(c::JOBS_STARTED.name).increment(totals.started);
    precede(&c::JOBS_STARTED, totals.started);
    for (status, count) in JobStatus::ALL.into_iter().zip(totals.finished) {
        counter!(c::JOBS.name, "status" => status.as_str()).increment(count);
    }
    precede(&c::JOBS, totals.finished.iter().sum());
    restore_histogram(exporter, &c::JOB_DURATION, &totals.duration);
    restore_histogram(exporter, &c::QUEUE_TIME, &totals.queue_time);
    let deployments = totals.dora.deployments;
    if deployments != [0; 2] {
        count_deployments(deployments);
    }
    precede(&c::DEPLOYMENTS, deployments.iter().sum());
    restore_histogram(exporter, &c::LEAD_TIME, &totals.lead_time);
    restore_histogram(exporter, &c::RECOVERY_TIME, &totals.recovery_time);
    for (outcome, newest) in Outcome::ALL.into_iter().zip(newest) {
        if let Some(end) = newest {
            show_newest(outcome, end);
        }
    }
}

fn restore_histogram(exporter: &Exporter, metric: &'static Metric, buckets: &Buckets) {
    /// Samples wait in memory until upkeep moves them into their buckets.
    const BATCH: u64 = 16_384;
    if buckets.count() == 0 {
        return;
    }
    exporter.restored(metric);
    let histogram = histogram!(metric.name);
    for (value, mut count) in buckets.samples() {
        while count > 0 {
            let batch = count.min(BATCH);
            histogram.record_many(value, usize::try_from(batch).unwrap_or(usize::MAX));
            exporter.upkeep();
            count -= batch;
        }
    }
}

/// A row is on disk: what it adds, and what it says.
pub(super) fn row_written(row: &JobRecord, delta: &Delta) {
    count(delta);
    if row.deployment == Some(true) {
        expect_deployment();
    }
    let (job, job_id) = (text(row.job_name.as_ref()), row.job_id.as_str());
    match delta.row {
        Row::Started => info!(event = "job_started", job, job_id),
        Row::Identified => job_identified(row),
        Row::Finished => job_finished(row),
        Row::Amended => job_amended(row, delta.queue_time),
    }
}

fn count(delta: &Delta) {
    counter!(c::JOBS_STARTED.name).increment(u64::from(delta.started));
    if let Some(status) = delta.finished {
        counter!(c::JOBS.name, "status" => status.as_str()).increment(1);
    }
    observe(&c::JOB_DURATION, delta.duration);
    observe(&c::QUEUE_TIME, delta.queue_time);
    if let Some(Deployment { outcome, newest, lead_time, recovery_time }) = delta.deployment {
        count_deployments(Outcome::ALL.map(|each| u64::from(each == outcome)));
        observe(&c::LEAD_TIME, lead_time);
        observe(&c::RECOVERY_TIME, recovery_time);
        show_newest(outcome, newest);
    }
}

/// A job that would be a deployment runs: what its end may count is there at 0 before, whoever looks in between.
fn expect_deployment() {
    count_deployments([0; 2]);
    for metric in [&c::LEAD_TIME, &c::RECOVERY_TIME] {
        drop(histogram!(metric.name));
    }
}

/// In the order of [`Outcome::ALL`]. Both are there together: a share of failures has its whole.
fn count_deployments(counts: [u64; 2]) {
    for (outcome, count) in Outcome::ALL.into_iter().zip(counts) {
        counter!(c::DEPLOYMENTS.name, "status" => outcome.as_str()).increment(count);
    }
}

fn show_newest(outcome: Outcome, end: DateTime<Utc>) {
    gauge!(c::LAST_DEPLOYMENT.name, "status" => outcome.as_str()).set(seconds(end));
}

fn job_finished(row: &JobRecord) {
    let RowStatus::Finished(status) = row.status else { return };
    resources::job_finished(row);
    let seconds = row.duration.map(|d| format!("{:.3}", d.as_secs_f64()));
    let (job, job_id) = (text(row.job_name.as_ref()), row.job_id.as_str());
    let cause = row.cause.as_deref();
    let deployment = row.deployment;
    info!(event = "job_finished", status = status.as_str(), job, job_id, seconds, cause, deployment);
}

/// What GitHub said late: how long it had waited, or how it ended.
fn job_amended(row: &JobRecord, queue_time: Option<Duration>) {
    let queue_seconds = queue_time.map(|d| format!("{:.3}", d.as_secs_f64()));
    let conclusion = row.conclusion.as_deref();
    info!(event = "job_amended", job_id = row.job_id.as_str(), queue_seconds, conclusion);
}

/// As the job log's sums count it, so that a replay gives the same.
fn observe(metric: &'static Metric, duration: Option<Duration>) {
    if let Some(duration) = duration {
        histogram!(metric.name).record(to_seconds(to_ticks(duration)));
    }
}

fn job_identified(row: &JobRecord) {
    let Context { repository, workflow, run_attempt, event, .. } = &row.context;
    let [attempt, repository, workflow] = [run_attempt, repository, workflow].map(|part| text(part.as_ref()));
    let job_id = row.job_id.as_str();
    info!(event = "job_identified", job_id, attempt, repository, workflow, trigger = text(event.as_ref()));
}

/// What is unknown is empty in a line.
fn text(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

/// Anybody in a job can send one as often as it likes: counted, and told only to who looks closer.
pub(super) fn report_refused(fault: ReportFault) {
    counter!(c::REPORTS_REFUSED.name, "reason" => fault.as_str()).increment(1);
    debug!(event = "report_refused", reason = fault.as_str());
}

pub(super) fn queue_time_unknown(fault: QueueFault) {
    counter!(c::QUEUE_TIME_UNKNOWN.name, "reason" => fault.as_str()).increment(1);
    info!(event = "queue_time_unknown", reason = fault.as_str());
}

/// It may be GitHub's trouble, or somebody's in the container: worth a line, never a row.
pub(super) fn claim_dropped(why: Unborn) {
    counter!(c::CLAIMS_DROPPED.name, "reason" => why.as_str()).increment(1);
    warn!(event = "claim_dropped", reason = why.as_str());
}

#[cfg(test)]
mod tests {
    use super::super::Telemetry;
    use super::*;
    use crate::domain::identity::Identity;
    use crate::domain::record::arbitrary;
    use crate::domain::totals::Bounds;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// The lines of the job metrics, as a scrape has them.
    fn page(bounds: &Bounds, tell: impl FnOnce(&Exporter)) -> Vec<String> {
        let page = Exporter::alone(bounds, |exporter| {
            exporter.release();
            let _telemetry = Telemetry::new(exporter.clone(), Arc::new(Identity::somebody()));
            tell(exporter);
        });
        let metrics = [
            &c::JOBS_STARTED,
            &c::JOBS,
            &c::JOB_DURATION,
            &c::QUEUE_TIME,
            &c::DEPLOYMENTS,
            &c::LEAD_TIME,
            &c::RECOVERY_TIME,
            &c::LAST_DEPLOYMENT,
        ];
        let is_of_jobs = |line: &&str| metrics.iter().any(|metric| line.starts_with(metric.name));
        page.lines().filter(is_of_jobs).map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_log_read_again_is_the_page_that_was_told_row_by_row(rows in vec(arbitrary::record(), 0..12)) {
            let bounds = Bounds::with_duration(vec![0.1, 10.0, 60.0, 3600.0]);
            let mut totals = Totals::new(&bounds);
            let deltas: Vec<Delta> = rows.iter().map(|row| totals.fold(row)).collect();
            let live = page(&bounds, |_| deltas.iter().for_each(count));
            let restored = page(&bounds, |exporter| restore(exporter, &totals, totals.dora.newest));
            prop_assert!(live.len() >= 13, "{live:#?}");
            prop_assert_eq!(live, restored);
        }
    }
}
