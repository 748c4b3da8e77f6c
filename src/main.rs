//! The role switch.

use runner_init::init;
use std::ffi::OsString;

#[expect(clippy::disallowed_methods, reason = "the only place that leaves")]
fn main() {
    // First of all: nobody of our uid may read our memory or environment. Where it fails there was no such protection.
    let _ = nix::sys::prctl::set_dumpable(false);
    let mut args = std::env::args_os().skip(1).peekable();
    let group = args.next_if(|word| word == "-g").is_some();
    args.next_if(|word| word == "--");
    let command: Vec<OsString> = args.collect();
    std::process::exit(init::run(&command, &init::Options { group, ..init::Options::default() }));
}
