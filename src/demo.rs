//! The real supervisor over a simulated runner: everything shown is real but GitHub.

mod place;

use crate::config::{
    Config, Environment, Group, Lookup, MapLookup, Variable, child_environment, describe, render_check, vars,
};
use crate::exit_code::ExitCode;
use crate::run::{complain, refused, supervise};
use crate::supervisor::{StartError, Tcp};
use place::Place;
use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// How long the demo's first launch takes at speed 1, and the pause after its death, which is real; seconds.
const OPENING: f64 = 36.0;
const BACK_OFF: f64 = 6.0;
/// The default of `METRICS_PORT`.
const DEFAULT_PORT: u16 = 9091;
/// What to open.
const PLACES: [(&str, &str); 5] = [
    ("/", "the status page: what it does, has done and how long that took"),
    ("/metrics", "what Prometheus sees: watch jobs_total, cache_hit_rate, deployments_total, restarts_total"),
    ("/api/v1/status", "what it does right now"),
    ("/api/v1/jobs", "the jobs that have ended"),
    ("/readyz", "whether it could take a job, and why not"),
];

/// How to vary the demo.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Play this many times faster (0.1 to 100)
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Stop handing out jobs after this many; endless by default
    #[arg(long, value_parser = whole::<u32>)]
    jobs: Option<u32>,
    /// Another seed is another sequence of jobs
    #[arg(long, default_value_t = 1, value_parser = whole::<u64>)]
    seed: u64,
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|speed| (0.1..=100.0).contains(speed))
        .ok_or("expected a number from 0.1 to 100".to_owned())
}

fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number that is not too large".to_owned())
}

/// What this process plays if it was started as a program of the simulated runner.
pub(crate) fn part(argv: &[OsString]) -> Option<impl FnOnce() -> i32 + use<>> {
    runner_sim::dispatch(argv)
}

/// Plays until it is stopped; the exit code.
pub(crate) fn run(options: &Options) -> i32 {
    place::clear();
    let place = match Place::make() {
        Ok(place) => place,
        Err(error) => return refused("cannot make a temporary directory", &error),
    };
    let scenario = runner_sim::demo(options.jobs, options.speed, options.seed);
    if let Err(error) = runner_sim::install(&place.runner(), Path::new("/proc/self/exe"), &scenario) {
        return refused("cannot set the simulated runner up", &error);
    }
    let lookup = environment(place.path());
    match Config::from_lookup(&lookup) {
        Ok(loaded) => supervise(loaded, child_environment(&lookup), bind, |tcp| announce(tcp, options)),
        Err(faults) => {
            complain(&render_check(&Err(faults)));
            ExitCode::Usage.code()
        }
    }
}

/// Whether the caller's own variable varies the demo. One that says who the runner is to GitHub, or to the image that the demo
/// is started from, has nothing to say here: it is neither heeded nor warned of.
fn varies(variable: &Variable) -> bool {
    match variable.group {
        Group::Credentials | Group::Target => false,
        Group::Runner => [
            vars::RUNNER_NAME.name,
            vars::RUNNER_TYPE.name,
            vars::RUNNER_PRINT_LOG.name,
            vars::RUNNER_SWEEP.name,
            vars::RUNNER_DIAG_MAX_MB.name,
        ]
        .contains(&variable.name),
        Group::Lifecycle => {
            [vars::RUNNER_STOP_GRACE.name, vars::RUNNER_DRAIN_TIMEOUT.name, vars::RUNNER_MAX_RESTARTS.name]
                .contains(&variable.name)
        }
        Group::Metrics
        | Group::OpenTelemetry
        | Group::Dora
        | Group::JobLog
        | Group::JobEvents
        | Group::Log => true,
        Group::Collect => false,
    }
}

/// The caller's own variables that vary the demo or are none of ours, and what makes it a demo.
fn environment(dir: &Path) -> MapLookup {
    let defaults = [
        (vars::RUNNER_NAME.name, "demo-runner"),
        (vars::METRICS_BIND.name, "127.0.0.1"),
        (vars::METRICS_UPDATE_INTERVAL.name, "5"),
        (vars::RUNNER_STOP_GRACE.name, "60s"),
        // It may run where others' processes do.
        (vars::RUNNER_SWEEP.name, "false"),
    ];
    let is_set = |name: &str| Environment.get(name).is_some_and(|value| !value.is_empty());
    let mut ours = vec![
        (vars::RUNNER_DIR.name, dir.join("runner").into_os_string()),
        (vars::RUNNER_WORK_DIR.name, dir.join("runner/_work").into()),
        (vars::RUNNER_STATE_DIR.name, dir.join("state").into()),
        (vars::JOBS_LOG.name, dir.join("state/jobs.log").into()),
        (vars::RUNNER_SKIP_REGISTRATION.name, "true".into()),
        // Nothing runs but this program: it is whom the demo is started as.
        (vars::RUNNER_USER.name, "".into()),
        (vars::RUNNER_ALLOW_RUNASROOT.name, "true".into()),
    ];
    if !is_set(vars::RUNNER_RUN_DIR.name) {
        ours.push((vars::RUNNER_RUN_DIR.name, dir.join("run").into()));
    }
    let defaults = defaults.into_iter().filter(|(name, _)| !is_set(name));
    ours.extend(defaults.map(|(name, value)| (name, value.into())));
    let is_ours = |row: &Variable| !varies(row) || ours.iter().any(|(name, _)| *name == row.name);
    let is_kept = |name: &OsString| {
        let Some(name) = name.to_str() else { return true };
        let plain = name.strip_suffix("_FILE").unwrap_or(name);
        let mut rows =
            describe().iter().filter(|row| row.names().any(|known| known == name || known == plain));
        !rows.any(is_ours)
    };
    let mut vars = Environment.vars();
    vars.retain(|(name, _)| is_kept(name));
    vars.extend(ours.into_iter().map(|(name, value)| (OsString::from(name), value)));
    MapLookup::new(vars)
}

/// As configured; if that port is taken and nobody asked for it, any other will do.
fn bind(config: &Config) -> Result<Tcp, StartError> {
    match Tcp::bind(config) {
        Err(StartError::Bind { .. }) if Environment.get(vars::METRICS_PORT.name).is_none() => {
            let mut any = config.clone();
            any.metrics.port = 0;
            Tcp::bind(&any)
        }
        bound => bound,
    }
}

/// What there is to see, before the runner says its first word.
fn announce(tcp: &Tcp, options: &Options) {
    let places = match tcp.address() {
        Some(address) => places(address),
        None => format!("  {}=false: there is nothing to open\n", vars::METRICS_ENABLED.name),
    };
    let plot = match options.jobs {
        Some(1) => "It takes 1 job, then it idles.".to_owned(),
        Some(jobs) => format!("It takes {jobs} jobs, then it idles."),
        None => format!(
            "Within {} seconds: a success, a failure, a cancelled job, a lost connection, a deployment that fails and its\n\
             repair, caches that hit and miss, and a listener that is killed under a job and comes back. Then an\n\
             ordinary day of jobs. There is no queue time: only GitHub could tell it.",
            (OPENING / options.speed).ceil() + BACK_OFF
        ),
    };
    let text = format!(
        "runner-init demo: real supervision of a simulated runner. No GitHub, no network.\n\n{places}\n{plot}\n\
         Ctrl-C lets the running job finish, another one, a second later or more, cancels it. Below is what the runner\n\
         prints; the lines that begin with ts= are runner-init's own.\n\n"
    );
    // Nobody reads it: the demo is the endpoint all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn places(mut address: SocketAddr) -> String {
    let is_other = Environment.get(vars::METRICS_PORT.name).is_none() && address.port() != DEFAULT_PORT;
    let note = if is_other { format!("  (port {DEFAULT_PORT} is taken)\n") } else { String::new() };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let place = |(path, what): (&str, &str)| format!("  http://{address}{path:<16} {what}\n");
    PLACES.into_iter().map(place).collect::<Vec<_>>().concat() + &note
}
