//! Variables are crossed here: what one says may forbid, or decide, what another is.

use super::fault::Warning;
use super::lookup::Lookup;
use super::reading::Reading;
use super::value::{NAME_LIMIT, Value, show_duration};
use super::{RunnerType, names};
use crate::domain::budget::Budget;
use std::path::PathBuf;
use std::time::Duration;

/// Compares and derives. The stop budget is `None` only where there is a fault.
pub(super) fn check(
    reading: &mut Reading,
    warnings: &mut Vec<Warning>,
    lookup: &dyn Lookup,
) -> Option<Budget> {
    require_skipped_registration(reading);
    derive_name(reading, lookup);
    derive_jobs_log(reading);
    stop_budget(reading, warnings)
}

/// Whether this build removes a registration as it leaves: it makes none.
const DEREGISTERS: bool = false;

/// This build registers nothing, so it must not be asked to.
fn require_skipped_registration(reading: &mut Reading) {
    if reading.get(names::RUNNER_SKIP_REGISTRATION) == Some(false) {
        reading.refuse(
            names::RUNNER_SKIP_REGISTRATION,
            "registration is not part of this build: set RUNNER_SKIP_REGISTRATION=true and provide a configured RUNNER_DIR",
        );
    }
}

/// Crosses grace and drain. `None` if either is faulty, or if they do not fit together: there is a fault then.
fn stop_budget(reading: &mut Reading, warnings: &mut Vec<Warning>) -> Option<Budget> {
    if [names::RUNNER_STOP_GRACE, names::RUNNER_DRAIN_TIMEOUT].iter().any(|name| reading.is_faulty(name)) {
        return None;
    }
    let drain: Option<Duration> = reading.get(names::RUNNER_DRAIN_TIMEOUT);
    let grace = match drain {
        Some(drain) if !reading.is_set(names::RUNNER_STOP_GRACE) => {
            let grace = Budget::needed_grace(drain, DEREGISTERS);
            warnings.push(unstated_grace(grace));
            reading.derive(names::RUNNER_STOP_GRACE, Value::Duration(grace));
            grace
        }
        Some(_) | None => reading.take(names::RUNNER_STOP_GRACE),
    };
    match Budget::from_grace(grace, DEREGISTERS, drain) {
        Ok(budget) => {
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

fn unstated_grace(grace: Duration) -> Warning {
    let seconds = grace.as_secs_f64().ceil();
    let says = format!(
        "needs an orchestrator that waits at least {seconds} seconds between TERM and KILL (docker --stop-timeout, \
         stop_grace_period, terminationGracePeriodSeconds): set RUNNER_STOP_GRACE to what it waits"
    );
    Warning { var: names::RUNNER_DRAIN_TIMEOUT.into(), says }
}

/// `docker-runner-HOSTNAME`, cut to what GitHub accepts; without a hostname just the prefix.
fn derive_name(reading: &mut Reading, lookup: &dyn Lookup) {
    if reading.is_set(names::RUNNER_NAME) || reading.is_faulty(names::RUNNER_NAME) {
        return;
    }
    let prefix = match flavour(reading) {
        Some(RunnerType::Chrome | RunnerType::ChromeGo) => "chrome-runner",
        Some(RunnerType::Standard) | None => "docker-runner",
    };
    let hostname = lookup.hostname().unwrap_or_default();
    let plain =
        hostname.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' });
    let plain: String = plain.take(NAME_LIMIT - prefix.len() - 1).collect();
    let name = if plain.is_empty() { prefix.to_owned() } else { format!("{prefix}-{plain}") };
    reading.derive(names::RUNNER_NAME, Value::Text(name));
}

fn derive_jobs_log(reading: &mut Reading) {
    let state_dir: Option<PathBuf> = reading.get(names::RUNNER_STATE_DIR);
    if let Some(dir) = state_dir.filter(|_| !reading.is_set(names::JOBS_LOG)) {
        reading.derive(names::JOBS_LOG, Value::Path(dir.join("jobs.log")));
    }
}

/// The image's flavour; `None` if it is faulty.
pub(super) fn flavour(reading: &Reading) -> Option<RunnerType> {
    reading.get(names::RUNNER_TYPE).and_then(|word: String| RunnerType::of(&word))
}
