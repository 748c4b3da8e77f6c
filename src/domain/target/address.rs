//! Every address we take is an authority and a path of plain names; anything more in it is refused.
//!
//! Which hosts are GitHub's own, and so have their API at `api.HOST`, is the runner's own rule (actions/runner
//! `UrlUtil.IsHostedServer`): everything else is a GitHub Enterprise Server with its API under `/api/v3`.

use super::TargetFault;
use std::fmt;

/// GitHub's own limit for a repository; accounts and enterprises are shorter.
const NAME_LIMIT: usize = 100;
const HOST_LIMIT: usize = 253;

/// Whose GitHub it is. `Display` is a text that reads as the same host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    secure: bool,
    /// Lower case, with the port unless it is the scheme's own.
    authority: String,
    /// Empty, or `/a/b`.
    prefix: String,
}

impl Default for Host {
    fn default() -> Host {
        Host { secure: true, authority: "github.com".into(), prefix: String::new() }
    }
}

impl Host {
    /// Reads `HOST[:PORT][/PREFIX]`, with or without a scheme, trailing slashes or `/api/v3`; `www.` and `api.` of
    /// GitHub's own hosts are the host itself.
    ///
    /// # Errors
    /// If it is something else, or if GitHub's own host is given a path.
    pub fn parse(text: &str) -> Result<Host, TargetFault> {
        let address = Address::parse(text)?;
        let mut host = address.host();
        let mut prefix = address.path.as_slice();
        while let [shorter @ .., api, v3] = prefix
            && (api.as_str(), v3.as_str()) == ("api", "v3")
        {
            prefix = shorter;
        }
        if host.is_hosted() && !prefix.is_empty() {
            return Err(TargetFault::Path);
        }
        host.prefix = prefix.iter().flat_map(|segment| ["/", segment.as_str()]).collect();
        Ok(host)
    }

    /// Whether it is GitHub's own: github.com or a host under ghe.com.
    pub fn is_hosted(&self) -> bool {
        is_hosted(self.authority.as_str())
    }

    /// Where the REST API begins, without a trailing slash.
    pub fn api_base(&self) -> String {
        if self.is_hosted() {
            format!("{}://api.{}", self.scheme(), self.authority)
        } else {
            format!("{}/api/v3", self.url())
        }
    }

    /// Whether both are one place, whichever way it is spoken to.
    pub fn is_at(&self, other: &Host) -> bool {
        self.authority == other.authority && self.prefix == other.prefix
    }

    /// Takes the prefix of `known` away from the front of `path` if this is the same authority, and keeps it as its own.
    pub(super) fn adopt<'a>(&mut self, known: &Host, path: &'a [String]) -> &'a [String] {
        let prefix: Vec<&str> = known.prefix.split('/').filter(|segment| !segment.is_empty()).collect();
        let begins = path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(a, b)| a == b);
        if !begins || self.authority != known.authority {
            return path;
        }
        self.prefix.clone_from(&known.prefix);
        &path[prefix.len()..]
    }

    /// Where the web pages begin, without a trailing slash.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, self.prefix)
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secure { write!(f, "{}{}", self.authority, self.prefix) } else { f.write_str(&self.url()) }
    }
}

/// Reads a URL that a path is to be added to: `https://HOST[:PORT][/PATH]`, with or without a scheme; the result has
/// one, and no trailing slash.
///
/// # Errors
/// If it is something else.
pub fn base_url(text: &str) -> Result<String, TargetFault> {
    let Address { secure, authority, path } = Address::parse(text)?;
    let path: String = path.iter().flat_map(|segment| ["/", segment.as_str()]).collect();
    Ok(Host { secure, authority, prefix: path }.url())
}

/// What every URL we take consists of.
pub(super) struct Address {
    secure: bool,
    authority: String,
    /// Each a name.
    pub(super) path: Vec<String>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Address, TargetFault> {
        let (secure, rest) = scheme(text.trim())?;
        if rest.contains('@') {
            return Err(TargetFault::UserInfo);
        }
        if rest.contains(['?', '#']) {
            return Err(TargetFault::Query);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority_of(authority, secure)?;
        let path =
            path.split('/').filter(|segment| !segment.is_empty()).map(name).collect::<Result<_, _>>()?;
        Ok(Address { secure, authority, path })
    }

    /// The host without a prefix.
    pub(super) fn host(&self) -> Host {
        let authority = canonical(&self.authority).to_owned();
        // GitHub's own hosts do not speak plain HTTP.
        Host { secure: self.secure || is_hosted(&authority), authority, prefix: String::new() }
    }
}

/// Whether it is encrypted, and what follows the scheme.
fn scheme(text: &str) -> Result<(bool, &str), TargetFault> {
    match text.split_once("://") {
        None => Ok((true, text)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok((true, rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok((false, rest)),
        Some(_) => Err(TargetFault::Scheme),
    }
}

/// `HOST[:PORT]` in lower case, without the port if it is the scheme's own.
fn authority_of(text: &str, secure: bool) -> Result<String, TargetFault> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if !is_host(&host) {
        return Err(TargetFault::Host);
    }
    let usual = if secure { 443 } else { 80 };
    let port: Option<u16> = port.map(str::parse).transpose().map_err(|_| TargetFault::Host)?;
    match port {
        Some(0) => Err(TargetFault::Host),
        Some(port) if port != usual => Ok(format!("{host}:{port}")),
        Some(_) | None => Ok(host),
    }
}

fn is_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = literal {
        // Whether it is an address is for who connects to say.
        return address.contains(':') && address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
    }
    // Container networks have names with underscores.
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= HOST_LIMIT && host.split('.').all(is_label)
}

/// `www.github.com` and the API's hosts are other names of the host itself.
fn canonical(authority: &str) -> &str {
    match authority.split_once('.') {
        Some(("www", "github.com")) => "github.com",
        Some(("api", host)) if is_hosted(host) => host,
        Some(_) | None => authority,
    }
}

fn is_hosted(authority: &str) -> bool {
    let tenant = authority.strip_suffix(".ghe.com");
    authority == "github.com" || tenant.is_some_and(|tenant| !tenant.is_empty() && tenant != "api")
}

/// Takes the name of an account, a repository or an enterprise.
///
/// # Errors
/// If it is empty, too long, or has other characters.
pub fn name(text: &str) -> Result<String, TargetFault> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let is_name = plain && (1..=NAME_LIMIT).contains(&text.len()) && text != "." && text != "..";
    if is_name { Ok(text.to_owned()) } else { Err(TargetFault::Name) }
}
