//! The real supervisor over a simulated runner: everything shown is real but GitHub.

use crate::cli::{USAGE, supervise};
use crate::config::{Config, Environment, Lookup, MapLookup, child_environment, names, render_check};
use crate::sim;
use crate::supervisor::{StartError, Tcp};
use std::ffi::OsString;
use std::path::Path;

/// How to vary the demo.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// Play this many times faster (0.1 to 100)
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Stop handing out jobs after this many; endless by default
    #[arg(long)]
    jobs: Option<u32>,
    /// Another seed is another sequence of jobs
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|speed| (0.1..=100.0).contains(speed))
        .ok_or("expected a number from 0.1 to 100".to_owned())
}

/// Plays until it is stopped; the exit code.
pub fn run(options: &Options) -> i32 {
    let dir = match tempfile::Builder::new().prefix("runner-init-demo-").tempdir() {
        Ok(dir) => dir,
        Err(error) => return failed("cannot make a temporary directory", &error),
    };
    let runner = dir.path().join("runner");
    let scenario = sim::demo(options.jobs, options.speed, options.seed);
    if let Err(error) = sim::install(&runner, Path::new("/proc/self/exe"), &scenario) {
        return failed("cannot set the simulated runner up", &error);
    }
    let lookup = environment(dir.path());
    match Config::from_lookup(&lookup) {
        Ok(loaded) => supervise(loaded, child_environment(&lookup), bind, announce),
        Err(faults) => {
            eprint!("{}", render_check(&Err(faults)));
            USAGE
        }
    }
}

/// The caller's own variables, but for what makes it a demo.
fn environment(dir: &Path) -> MapLookup {
    const DEFAULTS: [(&str, &str); 4] = [
        (names::RUNNER_NAME, "demo-runner"),
        (names::METRICS_BIND, "127.0.0.1"),
        (names::METRICS_UPDATE_INTERVAL, "5"),
        (names::RUNNER_STOP_GRACE, "60s"),
    ];
    let paths = [
        (names::RUNNER_DIR, "runner"),
        (names::RUNNER_WORK_DIR, "runner/_work"),
        (names::RUNNER_STATE_DIR, "state"),
        (names::JOBS_LOG, "state/jobs.log"),
    ];
    let is_set = |name: &str| Environment.get(name).is_some_and(|value| !value.is_empty());
    let mut vars: Vec<(OsString, OsString)> = Environment.vars();
    let defaults = DEFAULTS.iter().filter(|(name, _)| !is_set(name));
    vars.extend(defaults.map(|(name, value)| (OsString::from(name), OsString::from(value))));
    if !is_set(names::RUNNER_RUN_DIR) {
        vars.push((names::RUNNER_RUN_DIR.into(), dir.join("run").into()));
    }
    vars.extend(paths.iter().map(|(name, path)| (OsString::from(name), dir.join(path).into_os_string())));
    vars.push((names::RUNNER_SKIP_REGISTRATION.into(), "true".into()));
    MapLookup::new(vars)
}

/// As configured; if that port is taken and nobody asked for it, any other will do.
fn bind(config: &Config) -> Result<Tcp, StartError> {
    match Tcp::bind(config) {
        Err(StartError::Bind { .. }) if Environment.get(names::METRICS_PORT).is_none() => {
            let mut any = config.clone();
            any.metrics.port = 0;
            Tcp::bind(&any)
        }
        bound => bound,
    }
}

fn announce(tcp: &Tcp) {
    if let Some(address) = tcp.address() {
        println!(
            "runner-init demo: a simulated runner, real supervision. Open\n  http://{address}/metrics\n  \
             http://{address}/api/v1/status\n  http://{address}/api/v1/jobs\nCtrl-C drains and leaves; twice insists.\n"
        );
    }
}

fn failed(what: &str, error: &std::io::Error) -> i32 {
    eprintln!("runner-init: {what}: {error}");
    71
}
