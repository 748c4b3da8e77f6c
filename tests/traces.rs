//! Traces of jobs, from outside: what a strict receiver gets of each, what a job is told of its own, and that no job and no end
//! waits for them.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes, sockets and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/receiver.rs"]
mod receiver;
#[path = "support/spans.rs"]
mod spans;
#[path = "support/supervised.rs"]
mod supervised;

use chrono::{TimeDelta, Utc};
use github::api::{Access, random};
use github::{Fake, Shape};
use receiver::{Receiver, Says};
use serde_json::{Value, json};
use spans::Part;
use std::process::Command;
use std::time::{Duration, Instant};
use supervised::{Plan, Supervised, job, runner};

/// `SHA-256("411t")`, and of `411s` and `2-j` the second eight bytes: made elsewhere.
const TRACE: &str = "a5351bc86eee6f9e0652a9687cdf26f5";
const RUN: &str = "52adb94e817f8d93";
const JOB: &str = "94e4684671c84cb8";

fn sending(plan: Plan, receiver: &Receiver) -> Plan {
    plan.env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()).env("OTEL_METRICS_EXPORTER", "none")
}

/// A job of this script, in run 41.
fn script(text: &str) -> Value {
    let steps = [json!({ "name": "Ask", "run": text })];
    json!({ "job": { "name": "Build it", "context": { "run_id": 41, "repository": "o/r" }, "steps": steps } })
}

fn exports(s: &Supervised, result: &str) -> Option<f64> {
    s.metric(&format!("github_runner_otlp_trace_exports_total{{result=\"{result}\"}}"))
}

/// What a job of this says: its steps' variables, line by line.
fn told(plan: Plan) -> Vec<String> {
    let mut s = plan.start();
    s.until("the job is over", |s| !s.results().is_empty());
    assert_eq!(s.results(), ["success"]);
    let text = ns::read(&s.path("told"));
    assert_eq!(s.stop(), 0);
    text.lines().map(str::to_owned).collect()
}

/// Runs this job, whose `DIR` is the test's own.
fn asking(text: &str, set: &[(&str, &str)]) -> Plan {
    let dir = "$(cd \"$RUNNER_WORKSPACE/../../..\" && pwd)";
    let plan = runner(&[script(&text.replace("DIR", dir))]);
    set.iter().fold(plan, |plan, (name, value)| plan.env(name, value))
}

const SHOW: &str = "env | grep -E '^(TRACEPARENT|OTEL_)' | sort > DIR/told || :";

#[test]
fn a_job_is_told_once_it_is_over() {
    require!("namespace", "bash");
    let receiver = Receiver::start();
    let failing = json!({ "job": { "name": "test", "context": { "run_id": 42 }, "result": "Failed" } });
    let mut s = sending(runner(&[script("echo hello"), failing]), &receiver)
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .start();
    let first = Part::read(&receiver.nth(0));
    assert_eq!(receiver.got()[0].path, "/v1/traces");
    assert_eq!(first.trace, TRACE);
    let [job, run] = [first.one("Build it"), first.one("run-Build it")];
    assert_eq!((job.parent.as_str(), run.parent.as_str()), (RUN, job.id.as_str()));
    assert_eq!((job.code, job.message.as_str()), (1, "success"));
    for (key, value) in [
        ("cicd.pipeline.name", "CI"),
        ("cicd.pipeline.run.id", "41"),
        ("cicd.pipeline.task.run.result", "success"),
        ("cicd.pipeline.run.url.full", "https://github.com/o/r/actions/runs/41"),
        ("vcs.ref.head.name", "main"),
        ("runner_init.job.id", "41_build"),
    ] {
        assert_eq!(job.attributes.get(key).map(String::as_str), Some(value), "{key}");
    }
    // And each step as GitHub lists it, below the job.
    let steps: Vec<_> =
        first.spans.iter().filter(|span| span.attributes.contains_key("runner_init.step.number")).collect();
    let names: Vec<_> = steps.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["Set up job", "Set up runner", "Ask", "Complete job"]);
    assert!(steps.iter().all(|span| span.parent == job.id && span.code == 1), "{steps:?}");
    assert!(steps.is_sorted_by_key(|span| span.start), "{steps:?}");
    let resource = |key: &str| first.resource.get(key).map(String::as_str);
    assert_eq!(resource("service.name"), Some("github-runners"));
    assert_eq!(resource("cicd.worker.name"), Some("test-runner"));
    assert_eq!(resource("deployment.environment.name"), Some("prod"));
    let second = Part::read(&receiver.nth(1));
    let job = second.one("test");
    assert_eq!((job.code, job.message.as_str()), (2, "failure"));
    assert_eq!(job.attributes["error.type"], "failed");
    assert_ne!(second.trace, first.trace);
    s.until("both are counted", |s| exports(s, "success") == Some(2.0));
    assert_eq!(s.stop(), 0);
    assert_eq!(receiver.got().len(), 2, "each once");
    // The same for people, from the log alone.
    let said = |args: &[&str]| {
        let program = Command::new(env!("CARGO_BIN_EXE_runner-init"))
            .args(["trace", "41_build"])
            .args(args)
            .env_clear()
            .envs([("RUNNER_SKIP_REGISTRATION", "true"), ("RUNNER_NAME", "test-runner")])
            .env("RUNNER_STATE_DIR", s.path("state"))
            .output()
            .unwrap();
        assert!(program.status.success(), "{program:?}");
        String::from_utf8(program.stdout).unwrap()
    };
    let tree = said(&[]);
    assert!(tree.starts_with(&format!("trace {TRACE}\nBuild it")), "{tree}");
    let shown: Value = serde_json::from_str(&said(&["--otlp-json"])).unwrap();
    let shown = shown["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let shown: Vec<_> = shown.iter().map(|span| span["spanId"].as_str().unwrap().to_owned()).collect();
    let sent: Vec<_> = first.spans.iter().map(|span| span.id.clone()).collect();
    assert_eq!(shown, sent, "ids need no memory");
}

#[test]
fn github_s_own_id_of_the_job_makes_the_receiver_s_ids() {
    require!("namespace", "python3");
    let receiver = Receiver::start();
    let (fake, token) = (Fake::start(Shape::Dotcom, "/repos/o/r"), random("ghp_"));
    fake.grant(&token, Access::Full);
    let python = ns::program("python3").expect("required");
    let body = include_str!("support/config_sh.py").replace("@FAKE@", &format!("http://{}", fake.addr));
    let now = Utc::now();
    let created = now - TimeDelta::milliseconds(42_500);
    fake.set_jobs(vec![
        json!({ "id": 2, "name": "build", "status": "in_progress", "runner_name": "test-runner",
        "created_at": created, "started_at": now }),
    ]);
    let plan = runner(&[script("sleep 1")]).registering(format!("#!{}\n{body}", python.display()));
    let plan = plan.env("GITHUB_API_URL", &fake.api_url()).env("GITHUB_TOKEN", &token);
    let mut s = sending(plan.env("GITHUB_REPOSITORY", "o/r"), &receiver).start();
    let part = Part::read(&receiver.nth(0));
    let job = part.one("Build it");
    assert_eq!((part.trace.as_str(), job.id.as_str(), job.parent.as_str()), (TRACE, JOB, RUN));
    assert_eq!(job.attributes["cicd.pipeline.task.run.id"], "2");
    let queue = part.one("queue-Build it");
    assert_eq!((queue.parent.as_str(), queue.start), (JOB, job.start));
    assert!(queue.end - queue.start >= 42_000_000_000, "{queue:?}");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_job_s_own_tools_join_its_trace_where_they_are_told_of_it() {
    require!("namespace", "bash");
    assert_eq!(told(asking(SHOW, &[])), [""; 0], "nothing, unless asked");
    let receiver = Receiver::start();
    let endpoint = receiver.url();
    let set = [("RUNNER_TRACEPARENT", "true"), ("RUNNER_TRACEPARENT_ENDPOINT", "http://172.17.0.1:4318")];
    let lines = told(sending(asking(SHOW, &set), &receiver));
    let part = Part::read(&receiver.nth(0));
    let parent = format!("TRACEPARENT=00-{TRACE}-{}-01", part.one("run-Build it").id);
    assert_eq!(lines, ["OTEL_EXPORTER_OTLP_ENDPOINT=http://172.17.0.1:4318".to_owned(), parent]);
    // By the older rule the job's own id is known at once.
    let set = [("RUNNER_TRACEPARENT", "true"), ("RUNNER_TRACE_IDS", "run_attempt")];
    let lines = told(sending(asking(SHOW, &set), &receiver));
    let part = Part::read(&receiver.nth(1));
    assert_eq!(lines, [format!("TRACEPARENT=00-{TRACE}-{}-01", part.one("Build it").id)]);
    // Nobody sends ours: the run's span is somebody else's.
    let lines = told(asking(SHOW, &[("RUNNER_TRACEPARENT", "true")]));
    assert_eq!(lines, [format!("TRACEPARENT=00-{TRACE}-{RUN}-01")]);
    let off = [("RUNNER_TRACEPARENT", "true"), ("OTEL_TRACES_SAMPLER", "always_off")];
    let lines = told(sending(asking(SHOW, &off), &receiver));
    assert_eq!(lines, [format!("TRACEPARENT=00-{TRACE}-{RUN}-00")]);
    assert_eq!(receiver.got().len(), 2, "what is not sampled is not sent to {endpoint}");
}

#[test]
fn whoever_else_says_something_of_the_trace_wins() {
    require!("namespace", "bash");
    let hook = tempfile::tempdir().unwrap();
    let path = hook.path().join("own.sh");
    std::fs::write(&path, "echo TRACEPARENT=mine >> \"$GITHUB_ENV\"\n").unwrap();
    let own = [("RUNNER_TRACEPARENT", "true"), ("ACTIONS_RUNNER_HOOK_JOB_STARTED", path.to_str().unwrap())];
    assert_eq!(told(asking(SHOW, &own)), ["TRACEPARENT=mine"]);
    let inherited = [("RUNNER_TRACEPARENT", "true"), ("TRACEPARENT", "theirs")];
    assert_eq!(told(asking(SHOW, &inherited)), ["TRACEPARENT=theirs"]);
}

#[test]
fn a_failure_is_counted_and_said_once_and_tells_no_key() {
    require!("namespace");
    let receiver = Receiver::start();
    let key = "hunter2";
    let no = |status: u16| Says::Status(status, Vec::new(), format!("no: {key}\n").into_bytes());
    receiver.script([no(401), no(400)]);
    let headers = format!("authorization=Bearer%20{key}");
    let jobs = ["a", "b", "c"].map(|name| job(name, 20));
    let mut s = sending(runner(&jobs), &receiver).env("OTEL_EXPORTER_OTLP_HEADERS", &headers).start();
    s.until("it works again", |s| s.log().contains("event=traces_sent_again"));
    assert_eq!(
        ["failed", "dropped", "success"].map(|result| exports(&s, result)),
        [Some(2.0), Some(2.0), Some(1.0)]
    );
    let log = s.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains("event=trace_not_sent")).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].contains("answered status 401: no: ***"), "{}", said[0]);
    let page = s.get("/metrics").body + &s.get("/").body + &s.get("/api/v1/status").body;
    assert!(!page.contains(key) && !s.log().contains(key), "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_receiver_that_hangs_delays_neither_a_job_nor_the_end_beyond_its_share() {
    require!("namespace");
    let receiver = Receiver::start();
    receiver.script(vec![Says::Hang; 100]);
    let plan = runner(&[job("a", 20), job("b", 20)]);
    let mut s = sending(plan, &receiver).env("RUNNER_STOP_GRACE", "10s").start();
    s.until("both jobs are over", |s| s.results().len() == 2);
    s.until_state("idle");
    receiver.nth(0);
    let begun = Instant::now();
    assert_eq!(s.stop(), 0, "{}", s.log());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(receiver.got().len(), 1, "one at a time");
}

#[test]
fn the_last_job_is_told_on_leaving() {
    require!("namespace");
    let receiver = Receiver::start();
    let mut s = sending(runner(&[job("build", 300)]), &receiver).start();
    s.until_state("busy");
    assert_eq!(s.stop(), 0, "{}", s.log());
    let parts: Vec<Part> = receiver.got().iter().map(Part::read).collect();
    assert_eq!(parts.len(), 1, "{}", s.log());
    assert_eq!(parts[0].one("build").message, "success", "the drained job");
}
