//! What a job's caches had is in the metrics, told by the job's log alone, and a job that has no cache has no rate.

use crate::supervised::{Supervised, job, launches, runner};
use crate::{ns, require};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;

fn lookup(says: &str) -> Value {
    json!({ "name": "Cache", "uses": "actions/cache@v4", "with": { "key": "linux-1", "path": "~/.npm" }, "log": [says], "ms": 20 })
}

fn requests(s: &Supervised, kind: &str, result: &str) -> Option<f64> {
    s.metric(&format!("github_runner_cache_requests_total{{cache_type=\"{kind}\",result=\"{result}\"}}"))
}

fn rate(s: &Supervised, kind: &str) -> Option<f64> {
    s.metric(&format!("github_runner_cache_hit_rate{{cache_type=\"{kind}\"}}"))
}

#[test]
fn what_a_job_s_log_tells_of_its_caches_is_counted() {
    require!("namespace", "bash");
    let build = "printf '#1 [internal] load x\\n#1 DONE 0.0s\\n#2 [1/3] FROM a\\n#2 DONE 0.0s\\n#3 [2/3] RUN b\\n#3 CACHED\\n#4 [3/3] RUN c\\n#4 DONE 1.0s\\n'\n\
                 echo 'Cache restored from key: linux-1'";
    let steps = [
        lookup("Cache restored from key: LINUX-1"),
        json!({ "name": "Build", "run": build }),
        lookup("Cache restored from key: linux-0"),
        json!({ "run": "echo 'Need to get 0 B/99 kB of archives.'" }),
        lookup("Cache not found for input keys: linux-1"),
        lookup("Cache restored from key: linux-1"),
    ];
    let jobs = [json!({ "job": { "name": "build", "steps": steps } }), job("plain", 50)];
    let mut s = runner(&jobs).env("CACHE_TYPES", "bazel,uv").start();
    s.until("both jobs are over", |s| s.results().len() == 2);
    s.until("all is counted", |s| requests(s, "actions", "hit") == Some(2.0));
    let counts = ["hit", "partial", "miss"].map(|result| requests(&s, "actions", result));
    assert_eq!(counts, [Some(2.0), Some(1.0), Some(1.0)]);
    assert_eq!(
        ["hit", "partial", "miss"].map(|r| requests(&s, "buildkit", r)),
        [Some(1.0), Some(0.0), Some(1.0)]
    );
    assert_eq!(requests(&s, "apt", "hit"), Some(1.0));
    assert_eq!(
        [rate(&s, "actions"), rate(&s, "buildkit"), rate(&s, "apt")],
        [Some(0.5), Some(0.5), Some(1.0)]
    );
    // A type begins with its first request, one that CACHE_TYPES names with the process; unknown is what was not asked.
    let told = ["npm", "bazel", "uv"].map(|kind| requests(&s, kind, "hit"));
    assert_eq!(told, [None, Some(0.0), Some(0.0)]);
    assert_eq!([rate(&s, "npm"), rate(&s, "bazel")], [None, None]);
    assert_eq!(s.stop(), 0);
}

#[test]
fn what_the_last_job_had_is_there_for_the_last_scrape() {
    require!("namespace");
    let last = json!({ "job": { "name": "build", "steps": [lookup("Cache restored from key: linux-1")] } });
    let mut s = launches(&[&[last, json!({ "exit": 0 })]]).env("METRICS_LINGER_SECONDS", "3").start();
    s.until_log("event=finished");
    // The scrape it stays for is the last at the latest: there is none after it, so each try is one.
    let is_counted = |line: &str| {
        line.contains("cache_requests_total{") && line.contains("result=\"hit\"") && line.ends_with(" 1")
    };
    s.until("it is counted", |s| s.try_get("/metrics").is_ok_and(|page| page.body.lines().any(is_counted)));
    assert_eq!(s.exit_code(), 0);
}

#[test]
fn a_worker_that_is_killed_costs_the_next_job_nothing() {
    require!("namespace");
    let mut killed =
        json!({ "job": { "name": "killed", "worker": { "crash": { "after_ms": 400, "code": 137 } } } });
    killed["job"]["steps"] =
        json!([lookup("Cache restored from key: linux-1"), { "uses": "octo-org/slow@v1", "ms": 5000 }]);
    let next =
        json!({ "job": { "name": "next", "steps": [lookup("Cache not found for input keys: linux-1")] } });
    let mut s = runner(&[killed, next]).start();
    s.until("both jobs are over", |s| s.results().len() == 2);
    s.until("the next is counted", |s| requests(s, "actions", "miss") == Some(1.0));
    assert_eq!(s.results()[1], "success");
    assert_eq!(s.stop(), 0);
}

#[test]
fn the_directory_belongs_to_the_runner_s_user() {
    require!("namespace", "root");
    let steps = [lookup("Cache restored from key: linux-1")];
    let mut s =
        runner(&[json!({ "job": { "name": "build", "steps": steps } })]).with_runner_user(4242).start();
    for dir in ["runner/_diag", "runner/_diag/pages"] {
        assert_eq!(std::fs::metadata(s.path(dir)).expect("made before the job").uid(), 4242, "{dir}");
    }
    s.until("it is counted", |s| requests(s, "actions", "hit") == Some(1.0));
    assert_eq!(s.stop(), 0);
}
