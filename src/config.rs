//! The environment is the only configuration: every variable is read and crossed, every fault is reported at once, and
//! no value is ever printed that was refused or is secret.
//!
//! [`describe`] is the table all of it is driven by; [`Lookup`] is where variables come from, so that tests need no
//! environment of their own. An own name wins over its aliases; two names that are set and disagree are a fault. An
//! empty text means "not set", except that a boolean is then false: `EPHEMERAL=` has never meant yes.

mod check;
mod child;
mod fault;
mod lookup;
pub mod names;
mod reading;
mod secret;
mod table;
mod typo;
mod value;

pub use check::render_check;
pub use child::child_environment;
pub use fault::{Fault, Faults, Used, Warning};
pub use lookup::{Environment, Lookup, MapLookup};
pub use secret::Secret;
pub use table::{Alias, Fallback, Group, Variable, describe};
pub use value::Kind;

use crate::domain::budget::Budget;
use reading::Reading;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use value::{NAME_LIMIT, Value, show_duration};

/// Everything this program can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The runner itself.
    pub runner: Runner,
    /// Stop and restart.
    pub lifecycle: Lifecycle,
    /// The HTTP endpoint.
    pub metrics: Metrics,
    /// What is kept on disk.
    pub job_log: JobLog,
    /// Our own log.
    pub log: Log,
    /// Where the supervisor's sockets are; `None` leaves the choice to the supervisor.
    pub run_dir: Option<PathBuf>,
}

/// The runner itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Where it is installed and configured.
    pub dir: PathBuf,
    /// Its name, 1 to 64 characters; a metric label.
    pub name: String,
    /// The image's flavour; a metric label.
    pub flavour: RunnerType,
    /// Where jobs are checked out.
    pub work_dir: PathBuf,
    /// Whether it leaves after one job.
    pub ephemeral: bool,
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
    /// The image's flavour, a metric label.
    RunnerType {
        /// No browser.
        Standard = "standard",
        /// With Chrome.
        Chrome = "chrome",
        /// With Chrome and Go.
        ChromeGo = "chrome-go",
    }
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
        let mut warnings = Vec::new();
        require_skipped_registration(&mut reading);
        let budget = stop_budget(&mut reading, &mut warnings);
        derive_name(&mut reading, lookup);
        derive_jobs_log(&mut reading);
        let faults = reading.faults();
        let Some(budget) = budget.filter(|_| faults.is_empty()) else { return Err(Faults(faults)) };
        warnings.extend(typo::warnings(lookup));
        let config = build(&reading, budget);
        let settings = check::settings(&reading, lookup);
        Ok(Loaded { config, warnings, used: reading.used, settings })
    }
}

/// Whether this build removes a registration as it leaves: it makes none.
const DEREGISTERS: bool = false;

/// This build registers nothing, so it must not be asked to.
fn require_skipped_registration(reading: &mut Reading) {
    if reading.get(names::RUNNER_SKIP_REGISTRATION) == Some(false) {
        reading.refuse(
            names::RUNNER_SKIP_REGISTRATION,
            "registration is not part of this build: set RUNNER_SKIP_REGISTRATION=true and provide a configured RUNNER_DIR",
        );
    }
}

/// Crosses grace and drain. `None` if either is faulty, or if they do not fit together: there is a fault then.
fn stop_budget(reading: &mut Reading, warnings: &mut Vec<Warning>) -> Option<Budget> {
    if [names::RUNNER_STOP_GRACE, names::RUNNER_DRAIN_TIMEOUT].iter().any(|name| reading.is_faulty(name)) {
        return None;
    }
    let drain: Option<Duration> = reading.get(names::RUNNER_DRAIN_TIMEOUT);
    let grace = match drain {
        Some(drain) if !reading.is_set(names::RUNNER_STOP_GRACE) => {
            let grace = Budget::needed_grace(drain, DEREGISTERS);
            warnings.push(unstated_grace(grace));
            reading.derive(names::RUNNER_STOP_GRACE, Value::Duration(grace));
            grace
        }
        Some(_) | None => reading.take(names::RUNNER_STOP_GRACE),
    };
    match Budget::from_grace(grace, DEREGISTERS, drain) {
        Ok(budget) => {
            reading.derive(names::RUNNER_DRAIN_TIMEOUT, Value::Duration(budget.drain));
            Some(budget)
        }
        Err(fault) => {
            let (largest, smallest) =
                (show_duration(fault.largest_drain), show_duration(fault.smallest_grace));
            reading.refuse(
                names::RUNNER_DRAIN_TIMEOUT,
                format!("does not fit into RUNNER_STOP_GRACE: drain at most {largest}, or raise RUNNER_STOP_GRACE to at least {smallest}"),
            );
            None
        }
    }
}

fn unstated_grace(grace: Duration) -> Warning {
    let seconds = grace.as_secs_f64().ceil();
    let says = format!(
        "needs an orchestrator that waits at least {seconds} seconds between TERM and KILL (docker --stop-timeout, \
         stop_grace_period, terminationGracePeriodSeconds): set RUNNER_STOP_GRACE to what it waits"
    );
    Warning { var: names::RUNNER_DRAIN_TIMEOUT.into(), says }
}

/// `docker-runner-HOSTNAME`, cut to what GitHub accepts; without a hostname just the prefix.
fn derive_name(reading: &mut Reading, lookup: &dyn Lookup) {
    if reading.is_set(names::RUNNER_NAME) || reading.is_faulty(names::RUNNER_NAME) {
        return;
    }
    let prefix = match flavour(reading) {
        Some(RunnerType::Chrome | RunnerType::ChromeGo) => "chrome-runner",
        Some(RunnerType::Standard) | None => "docker-runner",
    };
    let hostname = lookup.hostname().unwrap_or_default();
    let plain =
        hostname.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' });
    let plain: String = plain.take(NAME_LIMIT - prefix.len() - 1).collect();
    let name = if plain.is_empty() { prefix.to_owned() } else { format!("{prefix}-{plain}") };
    reading.derive(names::RUNNER_NAME, Value::Text(name));
}

fn derive_jobs_log(reading: &mut Reading) {
    let state_dir: Option<PathBuf> = reading.get(names::RUNNER_STATE_DIR);
    if let Some(dir) = state_dir.filter(|_| !reading.is_set(names::JOBS_LOG)) {
        reading.derive(names::JOBS_LOG, Value::Path(dir.join("jobs.log")));
    }
}

fn flavour(reading: &Reading) -> Option<RunnerType> {
    reading.get(names::RUNNER_TYPE).and_then(|word: String| RunnerType::of(&word))
}

/// Takes every value out of a reading without faults.
fn build(reading: &Reading, budget: Budget) -> Config {
    let word = |name| -> String { reading.take(name) };
    Config {
        runner: Runner {
            dir: reading.take(names::RUNNER_DIR),
            name: reading.take(names::RUNNER_NAME),
            flavour: flavour(reading).expect("the table takes only known words"),
            work_dir: reading.take(names::RUNNER_WORK_DIR),
            ephemeral: reading.take(names::RUNNER_EPHEMERAL),
        },
        lifecycle: Lifecycle { budget, max_restarts: reading.take(names::RUNNER_MAX_RESTARTS) },
        metrics: Metrics {
            enabled: reading.take(names::METRICS_ENABLED),
            bind: reading.take(names::METRICS_BIND),
            port: reading.take(names::METRICS_PORT),
            auth_token: reading.get(names::METRICS_AUTH_TOKEN),
            update_interval: reading.take(names::METRICS_UPDATE_INTERVAL),
            linger: reading.take(names::METRICS_LINGER_SECONDS),
            buckets: reading.take(names::JOB_DURATION_BUCKETS),
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
