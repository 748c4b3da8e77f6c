//! The environment is the only configuration: every variable is read and validated, every fault is reported at once, and
//! no value is ever printed that was refused or is secret.
//!
//! [`vars`] is the table all of it is driven by; [`Lookup`] is where variables come from, so that tests need no
//! environment of their own. An own name wins over its aliases; two names that are set and disagree are a fault. An
//! empty text means "not set": `EPHEMERAL=` has never meant yes.

mod check;
mod child_env;
mod collect;
mod fault;
mod flavour;
mod job_events;
mod lookup;
mod otlp;
mod parsers;
pub mod reference;
mod registration;
mod resolve;
mod runner;
mod secret;
mod shown;
mod typo;
mod unsupported;
mod validate;
mod var;
pub mod vars;
mod words;

pub use check::render_check;
pub use child_env::{child_environment, is_secret};
pub use collect::CollectConfig;
pub use fault::{Fault, Faults, Source, Warning};
pub use flavour::Flavour;
pub use job_events::JobEventsOptions;
pub use lookup::{Environment, Lookup, MapLookup};
pub use otlp::{OtlpOptions, OtlpTarget, ToldToJobs, TraceOptions};
pub use registration::{Credential, Registration, RunAs};
pub use runner::Runner;
pub use secret::Secret;
pub use shown::Shown;
pub use var::{Alias, Fallback, Group, Reach, Var, Variable};
pub use vars::describe;
pub use words::{LogFormat, LogLevel, ScopeWord, SweepScope};

use crate::domain::budget::Budget;
use crate::domain::dora::{DeploymentRule, Matcher, StreamRule};
use crate::domain::target::{Host, Target};
use resolve::Resolved;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use validate::Validated;

/// Everything this program can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who we are to GitHub; `None` only where registration is skipped.
    pub credential: Option<Credential>,
    /// Where the runner is registered; `None` where registration is skipped or done already.
    pub target: Option<Target>,
    /// Whose GitHub it is.
    pub host: Host,
    /// Where the REST API begins, without a trailing slash; what the host's rule says unless it was set.
    pub api_url: String,
    /// How the runner is registered, looked after and removed.
    pub registration: Registration,
    /// The runner itself.
    pub runner: Runner,
    /// Stop and restart.
    pub lifecycle: LifecycleOptions,
    /// The HTTP endpoint.
    pub metrics: Metrics,
    /// Where metrics are pushed to, if they are.
    pub otlp: Option<OtlpOptions>,
    /// Which traces are sent where, and what jobs are told of theirs.
    pub traces: TraceOptions,
    /// Which jobs are deployments.
    pub deployments: DeploymentRule,
    /// Which of them follow one another.
    pub streams: StreamRule,
    /// What is kept on disk.
    pub job_log: JobLogOptions,
    /// Where the rows of finished jobs are sent, if anywhere.
    pub job_events: Option<JobEventsOptions>,
    /// Our own log.
    pub log: LogOptions,
    /// Where the supervisor's sockets are; `None` leaves the choice to the supervisor.
    pub run_dir: Option<PathBuf>,
}

/// Stop and restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleOptions {
    /// What the orchestrator waits between TERM and KILL.
    pub grace: Duration,
    /// How long each phase of a stop may take.
    pub budget: Budget,
    /// Consecutive restarts without a session before giving up; `None` never gives up.
    pub max_restarts: Option<u32>,
    /// How long a runner of one job waits for it; `None` for ever.
    pub idle_timeout: Option<Duration>,
}

/// The HTTP endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Whether it is served.
    pub enabled: bool,
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port to listen on; 0 is any free one.
    pub port: u16,
    /// Bearer token that guards everything but `/livez`.
    pub auth_token: Option<Secret>,
    /// Time between two samples.
    pub update_interval: Duration,
    /// How long to stay for a last scrape.
    pub linger: Duration,
    /// Upper bounds of the job duration histogram: seconds, ascending, positive, finite, 1 to 30 of them.
    pub buckets: Vec<f64>,
    /// Types of caches jobs may report besides the built-in ones; at most 8.
    pub cache_types: Vec<String>,
    /// Whose durations are told besides those of set-up and post steps: looked for in a step's name.
    pub steps: Option<Matcher>,
}

/// What is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLogOptions {
    /// What survives a restart.
    pub state_dir: PathBuf,
    /// The job log's file.
    pub path: PathBuf,
    /// Rows after which it is compacted; at least 100.
    pub max_records: usize,
}

/// Our own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines appear.
    pub level: LogLevel,
}

/// A configuration that holds, and what should be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was configured.
    pub config: Config,
    /// What is probably not meant so.
    pub warnings: Vec<Warning>,
    /// Which variables were set and won, in the table's order.
    pub sources: Vec<Source>,
    /// What `check` shows: each variable's effective value, in the table's order.
    settings: Vec<check::Setting>,
}

impl Config {
    /// Reads every variable of the table.
    ///
    /// # Errors
    /// Every fault at once, in the table's order.
    pub fn from_lookup(lookup: &dyn Lookup) -> Result<Loaded, Faults> {
        let mut resolved = Resolved::of(lookup);
        let validated = validate::validate(&mut resolved, lookup);
        let faults = resolved.faults();
        let mut warnings = typo::warnings(lookup);
        warnings.extend(unsupported::warnings(lookup));
        warnings.append(&mut resolved.warnings);
        // Without a fault every variable that has a default has a value.
        match validated.and_then(|validated| build(&resolved, validated)) {
            Some(config) if faults.is_empty() => {
                let settings = check::settings(&resolved);
                Ok(Loaded { config, warnings, sources: resolved.sources, settings })
            }
            Some(_) | None => Err(Faults { faults, warnings }),
        }
    }

    /// Whether the runner's registration is to be removed when it leaves, and can be.
    pub fn deregisters(&self) -> bool {
        registration::removes(self.credential.as_ref(), self.registration.skip, self.registration.keep)
    }

    /// How long PID 1 waits for who outlives the supervisor, whatever else is wrong; nothing else is read.
    pub fn sweep_grace(lookup: &dyn Lookup) -> Duration {
        let (grace, is_stated) = resolve::alone(&vars::RUNNER_STOP_GRACE, lookup);
        let (_, drains) = resolve::alone(&vars::RUNNER_DRAIN_TIMEOUT, lookup);
        // A drain alone says that the orchestrator waits for longer than that.
        let is_long = drains && !is_stated;
        Budget::sweep_of(grace.filter(|_| !is_long).unwrap_or(Duration::MAX))
    }

    /// The endpoint's token alone, whatever else is wrong: a health check must be able to ask even then.
    pub fn auth_token(lookup: &dyn Lookup) -> Option<Secret> {
        resolve::alone(&vars::METRICS_AUTH_TOKEN, lookup).0
    }
}

/// Takes every value; `None` only where there is a fault.
fn build(resolved: &Resolved, validated: Validated) -> Option<Config> {
    let Validated { credential, place, budget, otlp, traces } = validated;
    let can_ask = place.target.is_some() && credential.as_ref().is_some_and(Credential::can_ask);
    Some(Config {
        credential,
        target: place.target,
        host: place.host,
        api_url: place.api_url,
        registration: Registration::of(resolved, can_ask)?,
        runner: Runner::of(resolved)?,
        lifecycle: LifecycleOptions {
            grace: resolved.get(&vars::RUNNER_STOP_GRACE)?,
            budget,
            max_restarts: resolved.get(&vars::RUNNER_MAX_RESTARTS)?,
            idle_timeout: resolved.get(&vars::RUNNER_IDLE_TIMEOUT).filter(|limit| !limit.is_zero()),
        },
        metrics: Metrics {
            enabled: resolved.get(&vars::METRICS_ENABLED)?,
            bind: resolved.get(&vars::METRICS_BIND)?,
            port: resolved.get(&vars::METRICS_PORT)?,
            auth_token: resolved.get(&vars::METRICS_AUTH_TOKEN),
            update_interval: resolved.get(&vars::METRICS_UPDATE_INTERVAL)?,
            linger: resolved.get(&vars::METRICS_LINGER_SECONDS)?,
            buckets: resolved.get(&vars::JOB_DURATION_BUCKETS)?,
            cache_types: resolved.get(&vars::CACHE_TYPES).unwrap_or_default(),
            steps: resolved.get(&vars::STEP_METRICS_MATCH),
        },
        otlp,
        traces,
        deployments: DeploymentRule {
            job: resolved.get(&vars::DORA_DEPLOYMENT_MATCH)?,
            branch: resolved.get(&vars::DORA_BRANCH_MATCH),
        },
        streams: resolved.get(&vars::DORA_STREAM).unwrap_or_default(),
        job_log: JobLogOptions {
            state_dir: resolved.get(&vars::RUNNER_STATE_DIR)?,
            path: resolved.get(&vars::JOBS_LOG)?,
            max_records: resolved.get(&vars::JOBS_LOG_MAX_RECORDS)?,
        },
        job_events: JobEventsOptions::of(resolved),
        log: LogOptions { format: resolved.get(&vars::LOG_FORMAT)?, level: resolved.get(&vars::LOG_LEVEL)? },
        run_dir: resolved.get(&vars::RUNNER_RUN_DIR),
    })
}
