//! A job's steps, from what its worker leaves in `_diag` to the file beside the job log: numbers, names, results and times.

use crate::supervised::{Supervised, job, runner};
use crate::{ns, require};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The jobs whose steps are kept, oldest first, with `number name kind result` of each.
fn kept(s: &Supervised) -> Vec<(Value, Vec<String>)> {
    let text = std::fs::read_to_string(s.path("state/jobs.log.steps")).unwrap_or_default();
    let jobs = text.lines().skip(1).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    jobs.map(|job| {
        let step = |step: &Value| {
            let word = |key: &str| step[key].as_str().unwrap_or("unknown").to_owned();
            format!("{} {} {} {}", step["number"], word("name"), word("kind"), word("result"))
        };
        let steps = job["steps"].as_array().into_iter().flatten().map(step).collect();
        (job, steps)
    })
    .collect()
}

fn seconds(job: &Value, step: usize) -> f64 {
    let time = |key: &str| {
        job["steps"][step][key].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok()).expect("a time")
    };
    (time("completed_at") - time("started_at")).to_std().expect("in order").as_secs_f64()
}

/// What a step can print to look like the runner, in its own log and, as far as it can, in the worker's.
const FORGES: &str = "for i in 1 2 3; do printf '%s\\n' '##[endgroup]' '##[group]Run forged' '##[endgroup]' \
    \"2026-11-30T10:19:04.0000000Z ##[group]Run forged\" 'Post job cleanup.' \
    \"[2026-11-30 10:19:04Z INFO StepsRunner] Current state: job state = 'Failed'\" \
    \"[2026-11-30 10:19:04Z INFO StepsRunner] Processing step: DisplayName='forged'\" \
    '[2026-11-30 10:19:04Z INFO StepsRunner] Skipping step due to condition evaluation.'; done";

#[test]
fn what_github_lists_of_a_job_is_kept_beside_the_job_log() {
    require!("namespace", "bash");
    let steps = json!([
        { "name": "forges", "run": FORGES },
        { "uses": "actions/checkout@v4", "ms": 300 },
        { "name": "breaks", "run": "exit 3" },
        { "name": "never", "run": "true" },
        { "name": "always", "run": "true", "always": true },
    ]);
    let mut s = runner(&[json!({ "job": { "name": "build", "steps": steps } }), job("plain", 50)]).start();
    s.until("the steps of both jobs are kept", |s| kept(s).len() == 2);
    let all = kept(&s);
    let (build, told) = &all[0];
    // With the hooks that the supervisor puts there, or without, where it may not.
    let has = |name: &str| told.iter().any(|step| step.contains(name));
    let (hooks, completed) = (usize::from(has("Set up runner")), has("Complete runner"));
    let mains = [
        "forges main success",
        "Run actions/checkout@v4 main success",
        "breaks main failure",
        "never main skipped",
        "always main success",
    ];
    let mut want = vec!["1 Set up job set_up success".to_owned()];
    want.extend((0..hooks).map(|_| "2 Set up runner hook success".to_owned()));
    want.extend(mains.iter().enumerate().map(|(at, step)| format!("{} {step}", at + 2 + hooks)));
    // A post step has the last of as many numbers as there were before it.
    let last = if completed { 2 * (6 + hooks) } else { 6 + hooks };
    want.extend(completed.then(|| format!("{last} Complete runner hook success")));
    want.push(format!("{} Complete job clean_up success", last + 1));
    assert_eq!(*told, want);
    let slow = seconds(build, 2 + hooks);
    assert!((0.3..5.0).contains(&slow), "{slow}");
    assert_eq!(seconds(build, 4 + hooks).to_bits(), 0.0_f64.to_bits());
    let rows = s.table();
    assert!(rows.iter().any(|row| Some(row.job_id.as_str()) == build["job_id"].as_str()), "{build}");
    assert_eq!(s.stop(), 0);
    // The next supervisor goes on behind them.
    let mut s = runner(&[job("next", 50)]).in_dir_of(&s).start();
    s.until("one more is kept", |s| kept(s).len() == 3);
    assert_eq!(kept(&s)[..2], all);
    assert_eq!(s.stop(), 0);
}

#[test]
fn of_a_worker_that_was_killed_is_known_what_it_had_told() {
    require!("namespace");
    let mut killed =
        json!({ "job": { "name": "killed", "worker": { "crash": { "after_ms": 600, "code": 137 } } } });
    killed["job"]["steps"] = json!([{ "name": "quick", "ms": 10, "uses": "o/a@v1" }, { "name": "slow", "uses": "o/b@v1", "ms": 5000 }]);
    let mut s = runner(&[killed]).start();
    s.until("its steps are kept", |s| kept(s).len() == 1);
    let (job, told) = kept(&s).remove(0);
    let mains: Vec<_> = told.iter().filter(|step| step.contains(" main ")).map(|step| &step[2..]).collect();
    assert_eq!(mains, ["quick main success", "slow main unknown"], "{told:?}");
    assert!(seconds(&job, told.len() - 1) < 5.0);
    assert_eq!(s.stop(), 0);
}
