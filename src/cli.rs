//! The command line: which role to play, and the exit code it ends with. Configuration is not here, it is environment only.

mod check;
mod exec;
mod trace;

use crate::collect;
use crate::config::{Config, Environment, Lookup, vars};
use crate::demo;
use crate::domain::context::{CacheResult, Moment};
use crate::exit_code::ExitCode;
use crate::hardening;
use crate::hook;
use crate::http::client::{self, ProbeTarget};
use crate::init;
use crate::run::{complain, refused, run};
use crate::sys::copy_self;
use crate::sys::journal_writer::chain;
use crate::sys::run_dir;
use crate::sys::runner_user;
use crate::telemetry::reference;
use clap::{CommandFactory, Parser, Subcommand};
use exec::{InitArgs, separated};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("RUNNER_INIT_COMMIT"),
    ", ",
    env!("RUNNER_INIT_TARGET"),
    ")"
);
const USES: &str = "runner-init [COMMAND]\n       runner-init [OPTIONS] [--] CMD [ARGS]...";
const AFTER: &str = "Configuration is by environment variables only; `runner-init check` shows the effective one.\n\
    As PID 1 it re-executes itself as the supervisor, forwards signals and reaps orphans.";

/// PID 1 for GitHub Actions self-hosted runner containers.
#[derive(Parser)]
#[command(name = "runner-init", bin_name = "runner-init", version = VERSION, after_help = AFTER, override_usage = USES)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    init: InitArgs,
    #[command(subcommand)]
    call: Option<Call>,
    /// Plain init: run CMD under the same reaping and forwarding; also when the first word is no command of ours
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Subcommand)]
enum Call {
    /// Supervise the runner (the default)
    Run,
    /// Container HEALTHCHECK: exit 0 if healthy, 1 if not, one line of reason
    Health {
        /// Ask for readiness instead
        #[arg(long)]
        ready: bool,
        /// Ask over TCP instead of the socket in `RUNNER_RUN_DIR`, e.g. <http://127.0.0.1:9091>
        #[arg(long)]
        url: Option<hyper::Uri>,
    },
    /// Validate the configuration and print the effective one; exit 64 with all faults
    Check {
        /// Look at directories, users, sockets, name look-up and GitHub's answer as well
        #[arg(long)]
        files: bool,
    },
    /// Supervise a simulated runner: no GitHub, no network, no files outside a temporary directory
    #[cfg_attr(not(feature = "demo"), command(hide = true, disable_help_flag = true))]
    Demo(demo::Options),
    /// Take the rows of many runners (`JOB_EVENTS_URL`), count them once, and show the fleet
    Collect,
    /// Print the metric reference as Markdown
    Metrics,
    /// Print the trace of a job of the log: its wait, its steps, its times
    Trace {
        /// The job's id, as /api/v1/jobs has it
        #[arg(value_name = "ID")]
        job_id: String,
        /// As a request of OTLP's in JSON
        #[arg(long)]
        otlp_json: bool,
    },
    /// For the steps of a job: record what a cache had; exits 0, recorded or not
    Cache {
        /// hit, partial or miss
        result: CacheResult,
        /// Which cache, such as npm
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
    },
    /// Copy this program into DIR, for another container that mounts it, as ARC's values in `compose/kubernetes/arc` do
    CopySelf {
        /// A directory that is there
        dir: PathBuf,
    },
    /// Print this help
    #[command(hide = true)]
    Help,
    /// Print the version
    #[command(hide = true)]
    Version,
    /// What our job hooks call
    #[command(hide = true)]
    Hook { moment: Moment },
}

/// The command line as it is parsed; for the manual and the completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The whole program: takes its role, plays it, returns the exit code. Nothing of the process may have been touched before.
pub fn main(argv: &[OsString]) -> i32 {
    init::hold_signals();
    #[cfg(feature = "demo")]
    if let Some(play) = demo::part(argv) {
        init::release_signals();
        return play();
    }
    hardening::apply();
    // Re-executed by PID 1 as /proc/self/exe it would be called `exe`.
    let _ = nix::sys::prctl::set_name(c"runner-init");
    // As an image calls it: there is nothing to parse, and PID 1 keeps what it once had of memory.
    if argv.len() < 2 {
        return if init::is_pid_1() { supervise_as_pid_1() } else { run() };
    }
    let cli = match Cli::try_parse_from(separated(argv)) {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() {
                complain(&error.render().to_string());
                return ExitCode::Usage.code();
            }
            // Help and version are no fault; a closed stdout is nobody's.
            let _ = error.print();
            return 0;
        }
    };
    // `--` with nothing behind it: where a command was meant, the runner must not start instead.
    let wants_command = argv.iter().any(|word| word == "--");
    match cli.call {
        None if wants_command || !cli.command.is_empty() => return init::run(&cli.command, &cli.init.into()),
        None | Some(Call::Run | Call::Demo(_)) if init::is_pid_1() => return supervise_as_pid_1(),
        _ => init::release_signals(),
    }
    match cli.call {
        None | Some(Call::Run) => run(),
        Some(Call::Demo(options)) => demo::run(&options),
        Some(Call::Collect) => collect::run(),
        Some(Call::Health { ready, url }) => health(ready, url),
        Some(Call::Check { files }) => check::check(files),
        Some(Call::Help) => print(&command().render_help().to_string()),
        Some(Call::Version) => print(&format!("runner-init {VERSION}\n")),
        Some(Call::Metrics) => print(&reference::markdown()),
        Some(Call::CopySelf { dir }) => match copy_self::copy_into(&dir) {
            Ok(path) => print(&format!("{}\n", path.display())),
            Err(error) => refused(&format!("cannot copy the program to {}", dir.display()), &error),
        },
        Some(Call::Trace { job_id, otlp_json }) => trace::trace(&job_id, otlp_json),
        Some(Call::Cache { result, kind }) => {
            hook::cache(kind, result);
            0
        }
        Some(Call::Hook { moment }) => {
            hook::job(moment);
            0
        }
    }
}

fn supervise_as_pid_1() -> i32 {
    let sweep_grace = Config::sweep_grace(&Environment);
    init::run_self(&init::InitOptions { sweep_grace, ..init::InitOptions::default() })
}

/// What was asked for; the exit code.
pub(crate) fn print(text: &str) -> i32 {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => 0,
        Err(error) => refused("cannot write to stdout", &error),
    }
}

fn health(ready: bool, url: Option<hyper::Uri>) -> i32 {
    let path = if ready { "/readyz" } else { "/healthz" };
    // A configuration with faults must not keep the check from asking: the supervisor may run with an older one.
    let target = if let Some(url) = url {
        ProbeTarget::Url(url, Config::auth_token(&Environment).map(|token| token.expose().to_owned()))
    } else {
        let dir = Environment.get(vars::RUNNER_RUN_DIR.name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let dirs = run_dir::candidates(dir.as_deref());
        let sockets = dirs.iter().map(|dir| crate::http::server::socket_path(dir)).collect();
        ProbeTarget::Sockets(sockets, runner_user::uid())
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refused("cannot start", &error),
    };
    let (reason, code) = match runtime.block_on(client::ask(&target, path)) {
        Ok(verdict) => (verdict.reason, i32::from(!verdict.ok)),
        Err(error) => (chain(&error), 1),
    };
    // The verdict is the exit code, whether or not its reason can be written.
    let _ = writeln!(std::io::stdout(), "{reason}");
    code
}
