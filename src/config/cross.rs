//! Variables are crossed here: what one says may forbid, or decide, what another is.

mod credential;
mod name;
mod place;

use super::fault::Warning;
use super::lookup::Lookup;
use super::names;
use super::reading::Reading;
use super::registration::{Credential, removes};
use super::value::{Value, show_duration};
use crate::domain::budget::Budget;
use place::Place;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One call and one removal, where GitHub is not slow.
const ENOUGH_TO_DEREGISTER: Duration = Duration::from_secs(2);

/// What only the comparison of variables gives.
pub(super) struct Crossed {
    pub(super) credential: Option<Credential>,
    pub(super) place: Place,
    pub(super) budget: Budget,
}

/// Compares and derives. `None` only where there is a fault.
pub(super) fn check(
    reading: &mut Reading,
    warnings: &mut Vec<Warning>,
    lookup: &dyn Lookup,
) -> Option<Crossed> {
    let credential = credential::check(reading, warnings);
    let place = place::check(reading, warnings);
    registration(reading, warnings, credential.as_ref());
    warn_of_odd_labels(reading, warnings);
    name::derive(reading, warnings, lookup, credential.as_ref());
    derive_jobs_log(reading);
    let budget = stop_budget(reading, warnings, credential.as_ref());
    warn_of_plain_http(reading, warnings, credential.as_ref(), place.as_ref());
    Some(Crossed { credential, place: place?, budget: budget? })
}

/// A warning that what was set has no effect; none if it was not set, or to what holds anyway.
fn ignored(reading: &Reading, warnings: &mut Vec<Warning>, name: &'static str, why: impl fmt::Display) {
    if reading.is_set(name) && !reading.is_default(name) {
        warnings.push(Warning { var: reading.spelt(name).to_owned(), says: format!("is ignored: {why}") });
    }
}

/// Why nothing of what configures a registration is heeded; `None` where there is one to be made.
fn settled(reading: &Reading) -> Option<&'static str> {
    if reading.get(names::RUNNER_SKIP_REGISTRATION) == Some(true) {
        Some("RUNNER_SKIP_REGISTRATION is true, RUNNER_DIR is configured already")
    } else if reading.is_given(names::JITCONFIG) {
        Some("the just-in-time configuration has its own")
    } else {
        None
    }
}

/// What labels, group, ephemeral and the status check have to do with where and how the runner is registered.
fn registration(reading: &mut Reading, warnings: &mut Vec<Warning>, credential: Option<&Credential>) {
    const CONFIGURE: [&str; 4] =
        [names::RUNNER_LABELS, names::NO_DEFAULT_LABELS, names::RUNNER_GROUP, names::RUNNER_REPLACE_EXISTING];
    if let Some(why) = settled(reading) {
        for name in CONFIGURE {
            ignored(reading, warnings, name, why);
        }
    } else if reading.get(names::NO_DEFAULT_LABELS) == Some(true) && !reading.is_given(names::RUNNER_LABELS) {
        reading
            .refuse(names::NO_DEFAULT_LABELS, "needs RUNNER_LABELS: a runner without any label gets no job");
    }
    let why = match credential {
        Some(credential) if !credential.can_ask() => Some("it needs GITHUB_TOKEN or a GitHub App"),
        Some(_) | None => settled(reading),
    };
    if let Some(why) = why {
        ignored(reading, warnings, names::RUNNER_STATUS_CHECK_INTERVAL, why);
    }
}

/// What a list written in another way leaves in a label, which then no job asks for.
fn warn_of_odd_labels(reading: &Reading, warnings: &mut Vec<Warning>) {
    const ODD: [(char, &str); 6] =
        [('[', "["), (']', "]"), (';', ";"), ('"', "a quote"), ('\'', "a quote"), (' ', "a blank")];
    let labels: Vec<String> = reading.get(names::RUNNER_LABELS).unwrap_or_default();
    let in_labels = |odd: char| labels.iter().any(|label| label.contains(odd));
    let found = ODD.iter().find(|(odd, _)| in_labels(*odd)).filter(|_| settled(reading).is_none());
    if let Some((_, shown)) = found {
        let says = format!("has {shown} in a label: labels are separated by commas alone, as in gpu,linux");
        warnings.push(Warning { var: reading.spelt(names::RUNNER_LABELS).to_owned(), says });
    }
}

/// A secret that can be read on its way; within one machine there is no way.
fn warn_of_plain_http(
    reading: &Reading,
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
        let name = name.into_iter().find(|name| reading.is_set(name)).unwrap_or(names::RUNNER_URL);
        let says = "sends the credential unencrypted: use https://".into();
        warnings.push(Warning { var: reading.spelt(name).to_owned(), says });
    }
}

/// Crosses grace and drain. `None` if either is faulty, or if they do not fit together: there is a fault then.
fn stop_budget(
    reading: &mut Reading,
    warnings: &mut Vec<Warning>,
    credential: Option<&Credential>,
) -> Option<Budget> {
    let is_on = |name| reading.get(name) == Some(true);
    let (skip, keep) =
        (is_on(names::RUNNER_SKIP_REGISTRATION), is_on(names::DISABLE_AUTOMATIC_DEREGISTRATION));
    let deregisters = removes(credential, skip, keep);
    if [names::RUNNER_STOP_GRACE, names::RUNNER_DRAIN_TIMEOUT].iter().any(|name| reading.is_faulty(name)) {
        return None;
    }
    let drain: Option<Duration> = reading.get(names::RUNNER_DRAIN_TIMEOUT);
    let grace = match drain {
        Some(drain) if !reading.is_set(names::RUNNER_STOP_GRACE) => {
            let grace = Budget::needed_grace(drain, deregisters);
            let var = reading.spelt(names::RUNNER_DRAIN_TIMEOUT).to_owned();
            warnings.push(unstated_grace(var, grace));
            reading.derive_from(
                names::RUNNER_STOP_GRACE,
                Value::Duration(grace),
                names::RUNNER_DRAIN_TIMEOUT,
            );
            grace
        }
        Some(_) | None => reading.take(names::RUNNER_STOP_GRACE),
    };
    match Budget::from_grace(grace, deregisters, drain) {
        Ok(budget) => {
            if deregisters && budget.deregistration < ENOUGH_TO_DEREGISTER {
                let says = format!(
                    "leaves {} to remove the runner from GitHub, where it may stay then: raise it, and what the orchestrator waits",
                    show_duration(budget.deregistration)
                );
                let var = reading.spelt(names::RUNNER_STOP_GRACE).to_owned();
                warnings.push(Warning { var, says });
            }
            reading.derive(names::RUNNER_DRAIN_TIMEOUT, Value::Duration(budget.drain));
            Some(budget)
        }
        Err(fault) => {
            let (largest, smallest) =
                (show_duration(fault.largest_drain), show_duration(fault.smallest_grace));
            reading.refuse(
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

fn derive_jobs_log(reading: &mut Reading) {
    let state_dir: Option<PathBuf> = reading.get(names::RUNNER_STATE_DIR);
    if let Some(dir) = state_dir.filter(|_| !reading.is_set(names::JOBS_LOG)) {
        reading.derive(names::JOBS_LOG, Value::Path(dir.join("jobs.log")));
    }
}
