//! What happens around the runner: stop and restart, the endpoint, files and the log.

use super::{ARC, HOUR, TIME};
use crate::config::names;
use crate::config::value::Kind;
use crate::config::variable::{Fallback, Group, Variable, alias, row};
use std::time::Duration;

pub(super) const ROWS: &[Variable] = &[
    row(
        Group::Lifecycle,
        names::RUNNER_STOP_GRACE,
        TIME,
        Fallback::Value("10s"),
        "How long the orchestrator waits between TERM and KILL; everything we do at a stop fits into it, GitHub is told of a job that we end.",
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
        Group::Lifecycle,
        names::DISABLE_AUTOMATIC_DEREGISTRATION,
        Kind::Flag,
        Fallback::Value("false"),
        "Leave the registration behind when the runner leaves, for the next start with the same RUNNER_DIR.",
    ),
    row(
        Group::Lifecycle,
        names::RUNNER_STATUS_CHECK_INTERVAL,
        Kind::Interval { min: Duration::from_secs(10), max: Duration::from_secs(86_400) },
        Fallback::Value("10m"),
        "How often to ask GitHub what it thinks of this idle runner; 0 never asks. Needs a credential that can ask.",
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
        Group::Metrics,
        names::CACHE_TYPES,
        Kind::CacheTypes,
        Fallback::Unset,
        "Types jobs may report with `runner-init cache` besides the built-in ones, at most 8; each is up to 4 more series, which are there from the start, as are those of a built-in one named here.",
    ),
    row(
        Group::Dora,
        names::DORA_DEPLOYMENT_MATCH,
        Kind::Pattern,
        Fallback::Value("(?i)deploy|release|publish"),
        "Which jobs are deployments: a regular expression looked for in workflow/job name.",
    ),
    row(
        Group::Dora,
        names::DORA_BRANCH_MATCH,
        Kind::Pattern,
        Fallback::Unset,
        "Of which branches: a regular expression looked for in the branch, or in the whole ref of a tag (refs/tags/v1).",
    ),
    row(
        Group::Dora,
        names::DORA_STREAM,
        Kind::Stream,
        Fallback::Unset,
        "For a workflow that deploys several services: which deployments follow one another, by what a group of a regular expression finds in the job name, or with job by all of it.",
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
