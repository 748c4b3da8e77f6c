//! What stands for the demo in a build without it, as runners have: how to get one.

use crate::exit_code::ExitCode;
use crate::run::complain;
use std::ffi::OsString;

/// Whatever the demo would be given.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<OsString>,
}

/// Says how to get one; the exit code.
pub(crate) fn run(_: &Options) -> i32 {
    complain(
        "runner-init: this build has no demo, runners do without it. From the source:\n  \
         cargo run --release -- demo\n\
         or in containers, with dashboards:\n  \
         docker compose -f compose/demo.yml up -d --wait\n",
    );
    ExitCode::Usage.code()
}
