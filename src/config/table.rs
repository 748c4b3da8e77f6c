//! One table knows every variable: adding one is a row here, and a field in [`super::Config`] if this program reads it.
//!
//! Names, aliases and their precedence, secrets and their `_FILE`, what a child does not inherit, spelling warnings
//! and the documentation are all read from these rows. Aliases are the names other runner images use for the same
//! thing (`myoung34/docker-github-actions-runner`, `actions-runner-controller`, `tcardonne/docker-github-runner`,
//! `SanderKnape/github-runner`, `Labbs/github-actions-exporter`), the most common first.

use super::names;
use super::value::Kind;
use super::variable::{Fallback, Group, Variable, alias, row, withheld};
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
    TABLE
}

static TABLE: &[Variable] = &[
    withheld(names::GITHUB_TOKEN, "Personal access token.").aliases(&[
        alias("ACCESS_TOKEN", MYOUNG34),
        alias("GITHUB_ACCESS_TOKEN", TCARDONNE),
        alias("GITHUB_PAT", SANDERKNAPE),
        alias("ACTIONS_RUNNER_INPUT_PAT", RUNNER),
    ]),
    withheld(names::RUNNER_TOKEN, "Registration token.")
        .aliases(&[alias("ACTIONS_RUNNER_INPUT_TOKEN", RUNNER)]),
    withheld(names::APP_ID, "Id of a GitHub App.").aliases(&[alias("GITHUB_APP_ID", LABBS)]),
    withheld(names::APP_PRIVATE_KEY, "Private key of the GitHub App.")
        .aliases(&[alias("GITHUB_APP_PRIVATE_KEY", LABBS)]),
    withheld(names::APP_INSTALLATION_ID, "Installation of the GitHub App.")
        .aliases(&[alias("GITHUB_APP_INSTALLATION_ID", LABBS)]),
    withheld(names::APP_LOGIN, "Account the GitHub App is installed for."),
    withheld(names::JITCONFIG, "Just-in-time configuration, credentials included."),
    row(
        Group::Runner,
        names::RUNNER_DIR,
        Kind::Path,
        Fallback::Value("/actions-runner"),
        "Where the runner is installed.",
    ),
    row(
        Group::Runner,
        names::RUNNER_NAME,
        Kind::Name,
        Fallback::Rule("docker-runner-HOSTNAME, in the Chrome images chrome-runner-HOSTNAME"),
        "The runner's name; a label of every metric.",
    )
    .inherited(),
    row(
        Group::Runner,
        names::RUNNER_TYPE,
        Kind::Choice(&["standard", "chrome", "chrome-go"]),
        Fallback::Value("standard"),
        "The image's flavour; a label of every metric.",
    )
    .inherited(),
    row(
        Group::Runner,
        names::RUNNER_WORK_DIR,
        Kind::Path,
        Fallback::Value("/home/runner/_work"),
        "Where jobs are checked out.",
    )
    .aliases(&[alias("RUNNER_WORKDIR", MYOUNG34), alias("RUNNER_WORK_DIRECTORY", TCARDONNE)])
    .inherited(),
    row(
        Group::Runner,
        names::RUNNER_EPHEMERAL,
        Kind::Flag,
        Fallback::Value("false"),
        "The runner takes one job and leaves.",
    )
    .aliases(&[alias("EPHEMERAL", MYOUNG34)]),
    row(
        Group::Runner,
        names::RUNNER_SKIP_REGISTRATION,
        Kind::Flag,
        Fallback::Value("false"),
        "Run what RUNNER_DIR is configured for already, register and remove nothing.",
    ),
    row(
        Group::Runner,
        names::RUNNER_PRINT_LOG,
        Kind::Flag,
        Fallback::Value("false"),
        "Let the runner print its trace to stdout as well (ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT=1).",
    ),
    row(
        Group::Lifecycle,
        names::RUNNER_STOP_GRACE,
        TIME,
        Fallback::Value("10s"),
        "How long the orchestrator waits between TERM and KILL; everything we do at a stop fits into it.",
    ),
    row(
        Group::Lifecycle,
        names::RUNNER_DRAIN_TIMEOUT,
        TIME,
        Fallback::Rule("what RUNNER_STOP_GRACE leaves"),
        "How long a running job may go on after TERM.",
    )
    .aliases(&[alias("RUNNER_GRACEFUL_STOP_TIMEOUT", ARC)]),
    row(
        Group::Lifecycle,
        names::RUNNER_MAX_RESTARTS,
        Kind::Limit,
        Fallback::Value("10"),
        "Consecutive restarts without a session before giving up; 0 never restarts.",
    ),
    row(
        Group::Metrics,
        names::METRICS_ENABLED,
        Kind::Flag,
        Fallback::Value("true"),
        "Serve the HTTP endpoint.",
    ),
    row(
        Group::Metrics,
        names::METRICS_PORT,
        Kind::Port,
        Fallback::Value("9091"),
        "The endpoint's port; 0 takes any free one.",
    ),
    row(
        Group::Metrics,
        names::METRICS_BIND,
        Kind::Address,
        Fallback::Value("0.0.0.0"),
        "The endpoint's address; :: listens on IPv6.",
    ),
    row(
        Group::Metrics,
        names::METRICS_AUTH_TOKEN,
        Kind::Token,
        Fallback::Unset,
        "Bearer token that guards everything but /livez.",
    ),
    row(
        Group::Metrics,
        names::METRICS_UPDATE_INTERVAL,
        Kind::Duration { min: Duration::from_secs(1), max: HOUR },
        Fallback::Value("30s"),
        "Time between two samples of the sampled metrics.",
    ),
    row(
        Group::Metrics,
        names::METRICS_LINGER_SECONDS,
        Kind::Duration { min: Duration::ZERO, max: HOUR },
        Fallback::Value("0s"),
        "How long to stay, once the runner has left by itself, for a last scrape.",
    ),
    row(
        Group::Metrics,
        names::JOB_DURATION_BUCKETS,
        Kind::Buckets,
        Fallback::Value("10,30,60,120,300,600,1200,1800,3600,7200,14400,21600"),
        "Upper bounds of the job duration histogram, in seconds.",
    ),
    row(
        Group::JobLog,
        names::RUNNER_STATE_DIR,
        Kind::Path,
        Fallback::Value("/var/lib/runner-init"),
        "What survives a restart.",
    ),
    row(
        Group::JobLog,
        names::JOBS_LOG,
        Kind::Path,
        Fallback::Rule("$RUNNER_STATE_DIR/jobs.log"),
        "The job log.",
    ),
    row(
        Group::JobLog,
        names::JOBS_LOG_MAX_RECORDS,
        Kind::Count { min: 100 },
        Fallback::Value("10000"),
        "Rows after which the job log is compacted.",
    ),
    row(
        Group::JobLog,
        names::RUNNER_RUN_DIR,
        Kind::Path,
        Fallback::Unset,
        "Directory for the supervisor's sockets.",
    ),
    row(
        Group::Log,
        names::LOG_FORMAT,
        Kind::Choice(&["logfmt", "json"]),
        Fallback::Value("logfmt"),
        "How our own log lines look.",
    ),
    row(
        Group::Log,
        names::LOG_LEVEL,
        Kind::Choice(&["error", "warn", "info", "debug"]),
        Fallback::Value("info"),
        "Which of our own log lines appear.",
    ),
];

#[cfg(test)]
mod tests {
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
            [Group::Credentials, Group::Runner, Group::Lifecycle, Group::Metrics, Group::JobLog, Group::Log]
        );
    }
}
