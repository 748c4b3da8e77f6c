//! One POST to another place than GitHub's API, over the same trust and proxies: one attempt, and whoever asks judges the
//! answer.

use super::error::{NetworkKind, printable};
use super::exchange::{rate_limit, read};
use super::proxy::Proxies;
use super::retry::RetryAfter;
use super::transport::{self, Roots, SetupError, classify};
use crate::config::Secret;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::io::Write as _;
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// Where to post, and how.
pub struct PostConfig {
    /// The whole URL.
    pub url: String,
    /// Whom to trust.
    pub roots: Roots,
    /// How to get out.
    pub proxies: Proxies,
    /// Sent with every request; each value is a secret.
    pub headers: Vec<(String, Secret)>,
    /// What the body is.
    pub content_type: &'static str,
    /// Compress the body.
    pub gzip: bool,
    /// One attempt, from the connection to the last byte of the answer.
    pub attempt: Duration,
}

/// Posts to one place. A request may be dropped at any point.
pub struct Post {
    http: reqwest::Client,
    url: Url,
    /// What no error may repeat.
    secrets: Vec<Secret>,
    proxy: Option<String>,
    gzip: bool,
    attempt: Duration,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Posted {
    /// HTTP status.
    pub status: u16,
    /// When it wants to be asked again.
    pub retry_after: Option<RetryAfter>,
    /// `None` if it was longer than 1 MiB.
    pub body: Option<Zeroizing<Vec<u8>>>,
}

/// There was no answer. `Display` is one line without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostFault {
    /// Where the way ended.
    pub kind: NetworkKind,
    says: String,
}

impl fmt::Display for PostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl Post {
    /// Reads the certificate authorities from disk; nothing is sent yet.
    ///
    /// # Errors
    /// If the URL is none, no authority can be found for an `https` one, or the proxy cannot be used.
    pub fn new(setup: &PostConfig) -> Result<Post, SetupError> {
        let url = Url::parse(&setup.url).map_err(SetupError::Base)?;
        let headers = headers(setup);
        let transport = transport::build_with(headers, &url, &setup.roots, &setup.proxies, setup.attempt)?;
        Ok(Post {
            http: transport.http,
            url,
            secrets: setup.headers.iter().flat_map(|(_, value)| parts(value)).collect(),
            proxy: transport.proxy,
            gzip: setup.gzip,
            attempt: setup.attempt,
        })
    }

    /// The host, and the port if one is named.
    pub fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// A text of the other side, fit for one line of a log and without what was sent to it.
    pub fn printable(&self, text: &str) -> String {
        let secrets: Vec<&str> = self.secrets.iter().map(Secret::expose).collect();
        printable(text, &secrets)
    }

    /// Sends it, once.
    ///
    /// # Errors
    /// If there was no whole answer in time.
    pub async fn send(&self, body: Vec<u8>) -> Result<Posted, PostFault> {
        let sent = tokio::time::timeout(self.attempt, self.send_without_limit(body)).await;
        sent.unwrap_or_else(|_| Err(self.fault(NetworkKind::Timeout, None)))
    }

    async fn send_without_limit(&self, body: Vec<u8>) -> Result<Posted, PostFault> {
        let broken = |error: reqwest::Error| {
            let (kind, said) = classify(&error, self.proxy.is_some());
            self.fault(kind, said)
        };
        let body = if self.gzip { compress(&body) } else { body };
        let mut answer = self.http.post(self.url.clone()).body(body).send().await.map_err(broken)?;
        let (status, retry_after) = (answer.status().as_u16(), rate_limit(answer.headers()).retry_after);
        let body = read(&mut answer).await.map_err(broken)?;
        Ok(Posted { status, retry_after, body })
    }

    fn fault(&self, kind: NetworkKind, said: Option<String>) -> PostFault {
        let says = kind.in_words(&self.place(), self.proxy.as_deref());
        PostFault { kind, says: said.map_or_else(|| says.clone(), |said| format!("{says}: {said}")) }
    }
}

/// A value, and what is behind `Bearer` or `Basic` in it: either may be repeated by the other side.
fn parts(value: &Secret) -> impl Iterator<Item = Secret> + use<> {
    let last = value.expose().split_whitespace().next_back().map(|word| Secret::new(word.to_owned()));
    [Some(value.clone()), last].into_iter().flatten()
}

fn headers(setup: &PostConfig) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(setup.content_type));
    if setup.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in &setup.headers {
        // The configuration has checked both.
        if let (Ok(name), Ok(mut value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.expose()))
        {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

fn compress(body: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    out.write_all(body).and_then(|()| out.finish()).expect("memory takes every byte")
}
