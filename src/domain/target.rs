//! A target is where a runner is registered: it is read from text once, and what is not plainly one is refused.

mod address;

pub use address::{Host, base_url, name};

use address::Address;
use std::fmt;

/// Why a text is neither a host nor a target. `Display` says what was expected and repeats nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// No host name, or an impossible one, or an impossible port.
    #[error("expected a host such as github.com or https://ghes.example.com:8443")]
    Host,
    /// Neither HTTP nor HTTPS.
    #[error("expected https:// or http://, or no scheme at all")]
    Scheme,
    /// A user name, a password or a token stands before the host.
    #[error("expected no user name, password or token in the address")]
    UserInfo,
    /// A query or a fragment stands at the end.
    #[error("expected an address without ? and #")]
    Query,
    /// GitHub's own hosts have no path.
    #[error("expected no path after a host of GitHub's own")]
    Path,
    /// Empty, too long, or with other characters.
    #[error("expected names of letters, digits, '.', '_' and '-'")]
    Name,
    /// Not two names with a slash between them.
    #[error("expected OWNER/REPOSITORY")]
    Repository,
    /// The path is none of a repository's, an organisation's or an enterprise's.
    #[error("expected the URL of a repository, an organisation or an enterprise")]
    Url,
}

/// Where a runner is registered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One repository.
    Repository {
        /// A user or an organisation.
        owner: String,
        /// Without `.git`.
        name: String,
    },
    /// All or some repositories of an organisation.
    Organization(String),
    /// All or some organisations of an enterprise, by its slug.
    Enterprise(String),
}

impl Target {
    /// Reads `OWNER/REPOSITORY`.
    ///
    /// # Errors
    /// If there are not two names with a slash between them, or if one is no name.
    pub fn repository(text: &str) -> Result<Target, TargetFault> {
        let (owner, repository) = text.split_once('/').ok_or(TargetFault::Repository)?;
        let repository = repository.strip_suffix(".git").unwrap_or(repository);
        Ok(Target::Repository { owner: name(owner)?, name: name(repository)? })
    }

    /// Takes an organisation's name.
    ///
    /// # Errors
    /// If it is no name.
    pub fn organization(text: &str) -> Result<Target, TargetFault> {
        name(text).map(Target::Organization)
    }

    /// Takes an enterprise's slug.
    ///
    /// # Errors
    /// If it is no name.
    pub fn enterprise(text: &str) -> Result<Target, TargetFault> {
        name(text).map(Target::Enterprise)
    }

    /// Reads the URL of a repository, an organisation (`/NAME`, `/orgs/NAME`) or an enterprise (`/enterprises/NAME`), in
    /// any case, with or without trailing slash or `.git`. A path `known` has before its targets is not part of them.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn from_url(url: &str, known: Option<&Host>) -> Result<(Host, Target), TargetFault> {
        let address = Address::parse(url)?;
        let mut host = address.host();
        let path = known.map_or(address.path.as_slice(), |known| host.adopt(known, &address.path));
        let target = match path {
            [kind, slug] if kind.eq_ignore_ascii_case("enterprises") => Target::enterprise(slug)?,
            [kind, login] if kind.eq_ignore_ascii_case("orgs") => Target::organization(login)?,
            [login] => Target::organization(login)?,
            [owner, repository] => Target::repository(&format!("{owner}/{repository}"))?,
            _ => return Err(TargetFault::Url),
        };
        Ok((host, target))
    }

    /// How far it reaches.
    pub fn scope(&self) -> Scope {
        match self {
            Target::Repository { .. } => Scope::Repository,
            Target::Organization(_) => Scope::Organization,
            Target::Enterprise(_) => Scope::Enterprise,
        }
    }

    /// What `config.sh --url` takes.
    pub fn runner_url(&self, host: &Host) -> String {
        let host = host.url();
        match self {
            Target::Repository { owner, name } => format!("{host}/{owner}/{name}"),
            Target::Organization(name) => format!("{host}/{name}"),
            Target::Enterprise(name) => format!("{host}/enterprises/{name}"),
        }
    }

    /// Its place below the API's base, without slashes around it: `repos/O/R`, `orgs/O`, `enterprises/E`.
    pub fn api_path(&self) -> String {
        match self {
            Target::Repository { owner, name } => format!("repos/{owner}/{name}"),
            Target::Organization(name) => format!("orgs/{name}"),
            Target::Enterprise(name) => format!("enterprises/{name}"),
        }
    }

    /// The account a GitHub App would be installed for.
    pub fn owner(&self) -> &str {
        match self {
            Target::Repository { owner, .. } => owner,
            Target::Organization(name) | Target::Enterprise(name) => name,
        }
    }

    /// Whether this URL, such as the `gitHubUrl` of a kept `.runner`, is this target on that host.
    pub fn same_as(&self, host: &Host, url: &str) -> bool {
        let there = Target::from_url(url, Some(host));
        there.is_ok_and(|(at, target)| at.is_at(host) && target.equals(self))
    }

    /// Whether both are the same to GitHub, which heeds no case.
    pub fn equals(&self, other: &Target) -> bool {
        let same_kind = std::mem::discriminant(self) == std::mem::discriminant(other);
        same_kind && self.api_path().eq_ignore_ascii_case(&other.api_path())
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

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Repository { owner, name } => write!(f, "repository {owner}/{name}"),
            Target::Organization(name) => write!(f, "organisation {name}"),
            Target::Enterprise(name) => write!(f, "enterprise {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn repository(owner: &str, name: &str) -> Target {
        Target::Repository { owner: owner.into(), name: name.into() }
    }

    #[test]
    fn hosts_are_read_row_by_row() {
        // text → shown, API, web
        for (text, shown, api, url) in [
            ("github.com", "github.com", "https://api.github.com", "https://github.com"),
            ("https://GitHub.com/", "github.com", "https://api.github.com", "https://github.com"),
            ("http://github.com", "github.com", "https://api.github.com", "https://github.com"),
            ("www.github.com", "github.com", "https://api.github.com", "https://github.com"),
            ("https://api.github.com", "github.com", "https://api.github.com", "https://github.com"),
            ("github.com:443", "github.com", "https://api.github.com", "https://github.com"),
            (" github.com. ", "github.com", "https://api.github.com", "https://github.com"),
            ("acme.ghe.com", "acme.ghe.com", "https://api.acme.ghe.com", "https://acme.ghe.com"),
            ("api.acme.GHE.com", "acme.ghe.com", "https://api.acme.ghe.com", "https://acme.ghe.com"),
            ("ghe.com", "ghe.com", "https://ghe.com/api/v3", "https://ghe.com"),
            ("evilghe.com", "evilghe.com", "https://evilghe.com/api/v3", "https://evilghe.com"),
            ("ghes.acme.com", "ghes.acme.com", "https://ghes.acme.com/api/v3", "https://ghes.acme.com"),
            (
                "https://ghes.acme.com/api/v3/",
                "ghes.acme.com",
                "https://ghes.acme.com/api/v3",
                "https://ghes.acme.com",
            ),
            ("api.acme.com", "api.acme.com", "https://api.acme.com/api/v3", "https://api.acme.com"),
            ("ghes:8443/git/", "ghes:8443/git", "https://ghes:8443/git/api/v3", "https://ghes:8443/git"),
            (
                "http://fake_github:80",
                "http://fake_github",
                "http://fake_github/api/v3",
                "http://fake_github",
            ),
            (
                "HTTP://127.0.0.1:8080",
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080/api/v3",
                "http://127.0.0.1:8080",
            ),
            ("[::1]:8443", "[::1]:8443", "https://[::1]:8443/api/v3", "https://[::1]:8443"),
            ("[::1]", "[::1]", "https://[::1]/api/v3", "https://[::1]"),
        ] {
            let host = Host::parse(text).expect(text);
            assert_eq!(
                (host.to_string(), host.api_base(), host.url()),
                (shown.into(), api.into(), url.into()),
                "{text}"
            );
        }
        assert_eq!(Host::parse("github.com"), Ok(Host::default()));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (text, fault) in [
            ("", TargetFault::Host),
            ("https://", TargetFault::Host),
            ("https:///o/r", TargetFault::Host),
            ("a..b", TargetFault::Host),
            ("-\u{e4}", TargetFault::Host),
            ("a b", TargetFault::Host),
            ("host:", TargetFault::Host),
            ("host:0", TargetFault::Host),
            ("host:65536", TargetFault::Host),
            ("host:x", TargetFault::Host),
            ("[::1", TargetFault::Host),
            ("[x]:1", TargetFault::Host),
            ("::1", TargetFault::Host),
            ("ssh://github.com", TargetFault::Scheme),
            ("https://user:pw@github.com", TargetFault::UserInfo),
            ("git@github.com:o/r.git", TargetFault::UserInfo),
            ("https://ghes/?token=x", TargetFault::Query),
            ("https://ghes/#x", TargetFault::Query),
            ("https://github.com/o/r", TargetFault::Path),
            ("https://ghes/../x", TargetFault::Name),
            ("https://ghes/a%20b", TargetFault::Name),
        ] {
            assert_eq!(Host::parse(text), Err(fault), "{text}");
        }
        assert_eq!(
            Host::parse(&format!("{}a", "a.".repeat(126))).map(|host| host.to_string().len()),
            Ok(253)
        );
        assert_eq!(Host::parse(&format!("{}aa", "a.".repeat(126))), Err(TargetFault::Host));
    }

    #[test]
    fn urls_are_read_row_by_row() {
        let prefixed = Host::parse("ghes/git").unwrap();
        for (url, known, host, target) in [
            ("https://github.com/o/r", None, "github.com", repository("o", "r")),
            ("github.com/O/R.git/", None, "github.com", repository("O", "R")),
            ("HTTPS://WWW.GITHUB.COM/o", None, "github.com", Target::Organization("o".into())),
            ("https://github.com/orgs/o", None, "github.com", Target::Organization("o".into())),
            ("https://github.com/Enterprises/e", None, "github.com", Target::Enterprise("e".into())),
            ("https://ghes:8443//o//r//", None, "ghes:8443", repository("o", "r")),
            ("https://ghes/git/o/r", Some(&prefixed), "ghes/git", repository("o", "r")),
            ("https://ghes/git/o", Some(&prefixed), "ghes/git", Target::Organization("o".into())),
            ("https://ghes/o/r", Some(&prefixed), "ghes", repository("o", "r")),
            ("https://other/git/o", Some(&prefixed), "other", repository("git", "o")),
        ] {
            let (at, read) = Target::from_url(url, known).expect(url);
            assert_eq!((at.to_string(), read), (host.to_owned(), target), "{url}");
        }
        for (url, fault) in [
            ("https://github.com", TargetFault::Url),
            ("https://github.com/o/r/settings", TargetFault::Url),
            ("https://ghes/git/o/r", TargetFault::Url),
            ("https://github.com/o/.git", TargetFault::Name),
            ("https://x:y@github.com/o", TargetFault::UserInfo),
        ] {
            assert_eq!(Target::from_url(url, None).map(|(_, target)| target), Err(fault), "{url}");
        }
    }

    #[test]
    fn a_base_keeps_its_own_host() {
        for (text, url) in [
            ("api.github.com", "https://api.github.com"),
            ("https://API.github.com/", "https://api.github.com"),
            ("http://127.0.0.1:8080//x/", "http://127.0.0.1:8080/x"),
            ("https://www.acme.com/api/v3", "https://www.acme.com/api/v3"),
        ] {
            assert_eq!(base_url(text), Ok(url.to_owned()));
        }
        assert_eq!(base_url("ftp://x"), Err(TargetFault::Scheme));
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(Target::repository("a.b-c_d/..."), Ok(repository("a.b-c_d", "...")));
        assert_eq!(Target::repository("o"), Err(TargetFault::Repository));
        for text in ["/r", "o/", "o/r/x", "o/..", "o /r", "o/\u{e9}", "o/r\n"] {
            assert_eq!(Target::repository(text), Err(TargetFault::Name), "{text:?}");
        }
        assert_eq!(Target::organization(&"a".repeat(100)), Ok(Target::Organization("a".repeat(100))));
        for text in ["", ".", "a/b", &"a".repeat(101)] {
            assert_eq!(Target::organization(text), Err(TargetFault::Name), "{text:?}");
            assert_eq!(Target::enterprise(text), Err(TargetFault::Name), "{text:?}");
        }
    }

    #[test]
    fn a_target_knows_its_places() {
        let host = Host::parse("ghes:8443/git").unwrap();
        for (target, url, path, owner, shown) in [
            (repository("o", "r"), "https://ghes:8443/git/o/r", "repos/o/r", "o", "repository o/r"),
            (Target::Organization("o".into()), "https://ghes:8443/git/o", "orgs/o", "o", "organisation o"),
            (
                Target::Enterprise("e".into()),
                "https://ghes:8443/git/enterprises/e",
                "enterprises/e",
                "e",
                "enterprise e",
            ),
        ] {
            assert_eq!(target.runner_url(&host), url);
            assert_eq!(target.api_path(), path);
            assert_eq!(target.owner(), owner);
            assert_eq!(target.to_string(), shown);
            assert!(target.same_as(&host, url));
        }
    }

    #[test]
    fn a_kept_registration_is_compared_as_github_would() {
        let target = repository("Owner", "Repo");
        let github = Host::default();
        for (url, same) in [
            ("https://github.com/owner/repo", true),
            ("https://WWW.github.com/OWNER/repo.git/", true),
            ("http://github.com/owner/repo", true),
            ("https://github.com/owner", false),
            ("https://github.com/owner/repo2", false),
            ("https://ghes/owner/repo", false),
            ("https://github.com:8443/owner/repo", false),
            ("", false),
            ("nonsense", false),
        ] {
            assert_eq!(target.same_as(&github, url), same, "{url}");
        }
        assert!(!Target::Organization("x".into()).equals(&Target::Enterprise("x".into())));
    }

    proptest! {
        #[test]
        fn a_host_reads_as_it_shows(text in "(https?://)?[a-z0-9.:/-]{1,20}(\\.ghe\\.com)?(/api/v3)?") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host.clone()), "{}", &host);
                prop_assert_eq!(Host::parse(&host.url()), Ok(host));
            }
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = Host::parse(&text);
            let _ = Target::from_url(&text, None);
        }
    }
}
