//! What a job's row says beside its result: the hooks' context, GitHub's queue time, and both of them after any death.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use chrono::{DateTime, TimeDelta, Utc};
use github::api::{Access, random};
use github::{Fake, Play, Shape};
use nix::sys::signal::{Signal::SIGKILL, kill};
use nix::unistd::Pid;
use runner_init::domain::record::HEADER;
use runner_init::github::Endpoint;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use supervised::{Plan, SET_UPS, Supervised, job, runner};

type Row = BTreeMap<String, String>;

/// The job log's complete rows by the names of its columns.
fn rows(s: &Supervised) -> Vec<Row> {
    let text = std::fs::read(s.path("state/jobs.log")).unwrap_or_default();
    let whole = &text[..memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1)];
    let mut reader = csv::Reader::from_reader(whole);
    let named = |record: csv::StringRecord| {
        HEADER.split(',').map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()
    };
    reader.records().map(|record| named(record.unwrap())).collect()
}

fn last(s: &Supervised) -> Row {
    rows(s).pop().expect("a row")
}

/// The named columns of a row.
fn columns<'a, const N: usize>(row: &'a Row, names: [&str; N]) -> [&'a str; N] {
    names.map(|name| row[name].as_str())
}

fn metric(s: &Supervised, name: &str) -> Option<f64> {
    s.metric(&format!("github_runner_{name}"))
}

/// A job of this context.
fn of(context: &Value, ms: u64) -> Value {
    json!({ "job": { "name": "Build it", "ms": ms, "context": context } })
}

#[test]
fn a_row_says_where_its_job_comes_from() {
    require!("namespace");
    let events = ["push", "pull_request", "workflow_dispatch", "schedule", "workflow_run"];
    let jobs = events.map(|event| of(&json!({ "event_name": event, "run_id": 41 }), 10));
    let mut s = runner(&jobs).start();
    s.until("all are over", |s| s.results().len() == events.len());
    let all = rows(&s);
    for event in events {
        let of_event: Vec<&Row> = all.iter().filter(|row| row["event"] == event).collect();
        assert_eq!(of_event.len(), 2, "running once more, then over: {event}");
        for row in of_event {
            let found =
                columns(row, ["job_id", "repository", "workflow", "run_number", "run_attempt", "actor"]);
            assert_eq!(found, ["41_build", "octo-org/widgets", "CI", "812", "1", "octocat"]);
            let told = matches!(event, "push" | "workflow_run");
            assert_eq!(row["committed_at"].is_empty(), !told, "{event}: {row:?}");
            assert_eq!(row["sha"].len(), 40);
        }
    }
    assert_eq!(metric(&s, "jobs_started_total"), Some(5.0), "a row that says more starts no further job");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_user_s_hooks_are_run_and_decide() {
    require!("namespace");
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let script = |name: &str, code: i32| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("echo $GITHUB_RUN_ID {name} >>{}\nexit {code}\n", seen.display()))
            .unwrap();
        path.display().to_string()
    };
    let (good, bad) = (script("good.sh", 0), script("bad.sh", 7));
    for (completed, result) in [(&good, "success"), (&bad, "failed")] {
        let hooks = runner(&[of(&json!({ "run_id": 41 }), 10)])
            .env("ACTIONS_RUNNER_HOOK_JOB_STARTED", &good)
            .env("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", completed);
        let mut s = hooks.start();
        s.until("it is over", |s| s.results().len() == 1);
        assert_eq!(columns(&last(&s), ["status", "job_id"]), [result, "41_build"]);
        assert_eq!(s.stop(), 0);
    }
    assert_eq!(ns::read(&seen), "41 good.sh\n41 good.sh\n41 good.sh\n41 bad.sh\n");
}

#[test]
fn what_was_told_survives_every_death() {
    require!("namespace");
    // Before the hook has spoken, and after; the supervisor is killed, or the listener.
    for (told, supervisor) in [(false, true), (true, true), (true, false)] {
        let setup = if told { 0 } else { 60_000 };
        let long = json!({ "job": { "name": "long", "ms": 60_000, "worker": { "setup_ms": setup }, "context": { "run_id": 41 } } });
        let mut s = runner(&[long]).start();
        let rows_before = if told { 2 } else { 1 };
        s.until("its start is on disk", |s| rows(s).len() == rows_before);
        if supervisor {
            kill(Pid::from_raw(s.supervisor()), SIGKILL).unwrap();
            assert_eq!(s.exit_code(), 137);
        } else {
            kill(Pid::from_raw(s.until_process("Runner.Listener")), SIGKILL).unwrap();
            s.until("it is counted as abandoned", |s| s.results() == ["abandoned"]);
            s.stop();
        }
        let mut again = runner(&[]).in_dir_of(&s).start();
        again.until_state("idle");
        let row = last(&again);
        let id = if told { "41_build" } else { row["job_id"].as_str() };
        assert_eq!(columns(&row, ["status", "job_id"]), ["abandoned", id]);
        assert_eq!(row["repository"], if told { "octo-org/widgets" } else { "" });
        assert_eq!(row["job_id"].starts_with("local-"), !told);
        assert_eq!(metric(&again, "jobs_started_total"), Some(1.0));
        assert_eq!(again.stop(), 0);
    }
}

/// A job that leaves a daemon which says without end, once the next one is there, of one job and another that they have begun:
/// finding 12.
fn leaves_a_liar(dir: &std::path::Path) -> Value {
    let liar = r#"
        export GITHUB_REPOSITORY=o/other GITHUB_WORKFLOW="release production" GITHUB_ACTOR=somebody-else GITHUB_JOB=forged
        hook=$(sed -n 's/ hook started .*//p' "$ACTIONS_RUNNER_HOOK_JOB_STARTED")
        export RUNNER_TRACKING_ID=
        setsid bash -c 'touch DIR/ready; until test -e DIR/next; do sleep 0.02; done; while :; do
            for run in 1005 1006; do GITHUB_RUN_ID=$run "$1" hook started; "$1" cache hit --type npm; done
            echo told >> DIR/told
        done' liar "$hook" </dev/null >/dev/null 2>&1 &
        until test -e DIR/ready; do sleep 0.02; done
    "#;
    let liar = liar.replace("DIR", dir.to_str().unwrap());
    json!({ "job": { "name": "liar", "context": { "run_id": 41 }, "steps": [{ "run": liar }] } })
}

#[test]
fn a_leftover_does_not_speak_for_the_next_job() {
    require!("namespace", "root", "setpriv", "bash", "setsid");
    for set_up in SET_UPS {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        // The next one lasts until it has been spoken for again and again.
        let waits =
            "touch DIR/next; until test $(cat DIR/told 2>/dev/null | wc -l) -ge 5; do sleep 0.02; done";
        let waits = waits.replace("DIR", dir.path().to_str().unwrap());
        let next = json!({ "name": "unit tests", "context": { "run_id": 42 }, "steps": [{ "run": waits }] });
        let steps = [leaves_a_liar(dir.path()), json!({ "idle_ms": 50 }), json!({ "job": next })];
        let mut s = set_up(runner(&steps)).start();
        s.until("both are over", |s| s.results() == ["success", "success"]);
        for row in rows(&s) {
            assert_ne!(row["repository"], "o/other", "{row:?}\n{}", s.log());
        }
        assert_eq!(
            columns(&last(&s), ["job_id", "repository"]),
            ["42_build", "octo-org/widgets"],
            "{}",
            s.log()
        );
        let refused = metric(&s, "reports_refused_total{reason=\"foreign\"}");
        assert!(refused >= Some(10.0), "{refused:?}");
        assert_eq!(
            metric(&s, "cache_requests_total{cache_type=\"npm\",result=\"hit\"}"),
            None,
            "nor counts for it"
        );
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn github_is_told_failed_where_the_runner_prints_canceled() {
    require!("namespace");
    let mut s = runner(&[job("long", 60_000)]).env("RUNNER_DRAIN_TIMEOUT", "0s").start();
    s.until_log("event=job_identified");
    assert_eq!(s.stop(), 0);
    assert_eq!(columns(&last(&s), ["status", "conclusion"]), ["cancelled", "failure"]);
    let cancelled = json!({ "job": { "name": "x", "ms": 60_000, "cancel_after_ms": 50 } });
    let mut s = runner(&[cancelled]).start();
    s.until("it is over", |s| s.results() == ["cancelled"]);
    assert_eq!(columns(&last(&s), ["status", "conclusion"]), ["cancelled", "cancelled"]);
    assert_eq!(s.stop(), 0);
}

/// A GitHub, and a runner registered there by a PAT that plays these.
fn registered(steps: &[Value]) -> (Fake, Plan) {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let token = random("ghp_");
    fake.grant(&token, Access::Full);
    let python = ns::program("python3").expect("required");
    let body = include_str!("support/config_sh.py").replace("@FAKE@", &format!("http://{}", fake.addr));
    let plan = runner(steps).registering(format!("#!{}\n{body}", python.display()));
    let plan = plan.env("GITHUB_API_URL", &fake.api_url()).env("GITHUB_TOKEN", &token);
    (fake, plan.env("GITHUB_REPOSITORY", "o/r"))
}

/// GitHub's list of a run: our job, and another runner's.
fn listed(created: DateTime<Utc>, started: Option<DateTime<Utc>>, status: &str) -> Vec<Value> {
    let row = |id: u64, runner: &str, created: DateTime<Utc>, started: Option<DateTime<Utc>>| json!({ "id": id, "name": "build", "status": status, "runner_name": runner, "created_at": created, "started_at": started });
    vec![
        row(1, "somebody-else", created - TimeDelta::days(1), started),
        row(2, "test-runner", created, started),
    ]
}

fn asked_for_jobs(fake: &Fake) -> usize {
    fake.take_log().iter().filter(|request| request.line().contains("/attempts/1/jobs")).count()
}

#[test]
fn a_job_s_queue_time_is_what_github_says() {
    require!("namespace", "python3");
    let context = json!({ "repository": "o/r", "run_id": 41 });
    let (fake, plan) = registered(&[of(&context, 1500)]);
    let now = Utc::now();
    fake.set_jobs(listed(now - TimeDelta::milliseconds(42_500), Some(now), "in_progress"));
    let mut s = plan.start();
    s.until("it is over", |s| s.results() == ["success"]);
    assert_eq!(last(&s)["queue_time_seconds"], "42.500");
    s.until("it is counted", |s| metric(s, "queue_time_seconds_sum") == Some(42.5));
    assert_eq!(metric(&s, "queue_time_seconds_count"), Some(1.0));
    assert_eq!(asked_for_jobs(&fake), 1, "one call for a job");
    assert_eq!(s.stop(), 0);
    let mut again = runner(&[]).in_dir_of(&s).start();
    assert_eq!(metric(&again, "queue_time_seconds_sum"), Some(42.5));
    assert_eq!(again.stop(), 0);
}

#[test]
fn github_is_asked_once_more_after_the_job_if_it_was_late() {
    require!("namespace", "python3");
    let (fake, plan) = registered(&[of(&json!({ "repository": "o/r", "run_id": 41 }), 2500)]);
    let now = Utc::now();
    fake.set_jobs(listed(now - TimeDelta::seconds(9), None, "queued"));
    let mut s = plan.start();
    let mut asked = 0;
    s.until("it was asked", |_| {
        asked += asked_for_jobs(&fake);
        asked == 1
    });
    fake.set_jobs(listed(now - TimeDelta::seconds(9), Some(now), "in_progress"));
    s.until("it is known", |s| metric(s, "queue_time_seconds_sum") == Some(9.0));
    assert_eq!((rows(&s).len(), asked_for_jobs(&fake)), (4, 1), "begun, identified, over, amended");
    assert_eq!(last(&s)["queue_time_seconds"], "9.000");
    assert_eq!(metric(&s, "jobs_total{status=\"success\"}"), Some(1.0));
    assert!(s.get("/api/v1/jobs").body.matches("\"job_id\"").count() == 1, "one job");
    assert_eq!(s.stop(), 0);
    let mut again = runner(&[]).in_dir_of(&s).start();
    assert_eq!(metric(&again, "jobs_total{status=\"success\"}"), Some(1.0));
    assert_eq!(metric(&again, "queue_time_seconds_count"), Some(1.0));
    assert_eq!(again.stop(), 0);
}

#[test]
fn github_is_asked_once_where_worker_and_listener_disagree() {
    require!("namespace", "python3", "bash");
    let (fake, plan) = registered(&[]);
    let now = Utc::now();
    let mut jobs = listed(now - TimeDelta::seconds(9), Some(now), "completed");
    jobs[1]["conclusion"] = json!("timed_out");
    fake.set_jobs(jobs);
    // It reports its run by the hook, as the worker of a real job does; its own report to GitHub was refused.
    let script = r#"#!/bin/bash
        [ "$1" = run ] || exec bin/simulated/Runner.Listener "$@"
        rm bin/Runner.Worker && cp "$(type -P bash)" bin/Runner.Worker
        say() { echo "$(date -u '+%Y-%m-%d %H:%M:%SZ'): $*"; }
        say Listening for Jobs
        say Running job: build
        bin/Runner.Worker -c 'sleep 0.3
        GITHUB_REPOSITORY=o/r GITHUB_RUN_ID=41 GITHUB_RUN_ATTEMPT=1 GITHUB_JOB=build RUNNER_TRACKING_ID=github_1 bash "$ACTIONS_RUNNER_HOOK_JOB_STARTED"
        { for text in "INFO JobRunner] Job result after all job steps finish: Succeeded" "INFO JobRunner] Raising job completed against run service" \
            "INFO Worker] Job completed." "ERR  Worker] System.AggregateException: x"; do echo "[$(date -u "+%Y-%m-%d %H:%M:%SZ") $text"; done; } >_diag/Worker_1-utc.log
        sleep 0.3; :' &
        wait; say Job build completed with result: Failed
        exec sleep 600
    "#;
    let mut s = plan.listening(script.into()).start();
    s.until("it is amended", |s| s.log().contains("event=job_amended") && rows(s).len() == 4);
    let row = last(&s);
    let told = columns(&row, ["status", "conclusion", "cause", "queue_time_seconds"]);
    assert_eq!(told, ["failed", "timed_out", "", "9.000"], "{}", s.log());
    assert_eq!(asked_for_jobs(&fake), 2, "for its queue time, and for its end");
    assert_eq!(metric(&s, "jobs_total{status=\"failed\"}"), Some(1.0));
    assert_eq!(metric(&s, "queue_time_seconds_count"), Some(1.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_queue_time_that_cannot_be_is_counted_and_not_observed() {
    require!("namespace", "python3");
    let now = Utc::now();
    let listed_as = |created: TimeDelta| listed(now + created, Some(now), "in_progress");
    let faults = [
        ("negative", Some(listed_as(TimeDelta::seconds(60)))),
        ("absurd", Some(listed_as(-TimeDelta::days(99)))),
        ("missing", Some(Vec::new())),
        ("unavailable", None),
    ];
    for (reason, jobs) in faults {
        let (fake, plan) = registered(&[of(&json!({ "repository": "o/r", "run_id": 41 }), 300)]);
        match jobs {
            Some(jobs) => fake.set_jobs(jobs),
            None => fake.script(Endpoint::Jobs, [(); 2].map(|()| Play::status(404, "Not Found"))),
        }
        let mut s = plan.start();
        let counted = format!("queue_time_unknown_total{{reason=\"{reason}\"}}");
        s.until("it is counted", |s| metric(s, &counted) == Some(1.0));
        s.until("it is over", |s| s.results() == ["success"]);
        assert_eq!(
            (metric(&s, "queue_time_seconds_count"), last(&s)["queue_time_seconds"].as_str()),
            (None, "")
        );
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn a_runner_of_another_user_reports_too() {
    require!("namespace", "root");
    let mut s = runner(&[of(&json!({ "run_id": 41 }), 10)]).with_runner_user(1001).start();
    s.until("it is over", |s| s.results() == ["success"]);
    assert_eq!(columns(&last(&s), ["job_id", "repository"]), ["41_build", "octo-org/widgets"], "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn without_a_directory_for_them_there_are_no_hooks_and_all_else_works() {
    require!("namespace");
    let spaced = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
    let dir = spaced.path().display().to_string();
    let mut s = runner(&[job("plain", 10)]).env("RUNNER_RUN_DIR", &dir).start();
    s.until("it is over", |s| s.results() == ["success"]);
    assert!(s.log().contains("event=no_job_hooks"), "{}", s.log());
    assert!(last(&s)["job_id"].starts_with("local-"));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_job_s_own_word_on_its_caches_is_counted_if_the_type_is_known() {
    require!("namespace");
    let say = |words: &str| format!("'{}' cache {words}", env!("CARGO_BIN_EXE_runner-init"));
    let lines = ["hit --type bazel", "miss --type bazel", "hit --type npm", "hit --type made-up"].map(say);
    let step = json!({ "run": lines.join("\n") });
    let mut s =
        runner(&[json!({ "job": { "name": "build", "steps": [step] } })]).env("CACHE_TYPES", "bazel").start();
    s.until("it is over", |s| s.results() == ["success"]);
    let requests =
        |kind, result| format!("cache_requests_total{{cache_type=\"{kind}\",result=\"{result}\"}}");
    assert_eq!(metric(&s, &requests("bazel", "hit")), Some(1.0));
    assert_eq!(metric(&s, &requests("bazel", "miss")), Some(1.0));
    assert_eq!(metric(&s, &requests("npm", "hit")), Some(1.0));
    assert_eq!(metric(&s, "cache_hit_rate{cache_type=\"bazel\"}"), Some(0.5));
    assert_eq!(metric(&s, "cache_hit_rate{cache_type=\"apt\"}"), None, "unknown is absent");
    assert_eq!(metric(&s, "reports_refused_total{reason=\"unknown_type\"}"), Some(1.0));
    assert!(!s.get("/metrics").body.contains("made-up"));
    assert_eq!(s.stop(), 0);
}
