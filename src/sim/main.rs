//! The double as a program of its own, for test images: by any name but one of the runner's programs it has no part to play.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let Some(play) = runner_sim::dispatch(&argv) else {
        eprintln!(
            "runner-sim: expected to be called as Runner.Listener, Runner.Worker or a node below externals"
        );
        return ExitCode::from(64);
    };
    u8::try_from(play()).map_or(ExitCode::FAILURE, ExitCode::from)
}
