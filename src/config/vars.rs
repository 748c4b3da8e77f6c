//! One table knows every variable: adding one is a row here, and a field in [`super::Config`].
//!
//! Names, aliases and their precedence, secrets and their `_FILE`, what a child does not inherit, spelling warnings
//! and the documentation are all read from these rows. Aliases are the names other runner images use for the same
//! thing (`myoung34/docker-github-actions-runner`, `actions-runner-controller`, `tcardonne/docker-github-runner`,
//! `SanderKnape/github-runner`, `Labbs/github-actions-exporter`), the most common first.

mod operation;
mod registration;
mod runner;

use super::value::Kind;
use super::variable::Variable;
use std::sync::LazyLock;
use std::time::Duration;

const MYOUNG34: &str = "myoung34";
const ARC: &str = "ARC";
const TCARDONNE: &str = "tcardonne";
const SANDERKNAPE: &str = "SanderKnape";
const LABBS: &str = "Labbs";
const RUNNER: &str = "actions/runner";

/// GitHub ends a self-hosted job after 5 days; 30 leave room and keep sums of durations far from overflow.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const HOUR: Duration = Duration::from_secs(3600);
const TIME: Kind = Kind::Duration { min: Duration::ZERO, max: LONGEST };

/// Every variable, in the order of the documentation, of `check` and of faults.
pub fn describe() -> &'static [Variable] {
    static TABLE: LazyLock<Vec<Variable>> =
        LazyLock::new(|| [registration::ROWS, runner::ROWS, operation::ROWS].concat());
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::super::variable::{Fallback, Group};
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_is_given_twice() {
        let mut seen = HashSet::new();
        for name in describe().iter().flat_map(Variable::names) {
            assert!(seen.insert(name), "{name} stands twice in the table");
        }
    }

    #[test]
    fn every_default_is_a_value_its_own_kind_accepts_and_spells_the_same() {
        for variable in describe() {
            if let Fallback::Value(text) = variable.fallback {
                let value = variable.kind.parse(text).expect(variable.name);
                assert_eq!(value.to_string(), text, "{}", variable.name);
            }
        }
    }

    #[test]
    fn groups_stand_together() {
        let mut groups: Vec<Group> = describe().iter().map(|v| v.group).collect();
        groups.dedup();
        assert_eq!(
            groups,
            [
                Group::Credentials,
                Group::Target,
                Group::Runner,
                Group::Lifecycle,
                Group::Metrics,
                Group::Dora,
                Group::JobLog,
                Group::Log
            ]
        );
    }
}
