//! What `runner-init check` prints: the whole configuration or every fault, and never a secret.

use super::Loaded;
use super::fault::Faults;
use super::reading::Reading;
use super::table::describe;
use super::value::show_duration;
use crate::domain::budget::Budget;
use std::fmt::Write;

/// One line of the effective configuration.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    name: &'static str,
    value: String,
    remark: String,
}

/// The effective configuration, in the table's order.
pub(super) fn settings(reading: &Reading) -> Vec<Setting> {
    describe().iter().map(|variable| setting(variable.name, reading)).collect()
}

fn setting(name: &'static str, reading: &Reading) -> Setting {
    let Some(value) = reading.show(name) else {
        return Setting { name, value: "(not set)".into(), remark: String::new() };
    };
    let used = reading.used.iter().find(|used| used.name == name);
    let remark = match (used, reading.origin(name)) {
        (_, Some(origin)) => format!(" (derived from {origin})"),
        (Some(used), None) => from(name, &used.var),
        (None, None) => " (default)".into(),
    };
    Setting { name, value, remark }
}

fn from(name: &str, var: &str) -> String {
    if name == var { String::new() } else { format!(" (from {var})") }
}

/// What `check` prints: on success one `NAME=value` line for each variable, the stop budget and the warnings; otherwise
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

fn phases(budget: &Budget) -> [(&'static str, String); 6] {
    let mut drain = show_duration(budget.drain);
    if budget.drain.is_zero() {
        drain.push_str(" (a running job is cancelled at once)");
    }
    [
        ("drain", drain),
        ("stopping", show_duration(budget.stopping)),
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
