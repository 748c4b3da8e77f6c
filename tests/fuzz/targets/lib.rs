//! What is fuzzed: each target takes bytes as somebody else could have written them and holds what must be true of them.
//!
//! libFuzzer runs them (`tests/fuzz/run`), and so does `tests/fuzz.rs` over the kept inputs, always and with any toolchain.

mod collector;
mod config;
mod event_file;
mod github;
mod hook;
mod http;
mod job_log;
mod lines;
mod pages;
mod runner_output;
mod snapshot;
mod traces;

use chrono::{DateTime, Utc};
use runner_init::domain::budget::Budget;
use runner_init::domain::lifecycle::Settings;
use std::time::Duration;

/// A target: its name, and what it does with its bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: [Target; 12] = [
    ("collector", collector::run),
    ("config", config::run),
    ("event_file", event_file::run),
    ("github", github::run),
    ("hook", hook::run),
    ("http", http::run),
    ("job_log", job_log::run),
    ("lines", lines::run),
    ("pages", pages::run),
    ("runner_output", runner_output::run),
    ("snapshot", snapshot::run),
    ("traces", traces::run),
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or what must be true is not.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = ALL.iter().find(|(known, _)| *known == name).expect("a target");
    target(bytes);
}

/// A fixed moment: an input must do the same whenever it is run.
fn utc() -> DateTime<Utc> {
    DateTime::from_timestamp(1_786_972_544, 0).expect("in range")
}

/// Of a lifecycle that waits for nobody.
fn settings() -> Settings {
    Settings::new(Budget::from_grace(Duration::ZERO, false, None).expect("no drain is asked for"))
}

/// The bytes before the first of these bytes, and those behind it.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == at).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// The first byte as a number, and the rest.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest))
}

/// One line that can be shown to an operator: no control character in it.
fn assert_printable(text: &str) {
    assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
}
