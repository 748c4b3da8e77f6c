//! What the job log says, told as it is written and restored as it was: the same counters either way.

use super::{Telemetry, resources, seconds};
use crate::domain::context::ReportFault;
use crate::domain::dora::{Deployment, Outcome};
use crate::domain::job::Unborn;
use crate::domain::queue::QueueFault;
use crate::domain::record::{JobRecord, JobStatus, LONGEST, RowStatus};
use crate::domain::totals::{Buckets, Totals, to_seconds, to_ticks};
use crate::telemetry::catalog::{self as c, Metric};
use metrics::{counter, gauge, histogram};
use std::time::Duration;
use tracing::{debug, info, warn};

impl Telemetry {
    /// Counters and histograms of a replayed job log, on top of what was counted since the start.
    pub fn restore(&self, totals: &Totals) {
        counter!(c::JOBS_STARTED.name).increment(totals.started);
        for (status, count) in JobStatus::ALL.into_iter().zip(totals.finished) {
            counter!(c::JOBS.name, "status" => status.as_str()).increment(count);
        }
        self.restore_histogram(&c::JOB_DURATION, &totals.duration);
        self.restore_histogram(&c::QUEUE_TIME, &totals.queue_time);
        for (outcome, count) in Outcome::ALL.into_iter().zip(totals.dora.deployments) {
            counter!(c::DEPLOYMENTS.name, "status" => outcome.as_str()).increment(count);
        }
        self.restore_histogram(&c::LEAD_TIME, &totals.lead_time);
        self.restore_histogram(&c::RECOVERY_TIME, &totals.recovery_time);
        self.dora.borrow_mut().precede(&totals.dora);
        self.show_newest_deployments();
        self.exporter.touch();
    }

    fn show_newest_deployments(&self) {
        for (outcome, newest) in Outcome::ALL.into_iter().zip(self.dora.borrow().newest) {
            if let Some(end) = newest {
                gauge!(c::LAST_DEPLOYMENT.name, "status" => outcome.as_str()).set(seconds(end));
            }
        }
    }

    pub(super) fn job_finished(&self, row: &JobRecord) {
        let RowStatus::Finished(status) = row.status else { return };
        counter!(c::JOBS.name, "status" => status.as_str()).increment(1);
        observe(&c::JOB_DURATION, row.duration);
        observe(&c::QUEUE_TIME, row.queue_time);
        resources::job_finished(row);
        let deployed = self.dora.borrow_mut().fold(row);
        if let Some(Deployment { outcome, lead_time, recovery_time }) = deployed {
            counter!(c::DEPLOYMENTS.name, "status" => outcome.as_str()).increment(1);
            observe(&c::LEAD_TIME, lead_time);
            observe(&c::RECOVERY_TIME, recovery_time);
            self.show_newest_deployments();
        }
        let seconds = row.duration.map(|d| format!("{:.3}", d.as_secs_f64()));
        let (job, job_id) = (row.job_name.as_str(), row.job_id.as_str());
        let cause = (!row.cause.is_empty()).then_some(row.cause.as_str());
        let deployment = row.deployment;
        info!(event = "job_finished", status = status.as_str(), job, job_id, seconds, cause, deployment);
    }

    fn restore_histogram(&self, metric: &'static Metric, buckets: &Buckets) {
        /// Samples wait in memory until upkeep moves them into their buckets.
        const BATCH: u64 = 16_384;
        let histogram = histogram!(metric.name);
        for (value, mut count) in buckets.samples() {
            while count > 0 {
                let batch = count.min(BATCH);
                histogram.record_many(value, usize::try_from(batch).unwrap_or(usize::MAX));
                self.exporter.upkeep();
                count -= batch;
            }
        }
    }
}

pub(super) fn job_started(row: &JobRecord) {
    counter!(c::JOBS_STARTED.name).increment(1);
    info!(event = "job_started", job = row.job_name.as_str(), job_id = row.job_id.as_str());
}

/// What GitHub said late: how long it had waited, or how it ended.
pub(super) fn job_amended(row: &JobRecord, queue_time: Option<Duration>) {
    observe(&c::QUEUE_TIME, queue_time);
    let queue_seconds = queue_time.map(|d| format!("{:.3}", d.as_secs_f64()));
    let conclusion = (!row.conclusion.is_empty()).then_some(row.conclusion.as_str());
    info!(event = "job_amended", job_id = row.job_id.as_str(), queue_seconds, conclusion);
}

/// As the job log's sums count it, so that a replay gives the same.
fn observe(metric: &'static Metric, duration: Option<Duration>) {
    if let Some(duration) = duration.filter(|d| *d <= LONGEST) {
        histogram!(metric.name).record(to_seconds(to_ticks(duration)));
    }
}

pub(super) fn job_identified(row: &JobRecord) {
    let (job_id, attempt) = (row.job_id.as_str(), row.run_attempt.as_str());
    let (repository, workflow) = (row.repository.as_str(), row.workflow.as_str());
    info!(event = "job_identified", job_id, attempt, repository, workflow, trigger = row.event.as_str());
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
