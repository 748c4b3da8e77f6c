//! What `runner-init check` prints: the whole configuration or every fault, and never a secret.

use super::fault::{Faults, printable};
use super::parsers::show_duration;
use super::resolve::Resolved;
use super::var::Variable;
use super::vars::describe;
use super::{Config, Credential, Loaded};
use crate::domain::budget::Budget;
use std::fmt::Write;

/// One line of the effective configuration.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    name: &'static str,
    value: String,
    remark: String,
}

/// The effective configuration, in the table's order; what has no value is left out.
pub(super) fn settings(resolved: &Resolved) -> Vec<Setting> {
    describe().iter().filter_map(|variable| setting(variable, resolved)).collect()
}

fn setting(variable: &Variable, resolved: &Resolved) -> Option<Setting> {
    let value = resolved.shown(variable)?.to_owned();
    let remark = match (resolved.source(variable), resolved.origin(variable)) {
        (_, Some(origin)) => format!(" (derived from {origin})"),
        (Some(source), None) if source.var == variable.name => String::new(),
        (Some(source), None) => format!(" (from {})", source.var),
        (None, None) => " (default)".into(),
    };
    Some(Setting { name: variable.name, value, remark })
}

/// What `check` prints: on success one `NAME=value` line for each variable with a value, the registration, the stop budget and the warnings; otherwise
/// every fault. Ends with a line end.
pub fn render_check(result: &Result<Loaded, Faults>) -> String {
    match result {
        Ok(loaded) => render_loaded(loaded),
        Err(faults) => render_faults(faults),
    }
}

fn render_loaded(loaded: &Loaded) -> String {
    let mut out = String::from("configuration: valid\n\n");
    for Setting { name, value, remark } in &loaded.settings {
        line(&mut out, format_args!("{name}={value}{remark}"));
    }
    line(&mut out, format_args!("\nregistration:"));
    for fact in registration(&loaded.config) {
        line(&mut out, format_args!("  {fact}"));
    }
    line(&mut out, format_args!("\nstop budget, from TERM to the last process gone:"));
    for (phase, length) in phases(&loaded.config.lifecycle.budget) {
        line(&mut out, format_args!("  {phase} {length}"));
    }
    if !loaded.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &loaded.warnings {
        line(&mut out, format_args!("warning: {warning}"));
    }
    out
}

/// Where, as whom, with what, how, and what becomes of it.
fn registration(config: &Config) -> Vec<String> {
    let mut facts = vec![format!("runner {}", printable(&config.runner.name))];
    if let Some(target) = &config.target {
        facts.push(format!("at {} ({target})", target.runner_url(&config.host)));
    }
    match &config.credential {
        Some(credential) if credential.can_ask() => {
            facts.push(format!("with {credential}, API {}", config.api_url));
        }
        Some(credential) => facts.push(format!("with {credential}")),
        None => facts.push("without a credential".into()),
    }
    let how = match &config.credential {
        _ if config.registration.skip => "as RUNNER_DIR is configured already",
        Some(Credential::Jit(_)) => "as the just-in-time configuration says",
        Some(_) | None if config.registration.jit => {
            "by a just-in-time configuration, asked for at each start"
        }
        Some(_) | None => "by config.sh, unless RUNNER_DIR is configured for this target already",
    };
    facts.push(how.into());
    let end = match &config.credential {
        _ if !config.deregisters() => "not removed by us",
        Some(Credential::RegistrationToken(_)) => "removed when the runner leaves, within the token's hour",
        Some(_) | None => "removed when the runner leaves",
    };
    facts.push(end.into());
    facts
}

fn phases(budget: &Budget) -> [(&'static str, String); 9] {
    let ladder = budget.ladder();
    let after = |time| format!("after {}", show_duration(time));
    let mut drain = show_duration(budget.drain);
    if budget.drain.is_zero() {
        drain.push_str(" (a running job is cancelled at once: raise RUNNER_STOP_GRACE, and what the orchestrator waits, to let it end)");
    }
    [
        ("drain", drain),
        ("stopping", show_duration(budget.stopping)),
        ("- INT to its steps", after(ladder.interrupt)),
        ("- TERM", after(ladder.terminate)),
        ("- KILL", after(ladder.kill)),
        ("deregistration", show_duration(budget.deregistration)),
        ("wrap-up", show_duration(budget.wrap_up)),
        ("sweep", show_duration(budget.sweep)),
        ("total", show_duration(budget.total())),
    ]
}

fn render_faults(faults: &Faults) -> String {
    let count = faults.faults.len();
    let mut out = format!("configuration: {count} {}\n\n", if count == 1 { "fault" } else { "faults" });
    line(&mut out, format_args!("{faults}"));
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes every write");
}
