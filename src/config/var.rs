//! A variable is one typed constant: its names, its parser, its default and its documentation. Whoever reads it gets the
//! type its parser makes, which the compiler knows.

use super::parsers::Parsed;
use super::shown::Shown;
use std::ops::Deref;

/// The headings of the documentation, in table order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What proves who we are: each may come from a file and none is inherited, whether it is a secret or not.
    Credentials,
    /// Where the runner is registered.
    Target,
    /// The runner itself.
    Runner,
    /// Start, stop and restart.
    Lifecycle,
    /// The HTTP endpoint.
    Metrics,
    /// Where metrics are pushed to.
    OpenTelemetry,
    /// Which jobs are deployments.
    Dora,
    /// What is kept on disk.
    JobLog,
    /// Where the rows of finished jobs are sent.
    JobEvents,
    /// The collector of such rows.
    Collect,
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
            Group::OpenTelemetry => "OpenTelemetry",
            Group::Dora => "Deployments",
            Group::JobLog => "Files",
            Group::JobEvents => "Job events",
            Group::Collect => "Collector",
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

/// Another project's name.
pub(super) const fn alias(name: &'static str, project: &'static str) -> Alias {
    Alias { name, project }
}

/// What can be said of a variable without its type: all that the documents, the check and a child's environment are
/// made from.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Our own name; it wins over every alias.
    pub name: &'static str,
    /// Accepted instead, in order of precedence.
    pub aliases: &'static [Alias],
    /// What holds when none of the names is set.
    pub fallback: Fallback,
    /// Part of a credential: accepted from the file `NAME_FILE` names, and never inherited by a child in any case of its
    /// letters.
    pub secret: bool,
    /// Its value is never shown.
    pub redacted: bool,
    /// Quotes around the value are no fault.
    pub quotable: bool,
    /// The words it takes, if they are few.
    pub words: &'static [&'static str],
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
        if self.words.is_empty() {
            return self.help.to_owned();
        }
        let words: Vec<String> = self.words.iter().map(|word| format!("`{word}`")).collect();
        format!("{} One of {}.", self.help, words.join(", "))
    }
}

/// A variable and the type of its value.
#[derive(Debug)]
pub struct Var<T: 'static> {
    pub(super) about: Variable,
    pub(super) parse: fn(&str) -> Parsed<T>,
}

impl<T> Deref for Var<T> {
    type Target = Variable;

    fn deref(&self) -> &Variable {
        &self.about
    }
}

impl<T: Shown> Var<T> {
    /// A variable that is read here and by nobody else, and not set unless it is. Its `help` is a doc comment, with the
    /// blank behind `///`.
    pub(super) const fn new(
        group: Group,
        name: &'static str,
        help: &'static str,
        parse: fn(&str) -> Parsed<T>,
    ) -> Var<T> {
        let about = Variable {
            name,
            aliases: &[],
            fallback: Fallback::Unset,
            secret: T::REDACTED || matches!(group, Group::Credentials),
            redacted: T::REDACTED,
            quotable: false,
            words: T::WORDS,
            help: help.trim_ascii_start(),
            group,
            reach: Reach::Ours,
        };
        Var { about, parse }
    }
}

/// What a row may say after its parser.
impl<T> Var<T> {
    /// It also has these names.
    pub(super) const fn aliases(mut self, aliases: &'static [Alias]) -> Var<T> {
        self.about.aliases = aliases;
        self
    }

    /// This holds when it is not set.
    pub(super) const fn default(mut self, text: &'static str) -> Var<T> {
        self.about.fallback = Fallback::Value(text);
        self
    }

    /// What holds when it is not set depends on others.
    pub(super) const fn rule(mut self, words: &'static str) -> Var<T> {
        self.about.fallback = Fallback::Rule(words);
        self
    }

    /// Somebody else has use for it.
    pub(super) const fn reaches(mut self, reach: Reach) -> Var<T> {
        self.about.reach = reach;
        self
    }

    /// Quotes around its value are no fault.
    pub(super) const fn quotable(mut self) -> Var<T> {
        self.about.quotable = true;
        self
    }
}
