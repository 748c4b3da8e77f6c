//! The fleet as JSON: names explain themselves, times are RFC 3339 UTC, unknown is null; the jobs have the log's own names.

use super::router::CollectApp;
use crate::domain::fleet::roster::LEARNING;
use crate::domain::record::{JobRecord, JobStatus, RowStatus, to_json};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// `GET /api/v1/openapi.json`: what all routes promise.
pub(super) async fn openapi() -> Response {
    const VERSION: &str = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
    static TEXT: LazyLock<String> =
        LazyLock::new(|| include_str!("openapi.json").replacen("\"VERSION\"", VERSION, 1));
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// `GET /api/v1/jobs?limit=&status=&repository=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetJobsQuery {
    limit: Option<usize>,
    status: Option<String>,
    repository: Option<String>,
}

/// The last finished jobs, newest first. 400 with the fault for a query that cannot be read.
pub(super) async fn jobs(
    State(app): State<CollectApp>,
    query: Result<Query<FleetJobsQuery>, QueryRejection>,
) -> Response {
    const EXPECTED: &str =
        "expected limit=1..200, status=success|failed|cancelled|skipped|abandoned, repository=OWNER/NAME\n";
    let bad = || (StatusCode::BAD_REQUEST, EXPECTED).into_response();
    let Ok(Query(query)) = query else { return bad() };
    let limit = query.limit.unwrap_or(200);
    let wanted = query.status.as_deref().map(|word| JobStatus::ALL.into_iter().find(|s| s.as_str() == word));
    if wanted == Some(None) || !(1..=200).contains(&limit) {
        return bad();
    }
    let wanted = wanted.flatten().map(RowStatus::Finished);
    let fits = |job: &&JobRecord| {
        wanted.is_none_or(|wanted| job.status == wanted)
            && (query.repository.is_none() || job.context.repository == query.repository)
    };
    let fleet = app.fleet();
    let jobs: Vec<Value> =
        fleet.recent.iter().rev().filter(fits).take(limit).map(|job| Value::Object(to_json(job))).collect();
    Json(json!({ "jobs": jobs })).into_response()
}

/// `GET /api/v1/runners`: who has reported, and when.
pub(super) async fn runners(State(app): State<CollectApp>) -> Response {
    let fleet = app.fleet();
    let one = |(name, known): (&str, &crate::domain::fleet::roster::Reporter)| {
        json!({
            "runner_name": name,
            "runner_type": known.runner_type,
            "init_version": known.init_version,
            "ephemeral": known.ephemeral,
            "metrics_address": known.address,
            "left": known.left,
            "heard_at": stamp(known.heard),
            "jobs": known.jobs,
        })
    };
    let runners: Vec<Value> = fleet.roster.all().map(one).collect();
    Json(json!({ "runners": runners })).into_response()
}

/// `GET /api/v1/sd`: the targets as Prometheus' HTTP service discovery takes them. While not everybody can have said that it lives,
/// there is no answer: Prometheus keeps what it has.
pub(super) async fn discovery(State(app): State<CollectApp>) -> Response {
    let now = (app.clock)();
    let fleet = app.fleet();
    if fleet.is_old && now - app.started_at < LEARNING {
        let says = "restarted: it takes up to 330 s until every runner has said that it lives\n";
        return (StatusCode::SERVICE_UNAVAILABLE, says).into_response();
    }
    let groups: Vec<Value> = fleet
        .roster
        .living(now)
        .filter_map(|(name, known)| {
            let address = known.address.as_ref()?;
            Some(json!({
                "targets": [address],
                "labels": {
                    "__meta_runner_init_runner_name": name,
                    "__meta_runner_init_runner_type": known.runner_type,
                    "__meta_runner_init_ephemeral": known.ephemeral.to_string(),
                },
            }))
        })
        .collect();
    Json(groups).into_response()
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
