//! What can be said of one variable; the table says it of all.

use super::value::Kind;

/// The headings of the documentation, in table order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What proves who we are.
    Credentials,
    /// Where the runner is registered.
    Target,
    /// The runner itself.
    Runner,
    /// Start, stop and restart.
    Lifecycle,
    /// The HTTP endpoint.
    Metrics,
    /// Which jobs are deployments.
    Dora,
    /// What is kept on disk.
    JobLog,
    /// Our own log.
    Log,
}

impl Group {
    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Credentials => "Credentials",
            Group::Target => "Target",
            Group::Runner => "Runner",
            Group::Lifecycle => "Start, stop and restart",
            Group::Metrics => "HTTP endpoint and metrics",
            Group::Dora => "Deployments",
            Group::JobLog => "Files",
            Group::Log => "Log",
        }
    }
}

/// Who has use for a variable besides us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody: a child does not inherit it.
    Ours,
    /// A fact about the runner, harmless and perhaps useful to hooks and jobs: inherited.
    Inherited,
    /// The runner or its scripts read it as well: inherited untouched.
    Runner,
    /// The runner reads it too but no job may see it: given to `Runner.Listener` by itself.
    Listener,
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
    /// Part of a credential: accepted from the file `NAME_FILE` names, and never inherited by a child in any case of its
    /// letters. Shown only if its kind is no secret.
    pub secret: bool,
    /// For the documentation.
    pub help: &'static str,
    /// Heading in the documentation.
    pub group: Group,
    /// Who else has use for it.
    pub reach: Reach,
}

impl Variable {
    /// Every accepted name, the winner first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().map(|alias| alias.name))
    }

    /// What it does, and the words it takes if they are few.
    pub fn explained(&self) -> String {
        let Kind::Choice(words) = self.kind else { return self.help.to_owned() };
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        format!("{} One of {}.", self.help, words.join(", "))
    }

    /// Accepts these names as well.
    pub(super) const fn aliases(mut self, aliases: &'static [Alias]) -> Variable {
        self.aliases = aliases;
        self
    }

    /// Somebody else has use for it.
    pub(super) const fn reaches(mut self, reach: Reach) -> Variable {
        self.reach = reach;
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
    Variable { name, aliases: &[], fallback, kind, secret, help, group, reach: Reach::Ours }
}

/// Part of a credential, secret or not.
pub(super) const fn credential(name: &'static str, kind: Kind, help: &'static str) -> Variable {
    let mut variable = row(Group::Credentials, name, kind, Fallback::Unset, help);
    variable.secret = true;
    variable
}

/// Another project's name.
pub(super) const fn alias(name: &'static str, project: &'static str) -> Alias {
    Alias { name, project }
}
