//! The same truth as JSON: names explain themselves, times are RFC 3339 UTC, durations are seconds, unknown is null.

use super::View;
use super::job::{self, JobQuery};
use crate::domain::event::GhostCause;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::status::{health, readiness};
use crate::domain::steps::{Step, StepResult};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[derive(Serialize)]
struct StatusBody<'a> {
    runner_name: &'a str,
    runner_type: &'a str,
    init_version: &'static str,
    ephemeral: bool,
    started_at: String,
    state: &'static str,
    reason: &'a str,
    since: String,
    online: bool,
    ready: Check,
    healthy: Check,
    runner_version: Option<&'a str>,
    ghost: Option<&'static str>,
    failures: u32,
    launch_due: Option<String>,
    leave_by: Option<String>,
    job: Option<RunningJob<'a>>,
}

#[derive(Serialize)]
struct Check {
    ok: bool,
    reason: String,
}

#[derive(Serialize)]
struct RunningJob<'a> {
    name: &'a str,
    started_at: String,
    running_seconds: f64,
    workflow: Option<&'a str>,
    repository: Option<&'a str>,
    run_id: Option<&'a str>,
    run_attempt: Option<&'a str>,
}

#[derive(Serialize)]
struct JobBody<'a> {
    job_id: &'a str,
    job_name: &'a str,
    status: &'static str,
    started_at: Option<String>,
    finished_at: String,
    duration_seconds: Option<f64>,
    queue_time_seconds: Option<f64>,
    workflow: Option<&'a str>,
    repository: Option<&'a str>,
    run_id: Option<&'a str>,
    run_attempt: Option<&'a str>,
    event: Option<&'a str>,
    #[serde(rename = "ref")]
    git_ref: Option<&'a str>,
    sha: Option<&'a str>,
    cause: Option<&'a str>,
    conclusion: Option<&'a str>,
    run_number: Option<&'a str>,
    actor: Option<&'a str>,
    committed_at: Option<String>,
    deployment: Option<bool>,
    lead_time_seconds: Option<f64>,
    cpu_seconds: Option<f64>,
    peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct JobsBody<'a> {
    jobs: Vec<JobBody<'a>>,
}

/// `GET /api/v1/openapi.json`: what all routes promise.
pub async fn openapi() -> Response {
    const VERSION: &str = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
    static TEXT: LazyLock<String> =
        LazyLock::new(|| include_str!("openapi.json").replacen("\"VERSION\"", VERSION, 1));
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// `GET /api/v1/status`
pub async fn status(State(view): State<Arc<View>>) -> Response {
    let now = (view.clock)();
    let status = view.status.borrow().clone();
    let (ready, healthy) = (readiness(&status), health(&status, now));
    let body = StatusBody {
        runner_name: &view.identity.runner_name,
        runner_type: &view.identity.runner_type,
        init_version: view.identity.init_version,
        ephemeral: view.identity.ephemeral,
        started_at: stamp(view.identity.started_at),
        state: status.state.as_str(),
        reason: &status.reason,
        since: stamp(status.since),
        online: status.state.is_online(),
        ready: Check { ok: ready.ok, reason: ready.reason },
        healthy: Check { ok: healthy.ok, reason: healthy.reason },
        runner_version: status.runner_version.as_deref(),
        ghost: status.ghost.map(GhostCause::as_str),
        failures: status.failures,
        launch_due: status.launch_due.map(stamp),
        leave_by: status.leave_by.map(stamp),
        job: status.job.as_ref().map(|job| RunningJob {
            name: &job.name,
            started_at: stamp(job.started_at),
            running_seconds: seconds((now - job.started_at).to_std().unwrap_or_default()),
            workflow: job.workflow.as_deref(),
            repository: job.repository.as_deref(),
            run_id: job.run_id.as_deref(),
            run_attempt: job.run_attempt.as_deref(),
        }),
    };
    Json(body).into_response()
}

/// `GET /api/v1/jobs?limit=&status=&since=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    limit: Option<usize>,
    status: Option<String>,
    since: Option<DateTime<Utc>>,
}

/// The last finished jobs, newest first. 400 with the fault for a query that cannot be read.
pub async fn jobs(
    State(view): State<Arc<View>>,
    query: Result<Query<JobsQuery>, QueryRejection>,
) -> Response {
    const EXPECTED: &str =
        "expected limit=1..50, status=success|failed|cancelled|skipped|abandoned, since=RFC 3339\n";
    let bad = || (StatusCode::BAD_REQUEST, EXPECTED).into_response();
    let Ok(Query(query)) = query else { return bad() };
    let limit = query.limit.unwrap_or(50);
    let wanted = match query.status.as_deref() {
        None => None,
        Some(word) => match JobStatus::ALL.into_iter().find(|s| s.as_str() == word) {
            None => return bad(),
            found => found,
        },
    };
    if !(1..=50).contains(&limit) {
        return bad();
    }
    let status = view.status.borrow().clone();
    let fits = |job: &&JobRecord| {
        wanted.is_none_or(|w| job.status == RowStatus::Finished(w))
            && query.since.is_none_or(|s| job.timestamp >= s)
    };
    let jobs = status.recent.iter().rev().filter(fits).take(limit).map(job_body).collect();
    Json(JobsBody { jobs }).into_response()
}

fn job_body(job: &JobRecord) -> JobBody<'_> {
    let context = &job.context;
    JobBody {
        job_id: &job.job_id,
        job_name: job.job_name.as_deref().unwrap_or_default(),
        status: match job.status {
            RowStatus::Running => "running",
            RowStatus::Finished(status) => status.as_str(),
        },
        started_at: job.started_at.map(stamp),
        finished_at: stamp(job.timestamp),
        duration_seconds: job.duration.map(seconds),
        queue_time_seconds: job.queue_time.map(seconds),
        workflow: context.workflow.as_deref(),
        repository: context.repository.as_deref(),
        run_id: context.run_id.as_deref(),
        run_attempt: context.run_attempt.as_deref(),
        event: context.event.as_deref(),
        git_ref: context.git_ref.as_deref(),
        sha: context.sha.as_deref(),
        cause: job.cause.as_deref(),
        conclusion: job.conclusion.as_deref(),
        run_number: context.run_number.as_deref(),
        actor: context.actor.as_deref(),
        committed_at: context.commit_at.map(stamp),
        deployment: job.deployment,
        lead_time_seconds: job.lead_time.map(seconds),
        cpu_seconds: job.usage.cpu_time.map(seconds),
        peak_memory_bytes: job.usage.peak_memory,
    }
}

#[derive(Serialize)]
struct JobWithSteps<'a> {
    job: JobBody<'a>,
    steps: Option<Vec<StepBody<'a>>>,
    more_steps: u32,
}

#[derive(Serialize)]
struct StepBody<'a> {
    number: u32,
    name: &'a str,
    kind: &'static str,
    conclusion: Option<&'static str>,
    started_at: String,
    completed_at: String,
    duration_seconds: f64,
}

/// `GET /api/v1/jobs/{id}?started_at=`: one of the last jobs, and its steps. 404 if it is none of them.
pub async fn job(
    State(view): State<Arc<View>>,
    Path(id): Path<String>,
    query: Result<Query<JobQuery>, QueryRejection>,
) -> Response {
    let status = view.status.borrow().clone();
    let job = match job::find(query, &status.recent, &id) {
        Ok(job) => job,
        Err(refusal) => return refusal,
    };
    let known = status.steps.of(job).filter(|known| !known.steps.is_empty());
    let steps = known.map(|known| known.steps.iter().map(step_body).collect());
    Json(JobWithSteps { job: job_body(job), steps, more_steps: known.map_or(0, |known| known.more) })
        .into_response()
}

fn step_body(step: &Step) -> StepBody<'_> {
    StepBody {
        number: step.number,
        name: &step.name,
        kind: step.kind.as_str(),
        conclusion: step.result.map(StepResult::as_str),
        started_at: stamp(step.started),
        completed_at: stamp(step.ended),
        duration_seconds: seconds(step.duration()),
    }
}

/// Milliseconds, as the job log keeps them.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
