//! The environment is the only configuration: every variable is read and crossed, every fault is reported at once, and
//! no value is ever printed that was refused or is secret.
//!
//! [`describe`] is the table all of it is driven by; [`Lookup`] is where variables come from, so that tests need no
//! environment of their own. An own name wins over its aliases; two names that are set and disagree are a fault. An
//! empty text means "not set", except that a boolean is then false: `EPHEMERAL=` has never meant yes.

mod check;
mod child;
mod cross;
mod fault;
mod flavour;
mod foreign;
mod lookup;
pub mod names;
mod reading;
pub mod reference;
mod registration;
mod runner;
mod secret;
mod shape;
mod table;
mod typo;
mod url;
mod value;
mod variable;

pub use check::render_check;
pub use child::{child_environment, is_secret};
pub use fault::{Fault, Faults, Used, Warning};
pub use flavour::Flavour;
pub use lookup::{Environment, Lookup, MapLookup};
pub use registration::{Credential, Registration, RunAs};
pub use runner::Runner;
pub use secret::Secret;
pub use table::describe;
pub use value::Kind;
pub use variable::{Alias, Fallback, Group, Reach, Variable};

use crate::domain::budget::Budget;
use crate::domain::dora::DeploymentRule;
use crate::domain::target::{Host, Target};
use cross::Crossed;
use reading::Reading;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    pub lifecycle: Lifecycle,
    /// The HTTP endpoint.
    pub metrics: Metrics,
    /// Which jobs are deployments.
    pub deployments: DeploymentRule,
    /// What is kept on disk.
    pub job_log: JobLog,
    /// Our own log.
    pub log: Log,
    /// Where the supervisor's sockets are; `None` leaves the choice to the supervisor.
    pub run_dir: Option<PathBuf>,
}

/// Stop and restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// How long each phase of a stop may take.
    pub budget: Budget,
    /// Consecutive restarts without a session before giving up; `None` never gives up.
    pub max_restarts: Option<u32>,
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
}

/// What is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLog {
    /// What survives a restart.
    pub state_dir: PathBuf,
    /// The job log's file.
    pub path: PathBuf,
    /// Rows after which it is compacted; at least 100.
    pub max_records: usize,
}

/// Our own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines appear.
    pub level: LogLevel,
}

/// Defines an enum whose variants are the words of a [`Kind::Choice`].
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word the variable takes.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            fn of(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// How a line of our own log looks.
    LogFormat {
        /// `key=value` pairs.
        Logfmt = "logfmt",
        /// One JSON object per line.
        Json = "json",
    }
}

words! {
    /// Which lines of our own log appear; each includes those before it.
    LogLevel {
        /// What failed.
        Error = "error",
        /// What may fail next.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// Why.
        Debug = "debug",
    }
}

/// A configuration that holds, and what should be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was configured.
    pub config: Config,
    /// What is probably not meant so.
    pub warnings: Vec<Warning>,
    /// Which variables were set and won, in the table's order.
    pub used: Vec<Used>,
    /// What `check` shows: each variable's effective value, in the table's order.
    settings: Vec<check::Setting>,
}

impl Config {
    /// Reads every variable of the table.
    ///
    /// # Errors
    /// Every fault at once, in the table's order.
    pub fn from_lookup(lookup: &dyn Lookup) -> Result<Loaded, Faults> {
        let mut reading = Reading::of(lookup);
        let mut warnings = typo::warnings(lookup);
        warnings.extend(foreign::warnings(lookup));
        let crossed = cross::check(&mut reading, &mut warnings, lookup);
        let faults = reading.faults();
        let Some(crossed) = crossed.filter(|_| faults.is_empty()) else {
            return Err(Faults { faults, warnings });
        };
        let config = build(&reading, crossed);
        let settings = check::settings(&reading);
        Ok(Loaded { config, warnings, used: reading.used, settings })
    }

    /// Whether the runner's registration is to be removed when it leaves, and can be.
    pub fn deregisters(&self) -> bool {
        registration::removes(self.credential.as_ref(), self.registration.skip, self.registration.keep)
    }

    /// How long PID 1 waits for who outlives the supervisor, whatever else is wrong; nothing else is read.
    pub fn sweep_grace(lookup: &dyn Lookup) -> Duration {
        let grace = Reading::one(names::RUNNER_STOP_GRACE, lookup);
        let drain = Reading::one(names::RUNNER_DRAIN_TIMEOUT, lookup);
        // A drain alone says that the orchestrator waits for longer than that.
        let is_long = !grace.is_set(names::RUNNER_STOP_GRACE) && drain.is_set(names::RUNNER_DRAIN_TIMEOUT);
        Budget::sweep_of(if is_long { Duration::MAX } else { grace.take(names::RUNNER_STOP_GRACE) })
    }

    /// The endpoint's token alone, whatever else is wrong: a health check must be able to ask even then.
    pub fn auth_token(lookup: &dyn Lookup) -> Option<Secret> {
        Reading::of(lookup).get(names::METRICS_AUTH_TOKEN)
    }
}

/// Takes every value out of a reading without faults.
fn build(reading: &Reading, crossed: Crossed) -> Config {
    let Crossed { credential, place, budget } = crossed;
    let word = |name| -> String { reading.take(name) };
    let can_ask = place.target.is_some() && credential.as_ref().is_some_and(Credential::can_ask);
    Config {
        credential,
        target: place.target,
        host: place.host,
        api_url: place.api_url,
        registration: Registration::of(reading, can_ask),
        runner: Runner::of(reading),
        lifecycle: Lifecycle { budget, max_restarts: reading.take(names::RUNNER_MAX_RESTARTS) },
        metrics: Metrics {
            enabled: reading.take(names::METRICS_ENABLED),
            bind: reading.take(names::METRICS_BIND),
            port: reading.take(names::METRICS_PORT),
            auth_token: reading.get(names::METRICS_AUTH_TOKEN),
            update_interval: reading.take(names::METRICS_UPDATE_INTERVAL),
            linger: reading.take(names::METRICS_LINGER_SECONDS),
            buckets: reading.take(names::JOB_DURATION_BUCKETS),
            cache_types: reading.get(names::CACHE_TYPES).unwrap_or_default(),
        },
        deployments: DeploymentRule {
            job: reading.take(names::DORA_DEPLOYMENT_MATCH),
            branch: reading.get(names::DORA_BRANCH_MATCH),
        },
        job_log: JobLog {
            state_dir: reading.take(names::RUNNER_STATE_DIR),
            path: reading.take(names::JOBS_LOG),
            max_records: reading.take(names::JOBS_LOG_MAX_RECORDS),
        },
        log: Log {
            format: LogFormat::of(&word(names::LOG_FORMAT)).expect("the table takes only known words"),
            level: LogLevel::of(&word(names::LOG_LEVEL)).expect("the table takes only known words"),
        },
        run_dir: reading.get(names::RUNNER_RUN_DIR),
    }
}
