//! The numbers beside the peers', printed in one run and never asserted: asserted is only that nothing failed.
//!
//! `tests/bench/run [--quick] [--long] [--binary PATH] [--against REV] [TOPIC…]`. The peers are those a user could run instead: a stand-in of a
//! shell-scripted runner image (`predecessor/`), Debian's node exporter, tini, dumb-init and catatonit. A peer that is
//! not installed is left out loudly.
#![allow(clippy::disallowed_methods, reason = "a benchmark starts processes and reads clocks")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

mod cache;
mod collect;
mod hook;
mod idle;
mod load;
mod memory;
mod numbers;
mod orphans;
mod process;
mod replay;
mod report;
mod scrape;
mod server;
mod size;
mod start;
mod step_cost;
mod stop;
mod tee;

#[path = "../support/ns.rs"]
mod ns;
#[path = "../support/steps.rs"]
mod steps;

use report::Report;
use runner_sim as sim;
use std::path::PathBuf;

const USAGE: &str = "usage: tests/bench/run [--quick] [--long] [--binary PATH] [--against REV] [TOPIC...]
topics: size memory start hook idle scrape replay tee cache steps collect orphans stop numbers (default: all, with --against numbers)
--quick: small numbers, within a minute
--long: in `numbers` what takes many minutes too: memory after 100,000 jobs
--binary PATH: another runner-init than the one just built
--against REV: builds that revision too, for `numbers` and `stop` to be measured beside it, in turns";

/// One part of the suite.
type Topic = (&'static str, fn(&Plan, &mut Report));

const TOPICS: [Topic; 14] = [
    ("size", size::run),
    ("memory", memory::run),
    ("start", start::run),
    ("hook", hook::run),
    ("scrape", scrape::run),
    ("replay", replay::run),
    ("tee", tee::run),
    ("cache", cache::run),
    ("steps", step_cost::run),
    ("collect", collect::run),
    ("orphans", orphans::run),
    ("stop", stop::run),
    ("idle", idle::run),
    ("numbers", numbers::run),
];

/// What is measured, and how thoroughly.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    pub(crate) quick: bool,
    pub(crate) long: bool,
    /// An earlier build.
    pub(crate) against: Option<PathBuf>,
}

impl Plan {
    /// `full`, or `quick` with `--quick`.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() {
    let argv: Vec<std::ffi::OsString> = std::env::args_os().collect();
    // The simulated runner is this program, not runner-init: its pages are not to be shared with what is measured.
    if let Some(play) = sim::dispatch(&argv) {
        std::process::exit(play());
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).expect("a number");
    match words.first().map(String::as_str) {
        Some("produce") => return tee::produce(&words[1], number(2)),
        Some("follow") => return cache::follow(&words[1], number(2)),
        Some("steps") if words.len() == 3 => return step_cost::follow(&words[1], number(2)),
        Some("orphans") => return orphans::make(number(1)),
        Some(_) | None => {}
    }
    let (plan, topics) = arguments(&words);
    let mut report = Report::new(&plan);
    for (name, run) in TOPICS {
        if topics.is_empty() || topics.iter().any(|topic| topic == name) {
            run(&plan, &mut report);
        }
    }
    report.finish();
}

fn arguments(words: &[String]) -> (Plan, Vec<String>) {
    let mut plan =
        Plan { binary: env!("CARGO_BIN_EXE_runner-init").into(), quick: false, long: false, against: None };
    let mut topics = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => plan.quick = true,
            "--long" => plan.long = true,
            "--binary" => plan.binary = words.next().expect(USAGE).into(),
            // `tests/bench/run` has built the revision.
            "--against" => {
                let path = PathBuf::from(words.next().expect(USAGE));
                plan.against = Some(path.canonicalize().expect("the earlier build is there"));
            }
            // Added by cargo.
            "--bench" => {}
            topic if TOPICS.iter().any(|(name, _)| *name == topic) => topics.push(topic.to_owned()),
            other => {
                let asked = other == "--help";
                println!("{}{USAGE}", if asked { String::new() } else { format!("{other}: unknown\n") });
                std::process::exit(if asked { 0 } else { 64 });
            }
        }
    }
    plan.binary = plan.binary.canonicalize().expect("the binary is there");
    if plan.against.is_some() && topics.is_empty() {
        topics.push("numbers".to_owned());
    }
    (plan, topics)
}
