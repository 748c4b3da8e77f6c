//! Where a runner is registered: a host and a target on it. What does not parse is told by kind, never by text: a URL
//! may carry a password.

mod host;

pub use host::{ApiBase, Host, HostFault};

use host::parse_url;
use std::fmt;

/// Why a target cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// Not `owner/name`.
    #[error("expected a repository as owner/name")]
    Repository,
    /// Not the name of an organisation.
    #[error("expected the name of an organization: letters, digits and hyphens")]
    Organization,
    /// Not the slug of an enterprise.
    #[error("expected the slug of an enterprise, as in https://github.com/enterprises/SLUG")]
    Enterprise,
    /// A URL of none of the three shapes.
    #[error(
        "expected https://HOST/OWNER/REPOSITORY, https://HOST/ORGANIZATION or https://HOST/enterprises/SLUG"
    )]
    Url,
    /// The URL's host.
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repository {
    /// A user or an organisation.
    pub owner: String,
    /// The repository's own name.
    pub name: String,
}

impl Repository {
    /// Reads `owner/name`; a trailing slash or `.git` is let go.
    ///
    /// # Errors
    /// [`TargetFault::Repository`].
    pub fn parse(text: &str) -> Result<Repository, TargetFault> {
        let text = text.trim().trim_end_matches('/');
        let (owner, name) = text.split_once('/').ok_or(TargetFault::Repository)?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        if !is_account(owner) || !is_repository(name) {
            return Err(TargetFault::Repository);
        }
        Ok(Repository { owner: owner.into(), name: name.into() })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// How far a registration reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One repository.
    Repository,
    /// Every repository of an organisation that its runner groups allow.
    Organization,
    /// Every organisation of an enterprise that its runner groups allow.
    Enterprise,
}

/// What a runner is registered for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// `owner/name`
    Repository(Repository),
    /// An organisation's login.
    Organization(String),
    /// An enterprise's slug.
    Enterprise(String),
}

impl Target {
    /// Reads a `GITHUB_REPOSITORY`.
    ///
    /// # Errors
    /// [`TargetFault::Repository`].
    pub fn repository(text: &str) -> Result<Target, TargetFault> {
        Repository::parse(text).map(Target::Repository)
    }

    /// Reads an `ORG_NAME`.
    ///
    /// # Errors
    /// [`TargetFault::Organization`].
    pub fn organization(text: &str) -> Result<Target, TargetFault> {
        let name = text.trim().trim_matches('/');
        is_account(name).then(|| Target::Organization(name.into())).ok_or(TargetFault::Organization)
    }

    /// Reads an `ENTERPRISE_NAME`.
    ///
    /// # Errors
    /// [`TargetFault::Enterprise`].
    pub fn enterprise(text: &str) -> Result<Target, TargetFault> {
        let slug = text.trim().trim_matches('/');
        is_repository(slug).then(|| Target::Enterprise(slug.into())).ok_or(TargetFault::Enterprise)
    }

    /// Reads a `REPO_URL` or `RUNNER_URL`: the page of a repository, an organisation or an enterprise.
    ///
    /// # Errors
    /// [`TargetFault::Url`], [`TargetFault::Host`], or that of the shape the URL has.
    pub fn from_url(text: &str) -> Result<(Host, Target), TargetFault> {
        let url = parse_url(text, false)?;
        let path = url.path().trim_matches('/');
        let target = match path.split('/').collect::<Vec<_>>()[..] {
            ["enterprises" | "Enterprises", slug] => Target::enterprise(slug)?,
            ["orgs", name] => Target::organization(name)?,
            [_, _] => Target::repository(path)?,
            [name] if !name.is_empty() => Target::organization(name)?,
            _ => return Err(TargetFault::Url),
        };
        Ok((Host::of(&url), target))
    }

    /// Its scope.
    pub fn scope(&self) -> Scope {
        match self {
            Target::Repository(_) => Scope::Repository,
            Target::Organization(_) => Scope::Organization,
            Target::Enterprise(_) => Scope::Enterprise,
        }
    }

    /// What `config.sh --url` wants: the page of the target.
    pub fn runner_url(&self, host: &Host) -> String {
        match self {
            Target::Repository(repository) => format!("https://{host}/{repository}"),
            Target::Organization(name) => format!("https://{host}/{name}"),
            Target::Enterprise(slug) => format!("https://{host}/enterprises/{slug}"),
        }
    }

    /// What every API path about its runners begins with: `/repos/o/r`, `/orgs/o` or `/enterprises/e`.
    pub fn api_prefix(&self) -> String {
        match self {
            Target::Repository(repository) => format!("/repos/{repository}"),
            Target::Organization(name) => format!("/orgs/{name}"),
            Target::Enterprise(slug) => format!("/enterprises/{slug}"),
        }
    }
}

impl fmt::Display for Target {
    /// `repository o/r`, `organization o`, `enterprise e`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Repository(repository) => write!(f, "repository {repository}"),
            Target::Organization(name) => write!(f, "organization {name}"),
            Target::Enterprise(slug) => write!(f, "enterprise {slug}"),
        }
    }
}

/// A login as GitHub gives them out; managed users have an underscore.
fn is_account(name: &str) -> bool {
    let ordinary = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=100).contains(&name.len()) && name.bytes().all(ordinary)
}

fn is_repository(name: &str) -> bool {
    let ordinary = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=100).contains(&name.len()) && name.bytes().all(ordinary) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_from_names_and_from_pages() {
        let host = Host::default();
        for (target, page, prefix) in [
            (Target::repository("o/r"), "https://github.com/o/r", "/repos/o/r"),
            (
                Target::repository(" My-Org/re.po_1.git/ "),
                "https://github.com/My-Org/re.po_1",
                "/repos/My-Org/re.po_1",
            ),
            (Target::organization("octo-org"), "https://github.com/octo-org", "/orgs/octo-org"),
            (Target::enterprise("big-co"), "https://github.com/enterprises/big-co", "/enterprises/big-co"),
        ] {
            let target = target.expect(page);
            assert_eq!((target.runner_url(&host).as_str(), target.api_prefix().as_str()), (page, prefix));
            let (back_host, back) = Target::from_url(page).expect(page);
            assert_eq!((back_host, back), (host.clone(), target));
        }
        for (url, host, shown) in [
            ("https://GHES.example.com:8443/o/r.git", "ghes.example.com:8443", "repository o/r"),
            ("www.github.com/octo-org/", "github.com", "organization octo-org"),
            ("https://github.com/orgs/octo-org", "github.com", "organization octo-org"),
            ("https://octo.ghe.com/enterprises/e", "octo.ghe.com", "enterprise e"),
        ] {
            let (parsed, target) = Target::from_url(url).expect(url);
            assert_eq!((parsed.as_str(), target.to_string().as_str()), (host, shown), "{url}");
        }
    }

    #[test]
    fn what_is_no_target_is_told_by_kind() {
        for text in ["", "r", "o/", "/r", "o/..", "o/r/x", "o r/x", "o/r?x", "o/%2e%2e", "é/r"] {
            assert_eq!(Target::repository(text), Err(TargetFault::Repository), "{text}");
        }
        for text in ["", "o/r", "o.o", "..", "a b"] {
            assert_eq!(Target::organization(text), Err(TargetFault::Organization), "{text}");
        }
        for text in ["", "e/f", "..", "e?"] {
            assert_eq!(Target::enterprise(text), Err(TargetFault::Enterprise), "{text}");
        }
        for (url, fault) in [
            ("https://github.com", TargetFault::Url),
            ("https://github.com/o/r/actions", TargetFault::Url),
            ("https://github.com/enterprises/e/x", TargetFault::Url),
            ("http://github.com/o/r", TargetFault::Host(HostFault::PlainHttp)),
            ("https://x:y@github.com/o/r", TargetFault::Host(HostFault::Credentials)),
            ("https://github.com/o/r?tab=1", TargetFault::Host(HostFault::Query)),
        ] {
            assert_eq!(Target::from_url(url), Err(fault), "{url}");
        }
    }
}
