//! An error says in one line what was wanted, what GitHub said and what to check; never a secret, never a raw body.

use super::auth::CredentialKind;
use super::endpoint::Endpoint;
use crate::domain::target::Scope;
use crate::domain::text::spelt;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::fmt;
use std::sync::Arc;

/// Where the way to GitHub ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// The name does not resolve.
    Dns,
    /// No connection, or one that broke.
    Connect,
    /// The certificate is not trusted, or no TLS could be agreed on.
    Tls,
    /// No answer in time.
    Timeout,
    /// The proxy cannot be reached or refuses.
    Proxy,
}

impl NetworkKind {
    /// Where the way to this host ended, through this proxy if there is one.
    pub(super) fn in_words(self, host: &str, proxy: Option<&str>) -> String {
        match (self, proxy) {
            (NetworkKind::Dns, _) => format!("{host} does not resolve"),
            (NetworkKind::Connect, _) => format!("no connection to {host}"),
            (NetworkKind::Tls, _) => format!("no trusted TLS connection to {host}"),
            (NetworkKind::Timeout, _) => format!("no answer from {host} in time"),
            (NetworkKind::Proxy, Some(proxy)) => format!("no way to {host} through the proxy {proxy}"),
            (NetworkKind::Proxy, None) => format!("a proxy refuses the way to {host}"),
        }
    }
}

/// What an operator must do differs by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: the credential is not accepted.
    Unauthorized {
        /// How far our clock is ahead of GitHub's (negative: behind), if more than a minute.
        clock_ahead: Option<TimeDelta>,
    },
    /// 403: accepted, but it may not do this.
    Forbidden,
    /// 404: no such thing, or the credential may not see it, or it has expired.
    NotFound,
    /// 409: it exists already.
    Conflict,
    /// 422: refused as asked; a runner that runs a job cannot be deleted.
    Unprocessable,
    /// 429, or 403 for a rate limit.
    RateLimited {
        /// When to ask again.
        until: DateTime<Utc>,
    },
    /// 5xx, to the last attempt.
    Server(u16),
    /// Another status: a redirect elsewhere, something that is no GitHub.
    Unexpected(u16),
    /// No answer, to the last attempt.
    Network(NetworkKind),
    /// An answer that is not what the API gives: HTML of a proxy, JSON of another shape, more than 1 MiB.
    Malformed,
}

/// A call that failed for good.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// Which call.
    pub endpoint: Endpoint,
    /// What to do about it.
    pub kind: ErrorKind,
    /// What was wanted: `a registration token for repository o/r`.
    pub(super) wanted: String,
    /// GitHub's message, or the cause below HTTP: printable, at most 200 characters.
    pub(super) said: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    pub(super) place: Arc<ErrorContext>,
}

/// Where and as whom it was asked.
#[derive(Clone, Debug)]
pub(super) struct ErrorContext {
    /// The API's host.
    pub(super) host: String,
    /// The proxy's `HOST:PORT`, if one is used.
    pub(super) proxy: Option<String>,
    pub(super) scope: Scope,
    pub(super) credential: CredentialKind,
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.wanted, self.answer())?;
        if let Some(said) = &self.said {
            write!(f, ": {said}")?;
        }
        if self.attempts > 1 {
            write!(f, " (tried {} times)", self.attempts)?;
        }
        write!(f, "; {}", self.advice())
    }
}

impl ApiError {
    fn answer(&self) -> String {
        let host = &self.place.host;
        match self.kind {
            ErrorKind::Unauthorized { .. } => "GitHub answered 401".into(),
            ErrorKind::Forbidden => "GitHub answered 403".into(),
            ErrorKind::NotFound => "GitHub answered 404".into(),
            ErrorKind::Conflict => "GitHub answered 409".into(),
            ErrorKind::Unprocessable => "GitHub answered 422".into(),
            ErrorKind::RateLimited { .. } => "GitHub's rate limit is reached".into(),
            ErrorKind::Server(status) | ErrorKind::Unexpected(status) => format!("{host} answered {status}"),
            ErrorKind::Malformed => format!("{host} gave an answer that is not GitHub's"),
            ErrorKind::Network(kind) => kind.in_words(host, self.place.proxy.as_deref()),
        }
    }

    fn advice(&self) -> String {
        match self.kind {
            ErrorKind::Unauthorized { clock_ahead } => self.advice_unauthorized(clock_ahead),
            ErrorKind::Forbidden => format!("check that {}", self.permission()),
            ErrorKind::NotFound => format!(
                "check the name and the host, that the credential has not expired, and that {}: GitHub says 404 for what a credential may not see",
                self.permission()
            ),
            ErrorKind::Conflict => {
                "one with this name exists already: remove it or choose another name".into()
            }
            ErrorKind::Unprocessable if self.endpoint == Endpoint::DeleteRunner => {
                "a runner cannot be deleted while it runs a job".into()
            }
            ErrorKind::Unprocessable => "check the name, the labels and the runner group".into(),
            ErrorKind::RateLimited { until } => {
                let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
                format!("wait until {until}; others may be using the same credential")
            }
            ErrorKind::Server(_) => "nothing to do here but wait; githubstatus.com may know more".into(),
            ErrorKind::Unexpected(_) | ErrorKind::Malformed => {
                "check GITHUB_HOST and GITHUB_API_URL, and that no proxy or login page stands in between"
                    .into()
            }
            ErrorKind::Network(kind) => self.advice_network(kind),
        }
    }

    fn advice_unauthorized(&self, clock_ahead: Option<TimeDelta>) -> String {
        let check = match self.place.credential {
            CredentialKind::Pat => "check that the token is complete, not expired and not revoked",
            CredentialKind::App => {
                "check that APP_ID and APP_PRIVATE_KEY belong together and the key was not deleted"
            }
        };
        let Some(ahead) = clock_ahead else { return check.into() };
        let word = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
        format!("set the clock, it is {} s {word} GitHub's, or {check}", ahead.num_seconds().abs())
    }

    fn advice_network(&self, kind: NetworkKind) -> String {
        match kind {
            NetworkKind::Dns => "check GITHUB_HOST and the container's DNS".into(),
            NetworkKind::Connect | NetworkKind::Timeout => match &self.place.proxy {
                Some(proxy) => format!("check the network, and the proxy {proxy}"),
                None => "check the network and the firewall, and whether HTTPS_PROXY must be set".into(),
            },
            NetworkKind::Tls => {
                "check the clock, and that SSL_CERT_FILE holds the authority that signed the certificate, or that certificate itself"
                    .into()
            }
            NetworkKind::Proxy => "check HTTPS_PROXY, its user and password, and NO_PROXY".into(),
        }
    }

    /// What the credential must be allowed to do, in the words of GitHub's settings pages.
    fn permission(&self) -> String {
        let (classic, fine) = permissions(self.endpoint, self.place.scope);
        match (self.place.credential, self.endpoint) {
            (CredentialKind::App, Endpoint::Installation | Endpoint::AccessToken) => {
                "the App is installed there (APP_LOGIN, APP_INSTALLATION_ID) and not suspended".into()
            }
            (CredentialKind::App, _) => format!("the App is installed there with {fine}"),
            (CredentialKind::Pat, _) => {
                format!(
                    "the token has {classic} (classic) or {fine} (fine-grained) and is authorized for single sign-on"
                )
            }
        }
    }
}

/// The scope of a classic token and the permission of a fine-grained token or an App.
fn permissions(endpoint: Endpoint, scope: Scope) -> (&'static str, &'static str) {
    match (endpoint, scope) {
        (Endpoint::Jobs, _) => ("the scope repo", "the repository permission Actions: read"),
        (_, Scope::Repository) => ("the scope repo", "the repository permission Administration: write"),
        (_, Scope::Organization) => {
            ("the scope admin:org", "the organization permission Self-hosted runners: write")
        }
        (_, Scope::Enterprise) => {
            ("the scope manage_runners:enterprise", "the enterprise permission Self-hosted runners: write")
        }
    }
}

/// Makes foreign text fit for one line of a log: no control characters, one blank for many, at most 200 characters, and
/// nothing of the secrets that were sent.
pub(super) fn printable(text: &str, secrets: &[&str]) -> String {
    const LIMIT: usize = 200;
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    let visible = spelt(&text, |_, out| out.push(' '));
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, endpoint: Endpoint, scope: Scope, credential: CredentialKind) -> ApiError {
        let place = ErrorContext { host: "api.github.com".into(), proxy: None, scope, credential };
        ApiError {
            endpoint,
            kind,
            wanted: "do it".into(),
            said: Some("No".into()),
            attempts: 1,
            place: Arc::new(place),
        }
    }

    #[test]
    fn foreign_text_is_made_one_short_line_without_the_secret() {
        assert_eq!(printable(" a\r\n\u{1b}[31mb\tc\u{202e}d ", &[]), "a [31mb c d");
        assert_eq!(printable("bad token ghp_x: ghp_x", &["ghp_x", ""]), "bad token ***: ***");
        let long = printable(&"é".repeat(500), &[]);
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
    }

    #[test]
    fn what_to_check_names_the_permission_of_the_scope_and_the_credential() {
        use CredentialKind::{App, Pat};
        for (endpoint, scope, credential, says) in [
            (
                Endpoint::RegistrationToken,
                Scope::Repository,
                Pat,
                "the scope repo (classic) or the repository permission Administration: write",
            ),
            (
                Endpoint::RegistrationToken,
                Scope::Organization,
                Pat,
                "the scope admin:org (classic) or the organization permission Self-hosted runners: write",
            ),
            (Endpoint::JitConfig, Scope::Enterprise, Pat, "the scope manage_runners:enterprise"),
            (Endpoint::Jobs, Scope::Enterprise, Pat, "the repository permission Actions: read"),
            (
                Endpoint::Runner,
                Scope::Repository,
                App,
                "the App is installed there with the repository permission Administration: write",
            ),
            (Endpoint::Installation, Scope::Organization, App, "APP_INSTALLATION_ID"),
        ] {
            for kind in [ErrorKind::Forbidden, ErrorKind::NotFound] {
                let text = error(kind, endpoint, scope, credential).to_string();
                assert!(text.contains(says), "{text}");
                assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_off_is_said_before_the_key_is_blamed() {
        let said = |seconds| {
            let kind = ErrorKind::Unauthorized { clock_ahead: Some(TimeDelta::seconds(seconds)) };
            error(kind, Endpoint::AccessToken, Scope::Repository, CredentialKind::App).to_string()
        };
        assert!(said(90).contains("set the clock, it is 90 s ahead of GitHub's"), "{}", said(90));
        assert!(said(-3600).contains("it is 3600 s behind GitHub's"), "{}", said(-3600));
    }

    #[test]
    fn the_line_reads_as_a_sentence() {
        let mut e = error(ErrorKind::Server(502), Endpoint::Runner, Scope::Repository, CredentialKind::Pat);
        e.attempts = 3;
        assert_eq!(
            e.to_string(),
            "cannot do it: api.github.com answered 502: No (tried 3 times); nothing to do here but wait; githubstatus.com may know more"
        );
    }
}
