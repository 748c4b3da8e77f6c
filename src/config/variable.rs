//! What can be said of one variable; the table says it of all.

use super::value::Kind;

/// The headings of the documentation, in table order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What proves who we are.
    Credentials,
    /// The runner itself.
    Runner,
    /// Start, stop and restart.
    Lifecycle,
    /// The HTTP endpoint.
    Metrics,
    /// What is kept on disk.
    JobLog,
    /// Our own log.
    Log,
}

/// What holds when a variable is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This text, as if it had been set.
    Value(&'static str),
    /// A value that depends on others, in words.
    Rule(&'static str),
    /// Nothing.
    Unset,
}

/// A name another project gives to the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The variable.
    pub name: &'static str,
    /// Who uses it.
    pub project: &'static str,
}

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Our own name; it wins over every alias.
    pub name: &'static str,
    /// Accepted instead, in order of precedence.
    pub aliases: &'static [Alias],
    /// What holds when none of the names is set.
    pub fallback: Fallback,
    /// Which values are accepted.
    pub kind: Kind,
    /// Never shown, accepted from the file `NAME_FILE` names, and never inherited by a child.
    pub secret: bool,
    /// One sentence for the documentation.
    pub help: &'static str,
    /// Heading in the documentation.
    pub group: Group,
    /// It only configures us, so a child does not inherit it.
    pub only_ours: bool,
    /// Whether this program reads it; if not, the row exists to keep it from children.
    pub read: bool,
}

impl Variable {
    /// Every accepted name, the winner first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().map(|alias| alias.name))
    }

    /// Accepts these names as well.
    pub(super) const fn aliases(mut self, aliases: &'static [Alias]) -> Variable {
        self.aliases = aliases;
        self
    }

    /// A fact about the runner, harmless and perhaps useful to its hooks: inherited by children.
    pub(super) const fn inherited(mut self) -> Variable {
        self.only_ours = false;
        self
    }
}

/// A variable that is read here, and by nobody else.
pub(super) const fn row(
    group: Group,
    name: &'static str,
    kind: Kind,
    fallback: Fallback,
    help: &'static str,
) -> Variable {
    let secret = kind.is_secret();
    Variable { name, aliases: &[], fallback, kind, secret, help, group, only_ours: true, read: true }
}

/// A credential nobody here reads: kept from children all the same, since a job could misuse it.
pub(super) const fn withheld(name: &'static str, help: &'static str) -> Variable {
    let mut variable = row(Group::Credentials, name, Kind::Secret, Fallback::Unset, help);
    variable.read = false;
    variable
}

/// Another project's name.
pub(super) const fn alias(name: &'static str, project: &'static str) -> Alias {
    Alias { name, project }
}
