//! What stands for the demo in a build without it, as runners have: it hands over to the build with a demo that an image has beside
//! it, or says how to get one.

use crate::config::{Environment, Lookup as _, vars};
use crate::exit_code::ExitCode;
use crate::hardening;
use crate::run::{complain, refused};
use crate::sys::run_dir;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// The file of the other build.
const BESIDE: &str = "runner-init-demo";

/// Whatever the demo is given.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Becomes the demo; the exit code if there is none.
pub(crate) fn run(options: &Options) -> i32 {
    let Some(program) = beside().filter(|program| program.exists()) else {
        complain(
            "runner-init: this build has no demo, runners do without it. From the source:\n  \
             cargo run --release -- demo\n\
             or in containers, with dashboards:\n  \
             docker compose -f compose/demo.yml up -d --wait\n",
        );
        return ExitCode::Usage.code();
    };
    #[expect(clippy::disallowed_methods, reason = "nobody is started: this process becomes the program")]
    let mut command = Command::new(&program);
    command.arg("demo").args(&options.rest);
    // It is in a container: what it shows can be seen from outside, and its health check finds it.
    if Environment.get(vars::METRICS_BIND.name).is_none() {
        command.env(vars::METRICS_BIND.name, "0.0.0.0");
    }
    if let (None, Some(dir)) = (Environment.get(vars::RUNNER_RUN_DIR.name), run_dir::candidates(None).pop()) {
        command.env(vars::RUNNER_RUN_DIR.name, dir);
    }
    // It hardens itself, from what we were given.
    hardening::inherited().restore_in_child()();
    refused(&format!("cannot become {}", program.display()), &command.exec())
}

fn beside() -> Option<PathBuf> {
    Some(std::fs::read_link("/proc/self/exe").ok()?.with_file_name(BESIDE))
}
