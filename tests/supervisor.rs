//! The supervisor's life, black box: PID 1 in a namespace of its own, over the simulated runner.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use serde_json::json;
use supervised::plan;

#[test]
fn a_job_is_counted_written_down_and_the_runner_leaves_with_0() {
    require!("namespace");
    let job = json!({"job": {"name": "build", "ms": 200}});
    let mut s = plan(json!({"launches": [{"connect_ms": 10, "steps": [job]}]})).start();
    s.until("the job is counted", |s| s.metric("github_runner_jobs_total{status=\"success\"}") == Some(1.0));
    s.until_state("idle");
    assert_eq!(s.get("/readyz").status, 200);
    let rows = s.rows();
    assert_eq!(rows.len(), 2, "one when it began, one when it ended: {rows:?}");
    assert!(rows[0].contains(",running,") && rows[1].contains(",success,0."), "{rows:?}");
    assert_eq!(s.stop(), 0);
}
