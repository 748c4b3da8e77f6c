//! The runner itself: its name, its labels, its directories, as whom it runs.

use super::{ARC, MYOUNG34, TCARDONNE, TIME};
use crate::config::names;
use crate::config::value::{Kind, NAME_LIMIT, PREFIX_LIMIT};
use crate::config::variable::{Fallback, Group, Reach, Variable, alias, row};

pub(super) const ROWS: &[Variable] = &[
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
        Kind::Line { max: NAME_LIMIT },
        Fallback::Rule("PREFIX-HOSTNAME, or PREFIX-RANDOM; with a just-in-time configuration the name in it"),
        "The runner's name; a label of every metric. In it `{hostname}` and `{random}` stand for the hostname and 13 random characters.",
    )
    .reaches(Reach::Inherited),
    row(
        Group::Runner,
        names::RUNNER_NAME_PREFIX,
        Kind::Line { max: PREFIX_LIMIT },
        Fallback::Rule("docker-runner, in the Chrome images chrome-runner"),
        "Beginning of the name when RUNNER_NAME is not set.",
    ),
    row(
        Group::Runner,
        names::RANDOM_RUNNER_SUFFIX,
        Kind::Flag,
        Fallback::Rule("true if there is no hostname or it is localhost, else false"),
        "End a name that is made up in 13 random characters instead of the hostname.",
    ),
    row(
        Group::Runner,
        names::RUNNER_TYPE,
        Kind::Flavour,
        Fallback::Value("standard"),
        "The image's flavour, a label of every metric: any word of up to 32 letters, digits, `.`, `_` and `-`; ours are `standard`, `chrome` and `chrome-go`.",
    )
    .reaches(Reach::Inherited),
    row(
        Group::Runner,
        names::RUNNER_LABELS,
        Kind::Labels,
        Fallback::Unset,
        "Custom labels, separated by commas, besides `self-hosted`, the operating system and the architecture.",
    )
    .aliases(&[alias("LABELS", MYOUNG34)]),
    row(
        Group::Runner,
        names::NO_DEFAULT_LABELS,
        Kind::Flag,
        Fallback::Value("false"),
        "Only the custom labels; needs RUNNER_LABELS.",
    ),
    row(
        Group::Runner,
        names::RUNNER_GROUP,
        Kind::Line { max: 128 },
        Fallback::Unset,
        "Runner group of the organisation or enterprise; a repository has none.",
    )
    .aliases(&[alias("RUNNER_GROUPS", ARC)]),
    row(
        Group::Runner,
        names::RUNNER_WORK_DIR,
        Kind::Path,
        Fallback::Value("/home/runner/_work"),
        "Where jobs are checked out.",
    )
    .aliases(&[alias("RUNNER_WORKDIR", MYOUNG34), alias("RUNNER_WORK_DIRECTORY", TCARDONNE)])
    .reaches(Reach::Inherited),
    row(
        Group::Runner,
        names::RUNNER_EPHEMERAL,
        Kind::Flag,
        Fallback::Value("false"),
        "The runner takes one job and leaves; always so with a just-in-time configuration.",
    )
    .aliases(&[alias("EPHEMERAL", MYOUNG34)]),
    row(
        Group::Runner,
        names::RUNNER_JIT,
        Kind::Flag,
        Fallback::Value("false"),
        "Ask GitHub for a just-in-time configuration instead of running config.sh; needs GITHUB_TOKEN or an App.",
    ),
    row(
        Group::Runner,
        names::RUNNER_REPLACE_EXISTING,
        Kind::Flag,
        Fallback::Value("true"),
        "Take the place of a runner of the same name.",
    ),
    row(
        Group::Runner,
        names::DISABLE_AUTO_UPDATE,
        Kind::Flag,
        Fallback::Value("false"),
        "The runner does not update itself; our images set it, since the image is the update.",
    )
    .aliases(&[alias("DISABLE_RUNNER_UPDATE", ARC)]),
    row(
        Group::Runner,
        names::RUNNER_USER,
        Kind::User,
        Fallback::Unset,
        "As whom the runner runs when the container starts as root: USER or USER:GROUP, names or numbers. Where all capabilities are dropped, add KILL, SETGID and SETUID, and CHOWN for the job hooks.",
    ),
    row(
        Group::Runner,
        names::RUNNER_ALLOW_RUNASROOT,
        Kind::Flag,
        Fallback::Value("false"),
        "Let the runner, and with it every job, run as root; without it, root with no RUNNER_USER is refused.",
    )
    .reaches(Reach::Runner),
    row(
        Group::Runner,
        names::RUNNER_WAIT_FOR_DOCKER,
        TIME,
        Fallback::Value("0s"),
        "How long to wait for the Docker daemon before the runner is started.",
    )
    .aliases(&[alias("WAIT_FOR_DOCKER_SECONDS", ARC)])
    .reaches(Reach::Runner),
    row(
        Group::Runner,
        names::RUNNER_UPDATE_CA_CERTS,
        Kind::Flag,
        Fallback::Value("false"),
        "Bring the system's certificate store up to date before the runner is started. The store must hold at least one authority already.",
    )
    .reaches(Reach::Runner),
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
        Group::Runner,
        names::RUNNER_SWEEP,
        Kind::Flag,
        Fallback::Value("true"),
        "End the processes a job left behind once it has ended, and remove the temporary files of a killed worker and the containers and network it left on the Docker Engine. A step keeps a daemon by starting it with RUNNER_TRACKING_ID=\"\".",
    ),
    row(
        Group::Runner,
        names::RUNNER_DIAG_MAX_MB,
        Kind::Count { min: 0 },
        Fallback::Value("256"),
        "How many MiB of the runner's logs may stay in _diag, looked at after each job; the oldest go first. 0 sets no limit.",
    ),
];
