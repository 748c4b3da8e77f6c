//! Every variable is spelt once, here: the table and the code that reads it share these names.

/// Personal access token, from which registration tokens are minted.
pub const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// A registration token, valid for one hour.
pub const RUNNER_TOKEN: &str = "RUNNER_TOKEN";
/// The GitHub App's id.
pub const APP_ID: &str = "APP_ID";
/// The GitHub App's private key.
pub const APP_PRIVATE_KEY: &str = "APP_PRIVATE_KEY";
/// The GitHub App's installation.
pub const APP_INSTALLATION_ID: &str = "APP_INSTALLATION_ID";
/// The account the GitHub App is installed for.
pub const APP_LOGIN: &str = "APP_LOGIN";
/// A just-in-time configuration, credentials included.
pub const JITCONFIG: &str = "ACTIONS_RUNNER_INPUT_JITCONFIG";

/// Where the runner is installed.
pub const RUNNER_DIR: &str = "RUNNER_DIR";
/// The runner's name.
pub const RUNNER_NAME: &str = "RUNNER_NAME";
/// The image's flavour, a metric label.
pub const RUNNER_TYPE: &str = "RUNNER_TYPE";
/// Where jobs are checked out.
pub const RUNNER_WORK_DIR: &str = "RUNNER_WORK_DIR";
/// One job, then leave.
pub const RUNNER_EPHEMERAL: &str = "RUNNER_EPHEMERAL";
/// Run what is configured already.
pub const RUNNER_SKIP_REGISTRATION: &str = "RUNNER_SKIP_REGISTRATION";
/// The runner's own trace on stdout.
pub const RUNNER_PRINT_LOG: &str = "RUNNER_PRINT_LOG";

/// The orchestrator's time between TERM and KILL.
pub const RUNNER_STOP_GRACE: &str = "RUNNER_STOP_GRACE";
/// How long a running job may go on after TERM.
pub const RUNNER_DRAIN_TIMEOUT: &str = "RUNNER_DRAIN_TIMEOUT";
/// Consecutive restarts without a session.
pub const RUNNER_MAX_RESTARTS: &str = "RUNNER_MAX_RESTARTS";

/// Whether the HTTP endpoint is served.
pub const METRICS_ENABLED: &str = "METRICS_ENABLED";
/// The endpoint's port.
pub const METRICS_PORT: &str = "METRICS_PORT";
/// The endpoint's address.
pub const METRICS_BIND: &str = "METRICS_BIND";
/// The bearer token that guards the endpoint.
pub const METRICS_AUTH_TOKEN: &str = "METRICS_AUTH_TOKEN";
/// Time between two samples.
pub const METRICS_UPDATE_INTERVAL: &str = "METRICS_UPDATE_INTERVAL";
/// How long to stay for a last scrape.
pub const METRICS_LINGER_SECONDS: &str = "METRICS_LINGER_SECONDS";
/// The job duration histogram's buckets.
pub const JOB_DURATION_BUCKETS: &str = "JOB_DURATION_BUCKETS";

/// What survives a restart.
pub const RUNNER_STATE_DIR: &str = "RUNNER_STATE_DIR";
/// The job log.
pub const JOBS_LOG: &str = "JOBS_LOG";
/// When the job log is compacted.
pub const JOBS_LOG_MAX_RECORDS: &str = "JOBS_LOG_MAX_RECORDS";
/// Sockets of the running supervisor.
pub const RUNNER_RUN_DIR: &str = "RUNNER_RUN_DIR";

/// How our log lines look.
pub const LOG_FORMAT: &str = "LOG_FORMAT";
/// Which of our log lines appear.
pub const LOG_LEVEL: &str = "LOG_LEVEL";
