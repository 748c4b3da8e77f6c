//! Which proxy leads to the API is decided once, from the variables everyone knows; what they hold is never shown.
//!
//! The lower-case name wins over the upper-case one, as in the runner (`actions/runner`: `RunnerWebProxy.cs`).

use crate::config::Secret;
use hyper_util::client::proxy::matcher::Matcher;
use std::fmt::Write;
use url::Url;

/// A proxy variable that is no URL of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{var}: expected the URL of a proxy, such as http://proxy.example.com:3128")]
pub struct ProxyFault {
    /// The variable as it was set.
    pub var: String,
}

/// The proxies that are configured; by default none. `Debug` shows no user and no password.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Secret>,
    https: Option<Secret>,
    no: String,
}

/// The proxy that leads to one place.
pub(super) struct Chosen {
    /// With user and password, if it has them.
    pub(super) url: Secret,
    /// `HOST:PORT`.
    pub(super) place: String,
}

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

impl Proxies {
    /// Reads `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`, each in both cases; an empty text is none.
    ///
    /// # Errors
    /// The first variable that is no URL of a proxy.
    pub fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Proxies, ProxyFault> {
        let set =
            |name: &str| get(name).filter(|text| !text.trim().is_empty()).map(|text| (name.to_owned(), text));
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let all = either("all_proxy");
        let proxy = |name| either(name).or_else(|| all.clone()).map(checked).transpose();
        Ok(Proxies {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            no: either("no_proxy").map(|(_, text)| text).unwrap_or_default(),
        })
    }

    /// The proxy to use for this URL, if any.
    pub(super) fn choose(&self, url: &Url) -> Option<Chosen> {
        let proxy = if url.scheme() == "http" { &self.http } else { &self.https }.as_ref()?;
        if entries(&self.no).any(|entry| entry == "*") {
            return None;
        }
        let matcher = Matcher::builder().all(proxy.expose()).no(exceptions(&self.no, url)).build();
        let found = matcher.intercept(&url.as_str().parse().ok()?)?;
        let place = found.uri().authority().map(ToString::to_string)?;
        Some(Chosen { url: proxy.clone(), place })
    }
}

fn checked((var, text): (String, String)) -> Result<Secret, ProxyFault> {
    let text = text.trim();
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let parsed = Url::parse(&url).ok().filter(|parsed| {
        SCHEMES.contains(&parsed.scheme()) && parsed.host_str().is_some_and(|host| !host.is_empty())
    });
    parsed.map(|_| Secret::new(url)).ok_or(ProxyFault { var })
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ']).filter(|entry| !entry.is_empty())
}

/// The list in the form the matcher knows, which takes `*` for names alone: `*.example.com` is `.example.com`, and `host:port` counts for that port only.
fn exceptions(list: &str, url: &Url) -> String {
    let mut plain = String::new();
    for entry in entries(list) {
        let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse::<u16>().ok())
            }
            _ => (entry, None),
        };
        if port.is_none() || port == url.port_or_known_default() {
            write!(plain, "{},", host.trim_matches(['[', ']'])).expect("a string takes any text");
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn proxies(set: &[(&str, &str)]) -> Result<Proxies, ProxyFault> {
        let map: HashMap<&str, &str> = set.iter().copied().collect();
        Proxies::from_lookup(|name| map.get(name).map(|text| (*text).to_owned()))
    }

    #[test]
    fn which_proxy_for_which_place() {
        const GITHUB: &str = "https://api.github.com";
        const LOCAL: &str = "http://127.0.0.1:8080";
        let p = "http://p:1";
        let q = "http://q:2";
        for (set, url, place) in [
            (&[][..], GITHUB, None),
            (&[("HTTPS_PROXY", p)], GITHUB, Some("p:1")),
            (&[("https_proxy", p)], GITHUB, Some("p:1")),
            (&[("https_proxy", p), ("HTTPS_PROXY", q)], GITHUB, Some("p:1")),
            (&[("https_proxy", ""), ("HTTPS_PROXY", q)], GITHUB, Some("q:2")),
            (&[("HTTP_PROXY", p)], GITHUB, None),
            (&[("HTTP_PROXY", p)], LOCAL, Some("p:1")),
            (&[("http_proxy", p), ("HTTPS_PROXY", q)], LOCAL, Some("p:1")),
            (&[("ALL_PROXY", p)], GITHUB, Some("p:1")),
            (&[("all_proxy", p)], LOCAL, Some("p:1")),
            (&[("all_proxy", p), ("HTTPS_PROXY", q)], GITHUB, Some("q:2")),
            (&[("HTTPS_PROXY", "p:3128")], GITHUB, Some("p:3128")),
            (&[("HTTPS_PROXY", "https://user:hunter2@p:443/")], GITHUB, Some("p:443")),
            (&[("HTTPS_PROXY", "socks5://user:hunter2@p:1080")], GITHUB, Some("p:1080")),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "*")], GITHUB, None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "*")], LOCAL, None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "x, *")], "http://[::1]:8080", None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "*")], "http://10.1.2.3", None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", ".api.github.com")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", ".API.GitHub.com")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "GITHUB.COM:443")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", ".github.com:443")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", ".")], GITHUB, Some("p:1")),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "127.0.0.1:8080")], LOCAL, None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "127.0.0.2,0.0.1")], LOCAL, Some("p:1")),
            (&[("HTTPS_PROXY", p), ("no_proxy", "github.com")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "x, .github.com")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "x *.github.com")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "api.github.com:443")], GITHUB, None),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "api.github.com:8443")], GITHUB, Some("p:1")),
            (&[("HTTPS_PROXY", p), ("NO_PROXY", "hub.com,github.co")], GITHUB, Some("p:1")),
            (&[("HTTPS_PROXY", p), ("no_proxy", "x"), ("NO_PROXY", "github.com")], GITHUB, Some("p:1")),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "127.0.0.0/8")], LOCAL, None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "10.0.0.0/8,127.0.0.1")], LOCAL, None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "127.0.0.1:9")], LOCAL, Some("p:1")),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "[::1]:8080")], "http://[::1]:8080", None),
            (&[("HTTP_PROXY", p), ("NO_PROXY", "::1")], "http://[::1]:8080", None),
        ] {
            let chosen = proxies(set).expect("proxies").choose(&Url::parse(url).expect(url));
            assert_eq!(chosen.map(|c| c.place).as_deref(), place, "{set:?} {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_by_name_alone() {
        for (var, text) in
            [("HTTPS_PROXY", "ftp://hunter2"), ("all_proxy", "http://"), ("http_proxy", "u:hunter2@")]
        {
            let fault = proxies(&[(var, text)]).expect_err(text);
            assert_eq!(fault.var, var);
            assert!(!fault.to_string().contains("hunter2"));
        }
        let held = proxies(&[("HTTPS_PROXY", "http://u:hunter2@p")]).expect("a proxy");
        assert!(!format!("{held:?}").contains("hunter2"));
    }
}
