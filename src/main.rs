//! The role switch: a simulated runner by its name, PID 1 by its number, else what the command line says.

use runner_init::{cli, init, shield, sim};
use std::ffi::OsString;

#[expect(clippy::disallowed_methods, reason = "the only place that leaves")]
fn main() {
    init::hold_signals();
    let argv: Vec<OsString> = std::env::args_os().collect();
    if let Some(play) = sim::dispatch(&argv) {
        init::release_signals();
        std::process::exit(play());
    }
    shield::raise();
    // Re-executed by PID 1 as /proc/self/exe it would be called `exe`.
    let _ = nix::sys::prctl::set_name(c"runner-init");
    std::process::exit(cli::main(&argv));
}
