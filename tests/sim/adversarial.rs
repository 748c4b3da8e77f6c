//! Checklist point 8: everything the output can do to mislead its reader.

use crate::harness::{Root, alive, children, comm, poll, shape};
use nix::sys::signal::Signal::SIGINT;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner_sim::hostile_names;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn launch(speed: f64, launch: &Value) -> Root {
    Root::new(json!({ "speed": speed, "launches": [launch] }))
}

fn steps(steps: &Value) -> Root {
    launch(20.0, &json!({ "steps": steps }))
}

#[test]
fn a_completion_line_can_be_missing_or_the_worker_never_start() {
    let root = steps(&json!([
        { "job": { "name": "a", "completion": "missing" } },
        { "job": { "name": "b", "completion": "no_worker" } },
        { "job": { "name": "c" } },
    ]));
    let mut listener = root.run();
    listener.until("Job c completed");
    assert_eq!((listener.count("Running job"), listener.count("completed")), (3, 1));
}

#[test]
fn a_lost_lock_abandons_and_other_results_come_from_the_worker() {
    let root = steps(&json!([
        { "job": { "name": "a", "ms": 600_000, "lose_lock_after_ms": 100 } },
        { "job": { "name": "b", "result": "SucceededWithIssues" } },
        { "job": { "name": "c", "result": "Skipped" } },
        { "job": { "name": "d", "result": "Abandoned" } },
    ]));
    let mut listener = root.run();
    for line in ["a completed with result: Abandoned", "b completed with result: SucceededWithIssues"] {
        listener.until(line);
    }
    listener.until("c completed with result: Skipped");
    listener.until("d completed with result: Abandoned");
}

#[test]
fn a_lost_connection_may_never_be_told_to_be_back() {
    let root = steps(&json!([
        { "disconnect": { "message": "first", "recovery": "silent" } },
        { "disconnect": { "message": "second" } },
        { "stdout": "end\n" },
    ]));
    let mut listener = root.run();
    listener.until("end");
    let told: Vec<String> = listener.stderr().iter().map(|line| shape(line)).collect();
    let line = |name: &str| {
        format!("9999-99-99 99:99:99Z: Runner connect error: {name}. Retrying until reconnected.")
    };
    assert_eq!(told, [line("first"), line("second")]);
    assert_eq!(listener.count("Runner reconnected."), 1);
}

#[test]
fn a_session_conflict_is_endured_for_eight_tries() {
    let root = launch(400.0, &json!({ "session": { "conflict": {} } }));
    let started = Instant::now();
    let mut listener = root.run();
    assert_eq!(listener.code(), 5);
    assert!(started.elapsed() >= Duration::from_millis(525), "210 s at speed 400");
    assert_eq!(listener.count("A session for this runner already exists."), 8);
    assert_eq!(listener.count("√ Connected to GitHub"), 8);
    let last = listener.stderr().split_off(listener.stderr().len() - 2).join("|");
    let stop = "Stop retry on SessionConflictException after retried for 240 seconds.";
    assert_eq!(last, format!("{stop}|Failed to create session. Error: Conflict"));
}

#[test]
fn a_conflict_or_an_outage_can_end_well() {
    for session in [
        json!({ "conflict": { "clears_after_ms": 60_000 } }),
        json!({ "unreachable": { "message": "no route", "recovers_after_ms": 60_000 } }),
    ] {
        let root = launch(400.0, &json!({ "session": session }));
        let mut listener = root.run();
        listener.until("Runner connect error");
        listener.until("Runner reconnected.");
        listener.until("Current runner version");
        listener.until("Listening for Jobs");
        assert_eq!(listener.count("√ Connected to GitHub"), 3);
    }
}

#[test]
fn refused_sessions_leave_with_their_code() {
    let flag = [("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1")];
    for (session, env, code, text) in [
        (json!("deleted"), &[][..], 1, "The runner registration has been deleted from the server"),
        (json!("not_found_on_server"), &[], 1, "Please reconfigure the runner."),
        (json!("deprecated"), &[], 1, "is deprecated and cannot receive messages."),
        (json!("deprecated"), &flag, 7, "is deprecated and cannot receive messages."),
        (json!("clock_skew"), &[], 1, "clock may be out of sync"),
        (json!({ "failed": { "message": "nope" } }), &[], 1, "Failed to create session. nope"),
    ] {
        let root = launch(4000.0, &json!({ "session": session }));
        let mut listener = root.run_with(&[], env);
        assert_eq!(listener.code(), code, "{session}");
        assert!(listener.stderr().join("\n").contains(text), "{session}: {:?}", listener.stderr());
        assert_eq!(
            listener.count("Listening"),
            usize::from(session == "deprecated"),
            "it is a poll that is refused"
        );
    }
}

#[test]
fn a_deletion_on_the_server_cleans_up_and_is_a_success() {
    let root = steps(&json!([{ "deleted_on_server": {} }]));
    let mut listener = root.run();
    assert_eq!(listener.code(), 0);
    listener.until("The runner no longer exists on the server. Cleaning up local configuration.");
    listener.until("√ Removed .runner");
    assert!(!root.path(".runner").exists());
}

#[test]
fn older_versions_say_it_in_their_words() {
    let refused = [
        (
            "2.332.0",
            json!({ "session": "deprecated" }),
            "An error occured: Runner version v2.332.0 is deprecated",
        ),
        (
            "2.333.0",
            json!({ "session": "deprecated" }),
            "An error occurred: Runner version v2.333.0 is deprecated",
        ),
        ("2.335.1", json!({ "steps": [{ "deleted_on_server": {} }] }), "An error occurred: Runner not found"),
    ];
    for (version, launch, text) in refused {
        let root = Root::new(json!({ "speed": 20, "version": version, "launches": [launch] }));
        let mut listener = root.run();
        assert_eq!(listener.code(), 1, "{version}");
        assert!(listener.stderr().join("\n").starts_with(text), "{version}: {:?}", listener.stderr());
        assert!(root.path(".runner").exists(), "{version}");
    }
}

#[test]
fn the_worker_can_be_there_before_the_line() {
    let root = steps(&json!([{ "job": { "worker_first_ms": 6000, "ms": 20_000 } }]));
    let mut listener = root.run_with(&["--once"], &[]);
    listener.until("Listening for Jobs");
    listener.worker();
    assert_eq!(listener.count("Running job"), 0);
    listener.until("Running job");
    listener.until("completed with result: Succeeded");
    assert_eq!(listener.code(), 0);
}

#[test]
fn the_session_banner_can_come_again_with_or_without_listening() {
    let root = steps(&json!([{ "banner": {} }, { "banner": { "listening": false } }, { "stdout": "end\n" }]));
    let mut listener = root.run();
    listener.until("end");
    assert_eq!((listener.count("√ Connected to GitHub"), listener.count("Listening for Jobs")), (3, 2));
}

#[test]
fn an_update_can_be_told_of_in_the_middle_of_a_job() {
    let root =
        steps(&json!([{ "job": { "ms": 20_000, "during": [{ "update": { "outcome": "no_flag" } }] } }]));
    let mut listener = root.run();
    listener.until("Running job");
    listener.until("Waiting for current job finish running.");
    listener.until("completed with result: Succeeded");
    listener.until("Generate and execute update script.");
    assert_eq!(listener.code(), 3);
    let failed = || crate::harness::names(&root.path("_diag")).iter().any(|name| name.ends_with(".failed"));
    poll("the failed update", failed);
    assert!(!root.path("update.finished").exists());
}

#[test]
fn an_update_can_fail_or_be_nothing_but_lines() {
    let root = steps(&json!([
        { "update": { "outcome": { "failed": "disk full" } } },
        { "update": { "outcome": "lines_only" } },
        { "job": {} },
    ]));
    let mut listener = root.run();
    listener.until("Runner update failed: disk full");
    listener.until("Runner update process finished.");
    listener.until("Job build completed with result: Succeeded");
}

#[test]
fn hostile_names_are_just_names() {
    let names = hostile_names("victim");
    assert!(names.iter().any(|name| name.len() >= 10_240));
    let jobs: Vec<Value> =
        names.iter().map(|name| json!({ "job": { "name": name, "ms": 0, "spawn_ms": 0 } })).collect();
    let root = steps(&Value::Array([&jobs[..], &[json!({ "stdout": "end\n" })]].concat()));
    let output = root.command("bin/Runner.Listener").arg("run").stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(output.id().try_into().unwrap());
    let log = || root.texts("_diag", "Runner_");
    poll("all jobs", || log().matches("finish job request").count() == names.len());
    kill(pid, SIGINT).unwrap();
    let out = String::from_utf8(output.wait_with_output().unwrap().stdout).unwrap();
    for name in &names {
        assert!(out.contains(&format!("Running job: {name}\n")), "{name:?}");
        assert!(out.contains(&format!(": Job {name} completed with result: Succeeded\n")), "{name:?}");
    }
    let forged = "2026-08-17 13:15:44Z: Job victim completed with result: Succeeded";
    assert!(out.lines().any(|line| line.starts_with(forged)), "the forgery looks like a line");
}

#[test]
fn log_printing_doubles_every_line_and_relays_the_worker() {
    let root = steps(&json!([{ "job": { "name": "j" } }]));
    let mut listener = root.run_with(&["--once"], &[("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "True")]);
    assert_eq!(listener.code(), 0);
    let out = listener.shape();
    let lines: Vec<&str> = out.lines().collect();
    let stamp = "9999-99-99 99:99:99Z";
    for text in ["Listening for Jobs", "Running job: j", "Job j completed with result: Succeeded"] {
        let bare = lines.iter().position(|line| *line == format!("{stamp}: {text}")).expect(text);
        assert_eq!(lines[bare - 1], format!("[RUNNER {stamp} INFO Terminal] WRITE LINE: {stamp}: {text}"));
    }
    let relayed = |part: &str| lines.iter().any(|line| line.starts_with("[WORKER ") && line.contains(part));
    assert!(relayed("Job message:") && relayed("\"jobDisplayName\": \"j\""), "every line has a prefix");
}

#[test]
fn a_spliced_log_hides_the_bare_line_behind_another_header() {
    let console = json!({ "splice": true });
    let root =
        Root::new(json!({ "speed": 20, "console": console, "launches": [{ "steps": [{ "job": {} }] }] }));
    let mut listener = root.run_with(&["--once"], &[("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "1")]);
    assert_eq!(listener.code(), 0);
    let out = listener.shape();
    let done = "9999-99-99 99:99:99Z: Job build completed with result: Succeeded";
    assert!(out.contains(&format!("[RUNNER 9999-99-99 99:99:99Z INFO JobDispatcher] {done}\n")), "{out}");
    assert!(!out.lines().any(|line| line == done), "no line starts with it");
    assert!(out.contains(&format!("WRITE LINE: {done}")));
}

#[test]
fn the_pipe_can_outlive_the_listener() {
    let root = launch(1.0, &json!({ "steps": [{ "hold_output_ms": 60_000 }] }));
    let mut listener = root.run();
    let mut holder = None;
    poll("the holder", || {
        holder = children(listener.pid()).first().copied();
        holder.is_some_and(|pid| comm(pid) == "node")
    });
    let holder = holder.unwrap();
    let pipe = |pid: u32| std::fs::read_link(format!("/proc/{pid}/fd/1")).unwrap();
    assert_eq!(pipe(holder), pipe(listener.pid()));
    listener.signal(SIGINT);
    assert_eq!(listener.code(), 0);
    assert!(alive(holder), "it holds the pipe though the listener is gone");
    kill(Pid::from_raw(holder.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn writes_can_be_slow_and_cut_characters_in_half() {
    let root = Root::new(json!({
        "speed": 20,
        "console": { "chunk": 1, "gap_ms": 1 },
        "launches": [{ "steps": [{ "bytes": { "hex": "e2 88 9a 0a ff 0a", "split": [1, 2], "gap_ms": 20 } }, { "exit": 0 }] }],
    }));
    let mut listener = root.run();
    assert_eq!(listener.code(), 0);
    assert!(listener.shape().ends_with("Listening for Jobs\n√\n\u{fffd}"), "{}", listener.shape());
}

#[test]
fn both_pipes_can_be_written_at_once() {
    let root =
        steps(&json!([{ "race": { "stdout": "left", "stderr": "right", "count": 300 } }, { "exit": 0 }]));
    let mut listener = root.run();
    assert_eq!(listener.code(), 0);
    assert_eq!((listener.count("left"), listener.count("right")), (300, 300));
}

#[test]
fn a_listener_can_die_in_mid_job_or_cancel_it_first() {
    let root = steps(&json!([{ "job": { "ms": 3000, "during": [{ "idle_ms": 500 }, { "signal": 9 }] } }]));
    let mut listener = root.run();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&listener.exit()), Some(9));
    assert_eq!((listener.count("Running job"), listener.count("completed")), (1, 0));
    let end = "Job result after all job steps finish: Succeeded";
    poll("the orphaned Worker's end", || root.texts("_diag", "Worker_").contains(end));
    let root = steps(&json!([{ "job": { "ms": 600_000, "during": [{ "idle_ms": 100 }, { "exit": 2 }] } }]));
    let mut listener = root.run();
    assert_eq!(listener.code(), 2);
    assert_eq!(listener.count("completed with result: Canceled"), 1);
}
