//! Configuration faults and warnings. What was wrong is told by name: a fault or warning names the variable and what
//! was expected, never the value.

use crate::domain::text::{escape, spelt};
use std::fmt;

/// A variable that cannot be used as it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable as it was set: an alias, or with `_FILE`, if that is where the fault is.
    pub var: String,
    /// What was expected. Never holds the value; of `NAME_FILE` it may hold the path.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.var, self.problem)
    }
}

/// Everything wrong with the configuration. `Display` is one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// In the table's order; never empty.
    pub faults: Vec<Fault>,
    /// What may explain them: a fault is often the other half of a misspelt name.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.faults.iter().map(ToString::to_string);
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        f.write_str(&faults.chain(warnings).collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for Faults {}

/// Something that is probably not meant so. `Display` is one sentence that begins with the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The variable, printable.
    pub var: String,
    /// The rest of the sentence.
    pub says: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.var, self.says)
    }
}

/// A variable that was set and won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it was set: the own name, an alias, or one of them with `_FILE`.
    pub var: String,
    /// Our own name for it.
    pub name: &'static str,
    /// Whether `var` is another project's name.
    pub alias: bool,
}

/// The text with everything escaped that a terminal would act upon or not show.
pub(super) fn printable(text: &str) -> String {
    spelt(text, escape)
}
