//! The status page is a pure function of a snapshot and the time: nothing outside it is loaded, and what a job named is text.
//!
//! It works with scripts off. The one script fetches the page again and puts the new parts in the place of the old, so
//! that the reader keeps the place; style and script are let through by their hashes and nothing else is.

mod charts;
pub mod fleet;
mod job;
mod jobs;
mod sanitize;
mod state;
mod time;
mod timeline;

use super::View;
use super::job::JobQuery;
use crate::domain::identity::Identity;
use crate::domain::status::{State, Status};
use axum::extract;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};
use std::sync::{Arc, LazyLock};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// What is served here besides, and what it is. A proxy may serve all of it below a path of its own.
const PLACES: [(&str, &str); 6] = [
    ("metrics", "Prometheus metrics"),
    ("api/v1/status", "this status as JSON"),
    ("api/v1/jobs", "the jobs as JSON"),
    ("livez", "does the supervisor turn?"),
    ("readyz", "could it take a job?"),
    ("healthz", "is it healthy?"),
];

/// What does not change while we run.
#[derive(Clone, Debug)]
pub struct Site {
    /// Upper bounds of the duration histogram, seconds, as configured.
    pub bounds: Vec<f64>,
    /// Where GitHub's own pages are, `https://github.com`, if that is known.
    pub server_url: Option<String>,
}

/// All that the page shows.
#[derive(Clone, Copy, Debug)]
pub struct PageInput<'a> {
    /// Who.
    pub identity: &'a Identity,
    /// Where.
    pub site: &'a Site,
    /// What.
    pub status: &'a Status,
}

/// `GET /`
pub async fn index(extract::State(view): extract::State<Arc<View>>) -> Response {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(policy);
    let status = view.status.borrow().clone();
    let seen = PageInput { identity: &view.identity, site: &view.site, status: &status };
    (headers(POLICY.clone()), Html(page(&seen, (view.clock)()).into_string())).into_response()
}

/// `GET /jobs/{id}?started_at=`: the page of one of the last jobs; 404 if it is none of them.
pub(super) async fn job(
    extract::State(view): extract::State<Arc<View>>,
    extract::Path(id): extract::Path<String>,
    query: Result<extract::Query<JobQuery>, QueryRejection>,
) -> Response {
    let status = view.status.borrow().clone();
    let job = match super::job::find(query, &status.recent, &id) {
        Ok(job) => job,
        Err(refusal) => return refusal,
    };
    let known = status.steps.of(job).filter(|known| !known.steps.is_empty());
    let seen = PageInput { identity: &view.identity, site: &view.site, status: &status };
    (headers_without_script(), Html(job::page(&seen, job, known.map(AsRef::as_ref)).into_string()))
        .into_response()
}

/// What a page without a script is sent with.
pub fn headers_without_script() -> [(HeaderName, HeaderValue); 4] {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        HeaderValue::from_str(&policy).expect("base64 and words are plain text")
    });
    headers(POLICY.clone())
}

fn headers(policy: HeaderValue) -> [(HeaderName, HeaderValue); 4] {
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ]
}

fn policy() -> HeaderValue {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 and words are plain text")
}

/// The whole page.
pub fn page(seen: &PageInput<'_>, now: DateTime<Utc>) -> Markup {
    let state = seen.status.state;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (state.as_str()) " · " (sanitize::sanitize(&seen.identity.runner_name, sanitize::NAME)) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                noscript { meta http-equiv="refresh" content="30"; }
                link rel="icon" href=(icon(state));
                style { (PreEscaped(STYLE)) }
            }
            body class=(state.as_str()) {
                p #lost role="status" {}
                p #said role="status" {}
                (state::header(seen, now))
                main {
                    (state::section(seen.status, now))
                    (state::job(seen, now))
                    (jobs::last(seen.status, now))
                    (jobs::numbers(seen.status))
                    (charts::durations(&seen.status.recent, &seen.site.bounds))
                    (jobs::table(&seen.status.recent, now, jobs::Links { pages: true, server: seen.site.server_url.as_deref() }))
                }
                (footer())
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// A section under its heading: what it holds, or a sentence while that is nothing.
fn section(name: &str, title: &str, nothing: Option<&str>, content: &Markup) -> Markup {
    let heading = format!("{name}-are");
    html! {
        section id=(name) aria-labelledby=(heading) {
            h2 id=(heading) { (title) }
            @if let Some(nothing) = nothing { p.reason { (nothing) } } @else { (content) }
        }
    }
}

fn table(columns: &[&str], rows: impl Iterator<Item = Markup>) -> Markup {
    html! {
        table {
            thead { tr { @for name in columns { th scope="col" { (name) } } } }
            tbody { @for row in rows { (row) } }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            nav aria-label="Served here" {
                ul {
                    @for (path, what) in PLACES {
                        li { a href=(path) { "/" (path) } " " span { (what) } }
                    }
                }
            }
            p { "Documentation: README.md, docs/ and docs/runbooks/ of runner-init " (env!("CARGO_PKG_VERSION")) ". All times are UTC." }
            button #pause type="button" aria-pressed="false" hidden { "Pause updates" }
        }
    }
}

/// A disc in the state's colour, for the tab.
fn icon(state: State) -> String {
    let colour = match state {
        State::Starting => "BBBBBB",
        State::Registering => "888888",
        State::Idle => "56B4E9",
        State::Busy => "0072B2",
        State::Disconnected => "E69F00",
        State::Ghost => "D55E00",
        State::Draining => "CC79A7",
        State::Backoff => "F0E442",
        State::Stopped => "555555",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}' stroke='%23808080'/%3E%3C/svg%3E"
    )
}

#[cfg(test)]
mod tests;
