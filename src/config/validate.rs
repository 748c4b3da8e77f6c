//! Validation and defaults that involve more than one variable: what one says may forbid, or decide, what another is.

mod credential;
mod name;
mod place;

use super::fault::Warning;
use super::lookup::Lookup;
use super::names;
use super::registration::{Credential, removes};
use super::resolve::Resolved;
use super::value::{Value, show_duration};
use crate::domain::budget::Budget;
use place::Place;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One call and one removal, where GitHub is not slow.
const ENOUGH_TO_DEREGISTER: Duration = Duration::from_secs(2);

/// What only the comparison of variables gives.
pub(super) struct Validated {
    pub(super) credential: Option<Credential>,
    pub(super) place: Place,
    pub(super) budget: Budget,
}

/// Compares and derives. `None` only where there is a fault.
pub(super) fn validate(
    resolved: &mut Resolved,
    warnings: &mut Vec<Warning>,
    lookup: &dyn Lookup,
) -> Option<Validated> {
    let credential = credential::check(resolved, warnings);
    let place = place::check(resolved, warnings);
    registration(resolved, warnings, credential.as_ref());
    warn_of_odd_labels(resolved, warnings);
    name::derive(resolved, warnings, lookup, credential.as_ref());
    derive_jobs_log(resolved);
    let budget = stop_budget(resolved, warnings, credential.as_ref());
    warn_of_plain_http(resolved, warnings, credential.as_ref(), place.as_ref());
    Some(Validated { credential, place: place?, budget: budget? })
}

/// A warning that what was set has no effect; none if it was not set, or to what holds anyway.
fn ignored(resolved: &Resolved, warnings: &mut Vec<Warning>, name: &'static str, why: impl fmt::Display) {
    if resolved.is_set(name) && !resolved.is_default(name) {
        warnings.push(Warning { var: resolved.as_set(name).to_owned(), says: format!("is ignored: {why}") });
    }
}

/// Why nothing of what configures a registration is heeded; `None` where there is one to be made.
fn registration_is_given(resolved: &Resolved) -> Option<&'static str> {
    if resolved.get(names::RUNNER_SKIP_REGISTRATION) == Some(true) {
        Some("RUNNER_SKIP_REGISTRATION is true, RUNNER_DIR is configured already")
    } else if resolved.is_given(names::JITCONFIG) {
        Some("the just-in-time configuration has its own")
    } else {
        None
    }
}

/// What labels, group, ephemeral and the status check have to do with where and how the runner is registered.
fn registration(resolved: &mut Resolved, warnings: &mut Vec<Warning>, credential: Option<&Credential>) {
    const CONFIGURE: [&str; 4] =
        [names::RUNNER_LABELS, names::NO_DEFAULT_LABELS, names::RUNNER_GROUP, names::RUNNER_REPLACE_EXISTING];
    if let Some(why) = registration_is_given(resolved) {
        for name in CONFIGURE {
            ignored(resolved, warnings, name, why);
        }
    } else if resolved.get(names::NO_DEFAULT_LABELS) == Some(true) && !resolved.is_given(names::RUNNER_LABELS)
    {
        resolved
            .refuse(names::NO_DEFAULT_LABELS, "needs RUNNER_LABELS: a runner without any label gets no job");
    }
    let why = match credential {
        Some(credential) if !credential.can_ask() => Some("it needs GITHUB_TOKEN or a GitHub App"),
        Some(_) | None => registration_is_given(resolved),
    };
    if let Some(why) = why {
        ignored(resolved, warnings, names::RUNNER_STATUS_CHECK_INTERVAL, why);
    }
}

/// What a list written in another way leaves in a label, which then no job asks for.
fn warn_of_odd_labels(resolved: &Resolved, warnings: &mut Vec<Warning>) {
    const ODD: [(char, &str); 6] =
        [('[', "["), (']', "]"), (';', ";"), ('"', "a quote"), ('\'', "a quote"), (' ', "a blank")];
    let labels: Vec<String> = resolved.get(names::RUNNER_LABELS).unwrap_or_default();
    let in_labels = |odd: char| labels.iter().any(|label| label.contains(odd));
    let found =
        ODD.iter().find(|(odd, _)| in_labels(*odd)).filter(|_| registration_is_given(resolved).is_none());
    if let Some((_, shown)) = found {
        let says = format!("has {shown} in a label: labels are separated by commas alone, as in gpu,linux");
        warnings.push(Warning { var: resolved.as_set(names::RUNNER_LABELS).to_owned(), says });
    }
}

/// A secret that can be read on its way; within one machine there is no way.
fn warn_of_plain_http(
    resolved: &Resolved,
    warnings: &mut Vec<Warning>,
    credential: Option<&Credential>,
    place: Option<&Place>,
) {
    const LOCAL: [&str; 3] = ["http://127.", "http://localhost", "http://[::1]"];
    let Some(url) = place.map(|place| place.api_url.as_str()).filter(|url| url.starts_with("http://")) else {
        return;
    };
    if credential.is_some() && !LOCAL.iter().any(|local| url.starts_with(local)) {
        let name = [names::GITHUB_API_URL, names::GITHUB_API_HOST, names::GITHUB_HOST];
        let name = name.into_iter().find(|name| resolved.is_set(name)).unwrap_or(names::RUNNER_URL);
        let says = "sends the credential unencrypted: use https://".into();
        warnings.push(Warning { var: resolved.as_set(name).to_owned(), says });
    }
}

/// Crosses grace and drain. `None` if either is faulty, or if they do not fit together: there is a fault then.
fn stop_budget(
    resolved: &mut Resolved,
    warnings: &mut Vec<Warning>,
    credential: Option<&Credential>,
) -> Option<Budget> {
    let is_on = |name| resolved.get(name) == Some(true);
    let (skip, keep) =
        (is_on(names::RUNNER_SKIP_REGISTRATION), is_on(names::DISABLE_AUTOMATIC_DEREGISTRATION));
    let deregisters = removes(credential, skip, keep);
    if [names::RUNNER_STOP_GRACE, names::RUNNER_DRAIN_TIMEOUT].iter().any(|name| resolved.is_faulty(name)) {
        return None;
    }
    let drain: Option<Duration> = resolved.get(names::RUNNER_DRAIN_TIMEOUT);
    let grace = match drain {
        Some(drain) if !resolved.is_set(names::RUNNER_STOP_GRACE) => {
            let grace = Budget::needed_grace(drain, deregisters);
            let var = resolved.as_set(names::RUNNER_DRAIN_TIMEOUT).to_owned();
            warnings.push(unstated_grace(var, grace));
            resolved.derive_from(
                names::RUNNER_STOP_GRACE,
                Value::Duration(grace),
                names::RUNNER_DRAIN_TIMEOUT,
            );
            grace
        }
        Some(_) | None => resolved.take(names::RUNNER_STOP_GRACE),
    };
    match Budget::from_grace(grace, deregisters, drain) {
        Ok(budget) => {
            if deregisters && budget.deregistration < ENOUGH_TO_DEREGISTER {
                let says = format!(
                    "leaves {} to remove the runner from GitHub, where it may stay then: raise it, and what the orchestrator waits",
                    show_duration(budget.deregistration)
                );
                let var = resolved.as_set(names::RUNNER_STOP_GRACE).to_owned();
                warnings.push(Warning { var, says });
            }
            resolved.derive(names::RUNNER_DRAIN_TIMEOUT, Value::Duration(budget.drain));
            Some(budget)
        }
        Err(fault) => {
            let (largest, smallest) =
                (show_duration(fault.largest_drain), show_duration(fault.smallest_grace));
            resolved.refuse(
                names::RUNNER_DRAIN_TIMEOUT,
                format!("does not fit into RUNNER_STOP_GRACE: drain at most {largest}, or raise RUNNER_STOP_GRACE to at least {smallest}"),
            );
            None
        }
    }
}

fn unstated_grace(var: String, grace: Duration) -> Warning {
    let seconds = grace.as_secs_f64().ceil();
    let says = format!(
        "needs an orchestrator that waits at least {seconds} seconds between TERM and KILL (docker --stop-timeout, \
         stop_grace_period, terminationGracePeriodSeconds): set RUNNER_STOP_GRACE to what it waits"
    );
    Warning { var, says }
}

fn derive_jobs_log(resolved: &mut Resolved) {
    let state_dir: Option<PathBuf> = resolved.get(names::RUNNER_STATE_DIR);
    if let Some(dir) = state_dir.filter(|_| !resolved.is_set(names::JOBS_LOG)) {
        resolved.derive(names::JOBS_LOG, Value::Path(dir.join("jobs.log")));
    }
}
