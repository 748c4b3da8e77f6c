//! Start-up. The beginning, step by step: signals are caught and the port is bound before anything is spawned.

use super::Supervisor;
use super::aftermath::Aftermath;
use super::caches::CacheWatch;
use super::cleanup::Sweeper;
use super::clock::Clock;
use super::engine::EngineWatch;
use super::fault::StartError;
use super::github_tasks::GithubTasks;
use super::http_handle::HttpHandle;
use super::job_events::JobEvents;
use super::job_hooks::JobHooks;
use super::job_keeper::JobKeeper;
use super::job_log::JobLog;
use super::job_traces::JobTraces;
use super::listener::ListenerProcess;
use super::odd_files::OddFiles;
use super::predecessor::open_job_log;
use super::preparation::Preparation;
use super::push::MetricsPush;
use super::runner::{self, FoundRunner};
use super::sampler::Sampler;
use super::shutdown::Limits;
use super::trace_watch::TraceWatch;
use super::workers::Workers;
use crate::config::{Config, Credential};
use crate::domain::event::Now;
use crate::domain::identity::Identity;
use crate::domain::lifecycle::{Lifecycle, Settings};
use crate::domain::totals::Bounds;
use crate::exit_code::ExitCode;
use crate::http::server;
use crate::sys::child::{Launch, Output};
use crate::sys::disk_thread;
use crate::sys::journal;
use crate::sys::journal_writer::JournalWriter;
use crate::sys::signals::Signals;
use crate::sys::stdio::OutputWriter;
use crate::telemetry::emit::{ApiMeter, Telemetry};
use crate::telemetry::exporter::Exporter;
use chrono::{DateTime, Utc};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A lost connection is asked about this often, or as often as the idle runner: GitHub needs about as long to notice.
const LOOK_EVERY: Duration = Duration::from_secs(120);

/// A directory that takes longer to be looked at hangs.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

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

/// The exit code of one that was asked to go before it could begin.
pub(super) const ASKED_TO_GO: i32 = ExitCode::Done.code();

/// `None` if it was asked to go before it could begin.
pub(super) async fn begin(
    Setup { config, environment, tcp, outlets }: Setup,
) -> Result<Option<Supervisor>, StartError> {
    let os = |what| move |source| StartError::Os { what, source };
    let mut signals = Signals::catch().map_err(os("the signal handlers"))?;
    let FoundRunner { mut launch, work_dir, files, odd } = find_in_time(&config, environment)?;
    let job_hooks = JobHooks::open(&config, &mut launch, &files.dir);
    let clock = Clock::start();
    let now = clock.now();

    let settings = journal_settings(&config, &launch);
    let Some((journal, found)) = open_job_log(&config, &settings, &mut signals).await? else {
        return Ok(None);
    };
    let identity = Arc::new(identity(&config, now.utc));
    let exporter = Exporter::install(&identity, &settings.bounds).map_err(StartError::Registry)?;
    let telemetry = Telemetry::new(exporter.clone(), Arc::clone(&identity));
    let (preparation, registrar) =
        Preparation::new(&config, &launch, &files, &outlets, &ApiMeter::new(exporter.clone()))?;
    let life = Lifecycle::new(lifecycle_settings(&config, &preparation, registrar.is_some(), now), now);
    let shown = Arc::new(life.status(now));
    telemetry.show(&shown);
    let job_events = JobEvents::start(&config, &identity, &launch.env, tcp.address(), clock)?;
    let traces = JobTraces::start(&config, &launch.env, &identity, clock, &exporter, registrar.as_ref())?;
    let sampler = Sampler::start(&config, work_dir.clone()).map_err(os("threads for the disk"))?;
    let http = HttpHandle::open(&config, tcp, exporter, shown, identity, sampler.freshness());

    let (events_in, events) = mpsc::unbounded_channel();
    let writer =
        JournalWriter::start(journal, settings, events_in).map_err(os("a thread for the job log"))?;
    let sweeper = Sweeper::start(&config, &launch, &files.dir, &work_dir);
    let engine = EngineWatch::start(&config, &launch, &files.dir);
    let aftermath = Aftermath { sweeper, engine, odd_files: OddFiles::new(odd) };
    let caches = CacheWatch::begin(&config.metrics.cache_types, &files, sampler.space());
    telemetry.know(caches.at_the_start(), config.metrics.steps.clone());
    let push = MetricsPush::start(&config, &launch.env, &telemetry, now.up)?;
    let mut supervisor = Supervisor {
        life,
        clock,
        signals,
        listener: ListenerProcess::new(launch, files.clone(), Output { outlets, lines: Arc::default() }),
        workers: Workers::new(files.clone()),
        trace: TraceWatch::default(),
        jobs: JobKeeper::new(JobLog::new(&config, Some(writer), events), caches, job_events, traces),
        job_hooks,
        sampler,
        aftermath,
        preparation,
        github: GithubTasks::new(registrar),
        files,
        telemetry,
        push,
        http,
        limits: Limits { linger: config.metrics.linger, wrap_up: config.lifecycle.budget.wrap_up },
        leaving: None,
    };
    let news = supervisor.jobs.log.opened(found, clock.now().utc);
    let effects = supervisor.jobs.heard(news);
    supervisor.apply(effects).await;
    let space = supervisor.sampler.space().now();
    let effects = supervisor.sampler.handle(space, clock.now(), supervisor.listener.output());
    supervisor.apply(effects).await;
    Ok(Some(supervisor))
}

/// The runner's directory may lie on a file system that hangs, and then nobody would be left to hear a stop.
fn find_in_time(config: &Config, environment: Vec<(OsString, OsString)>) -> Result<FoundRunner, StartError> {
    let (dir, config) = (config.runner.dir.clone(), config.clone());
    let found = disk_thread::within(DISK_PATIENCE, move || runner::launch(&config, environment));
    let found =
        found.map_err(|source| StartError::Os { what: "a thread for the runner's directory", source })?;
    found.ok_or(StartError::Hangs { dir })?
}

fn journal_settings(config: &Config, launch: &Launch) -> journal::JournalSettings {
    journal::JournalSettings {
        path: config.job_log.path.clone(),
        max_records: config.job_log.max_records,
        bounds: Bounds::with_duration(config.metrics.buckets.clone()),
        streams: config.streams.clone(),
        jobs: launch.user.clone(),
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
    Settings {
        budget: config.lifecycle.budget,
        max_restarts: config.lifecycle.max_restarts,
        prepares: preparation.is_needed(),
        registers,
        reregisters: can_ask,
        one_job: config.runner.ephemeral || config.registration.jit,
        idle: config.lifecycle.idle_timeout,
        check_every: check_every.filter(|_| can_ask),
        look_every: can_ask.then(|| check_every.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)),
        removes: registers && !config.registration.keep,
        // Only spreads the back-off of a fleet.
        seed: u64::from(now.utc.timestamp_subsec_nanos()) << 32 | u64::from(std::process::id()),
    }
}
