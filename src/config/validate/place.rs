//! One target on one host: every variable that names one must name the same, or `RUNNER_SCOPE` says which is
//! meant.

use super::registration_is_given;
use crate::config::resolve::Resolved;
use crate::config::var::Variable;
use crate::config::vars;
use crate::config::words::ScopeWord;
use crate::domain::target::{Host, Target};

/// Each of these names a target, or part of one.
const NAMING: [&Variable; 5] = [
    &vars::GITHUB_REPOSITORY.about,
    &vars::GITHUB_OWNER.about,
    &vars::ORG_NAME.about,
    &vars::ENTERPRISE_NAME.about,
    &vars::RUNNER_URL.about,
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
enum TargetKind {
    Repository,
    Organization,
    Enterprise,
}

impl TargetKind {
    fn of(word: ScopeWord) -> TargetKind {
        match word {
            ScopeWord::Repo | ScopeWord::Repository => TargetKind::Repository,
            ScopeWord::Org | ScopeWord::Organization | ScopeWord::Organisation => TargetKind::Organization,
            ScopeWord::Enterprise | ScopeWord::Ent => TargetKind::Enterprise,
        }
    }

    fn of_target(target: &Target) -> TargetKind {
        match target {
            Target::Repository { .. } => TargetKind::Repository,
            Target::Organization(_) => TargetKind::Organization,
            Target::Enterprise(_) => TargetKind::Enterprise,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            TargetKind::Repository => "a repository",
            TargetKind::Organization => "an organisation",
            TargetKind::Enterprise => "an enterprise",
        }
    }

    fn variable(self) -> &'static Variable {
        match self {
            TargetKind::Repository => &vars::GITHUB_REPOSITORY,
            TargetKind::Organization => &vars::ORG_NAME,
            TargetKind::Enterprise => &vars::ENTERPRISE_NAME,
        }
    }
}

/// A target and the variable that names it.
type Candidate = (&'static Variable, Target);

/// Reads host, API and target. `None` only where the host is faulty.
pub(super) fn check(resolved: &mut Resolved) -> Option<Place> {
    let from_url = url(resolved);
    let target = match registration_is_given(resolved) {
        Some(why) => {
            for var in NAMING {
                resolved.ignore(var, why);
            }
            None
        }
        None => target(resolved, from_url),
    };
    if matches!(target, Some(Target::Repository { .. })) {
        refuse_group(resolved);
    }
    let host = resolved.get(&vars::GITHUB_HOST)?;
    let api_url = api_url(resolved, &host);
    Some(Place { host, api_url, target })
}

/// The target `RUNNER_URL` names; its host is ours, unless another was set.
fn url(resolved: &mut Resolved) -> Option<Target> {
    let text = resolved.get(&vars::RUNNER_URL)?;
    let stated = resolved.get(&vars::GITHUB_HOST).filter(|_| resolved.is_set(&vars::GITHUB_HOST));
    match Target::from_url(&text, stated.as_ref()) {
        Err(fault) => {
            resolved.refuse(&vars::RUNNER_URL, fault.to_string());
            None
        }
        Ok((host, _)) if stated.as_ref().is_some_and(|stated| !stated.is_at(&host)) => {
            let set = resolved.as_set(&vars::GITHUB_HOST).to_owned();
            resolved.refuse(&vars::RUNNER_URL, format!("is on another host than {set}: keep one"));
            None
        }
        Ok((host, target)) => {
            if !resolved.is_given(&vars::GITHUB_HOST) {
                resolved.derive_from(&vars::GITHUB_HOST, host, &vars::RUNNER_URL);
            }
            Some(target)
        }
    }
}

fn target(resolved: &mut Resolved, from_url: Option<Target>) -> Option<Target> {
    let scope = scope(resolved);
    let mut candidates = candidates(resolved, from_url);
    if let Some(scope) = scope {
        let (meant, others) = candidates.into_iter().partition(|(_, at)| TargetKind::of_target(at) == scope);
        candidates = meant;
        let others: Vec<Candidate> = others;
        for (var, _) in others {
            resolved.ignore(var, format!("RUNNER_SCOPE asks for {}", scope.noun()));
        }
    }
    let is_faulty = NAMING.iter().any(|var| resolved.is_faulty(var));
    let mut candidates = candidates.into_iter();
    let Some((first, target)) = candidates.next() else {
        if !is_faulty {
            refuse_missing(resolved, scope);
        }
        return None;
    };
    for (var, _) in candidates.filter(|(_, other)| !other.equals(&target)) {
        let first = resolved.as_set(first).to_owned();
        resolved.refuse(
            var,
            format!("names another target than {first}: keep one, or say which with RUNNER_SCOPE"),
        );
    }
    Some(target)
}

/// Says what is missing, unless it cannot be known whether anything is.
fn refuse_missing(resolved: &mut Resolved, scope: Option<TargetKind>) {
    if resolved.get(&vars::RUNNER_SKIP_REGISTRATION) != Some(false) || resolved.is_faulty(&vars::RUNNER_SCOPE)
    {
        return;
    }
    match scope {
        Some(scope) => {
            let is_scope = resolved.is_set(&vars::RUNNER_SCOPE);
            let var: &Variable = if is_scope { &vars::RUNNER_SCOPE } else { &vars::ORG_RUNNER };
            resolved.refuse(var, format!("asks for {}: set {}", scope.noun(), scope.variable().name));
        }
        None => resolved.refuse(
            &vars::GITHUB_REPOSITORY,
            "no target: set GITHUB_REPOSITORY=OWNER/REPOSITORY, or ORG_NAME, or ENTERPRISE_NAME, or RUNNER_URL",
        ),
    }
}

fn scope(resolved: &mut Resolved) -> Option<TargetKind> {
    let scope = resolved.get(&vars::RUNNER_SCOPE).map(TargetKind::of);
    if !resolved.is_on(&vars::ORG_RUNNER) {
        return scope;
    }
    if scope.is_some_and(|scope| scope != TargetKind::Organization) {
        resolved.refuse(&vars::ORG_RUNNER, "contradicts RUNNER_SCOPE: keep one");
        return None;
    }
    Some(TargetKind::Organization)
}

/// Every target that is named, in the table's order; an owner alone counts where nothing else does.
fn candidates(resolved: &mut Resolved, from_url: Option<Target>) -> Vec<Candidate> {
    let mut named: Vec<Candidate> = Vec::new();
    let mut add =
        |var: &'static Variable, target: Option<Target>| named.extend(target.map(|target| (var, target)));
    add(&vars::GITHUB_REPOSITORY, repository(resolved));
    add(&vars::ORG_NAME, resolved.get(&vars::ORG_NAME).map(Target::Organization));
    add(&vars::ENTERPRISE_NAME, resolved.get(&vars::ENTERPRISE_NAME).map(Target::Enterprise));
    add(&vars::RUNNER_URL, from_url);
    let Some(owner) = resolved.get(&vars::GITHUB_OWNER) else { return named };
    let mut others = NAMING.into_iter().filter(|var| var.name != vars::GITHUB_OWNER.name);
    if !others.any(|var| resolved.is_given(var)) {
        return vec![(&vars::GITHUB_OWNER, Target::Organization(owner))];
    }
    if let Some((other, _)) = named.iter().find(|(_, target)| !target.owner().eq_ignore_ascii_case(&owner)) {
        let problem = format!("contradicts {}: it has another owner", resolved.as_set(other));
        resolved.refuse(&vars::GITHUB_OWNER, problem);
    }
    named
}

/// `GITHUB_REPOSITORY`, with `GITHUB_OWNER` if it needs one.
fn repository(resolved: &mut Resolved) -> Option<Target> {
    let text = resolved.get(&vars::GITHUB_REPOSITORY)?;
    if text.contains('/') {
        return Target::repository(&text).ok();
    }
    let owner = resolved.get(&vars::GITHUB_OWNER);
    if owner.is_none() {
        resolved.refuse(&vars::GITHUB_REPOSITORY, "expected OWNER/REPOSITORY, or GITHUB_OWNER beside it");
    }
    owner.map(|owner| Target::Repository { owner, name: text })
}

/// The runner would not heed it: a repository's runners are in one group.
fn refuse_group(resolved: &mut Resolved) {
    let group = resolved.get(&vars::RUNNER_GROUP);
    if group.is_some_and(|group| !group.eq_ignore_ascii_case("default")) {
        resolved.ignore(&vars::RUNNER_GROUP, "a repository has no runner groups");
    }
    resolved.forget(&vars::RUNNER_GROUP);
}

/// What was set, in whole or in part, else the host's rule.
fn api_url(resolved: &mut Resolved, host: &Host) -> String {
    let whole = resolved.get(&vars::GITHUB_API_URL);
    let parts = api_parts(resolved, host);
    match (whole, parts) {
        (Some(url), Some(other)) if url != other => {
            let has_host = resolved.is_set(&vars::GITHUB_API_HOST);
            let part = if has_host { &vars::GITHUB_API_HOST } else { &vars::GITHUB_API_PATH };
            let set = resolved.as_set(&vars::GITHUB_API_URL).to_owned();
            resolved.refuse(part, format!("contradicts {set}: keep one"));
            url
        }
        (Some(url), _) => url,
        (None, parts) => {
            let url = parts.unwrap_or_else(|| host.api_base());
            if !resolved.is_faulty(&vars::GITHUB_API_URL) {
                resolved.derive(&vars::GITHUB_API_URL, url.clone());
            }
            url
        }
    }
}

/// The API's host and path, each as set or as the host's rule says. `None` if neither is set.
fn api_parts(resolved: &Resolved, host: &Host) -> Option<String> {
    let stated = resolved.get(&vars::GITHUB_API_HOST);
    let path = resolved.get(&vars::GITHUB_API_PATH);
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
