//! One router, two doors: a TCP port for scrapers and people, a unix socket for our own health check; both only read.

pub mod accept;
pub mod api;
pub mod client;
mod eviction;
pub mod freshness;
mod job;
pub mod middleware;
pub mod page;
mod read_timeout;
pub mod server;

use crate::config::Secret;
use crate::domain::identity::Identity;
use crate::domain::status::{Status, Verdict, health, readiness};
use crate::telemetry::exporter::{CONTENT_TYPE, Exporter, OPEN_METRICS};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use freshness::Freshness;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

/// A loop that does not answer within this is not turning.
const PULSE: Duration = Duration::from_secs(2);

/// What the handlers may see. They change nothing but the count of scrapes.
#[derive(Clone)]
pub struct View {
    /// The supervisor's status.
    pub status: watch::Receiver<Arc<Status>>,
    /// The metrics page.
    pub exporter: Exporter,
    /// Asks the supervisor's loop for a sign of life.
    pub pulse: mpsc::Sender<oneshot::Sender<()>>,
    /// Wall clock.
    pub clock: fn() -> DateTime<Utc>,
    /// Who this runner is, for the API.
    pub identity: Arc<Identity>,
    /// What the status page is drawn from besides.
    pub site: Arc<page::Site>,
    /// Scrapes so far, and the news of each.
    pub scrapes: Arc<Scrapes>,
    /// How old what is sampled may be.
    pub freshness: Arc<Freshness>,
}

/// Counts scrapes, for whoever lingers for one.
#[derive(Debug, Default)]
pub struct Scrapes {
    count: AtomicU64,
    news: Notify,
}

impl Scrapes {
    fn note(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    /// Waits for the next scrape.
    pub async fn next(&self) {
        self.news.notified().await;
    }
}

/// The routes; `token` guards all but `/livez`, `names` all of them from pages of others.
pub fn router(view: View, token: Option<Secret>, names: Option<middleware::Names>) -> Router {
    // One count for each request, not one for each part.
    let view = Arc::new(view);
    let open = Router::new().route("/livez", get(livez)).with_state(Arc::clone(&view));
    let guarded = Router::new()
        .route("/", get(page::index))
        .route("/jobs/{id}", get(page::job))
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/jobs", get(api::jobs))
        .route("/api/v1/jobs/{id}", get(api::job))
        .route("/api/v1/openapi.json", get(api::openapi))
        .with_state(view);
    guard(open, guarded, token, names)
}

/// Routes that only read: `token` guards those of the second, `names` all of them.
pub fn guard(
    open: Router,
    guarded: Router,
    token: Option<Secret>,
    names: Option<middleware::Names>,
) -> Router {
    // Of what is not there, either: whoever has no token does not learn what is.
    open.merge(behind(token, guarded.fallback(not_found)))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(1024)))
        .layer(from_fn_with_state(names, middleware::admit))
}

/// These routes, and this token before them if one is set.
pub fn behind(token: Option<Secret>, routes: Router) -> Router {
    match token {
        None => routes,
        Some(token) => routes.layer(from_fn_with_state(Arc::new(token), middleware::require_token)),
    }
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

const VARY: (header::HeaderName, &str) = (header::VARY, "accept, accept-encoding");

/// The page as it was drawn, without a copy. Who asks for gzip in more than the one word is served by the layer.
async fn metrics(State(view): State<Arc<View>>, request: HeaderMap) -> Response {
    view.freshness.wait().await;
    view.scrapes.note();
    let reader = accept::reader(&request);
    if accept::asks_for_open_metrics(&request) {
        let body = Bytes::from_owner(view.exporter.page_open_metrics(reader));
        return ([(header::CONTENT_TYPE, OPEN_METRICS), VARY], body).into_response();
    }
    let text = [(header::CONTENT_TYPE, CONTENT_TYPE), VARY];
    if accept::asks_for_gzip(&request) {
        let body = Bytes::from_owner(view.exporter.page_gzip(reader));
        return (text, [(header::CONTENT_ENCODING, "gzip")], body).into_response();
    }
    (text, Bytes::from_owner(view.exporter.page(reader))).into_response()
}

async fn livez(State(view): State<Arc<View>>) -> Response {
    let (reply, answer) = oneshot::channel();
    let turning = async { view.pulse.send(reply).await.is_ok() && answer.await.is_ok() };
    let ok = tokio::time::timeout(PULSE, turning).await.unwrap_or(false);
    let reason = if ok { "the supervisor's loop turns" } else { "the supervisor's loop does not answer" };
    answer_with(&Verdict { ok, reason: reason.to_owned() })
}

async fn readyz(State(view): State<Arc<View>>) -> Response {
    let verdict = readiness(&view.status.borrow());
    answer_with(&verdict)
}

async fn healthz(State(view): State<Arc<View>>) -> Response {
    let verdict = health(&view.status.borrow(), (view.clock)());
    answer_with(&verdict)
}

fn answer_with(verdict: &Verdict) -> Response {
    let code = if verdict.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{}\n", verdict.reason)).into_response()
}
