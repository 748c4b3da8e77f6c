//! Middleware: method, size limits, bearer token, host. What no request may do: write, ramble, come without the token
//! where one is set, or by a strange name where none is.

use crate::config::Secret;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longest request target.
pub const MAX_TARGET: usize = 2048;
/// Most bytes of all header names and values.
pub const MAX_HEADERS: usize = 8 * 1024;

/// Refuses what is too long with 414 or 431, everything but GET and HEAD with 405, and a name that is not ours; a body is never
/// read. Whatever the answer: it is of this moment, and what it says it is.
pub async fn admit(State(names): State<Option<Names>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&request).or_else(|| refused_host(&request, names.as_ref())) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    if response.status() == StatusCode::NOT_ACCEPTABLE {
        // Said by the layer that compresses, which leaves in it what was not to be had so.
        let vary = [(header::VARY, "accept-encoding")];
        response =
            (StatusCode::NOT_ACCEPTABLE, vary, "neither gzip nor identity is accepted\n").into_response();
    }
    sealed(response)
}

/// What is written is answered with the headers of what is read, and no larger head is heard.
pub async fn headers(request: Request, next: Next) -> Response {
    if headers_size(request.headers()) > MAX_HEADERS {
        return sealed((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers too large\n").into_response());
    }
    sealed(next.run(request).await)
}

fn sealed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refusal(request: &Request) -> Option<Response> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return Some((StatusCode::METHOD_NOT_ALLOWED, allow, "read only\n").into_response());
    }
    if target > MAX_TARGET {
        return Some((StatusCode::URI_TOO_LONG, "request target too long\n").into_response());
    }
    if headers_size(request.headers()) > MAX_HEADERS {
        return Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers too large\n").into_response());
    }
    None
}

/// Lets a request pass that carries the token: as a bearer, or, as a browser sends it, as the password of any user.
pub async fn require_token(State(token): State<Arc<Secret>>, request: Request, next: Next) -> Response {
    let mut offered = request.headers().get_all(header::AUTHORIZATION).iter();
    let offered = match (offered.next(), offered.next()) {
        (Some(_), Some(_)) => {
            return (StatusCode::BAD_REQUEST, "two Authorization headers\n").into_response();
        }
        (one, _) => one.and_then(|value| value.to_str().ok()).and_then(offer),
    };
    if offered.is_some_and(|offered| *token == offered) {
        return next.run(request).await;
    }
    let mut refusal =
        (StatusCode::UNAUTHORIZED, "a token is needed: as bearer, or as the password of any user\n")
            .into_response();
    for scheme in ["Bearer", "Basic realm=\"runner-init\", charset=\"UTF-8\""] {
        refusal.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    refusal
}

/// The token in an `Authorization` header.
fn offer(value: &str) -> Option<Secret> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_start();
    // A scheme's name may be written in any case (RFC 9110 §11.1), the token may not.
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = Zeroizing::new(STANDARD.decode(rest).ok()?);
    let (_, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some(Secret::new(password.to_owned()))
}

/// The names by which a browser may ask where no token is set.
#[derive(Clone, Debug)]
pub struct Names(Arc<[String]>);

impl Names {
    /// These, besides addresses and names that only this network knows.
    pub fn new(names: impl IntoIterator<Item = String>) -> Names {
        Names(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether a page of somebody else's can not have come by this name. One label is no name of the internet's, and these
    /// domains are never given away (RFC 6761, 6762, 8375; ICANN for `internal`).
    fn admit(&self, host: &str) -> bool {
        const PRIVATE: [&str; 5] = [".localhost", ".local", ".internal", ".home.arpa", ".test"];
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_address = host.parse::<IpAddr>().is_ok() || host.starts_with('[');
        is_address
            || !host.contains('.')
            || PRIVATE.iter().any(|domain| host.ends_with(domain))
            || self.0.contains(&host)
    }
}

/// Refuses a request without exactly one `Host`, as HTTP/1.1 demands, and, where names are given, one that a browser sends
/// by another: the page it belongs to has had its own name rebound to our address, and would read the answer.
fn refused_host(request: &Request, names: Option<&Names>) -> Option<Response> {
    const STRANGE: &str = "not a name of this runner: ask by address, or set METRICS_AUTH_TOKEN\n";
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => return None,
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        (None, _) | (Some(_), Some(_)) => None,
    };
    let Some(host) = host else {
        return Some((StatusCode::BAD_REQUEST, "expected one Host header\n").into_response());
    };
    // Every browser names its reader's language with everything it sends, whoever asks it to; a scraper has none.
    let is_browser = headers.contains_key(header::ACCEPT_LANGUAGE) || headers.contains_key(header::ORIGIN);
    match names {
        Some(names) if is_browser && !names.admit(host.host()) => {
            Some((StatusCode::MISDIRECTED_REQUEST, STRANGE).into_response())
        }
        Some(_) | None => None,
    }
}

fn headers_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
