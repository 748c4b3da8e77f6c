//! The way to GitHub: TLS that trusts whom the system trusts, one proxy at most, and a name for every way to fail.

use super::error::{NetworkKind, printable};
use super::proxy::Proxies;
use super::retry::RetryPolicy;
use super::trust::{self, Trust};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where set; else the system's.
    Native,
    /// Those of this PEM file, and no other.
    File(PathBuf),
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base is none.
    #[error("the address is no URL")]
    Base(#[source] url::ParseError),
    /// Nobody is trusted, so nobody could be talked to.
    #[error("no certificate authority found: install ca-certificates or set SSL_CERT_FILE{cause}")]
    NoAuthority {
        /// `: …`, or empty.
        cause: String,
    },
    /// Something the HTTP library refuses.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}

pub(super) const USER_AGENT: &str = concat!("runner-init/", env!("CARGO_PKG_VERSION"));
const API_VERSION: &str = "2022-11-28";

/// What was built.
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    /// `HOST:PORT` of the proxy that is used.
    pub(super) proxy: Option<String>,
}

/// Builds the client for one API base.
pub(super) fn build(
    base: &Url,
    roots: &Roots,
    proxies: &Proxies,
    policy: &RetryPolicy,
) -> Result<Transport, SetupError> {
    build_with(headers(), base, roots, proxies, policy.connect)
}

/// The same for any other place, with the headers it wants.
pub(super) fn build_with(
    headers: HeaderMap,
    base: &Url,
    roots: &Roots,
    proxies: &Proxies,
    connect: Duration,
) -> Result<Transport, SetupError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .redirect(Policy::custom(same_origin))
        .referer(false)
        .http1_only()
        .connect_timeout(connect)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30))
        .tls_backend_preconfigured(tls(base, roots)?)
        .no_proxy();
    let chosen = proxies.choose(base);
    if let Some(chosen) = &chosen {
        builder = builder.proxy(reqwest::Proxy::all(chosen.url.expose()).map_err(SetupError::Http)?);
    }
    let http = builder.build().map_err(SetupError::Http)?;
    Ok(Transport { http, proxy: chosen.map(|chosen| chosen.place) })
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
    headers
}

/// A renamed repository redirects to its new path; a token goes nowhere else.
fn same_origin(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    const LONGEST_CHAIN: usize = 3;
    let same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= LONGEST_CHAIN { attempt.follow() } else { attempt.stop() }
}

fn tls(base: &Url, roots: &Roots) -> Result<ClientConfig, SetupError> {
    let found = match roots {
        Roots::Native => rustls_native_certs::load_native_certs(),
        Roots::File(path) => rustls_native_certs::load_certs_from_paths(Some(path), None),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = Trust::of(found.certs, Arc::clone(&provider));
    if trust.is_none() && base.scheme() == "https" {
        let cause = found.errors.first().map(|e| format!(": {}", printable(&e.to_string(), &[])));
        return Err(SetupError::NoAuthority { cause: cause.unwrap_or_default() });
    }
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3");
    let config = match trust {
        Some(trust) => config.dangerous().with_custom_certificate_verifier(Arc::new(trust)),
        None => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

/// What went wrong below HTTP, and in whose words.
pub(super) fn classify(error: &reqwest::Error, proxied: bool) -> (NetworkKind, Option<String>) {
    if let Some(tls) = find_tls(error) {
        return (NetworkKind::Tls, Some(printable(&trust::in_words(tls), &[])));
    }
    if error.is_timeout() {
        return (NetworkKind::Timeout, None);
    }
    let said = Some(printable(&innermost(error), &[]));
    if error.is_connect() && proxied {
        return (NetworkKind::Proxy, said);
    }
    let is_dns = causes(error).any(|cause| cause.to_string().starts_with("dns error"));
    (if is_dns { NetworkKind::Dns } else { NetworkKind::Connect }, said)
}

/// The error and what caused it. An `io::Error` does not give what it wraps as its source, so it is looked into.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| {
        let cause: &'a (dyn Error + 'static) = *cause;
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| cause.source())
    })
}

fn find_tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
