//! The supervisor's life, black box: PID 1 in a namespace of its own, over the simulated runner.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "../support/ns.rs"]
mod ns;
#[path = "../support/steps.rs"]
mod steps;
#[path = "../support/supervised.rs"]
mod supervised;

mod caches;
mod claims;
mod codes;
mod connection;
mod death;
mod gaps;
mod health;
mod hung;
mod idle;
mod job_steps;
mod kills;
mod names;
mod secrets;
mod start;
mod stop;
mod summary;
mod tee;
mod told;
mod upgrade;
mod words;

use supervised::{job, runner};

#[test]
fn a_job_is_counted_written_down_and_the_runner_leaves_with_0() {
    require!("namespace");
    let mut s = runner(&[job("build", 200)]).start();
    s.until("the job is counted", |s| s.metric("github_runner_jobs_total{status=\"success\"}") == Some(1.0));
    s.until_state("idle");
    assert_eq!(s.get("/readyz").status, 200);
    let rows = s.rows();
    assert_eq!(rows.len(), 3, "it began, what it is, it ended: {rows:?}");
    let says = |row: usize, what: &str| rows[row].contains(what);
    assert!(says(0, ",running,") && says(1, "_build,running,") && says(2, ",success,"), "{rows:?}");
    assert!(!says(2, ",success,,"), "how long it took is known: {rows:?}");
    assert_eq!(s.stop(), 0);
}
