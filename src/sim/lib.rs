//! The simulated runner: a double of `bin/Runner.Listener` and `bin/Runner.Worker` that does what a scenario says.
//!
//! A package of its own, that knows nothing of what supervises it: the demo, the tests and `runner-sim` are made with it, runners
//! are not. [`install()`] makes a runner directory whose `bin/` holds links to a program, which asks [`dispatch`] first of all.

mod clock;
mod configure;
mod demo;
mod environment;
mod hostile;
mod install;
mod job;
mod listener;
mod options;
mod player;
pub mod recording;
pub mod scenario;
mod script;
mod session;
mod signals;
mod state;
mod terminal;
pub mod tether;
mod update;
mod worker;

pub use demo::demo;
pub use hostile::hostile_names;
pub use install::install;
pub use scenario::Scenario;

use std::ffi::OsString;
use std::path::Path;

/// Runs the double if `argv[0]` names one of its programs, and gives its exit code; `None` if it does not. Call it
/// first in `main`: the double sets its own signal handlers.
///
/// The names are `Runner.Listener`, `Runner.Worker`, and `node` below an `externals` directory, which the Worker's
/// sleeping steps run as.
pub fn dispatch(command_line: &[OsString]) -> Option<impl FnOnce() -> i32 + use<>> {
    let program = Path::new(command_line.first()?);
    let role = match program.file_name()?.to_str()? {
        "Runner.Listener" => listener::main,
        "Runner.Worker" => worker::main,
        "node" if program.components().any(|part| part.as_os_str() == "externals") => worker::node,
        _ => return None,
    };
    let lossy = |arg: &OsString| arg.to_string_lossy().into_owned();
    let args: Vec<String> = command_line.iter().skip(1).map(lossy).collect();
    Some(move || role(&args))
}
