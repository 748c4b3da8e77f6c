//! The health check's client: one GET, one line, a verdict; over the unix socket, or to a URL.

use crate::domain::status::Verdict;
use crate::domain::text::spelt;
use crate::sys::http_request::{self, HttpFault, HttpRequest};
use hyper::{StatusCode, Uri};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Below any orchestrator's own limit.
const LIMIT: Duration = Duration::from_secs(3);
const MAX_BODY: usize = 16 * 1024;

/// Where to ask.
#[derive(Clone, Debug)]
pub enum ProbeTarget {
    /// The first of these sockets that answers, if it is of this user or of root.
    Sockets(Vec<PathBuf>, u32),
    /// `http://HOST:PORT`, with the bearer token if one is set.
    Url(Uri, Option<String>),
}

/// Why no verdict could be had.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] std::io::Error),
    /// There is no such socket; each user's supervisor has its own.
    #[error(
        "no supervisor runs here as this user: nobody listens on {0}; another's answers on --url http://127.0.0.1:9091"
    )]
    Nobody(String),
    /// The other side does not speak HTTP, or left.
    #[error("no answer from {0}")]
    Http(String, #[source] hyper::Error),
    /// Whoever can put a socket there could say anything.
    #[error("{0} is answered by uid {1}, who is neither us nor root and is not believed")]
    Stranger(String, u32),
    /// It took too long.
    #[error("no answer from {0} within 3 s")]
    TooLate(String),
    /// Not a URL we can ask.
    #[error("expected a URL like http://127.0.0.1:9091, without a path")]
    Url,
}

/// Asks `path` (`/healthz`, `/readyz`) and reads the verdict.
///
/// # Errors
/// If nobody answers.
pub async fn ask(target: &ProbeTarget, path: &str) -> Result<Verdict, AskError> {
    let place = place(target);
    match tokio::time::timeout(LIMIT, ask_without_limit(target, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::TooLate(place)),
    }
}

async fn ask_without_limit(target: &ProbeTarget, path: &str) -> Result<Verdict, AskError> {
    match target {
        ProbeTarget::Sockets(paths, uid) => {
            let (stream, place) = connect_first(paths).await?;
            let peer = stream.peer_cred().map_err(|error| AskError::Connect(place.clone(), error))?.uid();
            if peer != *uid && peer != 0 {
                return Err(AskError::Stranger(place, peer));
            }
            get(stream, &place, "localhost", path, None).await
        }
        ProbeTarget::Url(uri, token) => {
            // What is asked is ours to say: a path would be left out without a word.
            let plain =
                uri.scheme_str() == Some("http") && ["", "/"].contains(&uri.path()) && uri.query().is_none();
            let host = uri.host().filter(|_| plain).ok_or(AskError::Url)?;
            let place = place(target);
            let stream =
                TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await;
            let stream = stream.map_err(|e| AskError::Connect(place.clone(), e))?;
            get(stream, &place, host, path, token.as_deref()).await
        }
    }
}

async fn connect_first(paths: &[PathBuf]) -> Result<(UnixStream, String), AskError> {
    for path in paths {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok((stream, show(path))),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
            Err(e) => return Err(AskError::Connect(show(path), e)),
        }
    }
    let looked_at = paths.iter().map(|path| show(path)).collect::<Vec<_>>().join(", ");
    Err(AskError::Nobody(looked_at))
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: &str,
    host: &str,
    path: &str,
    token: Option<&str>,
) -> Result<Verdict, AskError> {
    let question = HttpRequest { method: "GET", path, host, token, most: MAX_BODY };
    let answer = http_request::send(stream, question).await.map_err(|silence| match silence {
        HttpFault::Http(error) => AskError::Http(place.to_owned(), error),
        HttpFault::Request(_) => AskError::Url,
    })?;
    let text = String::from_utf8_lossy(answer.body.as_deref().unwrap_or_default()).into_owned();
    // Somebody else's page is no reason.
    let line = text.lines().next().filter(|line| !line.trim_start().starts_with('<')).unwrap_or_default();
    let line = spelt(line, |_, _| {});
    let reason = if line.is_empty() { format!("status {}", answer.status) } else { line };
    Ok(Verdict { ok: answer.status == StatusCode::OK, reason })
}

fn place(target: &ProbeTarget) -> String {
    match target {
        ProbeTarget::Sockets(paths, _) => paths.first().map(|p| show(p)).unwrap_or_default(),
        ProbeTarget::Url(uri, _) => uri.authority().map(ToString::to_string).unwrap_or_default(),
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
