//! From 2.3.0 by its own compose file: another image, then today's file, on the volumes that 2.3.0 has left.

use crate::docker;
use crate::docker::{docker, repository};
use crate::project::Project;
use serde_json::json;
use std::os::unix::fs::chown;

/// As whom the image's runner runs.
const RUNNER: Option<u32> = Some(1001);

/// What 2.3.0 showed of its successes.
fn successes() -> u64 {
    let page = std::fs::read_to_string(repository("tests/corpus/upgrade/metrics.txt")).unwrap();
    let is_it = |line: &&str| line.starts_with("github_runner_jobs_total{") && line.contains("\"success\"");
    let line = page.lines().find(is_it).expect("it counted some");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_runner_of_2_3_0_goes_on_by_its_own_compose_file_and_then_by_todays() {
    docker!("compose", "buildx", "engine");
    let of = |file: &str| repository(&format!("{file}/standard.yml"));
    let theirs = of("tests/corpus/upgrade/compose");
    let one = Project::of(vec![theirs.clone()]).playing(&json!([{ "job": { "name": "build", "ms": 20 } }]));
    one.compose(&["create"]);
    for name in ["jobs.log", "jobs.log.snapshot"] {
        let copy = one.dir.path().join(name);
        std::fs::copy(repository("tests/corpus/upgrade").join(name), &copy).unwrap();
        chown(&copy, RUNNER, RUNNER).expect("root may");
        let into = format!("{}:/var/lib/runner-init/{name}", one.container("standard").0);
        docker(&["cp", copy.to_str().unwrap(), &into]);
    }
    let success = |more: u64| (successes() + more).to_string();
    let one = one.up(&["standard"]);
    one.container("standard").until_metric("github_runner_jobs_total", "status=\"success\"", &success(1));
    let now = one.by(&theirs, of("compose")).up(&["standard"]);
    now.container("standard").until_metric("github_runner_jobs_total", "status=\"success\"", &success(2));
}
