//! Validation and defaults that involve more than one variable: what one says may forbid, or decide, what another is.

mod credential;
mod name;
mod place;

use super::job_events;
use super::lookup::Lookup;
use super::otlp::{self, OtlpOptions, TraceOptions};
use super::parsers::show_duration;
use super::registration::{Credential, removes};
use super::resolve::Resolved;
use super::var::Variable;
use super::vars;
use crate::domain::budget::Budget;
use place::Place;
use std::time::Duration;

/// One call and one removal, where GitHub is not slow.
const ENOUGH_TO_DEREGISTER: Duration = Duration::from_secs(2);

/// What only the comparison of variables gives.
pub(super) struct Validated {
    pub(super) credential: Option<Credential>,
    pub(super) place: Place,
    pub(super) budget: Budget,
    pub(super) otlp: Option<OtlpOptions>,
    pub(super) traces: TraceOptions,
}

/// Compares and derives. `None` only where there is a fault.
pub(super) fn validate(resolved: &mut Resolved, lookup: &dyn Lookup) -> Option<Validated> {
    let credential = credential::check(resolved);
    let place = place::check(resolved);
    registration(resolved, credential.as_ref());
    warn_of_odd_labels(resolved);
    name::derive(resolved, lookup, credential.as_ref());
    derive_jobs_log(resolved);
    job_events::check(resolved);
    let budget = stop_budget(resolved, credential.as_ref());
    warn_of_plain_http(resolved, credential.as_ref(), place.as_ref());
    let otlp = otlp::check(resolved, lookup);
    let (otlp, traces) = otlp?;
    Some(Validated { credential, place: place?, budget: budget?, otlp, traces })
}

/// Why nothing of what configures a registration is heeded; `None` where there is one to be made.
fn registration_is_given(resolved: &Resolved) -> Option<&'static str> {
    if resolved.is_on(&vars::RUNNER_SKIP_REGISTRATION) {
        Some("RUNNER_SKIP_REGISTRATION is true, RUNNER_DIR is configured already")
    } else if resolved.is_given(&vars::ACTIONS_RUNNER_INPUT_JITCONFIG) {
        Some("the just-in-time configuration has its own")
    } else {
        None
    }
}

/// What labels, group, ephemeral and the status check have to do with where and how the runner is registered.
fn registration(resolved: &mut Resolved, credential: Option<&Credential>) {
    let configure: [&Variable; 4] =
        [&vars::RUNNER_LABELS, &vars::NO_DEFAULT_LABELS, &vars::RUNNER_GROUP, &vars::RUNNER_REPLACE_EXISTING];
    if let Some(why) = registration_is_given(resolved) {
        for var in configure {
            resolved.ignore(var, why);
        }
    } else if resolved.is_on(&vars::NO_DEFAULT_LABELS) && !resolved.is_given(&vars::RUNNER_LABELS) {
        resolved
            .refuse(&vars::NO_DEFAULT_LABELS, "needs RUNNER_LABELS: a runner without any label gets no job");
    }
    let why = match credential {
        Some(credential) if !credential.can_ask() => Some("it needs GITHUB_TOKEN or a GitHub App"),
        Some(_) | None => registration_is_given(resolved),
    };
    if let Some(why) = why {
        resolved.ignore(&vars::RUNNER_STATUS_CHECK_INTERVAL, why);
    }
    if resolved.get(&vars::RUNNER_EPHEMERAL) == Some(false) {
        resolved.ignore(
            &vars::RUNNER_IDLE_TIMEOUT,
            "only a runner with RUNNER_EPHEMERAL leaves for want of a job",
        );
    }
}

/// What a list written in another way leaves in a label, which then no job asks for.
fn warn_of_odd_labels(resolved: &mut Resolved) {
    const ODD: [(char, &str); 6] =
        [('[', "["), (']', "]"), (';', ";"), ('"', "a quote"), ('\'', "a quote"), (' ', "a blank")];
    let labels = resolved.get(&vars::RUNNER_LABELS).unwrap_or_default();
    let in_labels = |odd: char| labels.iter().any(|label| label.contains(odd));
    let found =
        ODD.iter().find(|(odd, _)| in_labels(*odd)).filter(|_| registration_is_given(resolved).is_none());
    if let Some((_, shown)) = found {
        let says = format!("has {shown} in a label: labels are separated by commas alone, as in gpu,linux");
        resolved.warn(&vars::RUNNER_LABELS, says);
    }
}

/// A secret that can be read on its way; within one machine there is no way.
fn warn_of_plain_http(resolved: &mut Resolved, credential: Option<&Credential>, place: Option<&Place>) {
    const LOCAL: [&str; 3] = ["http://127.", "http://localhost", "http://[::1]"];
    let Some(url) = place.map(|place| place.api_url.as_str()).filter(|url| url.starts_with("http://")) else {
        return;
    };
    if credential.is_some() && !LOCAL.iter().any(|local| url.starts_with(local)) {
        let from: [&Variable; 3] = [&vars::GITHUB_API_URL, &vars::GITHUB_API_HOST, &vars::GITHUB_HOST];
        let from = from.into_iter().find(|var| resolved.is_set(var)).unwrap_or(&vars::RUNNER_URL);
        resolved.warn(from, "sends the credential unencrypted: use https://");
    }
}

/// Crosses grace and drain. `None` if either is faulty, or if they do not fit together: there is a fault then.
fn stop_budget(resolved: &mut Resolved, credential: Option<&Credential>) -> Option<Budget> {
    let keep = resolved.is_on(&vars::DISABLE_AUTOMATIC_DEREGISTRATION);
    let deregisters = removes(credential, resolved.is_on(&vars::RUNNER_SKIP_REGISTRATION), keep);
    if resolved.is_faulty(&vars::RUNNER_STOP_GRACE) || resolved.is_faulty(&vars::RUNNER_DRAIN_TIMEOUT) {
        return None;
    }
    let drain = resolved.get(&vars::RUNNER_DRAIN_TIMEOUT);
    let grace = match drain {
        Some(drain) if !resolved.is_set(&vars::RUNNER_STOP_GRACE) => {
            let grace = Budget::needed_grace(drain, deregisters);
            resolved.warn(&vars::RUNNER_DRAIN_TIMEOUT, unstated_grace(grace));
            resolved.derive_from(&vars::RUNNER_STOP_GRACE, grace, &vars::RUNNER_DRAIN_TIMEOUT);
            grace
        }
        Some(_) | None => resolved.get(&vars::RUNNER_STOP_GRACE)?,
    };
    match Budget::from_grace(grace, deregisters, drain) {
        Ok(budget) => {
            if deregisters && budget.deregistration < ENOUGH_TO_DEREGISTER {
                let says = format!(
                    "leaves {} to remove the runner from GitHub, where it may stay then: raise it, and what the orchestrator waits",
                    show_duration(budget.deregistration)
                );
                resolved.warn(&vars::RUNNER_STOP_GRACE, says);
            }
            resolved.derive(&vars::RUNNER_DRAIN_TIMEOUT, budget.drain);
            Some(budget)
        }
        Err(fault) => {
            let (largest, smallest) =
                (show_duration(fault.largest_drain), show_duration(fault.smallest_grace));
            resolved.refuse(
                &vars::RUNNER_DRAIN_TIMEOUT,
                format!("does not fit into RUNNER_STOP_GRACE: drain at most {largest}, or raise RUNNER_STOP_GRACE to at least {smallest}"),
            );
            None
        }
    }
}

fn unstated_grace(grace: Duration) -> String {
    let seconds = grace.as_secs_f64().ceil();
    format!(
        "needs an orchestrator that waits at least {seconds} seconds between TERM and KILL (docker --stop-timeout, \
         stop_grace_period, terminationGracePeriodSeconds): set RUNNER_STOP_GRACE to what it waits"
    )
}

pub(super) fn derive_jobs_log(resolved: &mut Resolved) {
    let state_dir = resolved.get(&vars::RUNNER_STATE_DIR);
    if let Some(dir) = state_dir.filter(|_| !resolved.is_set(&vars::JOBS_LOG)) {
        resolved.derive(&vars::JOBS_LOG, dir.join("jobs.log"));
    }
}
