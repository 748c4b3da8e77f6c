//! The collector: rows of many runners come in over HTTP, are counted once and shown; no row is answered before it is on disk.

mod api;
mod desk;
mod digest;
mod fleet;
mod intake;
mod router;

use crate::config::{CollectConfig, Environment, Lookup as _, is_secret, vars};
use crate::domain::totals::Bounds;
use crate::exit_code::ExitCode;
use crate::hardening;
use crate::http::middleware::Names;
use crate::http::server::{TcpServer, UnixServer};
use crate::run::{complain, refused};
use crate::sys::journal::{JournalOf, JournalSettings, OpenError};
use crate::sys::journal_writer::chain;
use crate::sys::key_file::KeyFile;
use crate::sys::run_dir;
use crate::sys::signals::{OperatorSignal, Signals};
use crate::sys::stdio::OutputWriter;
use crate::telemetry::collector_log::{CollectorNotice, tell};
use crate::telemetry::log;
use chrono::{DateTime, Utc};
use desk::Desk;
use fleet::Fleet;
use router::CollectApp;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// For the answers under way, once we are asked to stop.
const LAST: Duration = Duration::from_secs(3);

/// Why a collector cannot begin.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    /// The port is taken, or the address not ours.
    #[error("cannot listen on {address} (METRICS_BIND, METRICS_PORT)")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No row could be taken.
    #[error("{}", vars::JOBS_LOG.name)]
    JobLog(#[source] OpenError),
    /// Rows that come twice could not be known.
    #[error("{}: cannot use the keys of the rows beside it", vars::JOBS_LOG.name)]
    Keys(#[source] io::Error),
    /// The operating system refused something we cannot do without.
    #[error("the operating system refused {what}")]
    Os {
        /// What for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl CollectError {
    fn code(&self) -> ExitCode {
        match self {
            CollectError::JobLog(_) | CollectError::Keys(_) => ExitCode::Usage,
            CollectError::Bind { .. } | CollectError::Os { .. } => ExitCode::Os,
        }
    }
}

/// Collects until it is asked to stop; the exit code.
pub(crate) fn run() -> i32 {
    let (config, warnings) = match CollectConfig::from_lookup(&Environment) {
        Ok(read) => read,
        Err(faults) => {
            complain(&format!("{faults}\n"));
            return ExitCode::Usage.code();
        }
    };
    hardening::wipe_environment(is_secret);
    let stderr = match OutputWriter::start(crate::domain::event::Stream::Stderr) {
        Ok(stderr) => stderr,
        Err(error) => return refused("cannot write to stdout and stderr", &error),
    };
    let (format, level, lines) = (config.log_options.format, config.log_options.level, stderr.clone());
    log::install(format, level, move || lines.clone());
    for warning in &warnings {
        tell(CollectorNotice::Configuration { variable: &warning.var, says: &warning.says });
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refused("cannot start", &error),
    };
    let ended = runtime.block_on(collect(config));
    runtime.shutdown_background();
    stderr.flush(LAST);
    match ended {
        Ok(()) => ExitCode::Done.code(),
        Err(error) => {
            complain(&format!("runner-init: {}\n", chain(&error)));
            error.code().code()
        }
    }
}

async fn collect(config: CollectConfig) -> Result<(), CollectError> {
    let os = |what| move |source| CollectError::Os { what, source };
    let mut signals = Signals::catch().map_err(os("the signal handlers"))?;
    let address = SocketAddr::new(config.bind, config.port);
    let tcp = TcpServer::tcp(address).map_err(|source| CollectError::Bind { address, source })?;
    let (mut desk, fleet) = open(&config)?;
    let (rows, inbox) = std::sync::mpsc::channel();
    let writer = std::thread::Builder::new().name("job-log".to_owned()).spawn(move || desk.work(&inbox));
    let writer = writer.map_err(os("a thread for the job log"))?;
    let (stop, stopped) = watch::channel(false);
    let app = CollectApp::new(&config, fleet, rows, now());
    if let Ok(address) = tcp.address() {
        tell(CollectorNotice::Serving { address: &address });
    }
    let mut doors = JoinSet::new();
    let names = config.auth_token.is_none().then(|| Names::new(Environment.hostname()));
    let (read, write) = (config.auth_token.clone(), config.token.clone());
    doors.spawn(tcp.serve(router::router(app.clone(), read, write, names), stopped.clone()));
    let candidates = run_dir::candidates(config.run_dir.as_deref());
    match run_dir::create(&candidates).and_then(|dir| UnixServer::open(&dir)) {
        Ok(door) => drop(doors.spawn(door.serve(router::router(app, None, config.token, None), stopped))),
        Err(error) => {
            tell(CollectorNotice::NoHealthSocket { error: &error, variable: vars::RUNNER_RUN_DIR.name });
        }
    }
    while !matches!(signals.next().await, OperatorSignal::Stop(_)) {}
    tell(CollectorNotice::StopAsked);
    stop.send_replace(true);
    let all = async { while doors.join_next().await.is_some() {} };
    // Who is slower than that has no answer, and sends its rows again.
    let _ = tokio::time::timeout(LAST, all).await;
    doors.shutdown().await;
    // The thread ends with the last of those who could send it rows.
    let _ = tokio::task::spawn_blocking(move || writer.join()).await;
    tell(CollectorNotice::Finished);
    Ok(())
}

fn open(config: &CollectConfig) -> Result<(Desk, Arc<std::sync::Mutex<Fleet>>), CollectError> {
    let settings = JournalSettings {
        path: config.log.clone(),
        max_records: config.max_records,
        bounds: Bounds::with_duration(config.buckets.clone()),
        streams: config.streams.clone(),
        jobs: None,
    };
    let (journal, replay) = JournalOf::open(settings).map_err(CollectError::JobLog)?;
    let mut seen = crate::domain::fleet::seen::SeenRows::default();
    let keys = KeyFile::open(&config.log, |key| {
        seen.insert_key(key);
    })
    .map_err(CollectError::Keys)?;
    // What a crash has torn off the keys is in the log.
    journal
        .rows(|row| {
            seen.insert(&digest::keys(row));
        })
        .map_err(CollectError::Keys)?;
    tell(CollectorNotice::JournalOpened { rows: replay.rows });
    let mut fleet = Fleet::new(config, replay.totals, replay.recent, replay.rows > 0);
    for fault in replay.faults {
        fleet.faults[fault.kind as usize] += fault.count;
        tell(CollectorNotice::JournalFault { kind: fault.kind.as_str(), detail: &fault.detail });
    }
    let fleet = Arc::new(std::sync::Mutex::new(fleet));
    Ok((Desk::new(journal, seen, keys, Arc::clone(&fleet)), fleet))
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the collector's clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
