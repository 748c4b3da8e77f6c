//! The role switch: the simulated runner's programs are links to this executable and come first.

#[expect(clippy::disallowed_methods, reason = "main is where the process ends")]
fn main() {
    let argv: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(code) = runner_init::sim::dispatch(&argv) {
        std::process::exit(code);
    }
}
