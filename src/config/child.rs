//! A child inherits the environment minus every secret and every variable that only configures us.
//!
//! | taken away | why |
//! |---|---|
//! | every secret of the table, its aliases, each with `_FILE`, in any case | a job could read it in its own environment; the runner reads `ACTIONS_RUNNER_INPUT_*` in any case |
//! | every variable that only configures us, and its aliases | a program under test that listens on `METRICS_PORT` or obeys `LOG_LEVEL` would be configured by us |
//! | `DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION` | the listener would write colour codes for its stderr lines into its stdout |
//! | `LC_ALL`, `LC_MESSAGES` that name a charset other than UTF-8 | they win over `LANG`, and the listener would replace what the charset lacks by `?` |
//!
//! | set | why |
//! |---|---|
//! | `ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT` to 0, or to 1 with `RUNNER_PRINT_LOG` | with it every line of the listener appears twice, and text of jobs among them; the official image sets it |
//! | `LANG` to `C.UTF-8`, unless it names UTF-8 already | as above |
//!
//! Everything else passes untouched, the runner's own variables first of all. `FORCE_COLOR` stays although the
//! listener heeds it too: the steps of a job may want it, and colour codes are stripped before a line is understood.

use super::lookup::Lookup;
use super::names;
use super::table::{Variable, describe};
use super::value::{Kind, Value};
use std::ffi::{OsStr, OsString};

const PRINT_LOG: &str = "ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT";
const COLOUR: &str = "DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION";

/// The whole environment of a child: what it inherits and what is set for it.
pub fn child_environment(lookup: &dyn Lookup) -> Vec<(OsString, OsString)> {
    let mut vars = lookup.vars();
    vars.retain(|(name, value)| is_inherited(name, value));
    if !vars.iter().any(|(name, _)| name == "LANG") {
        vars.push(("LANG".into(), "C.UTF-8".into()));
    }
    vars.push((PRINT_LOG.into(), if prints_log(lookup) { "1" } else { "0" }.into()));
    vars
}

fn is_inherited(name: &OsStr, value: &OsStr) -> bool {
    // None of ours is other than ASCII.
    let Some(name) = name.to_str() else { return true };
    match name {
        PRINT_LOG | COLOUR => false,
        "LANG" => charset(value).is_some_and(is_utf8),
        "LC_ALL" | "LC_MESSAGES" => charset(value).is_none_or(is_utf8),
        _ => !describe().iter().any(|variable| withholds(variable, name)),
    }
}

fn withholds(variable: &Variable, name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_suffix("_file").unwrap_or(&lower);
    variable.names().any(|known| {
        let is_secret = variable.secret && known.eq_ignore_ascii_case(plain);
        is_secret || (variable.only_ours && known == name)
    })
}

/// The charset part of a locale, `xx_YY.CHARSET@modifier`, as .NET reads it. `None` means UTF-8 to it.
fn charset(locale: &OsStr) -> Option<&str> {
    let Some(locale) = locale.to_str() else { return Some("") };
    let (_, rest) = locale.split_once('.')?;
    Some(rest.split_once('@').map_or(rest, |(charset, _)| charset))
}

fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// A faulty flag has stopped the supervisor long before a child is made.
fn prints_log(lookup: &dyn Lookup) -> bool {
    let value = lookup.get(names::RUNNER_PRINT_LOG).and_then(|value| value.into_string().ok());
    value.and_then(|text| Kind::Flag.parse(&text)) == Some(Value::Flag(true))
}
