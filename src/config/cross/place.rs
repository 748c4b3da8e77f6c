//! One target on one host: every variable that names one must name the same, or `RUNNER_SCOPE` says which is
//! meant.

use super::{ignored, settled};
use crate::config::fault::Warning;
use crate::config::names;
use crate::config::reading::Reading;
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
pub(super) fn check(reading: &mut Reading, warnings: &mut Vec<Warning>) -> Option<Place> {
    let from_url = url(reading);
    let target = match settled(reading) {
        Some(why) => {
            for name in NAMING {
                ignored(reading, warnings, name, why);
            }
            None
        }
        None => target(reading, warnings, from_url),
    };
    if matches!(target, Some(Target::Repository { .. })) {
        refuse_group(reading, warnings);
    }
    let host: Host = reading.get(names::GITHUB_HOST)?;
    let api_url = api_url(reading, &host);
    Some(Place { host, api_url, target })
}

/// The target `RUNNER_URL` names; its host is ours, unless another was set.
fn url(reading: &mut Reading) -> Option<Target> {
    let text: String = reading.get(names::RUNNER_URL)?;
    let stated: Option<Host> = reading.get(names::GITHUB_HOST).filter(|_| reading.is_set(names::GITHUB_HOST));
    match Target::from_url(&text, stated.as_ref()) {
        Err(fault) => {
            reading.refuse(names::RUNNER_URL, fault.to_string());
            None
        }
        Ok((host, _)) if stated.as_ref().is_some_and(|stated| !stated.is_at(&host)) => {
            let set = reading.spelt(names::GITHUB_HOST).to_owned();
            reading.refuse(names::RUNNER_URL, format!("is on another host than {set}: keep one"));
            None
        }
        Ok((host, target)) => {
            if !reading.is_given(names::GITHUB_HOST) {
                reading.derive_from(names::GITHUB_HOST, Value::Host(host), names::RUNNER_URL);
            }
            Some(target)
        }
    }
}

fn target(reading: &mut Reading, warnings: &mut Vec<Warning>, from_url: Option<Target>) -> Option<Target> {
    let scope = scope(reading);
    let mut candidates = candidates(reading, from_url);
    if let Some(scope) = scope {
        let (meant, others) = candidates.into_iter().partition(|(_, at)| Scope::of_target(at) == scope);
        candidates = meant;
        let others: Vec<Candidate> = others;
        for (name, _) in others {
            ignored(reading, warnings, name, format!("RUNNER_SCOPE asks for {}", scope.noun()));
        }
    }
    let is_faulty = NAMING.iter().any(|name| reading.is_faulty(name));
    let mut candidates = candidates.into_iter();
    let Some((first, target)) = candidates.next() else {
        if !is_faulty {
            refuse_missing(reading, scope);
        }
        return None;
    };
    for (name, _) in candidates.filter(|(_, other)| !other.equals(&target)) {
        let first = reading.spelt(first).to_owned();
        reading.refuse(
            name,
            format!("names another target than {first}: keep one, or say which with RUNNER_SCOPE"),
        );
    }
    Some(target)
}

/// Says what is missing, unless it cannot be known whether anything is.
fn refuse_missing(reading: &mut Reading, scope: Option<Scope>) {
    if reading.get(names::RUNNER_SKIP_REGISTRATION) != Some(false) || reading.is_faulty(names::RUNNER_SCOPE) {
        return;
    }
    match scope {
        Some(scope) => {
            let name = if reading.is_set(names::RUNNER_SCOPE) { names::RUNNER_SCOPE } else { names::ORG_RUNNER };
            reading.refuse(name, format!("asks for {}: set {}", scope.noun(), scope.variable()));
        }
        None => reading.refuse(
            names::GITHUB_REPOSITORY,
            "no target: set GITHUB_REPOSITORY=OWNER/REPOSITORY, or ORG_NAME, or ENTERPRISE_NAME, or RUNNER_URL",
        ),
    }
}

fn scope(reading: &mut Reading) -> Option<Scope> {
    let word: Option<String> = reading.get(names::RUNNER_SCOPE);
    let scope = word.map(|word| Scope::of(&word));
    if reading.get(names::ORG_RUNNER) != Some(true) {
        return scope;
    }
    if scope.is_some_and(|scope| scope != Scope::Organization) {
        reading.refuse(names::ORG_RUNNER, "contradicts RUNNER_SCOPE: keep one");
        return None;
    }
    Some(Scope::Organization)
}

/// Every target that is named, in the table's order; an owner alone counts where nothing else does.
fn candidates(reading: &mut Reading, from_url: Option<Target>) -> Vec<Candidate> {
    let mut named: Vec<Candidate> = Vec::new();
    named.extend(repository(reading).map(|target| (names::GITHUB_REPOSITORY, target)));
    let name = |name| reading.get::<String>(name);
    named.extend(name(names::ORG_NAME).map(|name| (names::ORG_NAME, Target::Organization(name))));
    named.extend(name(names::ENTERPRISE_NAME).map(|name| (names::ENTERPRISE_NAME, Target::Enterprise(name))));
    named.extend(from_url.map(|target| (names::RUNNER_URL, target)));
    let Some(owner) = name(names::GITHUB_OWNER) else { return named };
    let others = NAMING.iter().filter(|name| **name != names::GITHUB_OWNER);
    if !others.clone().any(|name| reading.is_given(name)) {
        return vec![(names::GITHUB_OWNER, Target::Organization(owner))];
    }
    if let Some((other, _)) = named.iter().find(|(_, target)| !target.owner().eq_ignore_ascii_case(&owner)) {
        let problem = format!("contradicts {}: it has another owner", reading.spelt(other));
        reading.refuse(names::GITHUB_OWNER, problem);
    }
    named
}

/// `GITHUB_REPOSITORY`, with `GITHUB_OWNER` if it needs one.
fn repository(reading: &mut Reading) -> Option<Target> {
    let text: String = reading.get(names::GITHUB_REPOSITORY)?;
    if text.contains('/') {
        return Target::repository(&text).ok();
    }
    let owner: Option<String> = reading.get(names::GITHUB_OWNER);
    if owner.is_none() {
        reading.refuse(names::GITHUB_REPOSITORY, "expected OWNER/REPOSITORY, or GITHUB_OWNER beside it");
    }
    owner.map(|owner| Target::Repository { owner, name: text })
}

/// The runner would not heed it: a repository's runners are in one group.
fn refuse_group(reading: &mut Reading, warnings: &mut Vec<Warning>) {
    let group: Option<String> = reading.get(names::RUNNER_GROUP);
    if group.is_some_and(|group| !group.eq_ignore_ascii_case("default")) {
        ignored(reading, warnings, names::RUNNER_GROUP, "a repository has no runner groups");
    }
    reading.forget(names::RUNNER_GROUP);
}

/// What was set, in whole or in part, else the host's rule.
fn api_url(reading: &mut Reading, host: &Host) -> String {
    let whole: Option<String> = reading.get(names::GITHUB_API_URL);
    let parts = api_parts(reading, host);
    match (whole, parts) {
        (Some(url), Some(other)) if url != other => {
            let part = [names::GITHUB_API_HOST, names::GITHUB_API_PATH];
            let part = part.into_iter().find(|name| reading.is_set(name)).expect("one of them was set");
            let set = reading.spelt(names::GITHUB_API_URL).to_owned();
            reading.refuse(part, format!("contradicts {set}: keep one"));
            url
        }
        (Some(url), _) => url,
        (None, parts) => {
            let url = parts.unwrap_or_else(|| host.api_base());
            if !reading.is_faulty(names::GITHUB_API_URL) {
                reading.derive(names::GITHUB_API_URL, Value::Text(url.clone()));
            }
            url
        }
    }
}

/// The API's host and path, each as set or as the host's rule says. `None` if neither is set.
fn api_parts(reading: &Reading, host: &Host) -> Option<String> {
    let stated: Option<String> = reading.get(names::GITHUB_API_HOST);
    let path: Option<String> = reading.get(names::GITHUB_API_PATH);
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
