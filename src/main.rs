//! The one way out: what there is to be, `cli` says.

use runner_init::cli;
use std::ffi::OsString;

#[expect(clippy::disallowed_methods, reason = "the only place that leaves")]
fn main() {
    let argv: Vec<OsString> = std::env::args_os().collect();
    std::process::exit(cli::main(&argv));
}
