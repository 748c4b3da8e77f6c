//! One target on one host: every variable that names one must name the same, or `RUNNER_SCOPE` says which is
//! meant.

use super::{ignored, registration_is_given};
use crate::config::fault::Warning;
use crate::config::names;
use crate::config::resolve::Resolved;
use crate::config::value::Value;
use crate::domain::target::{Host, Target};

/// Each of these names a target, or part of one.
const NAMING: [&str; 5] = [
    names::GITHUB_REPOSITORY,
    names::GITHUB_OWNER,
    names::ORG_NAME,
    names::ENTERPRISE_NAME,
    names::RUNNER_URL,
];

/// Where the runner is registered, and where GitHub is asked about it.
pub(in crate::config) struct Place {
    pub(in crate::config) host: Host,
    pub(in crate::config) api_url: String,
    /// `None` where nothing is to be registered.
    pub(in crate::config) target: Option<Target>,
}

/// What `RUNNER_SCOPE` can mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Repository,
    Organization,
    Enterprise,
}

impl Scope {
    fn of(word: &str) -> Scope {
        match word {
            "org" | "organization" | "organisation" => Scope::Organization,
            "ent" | "enterprise" => Scope::Enterprise,
            _ => Scope::Repository,
        }
    }

    fn of_target(target: &Target) -> Scope {
        match target {
            Target::Repository { .. } => Scope::Repository,
            Target::Organization(_) => Scope::Organization,
            Target::Enterprise(_) => Scope::Enterprise,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Scope::Repository => "a repository",
            Scope::Organization => "an organisation",
            Scope::Enterprise => "an enterprise",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Scope::Repository => names::GITHUB_REPOSITORY,
            Scope::Organization => names::ORG_NAME,
            Scope::Enterprise => names::ENTERPRISE_NAME,
        }
    }
}

/// A target and the variable that names it.
type Candidate = (&'static str, Target);

/// Reads host, API and target. `None` only where the host is faulty.
pub(super) fn check(resolved: &mut Resolved, warnings: &mut Vec<Warning>) -> Option<Place> {
    let from_url = url(resolved);
    let target = match registration_is_given(resolved) {
        Some(why) => {
            for name in NAMING {
                ignored(resolved, warnings, name, why);
            }
            None
        }
        None => target(resolved, warnings, from_url),
    };
    if matches!(target, Some(Target::Repository { .. })) {
        refuse_group(resolved, warnings);
    }
    let host: Host = resolved.get(names::GITHUB_HOST)?;
    let api_url = api_url(resolved, &host);
    Some(Place { host, api_url, target })
}

/// The target `RUNNER_URL` names; its host is ours, unless another was set.
fn url(resolved: &mut Resolved) -> Option<Target> {
    let text: String = resolved.get(names::RUNNER_URL)?;
    let stated: Option<Host> =
        resolved.get(names::GITHUB_HOST).filter(|_| resolved.is_set(names::GITHUB_HOST));
    match Target::from_url(&text, stated.as_ref()) {
        Err(fault) => {
            resolved.refuse(names::RUNNER_URL, fault.to_string());
            None
        }
        Ok((host, _)) if stated.as_ref().is_some_and(|stated| !stated.is_at(&host)) => {
            let set = resolved.as_set(names::GITHUB_HOST).to_owned();
            resolved.refuse(names::RUNNER_URL, format!("is on another host than {set}: keep one"));
            None
        }
        Ok((host, target)) => {
            if !resolved.is_given(names::GITHUB_HOST) {
                resolved.derive_from(names::GITHUB_HOST, Value::Host(host), names::RUNNER_URL);
            }
            Some(target)
        }
    }
}

fn target(resolved: &mut Resolved, warnings: &mut Vec<Warning>, from_url: Option<Target>) -> Option<Target> {
    let scope = scope(resolved);
    let mut candidates = candidates(resolved, from_url);
    if let Some(scope) = scope {
        let (meant, others) = candidates.into_iter().partition(|(_, at)| Scope::of_target(at) == scope);
        candidates = meant;
        let others: Vec<Candidate> = others;
        for (name, _) in others {
            ignored(resolved, warnings, name, format!("RUNNER_SCOPE asks for {}", scope.noun()));
        }
    }
    let is_faulty = NAMING.iter().any(|name| resolved.is_faulty(name));
    let mut candidates = candidates.into_iter();
    let Some((first, target)) = candidates.next() else {
        if !is_faulty {
            refuse_missing(resolved, scope);
        }
        return None;
    };
    for (name, _) in candidates.filter(|(_, other)| !other.equals(&target)) {
        let first = resolved.as_set(first).to_owned();
        resolved.refuse(
            name,
            format!("names another target than {first}: keep one, or say which with RUNNER_SCOPE"),
        );
    }
    Some(target)
}

/// Says what is missing, unless it cannot be known whether anything is.
fn refuse_missing(resolved: &mut Resolved, scope: Option<Scope>) {
    if resolved.get(names::RUNNER_SKIP_REGISTRATION) != Some(false) || resolved.is_faulty(names::RUNNER_SCOPE)
    {
        return;
    }
    match scope {
        Some(scope) => {
            let name = if resolved.is_set(names::RUNNER_SCOPE) { names::RUNNER_SCOPE } else { names::ORG_RUNNER };
            resolved.refuse(name, format!("asks for {}: set {}", scope.noun(), scope.variable()));
        }
        None => resolved.refuse(
            names::GITHUB_REPOSITORY,
            "no target: set GITHUB_REPOSITORY=OWNER/REPOSITORY, or ORG_NAME, or ENTERPRISE_NAME, or RUNNER_URL",
        ),
    }
}

fn scope(resolved: &mut Resolved) -> Option<Scope> {
    let word: Option<String> = resolved.get(names::RUNNER_SCOPE);
    let scope = word.map(|word| Scope::of(&word));
    if resolved.get(names::ORG_RUNNER) != Some(true) {
        return scope;
    }
    if scope.is_some_and(|scope| scope != Scope::Organization) {
        resolved.refuse(names::ORG_RUNNER, "contradicts RUNNER_SCOPE: keep one");
        return None;
    }
    Some(Scope::Organization)
}

/// Every target that is named, in the table's order; an owner alone counts where nothing else does.
fn candidates(resolved: &mut Resolved, from_url: Option<Target>) -> Vec<Candidate> {
    let mut named: Vec<Candidate> = Vec::new();
    named.extend(repository(resolved).map(|target| (names::GITHUB_REPOSITORY, target)));
    let name = |name| resolved.get::<String>(name);
    named.extend(name(names::ORG_NAME).map(|name| (names::ORG_NAME, Target::Organization(name))));
    named.extend(name(names::ENTERPRISE_NAME).map(|name| (names::ENTERPRISE_NAME, Target::Enterprise(name))));
    named.extend(from_url.map(|target| (names::RUNNER_URL, target)));
    let Some(owner) = name(names::GITHUB_OWNER) else { return named };
    let others = NAMING.iter().filter(|name| **name != names::GITHUB_OWNER);
    if !others.clone().any(|name| resolved.is_given(name)) {
        return vec![(names::GITHUB_OWNER, Target::Organization(owner))];
    }
    if let Some((other, _)) = named.iter().find(|(_, target)| !target.owner().eq_ignore_ascii_case(&owner)) {
        let problem = format!("contradicts {}: it has another owner", resolved.as_set(other));
        resolved.refuse(names::GITHUB_OWNER, problem);
    }
    named
}

/// `GITHUB_REPOSITORY`, with `GITHUB_OWNER` if it needs one.
fn repository(resolved: &mut Resolved) -> Option<Target> {
    let text: String = resolved.get(names::GITHUB_REPOSITORY)?;
    if text.contains('/') {
        return Target::repository(&text).ok();
    }
    let owner: Option<String> = resolved.get(names::GITHUB_OWNER);
    if owner.is_none() {
        resolved.refuse(names::GITHUB_REPOSITORY, "expected OWNER/REPOSITORY, or GITHUB_OWNER beside it");
    }
    owner.map(|owner| Target::Repository { owner, name: text })
}

/// The runner would not heed it: a repository's runners are in one group.
fn refuse_group(resolved: &mut Resolved, warnings: &mut Vec<Warning>) {
    let group: Option<String> = resolved.get(names::RUNNER_GROUP);
    if group.is_some_and(|group| !group.eq_ignore_ascii_case("default")) {
        ignored(resolved, warnings, names::RUNNER_GROUP, "a repository has no runner groups");
    }
    resolved.forget(names::RUNNER_GROUP);
}

/// What was set, in whole or in part, else the host's rule.
fn api_url(resolved: &mut Resolved, host: &Host) -> String {
    let whole: Option<String> = resolved.get(names::GITHUB_API_URL);
    let parts = api_parts(resolved, host);
    match (whole, parts) {
        (Some(url), Some(other)) if url != other => {
            let part = [names::GITHUB_API_HOST, names::GITHUB_API_PATH];
            let part = part.into_iter().find(|name| resolved.is_set(name)).expect("one of them was set");
            let set = resolved.as_set(names::GITHUB_API_URL).to_owned();
            resolved.refuse(part, format!("contradicts {set}: keep one"));
            url
        }
        (Some(url), _) => url,
        (None, parts) => {
            let url = parts.unwrap_or_else(|| host.api_base());
            if !resolved.is_faulty(names::GITHUB_API_URL) {
                resolved.derive(names::GITHUB_API_URL, Value::Text(url.clone()));
            }
            url
        }
    }
}

/// The API's host and path, each as set or as the host's rule says. `None` if neither is set.
fn api_parts(resolved: &Resolved, host: &Host) -> Option<String> {
    let stated: Option<String> = resolved.get(names::GITHUB_API_HOST);
    let path: Option<String> = resolved.get(names::GITHUB_API_PATH);
    if stated.is_none() && path.is_none() {
        return None;
    }
    let base = stated.unwrap_or_else(|| host.api_base());
    let (authority, own) = split(&base);
    let is_hosted = Host::parse(authority).is_ok_and(|host| host.is_hosted());
    let path = match path {
        Some(path) => path,
        None if own.is_empty() && !is_hosted => "/api/v3".into(),
        None => own.to_owned(),
    };
    Some(format!("{authority}{}", path.trim_end_matches('/')))
}

/// `https://HOST` and `/PATH`.
fn split(base: &str) -> (&str, &str) {
    let start = base.find("://").map_or(0, |at| at + 3);
    let end = base[start..].find('/').map_or(base.len(), |at| start + at);
    base.split_at(end)
}
