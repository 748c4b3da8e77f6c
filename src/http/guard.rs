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
pub async fn limits(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "read only\n")
            .into_response();
    }
    if request.uri().path_and_query().map_or(0, |target| target.as_str().len()) > MAX_TARGET {
        return (StatusCode::URI_TOO_LONG, "request target too long\n").into_response();
    }
    if headers_size(request.headers()) > MAX_HEADERS {
        return (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers too large\n").into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Lets a request pass that carries the token, or every request if none is set.
pub async fn require_token(
    State(token): State<Option<Arc<Secret>>>,
    request: Request,
    next: Next,
) -> Response {
    let offered = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let offered =
        offered.and_then(|value| value.strip_prefix("Bearer ")).map(|token| Secret::new(token.to_owned()));
    match (token, offered) {
        (None, _) => next.run(request).await,
        (Some(token), Some(offered)) if *token == offered => next.run(request).await,
        (Some(_), _) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a bearer token is needed\n")
                .into_response()
        }
    }
}

fn headers_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
