//! One router: rows come in by one route, with a token of their own; all others only read.

use super::desk::RowBatch;
use super::fleet::Fleet;
use super::{api, intake};
use crate::config::{CollectConfig, Secret};
use crate::http::accept;
use crate::http::middleware::{self, Names};
use crate::http::page::fleet::{FleetInput, RunnerLine, page};
use crate::http::server::Caller;
use crate::http::{behind, guard, page as status_page};
use crate::telemetry::collector_log::{CollectorNotice, tell};
use crate::telemetry::exporter::CONTENT_TYPE;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Bytes of a request, at most: 500 rows of the longest texts are less.
const LARGEST: usize = 16 * 1024 * 1024;
/// A body must have come within this.
const WITHIN: Duration = Duration::from_secs(30);

/// What the handlers share.
#[derive(Clone)]
pub(super) struct CollectApp {
    fleet: Arc<Mutex<Fleet>>,
    desk: Sender<RowBatch>,
    pub(super) clock: fn() -> DateTime<Utc>,
    pub(super) started_at: DateTime<Utc>,
    bounds: Arc<[f64]>,
}

impl CollectApp {
    pub(super) fn new(
        config: &CollectConfig,
        fleet: Arc<Mutex<Fleet>>,
        desk: Sender<RowBatch>,
        started_at: DateTime<Utc>,
    ) -> CollectApp {
        CollectApp { fleet, desk, clock: super::now, started_at, bounds: config.buckets.clone().into() }
    }

    pub(super) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes: `read` guards what is shown, `write` what is sent.
pub(super) fn router(
    app: CollectApp,
    read: Option<Secret>,
    write: Option<Secret>,
    names: Option<Names>,
) -> Router {
    let open = Router::new().route("/livez", get(livez)).with_state(app.clone());
    let guarded = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/api/v1/jobs", get(api::jobs))
        .route("/api/v1/runners", get(api::runners))
        .route("/api/v1/sd", get(api::discovery))
        .route("/api/v1/openapi.json", get(api::openapi))
        .with_state(app.clone());
    let rows = Router::new().route("/api/v1/rows", post(rows)).with_state(app);
    let rows = behind(write, rows).layer(from_fn(middleware::headers));
    rows.merge(guard(open, guarded, read, names))
}

async fn livez() -> Response {
    (StatusCode::OK, "it turns\n").into_response()
}

async fn readyz(State(app): State<CollectApp>) -> Response {
    if app.fleet().can_write {
        (StatusCode::OK, "rows are taken\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the job log cannot be written\n").into_response()
    }
}

async fn metrics(State(app): State<CollectApp>, request: HeaderMap) -> Response {
    let page = app.fleet().page((app.clock)(), accept::reader(&request));
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response()
}

async fn index(State(app): State<CollectApp>) -> Response {
    let now = (app.clock)();
    let html = {
        let fleet = app.fleet();
        let recent: Vec<_> = fleet.recent.iter().cloned().collect();
        let runners: Vec<RunnerLine<'_>> = fleet
            .roster
            .all()
            .map(|(name, known)| RunnerLine {
                name,
                kind: &known.runner_type,
                heard: known.heard,
                left: known.left,
                ephemeral: known.ephemeral,
                jobs: known.jobs,
            })
            .collect();
        let input = FleetInput {
            started_at: app.started_at,
            recent: &recent,
            runners: &runners,
            repositories: &fleet.by_repository(),
            bounds: &app.bounds,
            can_write: fleet.can_write,
        };
        page(&input, now).into_string()
    };
    (status_page::headers_without_script(), Html(html)).into_response()
}

/// Rows: answered once they are on disk.
async fn rows(State(app): State<CollectApp>, caller: Option<Extension<Caller>>, body: Body) -> Response {
    let bad = |status, says: String| (status, format!("{says}\n")).into_response();
    let body = match tokio::time::timeout(WITHIN, axum::body::to_bytes(body, LARGEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return bad(StatusCode::PAYLOAD_TOO_LARGE, "too large, or cut off".to_owned()),
        Err(_) => return bad(StatusCode::REQUEST_TIMEOUT, "it took too long to come".to_owned()),
    };
    let sent = match intake::read(&body) {
        Ok(sent) => sent,
        Err(says) => return bad(StatusCode::BAD_REQUEST, says),
    };
    drop(body);
    if let Some(fault) = &sent.fault {
        let runner = sent.hello.runner_name.as_str();
        tell(CollectorNotice::RowsRefused { runner, rows: sent.refused, says: fault });
    }
    let (reply, answer) = oneshot::channel();
    let unwritten = || "the job log cannot be written".to_owned();
    let tally = if sent.rows.is_empty() {
        Ok(super::desk::RowTally::default())
    } else if app.desk.send(RowBatch { rows: sent.rows, reply }).is_ok() {
        answer.await.unwrap_or_else(|_| Err(unwritten()))
    } else {
        Err(unwritten())
    };
    let Ok(tally) = tally else { return bad(StatusCode::SERVICE_UNAVAILABLE, unwritten()) };
    let from = caller
        .and_then(|Extension(Caller(address))| address)
        .map(|address| address.to_canonical().to_string());
    let mut fleet = app.fleet();
    fleet.rows.refused += sent.refused;
    fleet.heard(&sent.hello, from.as_deref(), tally.counted, (app.clock)());
    drop(fleet);
    let answer = json!({
        "counted": tally.counted, "amended": tally.amended, "known": tally.known, "refused": sent.refused,
    });
    Json(answer).into_response()
}
