//! The supervisor's way in: configuration, log and port are set up, it runs, and what kept it from running is said.

pub(crate) mod cautions;

use crate::config::{self, Config, Environment, child_environment, is_secret, render_check};
use crate::domain::event::Stream;
use crate::domain::start_notice::StartNotice;
use crate::exit_code::ExitCode;
use crate::footprint::Shedder;
use crate::hardening;
use crate::init;
use crate::supervisor::{self, Setup, StartError, Tcp};
use crate::sys::journal_writer::chain;
use crate::sys::runtime;
use crate::sys::stdio::OutputWriter;
use crate::telemetry::emit::tell_start;
use crate::telemetry::exporter::measure_clock;
use crate::telemetry::log;
use std::ffi::OsString;
use std::time::Duration;

/// How long a complaint waits for a reader who stands still.
const PATIENCE: Duration = Duration::from_secs(1);

/// The supervisor as the environment configures it.
pub(crate) fn run() -> i32 {
    let lookup = Environment;
    match Config::from_lookup(&lookup) {
        Ok(mut loaded) => {
            loaded.warnings.extend(cautions::exposed(&loaded.config, &lookup));
            loaded.warnings.extend(cautions::weak_token(&loaded.config));
            loaded.warnings.extend(cautions::readable(&loaded.config, &lookup));
            loaded.warnings.extend(cautions::open_file(&loaded.config, &lookup));
            let environment = child_environment(&lookup);
            // Read once and needed no more; the supervisor has no other thread yet.
            hardening::wipe_environment(is_secret);
            supervise(loaded, environment, Tcp::bind, |_| {})
        }
        Err(faults) => {
            complain(&render_check(&Err(faults)));
            ExitCode::Usage.code()
        }
    }
}

/// The supervisor's whole life, on one thread. `bind` opens the door; `announce` is told once it is open.
pub(crate) fn supervise(
    loaded: config::Loaded,
    environment: Vec<(OsString, OsString)>,
    bind: impl FnOnce(&Config) -> Result<Tcp, StartError>,
    announce: impl FnOnce(&Tcp),
) -> i32 {
    let outlets = match (OutputWriter::start(Stream::Stdout), OutputWriter::start(Stream::Stderr)) {
        (Ok(stdout), Ok(stderr)) => [stdout, stderr],
        (Err(error), _) | (_, Err(error)) => return refused("cannot write to stdout and stderr", &error),
    };
    let (format, level, stderr) = (loaded.config.log.format, loaded.config.log.level, outlets[1].clone());
    log::install(format, level, move || stderr.clone());
    for warning in &loaded.warnings {
        let (variable, says) = (warning.var.clone(), warning.says.clone());
        tell_start(&StartNotice::Configuration { variable, says });
    }
    let shedder = Shedder::begin();
    let runtime = match runtime::build(move || shedder.rest()) {
        Ok(runtime) => runtime,
        Err(error) => return refused("cannot start", &error),
    };
    drop(runtime.spawn_blocking(measure_clock));
    let outcome = runtime.block_on(async {
        let tcp = bind(&loaded.config)?;
        announce(&tcp);
        Box::pin(supervisor::run(Setup { config: loaded.config, environment, tcp, outlets })).await
    });
    // A thread that still waits for the updater's marker has nothing left to tell.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        complain(&format!("runner-init: {}\n", chain(&error)));
        error.code().code()
    })
}

pub(crate) fn refused(what: &str, error: &std::io::Error) -> i32 {
    complain(&format!("runner-init: {what}: {error}\n"));
    ExitCode::Os.code()
}

/// The exit code says the same to whoever does not read stderr.
pub(crate) fn complain(text: &str) {
    init::say_within(text.as_bytes(), PATIENCE);
}
