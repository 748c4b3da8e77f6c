//! Refusals to start are clear, early and have their code; nothing has been launched by then.

use crate::supervised::{Plan, Supervised, job, runner};
use crate::{ns, require};
use serde_json::json;

/// It has ended with this code and said this, and the runner was never started.
#[track_caller]
fn refuses(mut s: Supervised, code: i32, says: &[&str]) {
    assert_eq!(s.exit_code(), code, "{}", s.log());
    let log = s.log();
    assert!(says.iter().all(|text| log.contains(text)), "expected {says:?} in: {log}");
    assert!(!log.contains("event=listener_started"), "{log}");
    assert_eq!(s.out(), b"", "the runner has said nothing");
}

#[test]
fn a_job_log_that_another_supervisor_writes() {
    require!("namespace");
    let mut first = runner(&[]).start();
    first.until_state("idle");
    let path = first.path("state/jobs.log");
    let path = path.to_str().expect("UTF-8");
    let beside = || runner(&[]).env("JOBS_LOG", path);
    let waits = "event=job_log_in_use path=";
    // One that stays is no predecessor.
    let second = beside().env("RUNNER_STOP_GRACE", "1s").start_unseen();
    refuses(second, 64, &[waits, "at_most_seconds=1 ", "runner-init: JOBS_LOG: ", path]);
    let mut asked_to_go = beside().start_unseen();
    asked_to_go.until_log(waits);
    assert_eq!(asked_to_go.stop(), 0);
    assert!(!asked_to_go.log().contains("event=listener_started"), "{}", asked_to_go.log());
    // As an update would: the new one is there before the old one is told to go.
    let mut third = beside().start_unseen();
    third.until_log(waits);
    assert_eq!(first.state(), "idle");
    assert!(!third.log().contains("event=listener_started"), "{}", third.log());
    assert_eq!(first.stop(), 0);
    third.until_log("event=session_created");
    assert_eq!(third.stop(), 0);
}

#[test]
fn a_port_that_is_taken() {
    require!("namespace");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let s = runner(&[]).env("METRICS_PORT", &port).start();
    refuses(s, 71, &[&format!("127.0.0.1:{port}"), "METRICS_PORT", "in use"]);
}

#[test]
fn a_directory_without_a_runner() {
    require!("namespace");
    let s = runner(&[]).env("RUNNER_DIR", "/nonexistent").start();
    refuses(s, 64, &["RUNNER_DIR", "/nonexistent", "bin/Runner.Listener"]);
}

#[test]
fn a_runner_that_is_not_configured() {
    require!("namespace");
    let s = runner(&[]).unconfigured().start();
    refuses(s, 64, &["RUNNER_DIR", ".runner"]);
}

#[test]
fn faults_of_the_configuration_come_all_at_once() {
    require!("namespace");
    let s = runner(&[]).env("METRICS_PORT", "many").env("RUNNER_STOP_GRACE", "soon").start();
    refuses(s, 64, &["METRICS_PORT", "RUNNER_STOP_GRACE"]);
}

/// Each way to a runner: registered before, by `config.sh`, by a just-in-time configuration.
fn ways() -> [(&'static str, Plan); 3] {
    let register =
        runner(&[]).registering(CONFIG_SH.to_owned()).env("RUNNER_TOKEN", "A").env("ORG_NAME", "o");
    let jit = runner(&[]).registering("#!/bin/sh\n".into());
    let jit = jit.env("ACTIONS_RUNNER_INPUT_JITCONFIG", "eyIucnVubmVyIjoiZTMwPSJ9");
    [("skipped", runner(&[])), ("registered", register), ("just in time", jit)]
}

/// The check of the real one: any text in the variable is a yes to it.
const CONFIG_SH: &str = r#"#!/bin/sh
if [ "$(id -u)" -eq 0 -a -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run with sudo"
    exit 1
fi
echo "allowed=$RUNNER_ALLOW_RUNASROOT"
echo '{"agentId":1,"agentName":"test-runner","gitHubUrl":"https://github.com/o"}' > "$(dirname "$0")/.runner"
"#;

#[test]
fn root_is_refused_unless_it_is_allowed() {
    require!("namespace", "root");
    for said in ["", "false", "0", "no"] {
        for (way, plan) in ways() {
            let s = plan.env("RUNNER_ALLOW_RUNASROOT", said).start();
            eprintln!("{way}, {said:?}");
            refuses(s, 64, &["RUNNER_ALLOW_RUNASROOT", "RUNNER_USER", "root"]);
        }
    }
    // Root by another name is no less root.
    for user in ["root", "0", "0:0"] {
        let s = runner(&[]).env("RUNNER_USER", user).env("RUNNER_ALLOW_RUNASROOT", "false").start();
        refuses(s, 64, &["RUNNER_ALLOW_RUNASROOT", "RUNNER_USER"]);
    }
}

#[test]
fn root_that_is_allowed_is_handed_on_as_the_runner_reads_it() {
    require!("namespace", "root");
    for (way, plan) in ways() {
        let mut s = plan.env("RUNNER_ALLOW_RUNASROOT", "Yes").start();
        s.until_log("event=listener_started");
        let listener = s.until_process("Runner.Listener");
        let environ = std::fs::read(format!("/proc/{listener}/environ")).expect("ours");
        let given =
            environ.split(|byte| *byte == 0).find(|pair| pair.starts_with(b"RUNNER_ALLOW_RUNASROOT="));
        assert_eq!(given, Some(&b"RUNNER_ALLOW_RUNASROOT=1"[..]), "{way}");
        if way == "registered" {
            let out = String::from_utf8_lossy(&s.out()).into_owned();
            assert!(out.contains("allowed=1"), "{out}");
        }
    }
}

#[test]
fn a_runner_of_another_user_needs_no_leave_for_root() {
    require!("namespace", "root");
    for plan in [runner(&[]).owned_by(4711), runner(&[]).with_runner_user(4711)] {
        let mut s = plan.env("RUNNER_ALLOW_RUNASROOT", "false").start();
        s.until_state("idle");
        // Nor does a test leave one behind.
        let all = s.all_processes();
        assert!(all.len() >= 2, "the supervisor and the listener: {all:?}");
        drop(s);
        ns::wait_until(ns::SOON, "nobody is left", || all.iter().all(|pid| ns::stat(*pid).is_none()));
    }
}

#[test]
fn an_ephemeral_runner_is_refused_where_a_job_has_been() {
    require!("namespace");
    let mut first = runner(&[job("one", 10), json!({ "exit": 0 })]).env("RUNNER_EPHEMERAL", "true").start();
    first.until_log("event=job_finished");
    first.stop();
    let again = || runner(&[]).in_dir_of(&first);
    refuses(
        again().env("RUNNER_EPHEMERAL", "true").start(),
        64,
        &["RUNNER_EPHEMERAL", "_diag/Worker_", "fresh"],
    );
    let mapping = first.path("runner/_work/_PipelineMapping");
    std::fs::create_dir(&mapping).expect("the real runner makes it");
    let says = ["RUNNER_EPHEMERAL", mapping.to_str().expect("UTF-8"), "fresh"];
    refuses(again().env("RUNNER_EPHEMERAL", "true").start(), 64, &says);
    // One that is not ephemeral has always gone on where it was.
    let mut other = again().start();
    other.until_state("idle");
}

#[test]
fn a_path_that_asks_a_directory_of_jobs_first_is_told() {
    require!("namespace", "root");
    let warned = |first: &str, plan: Plan| {
        let path = std::env::var("PATH").expect("a PATH");
        let mut s = plan.env("PATH", &format!("{first}:{path}")).start();
        s.until_state("idle");
        s.log().contains("event=path_of_jobs")
    };
    let of_jobs = tempfile::tempdir().expect("a directory");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(of_jobs.path(), open).expect("ours");
    let (theirs, missing) = (of_jobs.path().to_str().expect("UTF-8"), of_jobs.path().join("go/bin"));
    for plan in [|| runner(&[]).owned_by(4711), || runner(&[]).with_runner_user(4711)] {
        assert!(warned(theirs, plan()) && warned(missing.to_str().expect("UTF-8"), plan()));
        assert!(!warned("/usr/bin", plan()));
    }
    assert!(!warned(theirs, runner(&[])), "a job that is root needs no such way");
}

#[test]
fn a_program_that_jobs_can_read_is_told_where_a_secret_came_by_environment() {
    require!("namespace", "root", "setpriv", "sh");
    let warned = |mode: &str, plan: Plan| {
        let mut s = plan
            .through(&[
                "sh",
                "-c",
                &format!(
                    "for word; do case $word in */runner-init) chmod {mode} $word;; esac; done; exec \"$@\""
                ),
                "sh",
            ])
            .start();
        s.until_log("event=session_created");
        assert!(!s.log().contains("s3cret-token-of-16"), "{}", s.log());
        s.log().lines().any(|line| line.contains("chmod 0711") && line.contains("METRICS_AUTH_TOKEN"))
    };
    let with = |plan: Plan| plan.env("METRICS_AUTH_TOKEN", "s3cret-token-of-16");
    assert!(warned("0755", with(runner(&[]).owned_by(4711))));
    assert!(!warned("0711", with(runner(&[]).owned_by(4711))));
    assert!(!warned("0755", runner(&[]).owned_by(4711)), "no secret");
    assert!(!warned("0755", with(runner(&[]).with_runner_user(4711))), "another user may not look");
}
