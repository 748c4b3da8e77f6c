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

/// The repository a runner is registered for, or its name alone beside its owner.
pub const GITHUB_REPOSITORY: &str = "GITHUB_REPOSITORY";
/// The owner of the repository, or the organisation.
pub const GITHUB_OWNER: &str = "GITHUB_OWNER";
/// The organisation a runner is registered for.
pub const ORG_NAME: &str = "ORG_NAME";
/// The enterprise a runner is registered for.
pub const ENTERPRISE_NAME: &str = "ENTERPRISE_NAME";
/// The URL of what a runner is registered for.
pub const RUNNER_URL: &str = "RUNNER_URL";
/// Which of several targets is meant.
pub const RUNNER_SCOPE: &str = "RUNNER_SCOPE";
/// The organisation is meant.
pub const ORG_RUNNER: &str = "ORG_RUNNER";
/// Whose GitHub it is.
pub const GITHUB_HOST: &str = "GITHUB_HOST";
/// Where the API is.
pub const GITHUB_API_URL: &str = "GITHUB_API_URL";
/// The API's host.
pub const GITHUB_API_HOST: &str = "GITHUB_API_HOST";
/// The API's path.
pub const GITHUB_API_PATH: &str = "GITHUB_API_PATH";

/// Where the runner is installed.
pub const RUNNER_DIR: &str = "RUNNER_DIR";
/// The runner's name.
pub const RUNNER_NAME: &str = "RUNNER_NAME";
/// The beginning of a name that is made up.
pub const RUNNER_NAME_PREFIX: &str = "RUNNER_NAME_PREFIX";
/// Whether a name that is made up ends in something new each time.
pub const RANDOM_RUNNER_SUFFIX: &str = "RANDOM_RUNNER_SUFFIX";
/// The image's flavour, a metric label.
pub const RUNNER_TYPE: &str = "RUNNER_TYPE";
/// Custom labels.
pub const RUNNER_LABELS: &str = "RUNNER_LABELS";
/// Whether only the custom labels are used.
pub const NO_DEFAULT_LABELS: &str = "NO_DEFAULT_LABELS";
/// The runner group.
pub const RUNNER_GROUP: &str = "RUNNER_GROUP";
/// Where jobs are checked out.
pub const RUNNER_WORK_DIR: &str = "RUNNER_WORK_DIR";
/// One job, then leave.
pub const RUNNER_EPHEMERAL: &str = "RUNNER_EPHEMERAL";
/// A just-in-time configuration is asked for.
pub const RUNNER_JIT: &str = "RUNNER_JIT";
/// Whether a runner of the same name is replaced.
pub const RUNNER_REPLACE_EXISTING: &str = "RUNNER_REPLACE_EXISTING";
/// Whether the runner stays as it is.
pub const DISABLE_AUTO_UPDATE: &str = "DISABLE_AUTO_UPDATE";
/// As whom the runner runs.
pub const RUNNER_USER: &str = "RUNNER_USER";
/// Whether the runner may run as root.
pub const RUNNER_ALLOW_RUNASROOT: &str = "RUNNER_ALLOW_RUNASROOT";
/// How long to wait for Docker.
pub const RUNNER_WAIT_FOR_DOCKER: &str = "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS";
/// Whether the certificate store is brought up to date.
pub const RUNNER_UPDATE_CA_CERTS: &str = "RUNNER_UPDATE_CA_CERTS";
/// Run what is configured already.
pub const RUNNER_SKIP_REGISTRATION: &str = "RUNNER_SKIP_REGISTRATION";
/// The runner's own trace on stdout.
pub const RUNNER_PRINT_LOG: &str = "RUNNER_PRINT_LOG";
/// Whether a job's leftovers are swept.
pub const RUNNER_SWEEP: &str = "RUNNER_SWEEP";
/// How much the runner's own logs may take.
pub const RUNNER_DIAG_MAX_MB: &str = "RUNNER_DIAG_MAX_MB";

/// The orchestrator's time between TERM and KILL.
pub const RUNNER_STOP_GRACE: &str = "RUNNER_STOP_GRACE";
/// How long a running job may go on after TERM.
pub const RUNNER_DRAIN_TIMEOUT: &str = "RUNNER_DRAIN_TIMEOUT";
/// Consecutive restarts without a session.
pub const RUNNER_MAX_RESTARTS: &str = "RUNNER_MAX_RESTARTS";
/// Whether the registration stays.
pub const DISABLE_AUTOMATIC_DEREGISTRATION: &str = "DISABLE_AUTOMATIC_DEREGISTRATION";
/// Time between two questions to GitHub about our own status.
pub const RUNNER_STATUS_CHECK_INTERVAL: &str = "RUNNER_STATUS_CHECK_INTERVAL";

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
/// Types of caches besides the built-in ones.
pub const CACHE_TYPES: &str = "CACHE_TYPES";

/// Which jobs are deployments.
pub const DORA_DEPLOYMENT_MATCH: &str = "DORA_DEPLOYMENT_MATCH";
/// Which branches they are deployments of.
pub const DORA_BRANCH_MATCH: &str = "DORA_BRANCH_MATCH";
/// What of a job's name tells one service's deployments from another's.
pub const DORA_STREAM: &str = "DORA_STREAM";

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
