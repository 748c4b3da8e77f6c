//! A GitHub is named by its host; where its API is follows from that, by the runner's own rule.
//!
//! `actions/runner`: `UrlUtil.IsHostedServer`, `ConfigurationManager.cs`.

use std::fmt;
use url::Url;

/// Why a host or an API base cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// Nothing but blanks.
    #[error("expected a host such as github.com")]
    Empty,
    /// `http://` where tokens would travel readable.
    #[error("expected https: over plain http anyone on the way could read the token")]
    PlainHttp,
    /// Another scheme.
    #[error("expected https:// or no scheme at all")]
    Scheme,
    /// `user:password@`.
    #[error("expected no user or password in front of the host")]
    Credentials,
    /// A path that is not the API's.
    #[error("expected a host alone, without a path")]
    Path,
    /// `?…` or `#…`.
    #[error("expected no query and no fragment")]
    Query,
    /// Not a host name, or a port that is none.
    #[error("expected a host such as github.com, octocorp.ghe.com or github.example.com:8443")]
    Malformed,
}

/// A GitHub: the public one, one on ghe.com, or an Enterprise Server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Default for Host {
    fn default() -> Host {
        Host("github.com".into())
    }
}

impl Host {
    /// Reads what people write: any case, with `https://`, with a slash or the API's `/api/v3` at the end, with
    /// `www.` or `api.` where that means the same GitHub.
    ///
    /// # Errors
    /// The first reason why it is no host.
    pub fn parse(text: &str) -> Result<Host, HostFault> {
        let url = parse_url(text, false)?;
        if !matches!(url.path().trim_end_matches('/'), "" | "/api/v3") {
            return Err(HostFault::Path);
        }
        Ok(Host::of(&url))
    }

    pub(super) fn of(url: &Url) -> Host {
        let host = url.host_str().unwrap_or_default();
        let plain = match host {
            "www.github.com" | "api.github.com" => "github.com",
            _ => host.strip_prefix("api.").filter(|rest| is_ghe_com(rest)).unwrap_or(host),
        };
        Host(url.port().map_or_else(|| plain.to_owned(), |port| format!("{plain}:{port}")))
    }

    /// `HOST` or `HOST:PORT`, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The API that belongs to it: `https://api.HOST` where GitHub itself is the host, else `https://HOST/api/v3`.
    pub fn api(&self) -> ApiBase {
        if self.0 == "github.com" || is_ghe_com(&self.0) {
            ApiBase(format!("https://api.{}", self.0))
        } else {
            ApiBase(format!("https://{}/api/v3", self.0))
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_ghe_com(host: &str) -> bool {
    host.strip_suffix(".ghe.com").is_some_and(|tenant| !tenant.is_empty())
}

/// The URL every API path is appended to; no slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiBase(String);

impl ApiBase {
    /// Reads a `GITHUB_API_URL`. Plain `http://` is accepted here and nowhere else: for a proxy on this machine, and tests.
    ///
    /// # Errors
    /// The first reason why it is no such URL.
    pub fn parse(text: &str) -> Result<ApiBase, HostFault> {
        let url = parse_url(text, true)?;
        Ok(ApiBase(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A URL with a host, no credentials, no query; `https://` is added where no scheme is given.
pub(super) fn parse_url(text: &str, plain_http: bool) -> Result<Url, HostFault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(HostFault::Empty);
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| HostFault::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if plain_http => {}
        "http" => return Err(HostFault::PlainHttp),
        _ => return Err(HostFault::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HostFault::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(HostFault::Query);
    }
    let host = url.host_str().ok_or(HostFault::Malformed)?;
    let ordinary = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    let fits = !host.starts_with('.') && !host.ends_with('.') && host.len() <= 253;
    (fits && host.bytes().all(ordinary)).then_some(url).ok_or(HostFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_people_write_them() {
        for (text, host, api) in [
            ("github.com", "github.com", "https://api.github.com"),
            ("www.github.com", "github.com", "https://api.github.com"),
            ("api.github.com", "github.com", "https://api.github.com"),
            (" https://GitHub.com/ ", "github.com", "https://api.github.com"),
            ("HTTPS://www.GitHub.com", "github.com", "https://api.github.com"),
            ("octo.ghe.com", "octo.ghe.com", "https://api.octo.ghe.com"),
            ("api.octo.ghe.com", "octo.ghe.com", "https://api.octo.ghe.com"),
            ("https://Octo.GHE.com/", "octo.ghe.com", "https://api.octo.ghe.com"),
            ("ghe.com", "ghe.com", "https://ghe.com/api/v3"),
            ("notghe.com", "notghe.com", "https://notghe.com/api/v3"),
            ("github.com.evil.example", "github.com.evil.example", "https://github.com.evil.example/api/v3"),
            ("ghes.example.com", "ghes.example.com", "https://ghes.example.com/api/v3"),
            ("ghes.example.com/api/v3", "ghes.example.com", "https://ghes.example.com/api/v3"),
            (
                "https://ghes.example.com:8443/api/v3/",
                "ghes.example.com:8443",
                "https://ghes.example.com:8443/api/v3",
            ),
            ("ghes.example.com:443", "ghes.example.com", "https://ghes.example.com/api/v3"),
            ("api.example.com", "api.example.com", "https://api.example.com/api/v3"),
            ("10.0.0.7:8443", "10.0.0.7:8443", "https://10.0.0.7:8443/api/v3"),
            ("[::1]:8443", "[::1]:8443", "https://[::1]:8443/api/v3"),
        ] {
            let parsed = Host::parse(text).expect(text);
            assert_eq!((parsed.as_str(), parsed.api().as_str()), (host, api), "{text}");
        }
        assert_eq!(Host::default(), Host::parse("github.com").expect("the default"));
    }

    #[test]
    fn what_is_no_host_is_told_by_kind() {
        for (text, fault) in [
            ("", HostFault::Empty),
            ("  ", HostFault::Empty),
            ("http://github.com", HostFault::PlainHttp),
            ("ftp://github.com", HostFault::Scheme),
            ("https://user:hunter2@github.com", HostFault::Credentials),
            ("token@github.com", HostFault::Credentials),
            ("github.com/o/r", HostFault::Path),
            ("github.com?x=1", HostFault::Query),
            ("github.com#x", HostFault::Query),
            ("git hub.com", HostFault::Malformed),
            ("github.com:port", HostFault::Malformed),
            (".github.com", HostFault::Malformed),
            ("github.com.", HostFault::Malformed),
            ("git$hub.com", HostFault::Malformed),
            ("https://", HostFault::Malformed),
        ] {
            assert_eq!(Host::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn an_api_base_keeps_its_path_and_may_be_plain_http() {
        for (text, base) in [
            ("https://api.github.com", "https://api.github.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://ghes.example.com/api/v3/", "https://ghes.example.com/api/v3"),
            ("ghes.example.com/api/v3", "https://ghes.example.com/api/v3"),
        ] {
            assert_eq!(ApiBase::parse(text).expect(text).as_str(), base, "{text}");
        }
        assert_eq!(ApiBase::parse("http://u:p@h"), Err(HostFault::Credentials));
        assert_eq!(ApiBase::parse("file:///etc"), Err(HostFault::Scheme));
        assert_eq!(ApiBase::parse("https://h/?a"), Err(HostFault::Query));
    }
}
