//! A one-shot HTTP request. One request on a connection of its own, one answer of bounded size; whoever asks says for
//! how long.

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest<'a> {
    /// `GET`, `DELETE`
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The name of the other side.
    pub host: &'a str,
    /// A bearer token.
    pub token: Option<&'a str>,
    /// The longest answer that is read.
    pub most: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// The other side's clock.
    pub date: Option<DateTime<Utc>>,
    /// `None` if it was longer than asked for, or broke off.
    pub body: Option<Bytes>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum HttpFault {
    /// What was to be asked is no request.
    #[error(transparent)]
    Request(#[from] hyper::http::Error),
    /// The other side does not speak HTTP, or left.
    #[error("no answer")]
    Http(#[from] hyper::Error),
}

/// Asks over `stream`, which is closed with the answer, or when this is given up.
///
/// # Errors
/// If there is no answer.
pub async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    question: HttpRequest<'_>,
) -> Result<HttpResponse, HttpFault> {
    let HttpRequest { method, path, host, token, most } = question;
    let method = Method::from_bytes(method.as_bytes()).map_err(hyper::http::Error::from)?;
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Dropped with this future, and the connection with it.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.to_utc());
    let body = Limited::new(response.into_body(), most).collect().await;
    Ok(HttpResponse { status, date, body: body.ok().map(http_body_util::Collected::to_bytes) })
}
