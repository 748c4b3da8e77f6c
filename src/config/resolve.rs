//! Resolution of variables: all names of one are read, then one wins, the first in the table's order, unless two that are
//! set disagree.

use super::fault::{Fault, Source, printable};
use super::lookup::{Lookup, SECRET_FILE_LIMIT};
use super::value::{Kind, Value};
use super::variable::{Fallback, Variable};
use super::vars::describe;
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::Zeroizing;

/// Every variable of the table, read: its value, where that came from, and what was wrong.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    values: BTreeMap<&'static str, Value>,
    /// What was set and won, in table order.
    pub(super) sources: Vec<Source>,
    faults: Vec<(usize, Fault)>,
    /// Which variable decided a value that was not set.
    origins: BTreeMap<&'static str, String>,
}

/// One name that was set, and what it says.
struct Candidate {
    /// The name as it was set, `_FILE` included.
    var: String,
    value: Value,
}

impl Resolved {
    /// Reads the whole table.
    pub(super) fn of(lookup: &dyn Lookup) -> Resolved {
        let mut resolved = Resolved::default();
        for (index, variable) in describe().iter().enumerate() {
            match resolve(variable, lookup) {
                Ok(won) => resolved.keep(variable, won),
                Err(faults) => resolved.faults.extend(faults.into_iter().map(|fault| (index, fault))),
            }
        }
        resolved
    }

    fn keep(&mut self, variable: &Variable, won: Option<Candidate>) {
        if let Some(Candidate { var, value }) = won {
            let alias = var.strip_suffix("_FILE").unwrap_or(&var) != variable.name;
            self.sources.push(Source { var, name: variable.name, alias });
            self.values.insert(variable.name, value);
        } else if let Fallback::Value(text) = variable.fallback {
            let value = variable.kind.parse(text).expect("a test parses every default");
            self.values.insert(variable.name, value);
        }
    }

    /// One variable alone, whatever the others say.
    pub(super) fn one(name: &str, lookup: &dyn Lookup) -> Resolved {
        let mut resolved = Resolved::default();
        if let Some(variable) = describe().iter().find(|variable| variable.name == name) {
            resolved.keep(variable, resolve(variable, lookup).unwrap_or_default());
        }
        resolved
    }

    /// The value set or its default; `None` if there is neither, or if it was faulty.
    ///
    /// # Panics
    /// If `T` is not what the table's kind yields: a slip in the code that no input can hide.
    pub(super) fn get<T: TryFrom<Value>>(&self, name: &str) -> Option<T> {
        let value = self.values.get(name)?.clone();
        Some(T::try_from(value).ok().expect("the field's type is the kind's"))
    }

    /// As [`Resolved::get`], for a variable that always has a value once there is no fault.
    pub(super) fn take<T: TryFrom<Value>>(&self, name: &str) -> T {
        self.get(name).expect("it has a default and no fault")
    }

    /// What `check` shows for this variable.
    pub(super) fn show(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|value| printable(&value.to_string()))
    }

    /// Fills in what depends on other variables.
    pub(super) fn derive(&mut self, name: &'static str, value: Value) {
        self.values.insert(name, value);
    }

    /// As [`Resolved::derive`], and `check` says from which variable it was.
    pub(super) fn derive_from(&mut self, name: &'static str, value: Value, from: &'static str) {
        self.origins.insert(name, self.as_set(from).to_owned());
        self.derive(name, value);
    }

    /// Takes a value away that has no meaning here.
    pub(super) fn forget(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// The variable a value that was not set comes from.
    pub(super) fn origin(&self, name: &str) -> Option<&str> {
        self.origins.get(name).map(String::as_str)
    }

    /// The variable as it was set; its own name if it was not, or wrongly.
    pub(super) fn as_set<'a>(&'a self, name: &'a str) -> &'a str {
        self.sources.iter().find(|source| source.name == name).map_or(name, |source| &source.var)
    }

    /// Whether any of its names was set, rightly or wrongly.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.is_set(name) || self.is_faulty(name)
    }

    /// Whether its value is the one that holds when nothing is set.
    pub(super) fn is_default(&self, name: &str) -> bool {
        let variable = describe().iter().find(|variable| variable.name == name);
        let fallback = variable.map(|variable| variable.fallback);
        self.show(name).is_some_and(|shown| matches!(fallback, Some(Fallback::Value(text)) if text == shown))
    }

    /// Whether any of its names was set, and rightly.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.name == name)
    }

    /// Whether any of its names was set wrongly.
    pub(super) fn is_faulty(&self, name: &str) -> bool {
        self.faults.iter().any(|(index, _)| describe()[*index].name == name)
    }

    /// Adds a fault found by comparing variables.
    pub(super) fn refuse(&mut self, name: &'static str, problem: impl Into<String>) {
        let index = describe().iter().position(|variable| variable.name == name);
        let fault = Fault { var: self.as_set(name).to_owned(), problem: problem.into() };
        self.faults.push((index.expect("only names of the table are refused"), fault));
    }

    /// Every fault so far, in table order.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<&(usize, Fault)> = self.faults.iter().collect();
        faults.sort_by_key(|(index, _)| *index);
        faults.into_iter().map(|(_, fault)| fault.clone()).collect()
    }
}

/// Reads every name of one variable. `Ok(None)` if none is set.
fn resolve(variable: &Variable, lookup: &dyn Lookup) -> Result<Option<Candidate>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut candidates = Vec::new();
    for name in variable.names() {
        match candidate(variable, name, lookup) {
            Ok(candidate) => candidates.extend(candidate),
            Err(fault) => faults.push(fault),
        }
    }
    let mut candidates = candidates.into_iter();
    let first: Option<Candidate> = candidates.next();
    if let Some(first) = &first {
        faults.extend(candidates.filter(|other| other.value != first.value).map(|other| Fault {
            var: first.var.clone(),
            problem: format!("contradicts {}: both are set and they differ, keep one", other.var),
        }));
    }
    if faults.is_empty() { Ok(first) } else { Err(faults) }
}

fn candidate(variable: &Variable, name: &str, lookup: &dyn Lookup) -> Result<Option<Candidate>, Fault> {
    let set = text(name, lookup)?;
    let set = if variable.secret { from_file(name, set, lookup)? } else { set.map(|t| (name.to_owned(), t)) };
    let Some((var, text)) = set else { return Ok(None) };
    // Wiped once parsed: the value that is kept of a secret is another copy.
    let text = Zeroizing::new(text);
    if text.is_empty() {
        return Ok(None);
    }
    if variable.kind != Kind::PrivateKey && is_quoted(&text) {
        let problem = "has quotes around it, which are part of the value: write it without (docker run --env-file keeps them)";
        return Err(Fault { var, problem: problem.into() });
    }
    match variable.kind.parse(&text) {
        Some(value) => Ok(Some(Candidate { var, value })),
        None => Err(Fault { var, problem: variable.kind.expected() + hint(&text) }),
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
    if Kind::Path.parse(&path).is_none() {
        return Err(Fault { var, problem: Kind::Path.expected() });
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
