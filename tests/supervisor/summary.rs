//! The summary of a job is in the file that the runner uploads before the user's own hook runs, and only if it was asked for.

use crate::supervised::{Plan, Supervised, runner};
use crate::{ns, require};
use serde_json::json;
use tempfile::TempDir;

/// A job of two steps, the last of which prints more than the worker keeps in memory, whose own hook at its end keeps what stands in the summary by then and adds a line to it.
fn with_own_hook(dir: &TempDir) -> Plan {
    let hook = dir.path().join("own.sh");
    let script = "cat \"$GITHUB_STEP_SUMMARY\" >KEPT/seen\necho own >>\"$GITHUB_STEP_SUMMARY\"\n";
    std::fs::write(&hook, script.replace("KEPT", &dir.path().display().to_string())).expect("a hook");
    let lookup = json!({ "name": "Cache", "uses": "actions/cache@v4", "with": { "key": "linux-1", "path": "x" },
        "log": ["Cache restored from key: linux-1"], "ms": 20 });
    let steps = [lookup, json!({ "name": "Build | <b>all</b>", "run": "seq 2000" })];
    let job = json!({ "job": { "name": "build", "steps": steps, "context": { "run_id": 41 } } });
    runner(&[job]).env("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", &hook.display().to_string())
}

fn over(s: &mut Supervised) {
    s.until("it is over", |s| s.results().len() == 1);
    assert_eq!(s.results(), ["success"]);
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_job_s_summary_is_there_before_the_user_s_own_hook_runs() {
    require!("namespace", "bash");
    let dir = tempfile::tempdir().expect("a directory");
    let mut s = with_own_hook(&dir).env("RUNNER_JOB_SUMMARY", "true").start();
    over(&mut s);
    let seen = ns::read(&dir.path().join("seen"));
    assert!(seen.starts_with("### Job on its runner\n\n| | |\n|---|---|\n"), "{seen}");
    for row in [
        "| Ran | ",
        "| Least free disk space | ",
        "| Cache <code>actions</code> | 1 of 1 request hit |\n",
        "\n| Slowest steps | |\n|---|---|\n",
        "| <code>Set up job</code> | ",
        "| <code>Cache</code> | ",
        "| <code>Build &#124; &#60;b&#62;all&#60;&#47;b&#62;</code> | ",
    ] {
        assert!(seen.contains(row), "{row}: {seen}");
    }
    assert!(!seen.contains("Set up runner") && !seen.contains("Complete runner"), "hooks are not: {seen}");
    let words = seen.replace("<code>", "").replace("</code>", "");
    assert!(seen.len() <= 4096 && !words.contains(['/', '<']), "no path and no markup: {seen}");
}

#[test]
fn without_being_asked_for_there_is_none() {
    require!("namespace", "bash");
    let dir = tempfile::tempdir().expect("a directory");
    let mut s = with_own_hook(&dir).start();
    over(&mut s);
    assert_eq!(ns::read(&dir.path().join("seen")), "");
}
