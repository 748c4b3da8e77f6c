//! Resolution of variables: all names of one are read, then one wins, the first in the table's order, unless two that are
//! set disagree.

use super::fault::{Fault, Source, Warning, printable};
use super::lookup::{Lookup, SECRET_FILE_LIMIT};
use super::parsers::{self, Parsed};
use super::shown::Shown;
use super::var::{Fallback, Var, Variable};
use super::vars::{TABLE, describe};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use zeroize::Zeroizing;

/// Every variable of the table, read: its value, where that came from, and what was wrong.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    values: BTreeMap<&'static str, Value>,
    /// What was set and won, in table order.
    pub(super) sources: Vec<Source>,
    /// What is probably not meant so.
    pub(super) warnings: Vec<Warning>,
    faults: Vec<(&'static str, Fault)>,
}

/// A value that holds. A [`Var`] alone puts it in and takes it out, so that it is of its type.
#[derive(Debug)]
pub(super) struct Value {
    held: Box<dyn Any>,
    shown: String,
    /// The variable that decided it, as that was set.
    origin: Option<String>,
}

impl Value {
    fn of<T: Shown>(value: T) -> Value {
        Value { shown: printable(&value.shown()), held: Box::new(value), origin: None }
    }

    fn get<T: Shown>(&self) -> Option<&T> {
        self.held.downcast_ref()
    }

    /// As `check` prints it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

/// A variable whose type is of no interest: a row of the table.
pub(super) trait VarRow: Sync {
    /// All that is known of it without its type.
    fn about(&self) -> &Variable;

    /// The value, or what was expected.
    fn parse(&self, text: &str) -> Parsed<Value>;

    /// Whether two names say the same.
    fn is_same(&self, one: &Value, other: &Value) -> bool;
}

impl<T: Shown> VarRow for Var<T> {
    fn about(&self) -> &Variable {
        self
    }

    fn parse(&self, text: &str) -> Parsed<Value> {
        (self.parse)(text).map(Value::of)
    }

    fn is_same(&self, one: &Value, other: &Value) -> bool {
        one.get::<T>() == other.get::<T>()
    }
}

/// What holds of a variable that is not set; `None` if that is nothing, or depends on others.
fn when_unset(row: &dyn VarRow) -> Option<Value> {
    let Fallback::Value(text) = row.about().fallback else { return None };
    Some(row.parse(text).expect("a test parses every default"))
}

/// What one variable is set to, and whether it is, whatever the others say: its default if it is set wrongly.
pub(super) fn alone<T: Shown>(var: &Var<T>, lookup: &dyn Lookup) -> (Option<T>, bool) {
    let won = winner(var, lookup).unwrap_or_default();
    let is_set = won.is_some();
    let held = won.map(|(_, held)| held).or_else(|| when_unset(var));
    (held.and_then(|held| held.get().cloned()), is_set)
}

impl Resolved {
    /// Reads the whole table.
    pub(super) fn of(lookup: &dyn Lookup) -> Resolved {
        let mut resolved = Resolved::default();
        for &row in TABLE {
            let name = row.about().name;
            match winner(row, lookup) {
                Ok(Some((var, held))) => {
                    let alias = var.strip_suffix("_FILE").unwrap_or(&var) != name;
                    resolved.sources.push(Source { var, name, alias });
                    resolved.values.insert(name, held);
                }
                Ok(None) => resolved.values.extend(when_unset(row).map(|held| (name, held))),
                Err(faults) => resolved.faults.extend(faults.into_iter().map(|fault| (name, fault))),
            }
        }
        resolved
    }

    /// The value set or its default; `None` if there is neither, or if it was faulty.
    pub(super) fn get<T: Shown>(&self, var: &Var<T>) -> Option<T> {
        self.values.get(var.name)?.get().cloned()
    }

    /// Whether a flag is on.
    pub(super) fn is_on(&self, flag: &Var<bool>) -> bool {
        self.get(flag) == Some(true)
    }

    /// What `check` shows for this variable.
    pub(super) fn shown(&self, var: &Variable) -> Option<&str> {
        self.values.get(var.name).map(Value::shown)
    }

    /// Fills in what depends on other variables.
    pub(super) fn derive<T: Shown>(&mut self, var: &Var<T>, value: T) {
        self.values.insert(var.name, Value::of(value));
    }

    /// As [`Resolved::derive`], and `check` says from which variable it was.
    pub(super) fn derive_from<T: Shown>(&mut self, var: &Var<T>, value: T, from: &Variable) {
        let origin = Some(self.as_set(from).to_owned());
        self.values.insert(var.name, Value { origin, ..Value::of(value) });
    }

    /// Takes a value away that has no meaning here.
    pub(super) fn forget(&mut self, var: &Variable) {
        self.values.remove(var.name);
    }

    /// The variable a value that was not set comes from.
    pub(super) fn origin(&self, var: &Variable) -> Option<&str> {
        self.values.get(var.name)?.origin.as_deref()
    }

    /// What it was set by, if it was set rightly.
    pub(super) fn source(&self, var: &Variable) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == var.name)
    }

    /// The variable as it was set; its own name if it was not, or wrongly.
    pub(super) fn as_set(&self, var: &Variable) -> &str {
        self.source(var).map_or(var.name, |source| &source.var)
    }

    /// Whether any of its names was set, rightly or wrongly.
    pub(super) fn is_given(&self, var: &Variable) -> bool {
        self.is_set(var) || self.is_faulty(var)
    }

    /// Whether any of its names was set, and rightly.
    pub(super) fn is_set(&self, var: &Variable) -> bool {
        self.source(var).is_some()
    }

    /// Whether any of its names was set wrongly.
    pub(super) fn is_faulty(&self, var: &Variable) -> bool {
        self.faults.iter().any(|(name, _)| *name == var.name)
    }

    /// Adds a fault found by comparing variables.
    pub(super) fn refuse(&mut self, var: &Variable, problem: impl Into<String>) {
        let fault = Fault { var: self.as_set(var).to_owned(), problem: problem.into() };
        self.faults.push((var.name, fault));
    }

    /// Adds a warning, a sentence that begins with the variable.
    pub(super) fn warn(&mut self, var: &Variable, says: impl Into<String>) {
        self.warnings.push(Warning { var: self.as_set(var).to_owned(), says: says.into() });
    }

    /// Warns that what was set has no effect, unless it was not set, or to what holds anyway.
    pub(super) fn ignore(&mut self, var: &Variable, why: impl Display) {
        let is_default = matches!(var.fallback, Fallback::Value(text) if self.shown(var) == Some(text));
        if self.is_set(var) && !is_default {
            self.warn(var, format!("is ignored: {why}"));
        }
    }

    /// Every fault so far, in table order.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let rows = describe().iter();
        let faults = rows.flat_map(|var| self.faults.iter().filter(|(name, _)| *name == var.name));
        faults.map(|(_, fault)| fault.clone()).collect()
    }
}

/// Reads every name of one variable: the name as it was set, `_FILE` included, and what it says. `Ok(None)` if none is set.
fn winner(row: &dyn VarRow, lookup: &dyn Lookup) -> Result<Option<(String, Value)>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut candidates = Vec::new();
    for name in row.about().names() {
        match candidate(row, name, lookup) {
            Ok(candidate) => candidates.extend(candidate),
            Err(fault) => faults.push(fault),
        }
    }
    let mut candidates = candidates.into_iter();
    let first = candidates.next();
    if let Some((var, held)) = &first {
        faults.extend(candidates.filter(|(_, other)| !row.is_same(held, other)).map(|(other, _)| Fault {
            var: var.clone(),
            problem: format!("contradicts {other}: both are set and they differ, keep one"),
        }));
    }
    if faults.is_empty() { Ok(first) } else { Err(faults) }
}

fn candidate(row: &dyn VarRow, name: &str, lookup: &dyn Lookup) -> Result<Option<(String, Value)>, Fault> {
    let set = text(name, lookup)?;
    let is_secret = row.about().secret;
    let set = if is_secret { from_file(name, set, lookup)? } else { set.map(|t| (name.to_owned(), t)) };
    let Some((var, text)) = set else { return Ok(None) };
    // Wiped once parsed: the value that is kept of a secret is another copy.
    let text = Zeroizing::new(text);
    if text.is_empty() {
        return Ok(None);
    }
    if !row.about().quotable && is_quoted(&text) {
        let problem = "has quotes around it, which are part of the value: write it without (docker run --env-file keeps them)";
        return Err(Fault { var, problem: problem.into() });
    }
    match row.parse(&text) {
        Ok(held) => Ok(Some((var, held))),
        Err(expected) => Err(Fault { var, problem: expected + hint(&text) }),
    }
}

/// The same quote stands at both ends.
pub(super) fn is_quoted(text: &str) -> bool {
    let text = text.trim();
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

/// A Service called `metrics` makes Kubernetes set `METRICS_PORT` to a URL in every pod of its namespace.
fn hint(text: &str) -> &'static str {
    let is_link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    if is_link {
        " (Kubernetes sets it for a Service of that name: set enableServiceLinks: false)"
    } else {
        ""
    }
}

fn text(name: &str, lookup: &dyn Lookup) -> Result<Option<String>, Fault> {
    let fault = |_| Fault { var: name.into(), problem: "not valid UTF-8".into() };
    lookup.get(name).map(|value| value.into_string().map_err(fault)).transpose()
}

/// A secret from `NAME`, already read, or from the file `NAME_FILE` names; with the name that was set.
fn from_file(
    name: &str,
    set: Option<String>,
    lookup: &dyn Lookup,
) -> Result<Option<(String, String)>, Fault> {
    let var = format!("{name}_FILE");
    let set = set.filter(|text| !text.is_empty());
    let Some(path) = text(&var, lookup)?.filter(|path| !path.is_empty()) else {
        return Ok(set.map(|text| (name.to_owned(), text)));
    };
    if set.is_some() {
        return Err(Fault { var: name.into(), problem: format!("{var} is set as well, keep one") });
    }
    // Only what looks like a path is repeated in a fault: the secret itself may have been put here.
    if let Err(problem) = parsers::path(&path) {
        return Err(Fault { var, problem });
    }
    match read_secret(Path::new(&path), lookup) {
        Ok(text) => Ok(Some((var, text))),
        Err(problem) => Err(Fault { problem: format!("{} {problem}", printable(&path)), var }),
    }
}

/// The file's text without one trailing line end, or what is wrong with it.
fn read_secret(path: &Path, lookup: &dyn Lookup) -> Result<String, String> {
    let bytes = lookup.read_file(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > SECRET_FILE_LIMIT {
        return Err(format!("is larger than {} KiB", SECRET_FILE_LIMIT / 1024));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "is not valid UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err("is empty".into()) } else { Ok(text) }
}
