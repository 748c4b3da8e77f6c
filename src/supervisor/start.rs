//! Start-up. The beginning, step by step: signals are caught and the port is bound before anything is spawned.

use super::caches::CacheWatch;
use super::closing::Closing;
use super::engine::EngineWatch;
use super::fault::StartError;
use super::hall::Hall;
use super::job_hooks::JobHooks;
use super::job_log::JobLog;
use super::listening::Listening;
use super::preparation::Preparation;
use super::runner;
use super::sampler::Sampler;
use super::sweeping::Sweeper;
use super::traced::Traced;
use super::workers::Workers;
use super::{Clock, Supervisor, utc_now};
use crate::config::{Config, Credential, Environment, Lookup as _, vars};
use crate::domain::event::Now;
use crate::domain::identity::Identity;
use crate::domain::job::jobs::Jobs;
use crate::domain::lifecycle::{Lifecycle, Settings};
use crate::domain::status::Status;
use crate::domain::totals::Bounds;
use crate::http::middleware::Names;
use crate::http::{self, Scrapes, View, page, server};
use crate::sys::child::Output;
use crate::sys::journal;
use crate::sys::journal_writer::{self, JournalWriter, Opened};
use crate::sys::run_dir;
use crate::sys::signals::Signals;
use crate::sys::stdio::OutputWriter;
use crate::telemetry::emit::{ApiMeter, Telemetry};
use crate::telemetry::exporter::Exporter;
use chrono::{DateTime, Utc};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Sentences that may wait for the loop; then the pipe fills.
const SENTENCES: usize = 64;

/// A lost connection is asked about this often, or as often as the idle runner: GitHub needs about as long to notice.
const LOOK_EVERY: Duration = Duration::from_secs(120);

/// The TCP door, if there is to be one.
pub(crate) enum Tcp {
    /// `METRICS_ENABLED=false`
    Off,
    /// Bound, not yet served.
    Bound(server::TcpServer),
}

impl Tcp {
    /// Binds what the configuration asks for.
    ///
    /// # Errors
    /// [`StartError::Bind`], naming address and variables.
    pub(crate) fn bind(config: &Config) -> Result<Tcp, StartError> {
        if !config.metrics.enabled {
            return Ok(Tcp::Off);
        }
        let address = SocketAddr::new(config.metrics.bind, config.metrics.port);
        let bound = server::TcpServer::tcp(address).map_err(|source| StartError::Bind { address, source })?;
        Ok(Tcp::Bound(bound))
    }

    /// Where it is, if it is.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Tcp::Off => None,
            Tcp::Bound(bound) => bound.address().ok(),
        }
    }
}

/// What a supervisor begins with.
pub(crate) struct Setup {
    /// Checked configuration.
    pub config: Config,
    /// The listener's whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The door.
    pub tcp: Tcp,
    /// Our stdout and stderr.
    pub outlets: [OutputWriter; 2],
}

pub(super) fn begin(Setup { config, environment, tcp, outlets }: Setup) -> Result<Supervisor, StartError> {
    let os = |what| move |source| StartError::Os { what, source };
    let signals = Signals::catch().map_err(os("the signal handlers"))?;
    let (mut launch, work_dir, files) = runner::launch(&config, environment)?;
    let job_hooks = JobHooks::open(&config, &mut launch, &files.dir);
    let (clock, now) = clock();

    let settings = journal_settings(&config, launch.user.as_ref().map(|user| user.uid));
    let (journal, found) = match journal_writer::open(&settings).map_err(StartError::JobLog)? {
        Opened::Log(journal, replay) => (Some(journal), Ok(replay)),
        Opened::Unusable(detail) => (None, Err(detail)),
    };
    let identity = Arc::new(identity(&config, now.utc));
    let exporter = Exporter::install(&identity, &settings.bounds).map_err(StartError::Registry)?;
    let telemetry = Telemetry::new(exporter.clone(), Arc::clone(&identity));
    let (preparation, registrar) =
        Preparation::new(&config, &launch, &files, &outlets, &ApiMeter::new(exporter.clone()))?;
    let life = Lifecycle::new(lifecycle_settings(&config, &preparation, registrar.is_some(), now), now);
    let shown = Arc::new(life.status(now));
    telemetry.show(&shown);
    let hall = open_hall(&config, tcp, exporter, Arc::clone(&shown), identity);

    let (words_in, words) = mpsc::unbounded_channel();
    let scribe = JournalWriter::start(journal, settings, words_in).map_err(os("a thread for the job log"))?;
    let sampler = Sampler::start(&config, work_dir.clone()).map_err(os("threads for the disk"))?;
    let mut supervisor = Supervisor {
        life,
        clock,
        signals,
        sweeper: Sweeper::start(&config, &launch, &files.dir, &work_dir),
        engine: EngineWatch::start(&config, &launch, &files.dir),
        preparation,
        job_hooks,
        jobs: Jobs::default(),
        caches: CacheWatch::begin(&config.metrics.cache_types, &files.dir, sampler.space(), &telemetry),
        sampler,
        traced: Traced::default(),
        launch,
        files,
        listening: Listening::default(),
        workers: Workers::default(),
        closing: Closing::default(),
        below: mpsc::unbounded_channel(),
        update: None,
        output: Output { outlets, lines: Arc::default() },
        heard: mpsc::channel(SENTENCES),
        scribe: Some(scribe),
        job_log: JobLog::new(&config),
        deployments: config.deployments,
        words,
        telemetry,
        hall,
        registrar: registrar.map(Arc::new),
        errands: JoinSet::new(),
        shown,
        linger: config.metrics.linger,
        wrap_up_limit: config.lifecycle.budget.wrap_up,
        leaving: None,
    };
    supervisor.opened(found);
    supervisor.sample(supervisor.sampler.space().now());
    Ok(supervisor)
}

fn clock() -> (Clock, Now) {
    let clock = Clock { start: Instant::now() };
    (clock, clock.now())
}

fn journal_settings(config: &Config, jobs: Option<u32>) -> journal::JournalSettings {
    journal::JournalSettings {
        path: config.job_log.path.clone(),
        max_records: config.job_log.max_records,
        bounds: Bounds::with_duration(config.metrics.buckets.clone()),
        streams: config.streams.clone(),
        jobs,
    }
}

fn identity(config: &Config, started_at: DateTime<Utc>) -> Identity {
    Identity {
        runner_name: config.runner.name.clone(),
        runner_type: config.runner.flavour.as_str().to_owned(),
        init_version: env!("CARGO_PKG_VERSION"),
        arch: std::env::consts::ARCH,
        ephemeral: config.runner.ephemeral,
        started_at,
    }
}

fn lifecycle_settings(config: &Config, preparation: &Preparation, registers: bool, now: Now) -> Settings {
    let can_ask = registers && config.credential.as_ref().is_some_and(Credential::can_ask);
    let check_every = config.registration.status_check;
    let budget = &config.lifecycle.budget;
    Settings {
        drain: budget.drain,
        ladder: budget.ladder(),
        update: budget.drain + budget.stopping,
        max_restarts: config.lifecycle.max_restarts,
        prepares: preparation.is_needed(),
        registers,
        reregisters: can_ask,
        one_job: config.runner.ephemeral || config.registration.jit,
        check_every: check_every.filter(|_| can_ask),
        look_every: can_ask.then(|| check_every.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)),
        removal: (registers && !config.registration.keep).then_some(budget.deregistration),
        removal_ends: budget.removal_ends,
        // Only spreads the back-off of a fleet.
        seed: u64::from(now.utc.timestamp_subsec_nanos()) << 32 | u64::from(std::process::id()),
    }
}

fn open_hall(
    config: &Config,
    tcp: Tcp,
    exporter: Exporter,
    shown: Arc<Status>,
    identity: Arc<Identity>,
) -> Hall {
    let (status, seen) = watch::channel(shown);
    let (pulse_in, pulse) = mpsc::channel(8);
    let (stop, stopped) = watch::channel(false);
    let scrapes = Arc::new(Scrapes::default());
    let view = View {
        status: seen,
        exporter,
        pulse: pulse_in,
        clock: utc_now,
        identity,
        site: Arc::new(page::Site {
            bounds: config.metrics.buckets.clone(),
            server_url: config.target.is_some().then(|| config.host.url()),
        }),
        scrapes: Arc::clone(&scrapes),
    };
    let mut doors = JoinSet::new();
    match tcp {
        Tcp::Off => tracing::info!(event = "not_serving", because = "METRICS_ENABLED=false"),
        Tcp::Bound(bound) => {
            if let Ok(address) = bound.address() {
                tracing::info!(event = "serving", address = %address);
            }
            let token = config.metrics.auth_token.clone();
            let names = token.is_none().then(|| Names::new(Environment.hostname()));
            let router = http::router(view.clone(), token, names);
            doors.spawn(bound.serve(router, stopped.clone()));
        }
    }
    // The health check's own door is guarded by its directory, not by the token.
    let candidates = run_dir::candidates(config.run_dir.as_deref());
    match run_dir::create(&candidates).and_then(|dir| server::UnixServer::open(&dir)) {
        Ok(door) => drop(doors.spawn(door.serve(http::router(view, None, None), stopped))),
        Err(error) => {
            let dir = candidates.last().map(|dir| dir.display().to_string()).unwrap_or_default();
            tracing::warn!(event = "no_health_socket", dir, error = %error, variable = vars::RUNNER_RUN_DIR.name);
        }
    }
    Hall { status, pulse, scrapes, recent: Arc::new([]), caches: Arc::new([]), stop, doors }
}
