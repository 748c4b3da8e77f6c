//! Any request is answered, never with a fault of ours; without the token nothing is told; what jobs named is text on the page.
//!
//! The input is a request: `METHOD URI`, headers, an empty line; what follows is the name of a job that is shown.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use runner_init::config::Secret;
use runner_init::domain::event::Now;
use runner_init::domain::identity::Identity;
use runner_init::domain::lifecycle::Lifecycle;
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use runner_init::domain::status::{CurrentJob, State, Status};
use runner_init::domain::totals::Bounds;
use runner_init::http::freshness::Freshness;
use runner_init::http::middleware::Names;
use runner_init::http::{Scrapes, View, page, router};
use runner_init::telemetry::exporter::Exporter;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

const TOKEN: &str = "5ecret5ecret5ecret";

static EXPORTER: LazyLock<Exporter> = LazyLock::new(|| {
    Exporter::install(&identity(), &Bounds::with_duration(vec![1.0])).expect("the only one")
});

fn identity() -> Identity {
    Identity {
        runner_name: "runner-7".to_owned(),
        runner_type: "standard".to_owned(),
        init_version: "1",
        arch: "x86_64",
        ephemeral: false,
        started_at: super::utc(),
    }
}

pub(super) fn run(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let name = String::from_utf8_lossy(bytes.get(end + 2..).unwrap_or_default()).into_owned();
    let Some(request) = request(&bytes[..end]) else { return };
    // What a job is called is shown as it is: who names it after a token has told it.
    if contains(name.as_bytes(), TOKEN.as_bytes()) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for token in [None, Some(TOKEN)] {
        let is_told = token.is_none() || is_authorized(&request);
        let is_alive = request.uri().path() == "/livez";
        let (status, body) = runtime.block_on(answer(clone(&request), token, &name));
        assert!(status != StatusCode::INTERNAL_SERVER_ERROR && status.as_u16() != 502, "{status}");
        assert!(is_told || is_alive || !status.is_success(), "{status} without a token");
        assert!(!contains(&body, TOKEN.as_bytes()));
        if request.uri().path() == "/" && status == StatusCode::OK && !body.starts_with(&[0x1f, 0x8b]) {
            let page = String::from_utf8(body).expect("a page is UTF-8");
            assert_eq!(page.matches("<script").count(), usize::from(!page.is_empty()), "{name:?}");
        }
    }
}

async fn answer(request: Request<Body>, token: Option<&str>, name: &str) -> (StatusCode, Vec<u8>) {
    let row = JobRecord {
        status: RowStatus::Finished(JobStatus::Failed),
        started_at: Some(super::utc()),
        job_name: Some(name.to_owned()),
        job_id: name.to_owned(),
        cause: Some(name.to_owned()),
        ..JobRecord::blank()
    };
    let job = CurrentJob {
        name: name.to_owned(),
        workflow: Some(name.to_owned()),
        started_at: super::utc(),
        ..CurrentJob::default()
    };
    let now = Now { up: Duration::ZERO, utc: super::utc() };
    let status = Status {
        state: State::Busy,
        reason: name.to_owned(),
        job: Some(job),
        runner_version: Some(name.to_owned()),
        recent: Arc::new([row]),
        ..Lifecycle::new(super::settings(), now).status(now)
    };
    let view = View {
        status: watch::channel(Arc::new(status)).1,
        exporter: EXPORTER.clone(),
        // The loop is gone: that is known at once, and nobody waits.
        pulse: mpsc::channel(1).0,
        clock: super::utc,
        identity: Arc::new(identity()),
        site: Arc::new(page::Site { bounds: vec![1.0], server_url: None }),
        scrapes: Arc::new(Scrapes::default()),
        freshness: Arc::new(Freshness::new(Duration::ZERO).0),
    };
    let token = token.map(|token| Secret::new(token.to_owned()));
    let names = token.is_none().then(|| Names::new(["machine".to_owned()]));
    let answer = router(view, token, names).oneshot(request).await.expect("infallible");
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 16 * 1024 * 1024).await.expect("it is in memory");
    (status, body.to_vec())
}

fn request(head: &[u8]) -> Option<Request<Body>> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, uri) = super::split(lines.next()?, b' ');
    let uri = Uri::try_from(uri).ok()?;
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = uri;
    for line in lines.take(100) {
        let (name, value) = super::split(line, b':');
        let (name, value) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()));
        let (Ok(name), Ok(value)) = (name, value) else { continue };
        request.headers_mut().append(name, value);
    }
    Some(request)
}

fn clone(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Whether the token may be in it, plain or encoded: more than that would be the rule itself.
fn is_authorized(request: &Request<Body>) -> bool {
    let offered = request.headers().get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    offered.into_iter().any(|value| {
        contains(value, TOKEN.as_bytes()) || value[..value.len().min(5)].eq_ignore_ascii_case(b"basic")
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
