//! What a runner sends, and when: a fake receiver takes it, refuses it, forgets it, or is not there.

use crate::github::serve::Authority;
use crate::receiver::{Mood, Receiver};
use crate::supervised::{Plan, Supervised, job, runner};
use crate::{ns, require, tls};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;
use std::time::{Duration, Instant};

const SENT: &str = "github_runner_job_events_sent_total";
const FAILED: &str = "github_runner_job_events_failed_total";
const UNSENT: &str = "github_runner_job_events_unsent_timestamp_seconds";

fn sending(plan: Plan, receiver: &Receiver) -> Plan {
    plan.env("JOB_EVENTS_URL", &receiver.url()).env("JOB_EVENTS_TOKEN", "s3cr3t-token")
}

fn until_taken(s: &mut Supervised, receiver: &Receiver, rows: usize) {
    s.until(&format!("{rows} rows are taken"), |_| receiver.rows().len() >= rows);
}

#[test]
fn each_finished_row_is_posted_once_with_its_own_names() {
    require!("namespace");
    let receiver = Receiver::start(Mood::Takes);
    let jobs = [job("build", 50), job("test", 50)];
    let mut s = sending(runner(&jobs), &receiver).start();
    until_taken(&mut s, &receiver, 2);
    s.until("both are counted as sent", |s| s.metric(SENT) == Some(2.0));
    assert_eq!((s.metric(FAILED), s.metric(UNSENT)), (Some(0.0), None));
    let first = &receiver.rows()[0];
    let row = &s.table().into_iter().filter(|row| row.status == "success").collect::<Vec<_>>()[0];
    assert_eq!(first["job_id"], row.job_id);
    assert_eq!((&first["job_name"], &first["status"]), (&json!("build"), &json!("success")));
    assert_eq!((&first["started_at"], &first["runner_name"]), (&json!(row.started), &json!("test-runner")));
    assert_eq!((&first["runner_type"], &first["amendment"]), (&json!("standard"), &json!(false)));
    assert!(first["duration_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.05), "{first}");
    assert!(first["event_id"].as_str().is_some_and(|id| id.contains(&row.job_id)), "{first}");
    let hello = &receiver.posts()[0];
    let port: u16 = s.address().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert_eq!((&hello.json()["metrics_port"], &hello.json()["leaving"]), (&json!(port), &json!(false)));
    assert!(hello.head.starts_with("POST /api/v1/rows HTTP/1.1\r\n"), "{}", hello.head);
    assert!(
        hello.head.to_ascii_lowercase().contains("\r\nauthorization: bearer s3cr3t-token\r\n"),
        "{}",
        hello.head
    );
    assert_eq!(s.stop(), 0);
    let last = receiver.posts().pop().expect("a farewell");
    assert_eq!((&last.json()["leaving"], &last.json()["rows"]), (&json!(true), &json!([])));
    // The same volume once more: nothing is sent twice.
    let mut s = sending(runner(&[job("deploy", 50)]), &receiver).in_dir_of(&s).start();
    until_taken(&mut s, &receiver, 3);
    assert_eq!(s.stop(), 0);
    assert_eq!(receiver.words("job_name"), ["build", "test", "deploy"]);
    assert!(!s.log().contains("s3cr3t-token"));
}

#[test]
fn what_was_refused_waits_in_the_job_log_also_for_the_next_life() {
    require!("namespace");
    let receiver = Receiver::start(Mood::Answers(503));
    let mut s = sending(runner(&[job("one", 20), job("two", 20)]), &receiver).start();
    s.until("both jobs are counted", |s| {
        s.metric("github_runner_jobs_total{status=\"success\"}") == Some(2.0)
    });
    s.until("a failure is counted", |s| s.metric(FAILED) >= Some(1.0) && s.metric(UNSENT).is_some());
    s.until_log(&format!(
        "event=job_events_not_sent says=\"{} answered 503: no *** today\"",
        receiver.address
    ));
    s.signal(SIGKILL);
    s.exit_code();
    assert_eq!(s.log().matches("level=warn event=job_events_not_sent").count(), 1, "a streak is told once");
    assert!(receiver.rows().is_empty());
    receiver.set(Mood::Takes);
    let mut s = sending(runner(&[job("three", 20)]), &receiver).in_dir_of(&s).start();
    until_taken(&mut s, &receiver, 3);
    s.until("nothing waits", |s| s.metric(UNSENT).is_none() && s.metric(SENT) == Some(3.0));
    assert_eq!(receiver.words("job_name"), ["one", "two", "three"]);
    assert_eq!(s.stop(), 0);
}

#[test]
fn where_the_answer_was_lost_the_row_comes_again_with_the_same_id() {
    require!("namespace");
    let receiver = Receiver::start(Mood::Forgets);
    let mut s = sending(runner(&[job("one", 20)]), &receiver).start();
    until_taken(&mut s, &receiver, 1);
    receiver.set(Mood::Takes);
    s.until("it is counted as sent", |s| s.metric(SENT) == Some(1.0));
    let ids = receiver.words("event_id");
    assert!(ids.len() >= 2 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    s.until_log("event=job_events_sent rows=1 after_failures=");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_receiver_that_is_not_there_costs_a_stop_two_seconds_and_no_job_anything() {
    require!("namespace");
    let receiver = Receiver::start(Mood::Hangs);
    let mut s = sending(runner(&[job("one", 20), job("two", 20)]), &receiver).start();
    s.until("both jobs are counted", |s| {
        s.metric("github_runner_jobs_total{status=\"success\"}") == Some(2.0)
    });
    s.until_state("idle");
    let asked = Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}: the grace is 120 s", asked.elapsed());
    assert!(s.log().contains("event=job_events_not_sent says=\"the time for it was over"), "{}", s.log());
}

#[test]
fn who_leaves_by_itself_waits_for_its_last_row_and_no_longer_than_it_was_told() {
    require!("namespace");
    let receiver = Receiver::start(Mood::Answers(503));
    let once = [job("only", 20), json!({ "exit": 0 })];
    let plan = || runner(&once).env("RUNNER_EPHEMERAL", "true");
    let mut s = sending(plan(), &receiver).env("JOB_EVENTS_WAIT", "100s").start();
    s.until_log("event=finished");
    receiver.set(Mood::Takes);
    assert_eq!(s.exit_code(), 0);
    assert_eq!(receiver.words("job_name"), ["only"]);
    assert_eq!(receiver.posts().pop().expect("the last").json()["leaving"], json!(true));
    receiver.set(Mood::Answers(503));
    let mut s = sending(plan(), &receiver).env("JOB_EVENTS_WAIT", "1s").start();
    assert_eq!(s.exit_code(), 0);
    assert!(s.log().contains("event=job_events_not_sent says=\"the time for it was over"), "{}", s.log());
}

#[test]
fn what_is_too_large_at_once_goes_in_parts() {
    require!("namespace");
    let receiver = Receiver::start(Mood::Answers(503));
    let jobs: Vec<_> = (0..6).map(|n| job(&format!("job {n}"), 5)).collect();
    let mut s = sending(runner(&jobs), &receiver).start();
    s.until("all are counted", |s| s.metric("github_runner_jobs_total{status=\"success\"}") == Some(6.0));
    s.signal(SIGKILL);
    s.exit_code();
    receiver.set(Mood::TakesUpTo(1500));
    let mut s = sending(runner(&[]), &receiver).in_dir_of(&s).start();
    s.until("all are taken", |s| s.metric(SENT) == Some(6.0));
    let names: Vec<_> = (0..6).map(|n| format!("job {n}")).collect();
    assert_eq!(receiver.words("job_name"), names);
    assert_eq!(s.metric(FAILED), Some(0.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn over_https_the_receiver_must_be_one_that_we_trust() {
    require!("namespace");
    let (ours, strange) = (Authority::new(&["127.0.0.1"]), Authority::new(&["127.0.0.1"]));
    let receiver = tls::Receiver::start_tls(std::sync::Arc::clone(&ours.server));
    let dir = tempfile::tempdir().expect("a directory");
    let plan = |plan: Plan, authority: &Authority, name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, &authority.pem).expect("ours");
        plan.env("JOB_EVENTS_URL", &format!("https://{}", receiver.addr))
            .env("JOB_EVENTS_TOKEN", "s3cr3t-token")
            .env("SSL_CERT_FILE", &path.display().to_string())
    };
    let mut s = plan(runner(&[job("one", 20)]), &strange, "strange.pem").start();
    s.until_log("event=job_finished");
    s.until("it is refused", |s| s.metric(FAILED) >= Some(1.0) && s.metric(UNSENT).is_some());
    s.until_log("event=job_events_not_sent");
    s.signal(SIGKILL);
    s.exit_code();
    assert!(receiver.got().is_empty(), "nobody has heard the token");
    let mut s = plan(runner(&[]), &ours, "ours.pem").in_dir_of(&s).start();
    s.until("it is sent", |s| s.metric(SENT) == Some(1.0));
    assert_eq!(s.stop(), 0);
    let got = receiver.got();
    assert!(got.iter().all(|it| it.header("authorization") == Some("Bearer s3cr3t-token")), "{got:?}");
    let rows: Vec<serde_json::Value> = got
        .iter()
        .map(|it| serde_json::from_slice::<serde_json::Value>(&it.body).expect("JSON"))
        .flat_map(|it| it["rows"].as_array().cloned().unwrap_or_default())
        .collect();
    assert_eq!(rows.iter().map(|row| row["job_name"].clone()).collect::<Vec<_>>(), ["one"]);
}

#[test]
fn without_an_address_nothing_of_it_is_there() {
    require!("namespace");
    let mut s = runner(&[job("one", 20)]).start();
    s.until("it is counted", |s| s.metric("github_runner_jobs_total{status=\"success\"}") == Some(1.0));
    let page = s.get("/metrics").body;
    assert!(!page.contains("job_events"), "{page}");
    assert_eq!(s.stop(), 0);
    assert!(!s.path("state/jobs.log.sent").exists());
}

#[test]
fn other_receivers_have_their_own_forms() {
    require!("namespace");
    let jobs = [job("build", 20)];
    for (format, kind) in [
        ("ndjson", "application/x-ndjson"),
        ("array", "application/json"),
        ("loki", "application/json"),
        ("victoriametrics", "application/x-ndjson"),
    ] {
        let receiver = Receiver::start(Mood::Takes);
        let url = format!("{}/insert?_time_field=timestamp", receiver.url());
        let mut s = runner(&jobs).env("METRICS_PUSH_URL", &url).env("JOB_EVENTS_FORMAT", format).start();
        s.until("it is taken", |s| s.metric(SENT) == Some(1.0));
        assert_eq!(s.stop(), 0);
        let posts = receiver.posts();
        assert_eq!(posts.len(), 1, "{format}: nobody else wants to hear who lives");
        let head = posts[0].head.to_ascii_lowercase();
        assert!(
            head.starts_with("post /insert?_time_field=timestamp ")
                && head.contains(&format!("content-type: {kind}\r\n")),
            "{head}"
        );
        assert!(posts[0].body.starts_with(if format == "array" { b"[{" } else { b"{" }), "{format}");
    }
}
