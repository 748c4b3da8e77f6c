//! What no request may do: write, ramble, or come without the token where one is set.

use crate::config::Secret;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Longest request target.
pub const MAX_TARGET: usize = 2048;
/// Most bytes of all header names and values.
pub const MAX_HEADERS: usize = 8 * 1024;

/// Refuses what is too long with 414 or 431, and everything but GET and HEAD with 405; a body is never read.
/// Whatever the answer: it is of this moment, and what it says it is.
pub async fn limits(request: Request, next: Next) -> Response {
    let mut response = match refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
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

/// Lets a request pass that carries the token, or every request if none is set.
pub async fn require_token(
    State(token): State<Option<Arc<Secret>>>,
    request: Request,
    next: Next,
) -> Response {
    let offered = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // A scheme's name may be written in any case (RFC 9110 §11.1), the token may not.
    let offered = offered
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Secret::new(token.trim_start().to_owned()));
    match (token, offered) {
        (None, _) => next.run(request).await,
        (Some(token), Some(offered)) if *token == offered => next.run(request).await,
        (Some(_), _) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a bearer token is needed\n")
                .into_response()
        }
    }
}

/// `gzip` is named without a weight: it is wanted as much as anything.
pub fn asks_for_gzip(headers: &HeaderMap) -> bool {
    let asked = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    asked.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("gzip"))
}

fn headers_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
