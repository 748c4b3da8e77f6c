//! Checklist points 9–14: the Worker's log, workspace, hooks, steps, log files, exit codes and signals.

use crate::harness::{Listener, Root, alive, children, names, poll, shape, wait};
use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use runner_sim::tether;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A root with one job at speed 20.
fn job(job: &Value) -> Root {
    Root::new(json!({ "speed": 20, "launches": [{ "steps": [{ "job": job }] }] }))
}

fn run_once(root: &Root, env: &[(&str, &str)]) -> Listener {
    let mut listener = root.run_with(&["--once"], env);
    assert_eq!(listener.code(), 0);
    listener
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn pid_in(root: &Root, file: &str) -> u32 {
    poll(file, || root.text(file).ends_with('\n'));
    root.text(file).trim().parse().unwrap()
}

// 9

#[test]
fn the_worker_s_log_has_the_records_a_reader_looks_for() {
    let root = job(
        &json!({ "name": "build (x, 1)", "steps": [{ "uses": "actions/cache@v4" }, { "name": "boom", "exit": 3 }] }),
    );
    run_once(&root, &[]).until("completed with result: Failed");
    let log = root.texts("_diag", "Worker_");
    assert_eq!(
        names(&root.path("_diag"))
            .iter()
            .filter(|name| shape(name) == "Worker_99999999-999999-utc.log")
            .count(),
        1
    );
    let start =
        log.find("Job message:\n {").expect("the message starts on its own line") + "Job message:\n".len();
    let mut values = serde_json::Deserializer::from_str(&log[start..]).into_iter::<Value>();
    let message = values.next().unwrap().unwrap();
    assert_eq!(message["jobDisplayName"], json!("build (x, 1)"));
    let github = message["contextData"]["github"]["d"].as_array().unwrap();
    let value = |key: &str| github.iter().find(|pair| pair["k"] == key).map(|pair| pair["v"].clone());
    assert_eq!(value("run_attempt"), Some(json!("1")));
    assert_eq!(value("event").unwrap()["t"], json!(2));
    for record in [
        "INFO StepsRunner] Processing step: DisplayName='Run actions/cache@v4'",
        "INFO JobRunner] Total job steps: 2.",
        "INFO StepsRunner] Starting the step.",
        "INFO StepsRunner] Step result: Failed",
        "INFO StepsRunner] Current state: job state = ''",
        "INFO StepsRunner] Current state: job state = 'Failed'",
        "Publish step telemetry for current step {\n",
        "INFO JobRunner] Job result after all job steps finish: Failed",
    ] {
        assert!(log.contains(record), "{record}");
    }
    assert!(log.lines().any(
        |line| line.contains("Finished process ") && line.contains(" with exit code 3, and elapsed time")
    ));
}

// 10

#[test]
fn the_workspace_is_made_and_the_temporary_directory_emptied() {
    let script = "cp \"$GITHUB_EVENT_PATH\" $RUNNER_WORKSPACE; ls $RUNNER_TEMP/_runner_file_commands > $RUNNER_WORKSPACE/files; pwd > $RUNNER_WORKSPACE/pwd; echo A=1 >> $GITHUB_ENV; echo /extra >> $GITHUB_PATH";
    let second = "echo $A $PATH > $RUNNER_WORKSPACE/second";
    let root = job(
        &json!({ "context": { "event_name": "schedule" }, "steps": [{ "run": script }, { "run": second }] }),
    );
    fs::create_dir_all(root.path("_work/_temp/old")).unwrap();
    run_once(&root, &[]).until("Succeeded");
    let event: Value = serde_json::from_str(&root.text("_work/widgets/event.json")).unwrap();
    assert_eq!(event["schedule"], json!("17 4 * * *"));
    let files: Vec<String> =
        root.text("_work/widgets/files").lines().map(|line| line.split('_').next().unwrap().into()).collect();
    assert_eq!(files, ["add", "save", "set", "set", "step"]);
    assert!(root.text("_work/widgets/pwd").trim().ends_with("_work/widgets/widgets"));
    assert!(root.text("_work/widgets/second").starts_with("1 /extra:/"));
    assert_eq!(names(&root.path("_work/_temp")), [""; 0]);
}

#[test]
fn every_event_has_a_body_of_its_own() {
    let bodies = [
        ("push", "/head_commit/timestamp"),
        ("pull_request", "/pull_request/updated_at"),
        ("workflow_dispatch", "/inputs"),
        ("schedule", "/schedule"),
        ("workflow_run", "/workflow_run/run_started_at"),
    ];
    for (event, pointer) in bodies {
        let context = json!({ "event_name": event, "event_age_ms": 3_600_000 });
        let root = job(
            &json!({ "context": context, "steps": [{ "run": "cp $GITHUB_EVENT_PATH $RUNNER_WORKSPACE" }] }),
        );
        run_once(&root, &[]);
        let body: Value = serde_json::from_str(&root.text("_work/widgets/event.json")).unwrap();
        assert!(body.pointer(pointer).is_some(), "{event}: {body}");
        assert_eq!(body["repository"]["pushed_at"].is_i64(), event == "push");
    }
}

// 11

/// Two hooks that write their environment beside the workspace.
fn hooks(root: &Root) -> [(&'static str, String); 2] {
    [("ACTIONS_RUNNER_HOOK_JOB_STARTED", "started"), ("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", "completed")].map(
        |(key, name)| {
            let path = root.path(&format!("{name}.sh"));
            let script = format!(
                "env > {0}\npwd >> {0}\nread -r x || echo closed >> {0}\necho to-the-log\n",
                root.path(name).display()
            );
            fs::write(&path, script).unwrap();
            (key, path.to_str().unwrap().to_owned())
        },
    )
}

fn borrow<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    env.iter().map(|(key, value)| (*key, value.as_str())).collect()
}

#[test]
fn hooks_run_first_and_last_with_the_documented_environment() {
    let root =
        job(&json!({ "steps": [{ "uses": "octo/act@v1" }, { "run": "echo HIDDEN=1 >> $GITHUB_ENV" }] }));
    let env = hooks(&root);
    let mut listener = run_once(&root, &borrow(&env));
    listener.until("Succeeded");
    assert_eq!(listener.count("to-the-log"), 0, "a hook's output is step log");
    let (started, completed) = (root.text("started"), root.text("completed"));
    for line in [
        "GITHUB_ACTIONS=true",
        "CI=true",
        "GITHUB_REPOSITORY=octo-org/widgets",
        "GITHUB_RUN_ATTEMPT=1",
        "closed",
    ] {
        assert!(started.lines().any(|seen| seen == line), "{line} in {started}");
    }
    let value =
        |text: &str, key: &str| text.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned));
    assert!(value(&started, "RUNNER_TRACKING_ID=github_").is_some());
    assert!(
        started.lines().any(|line| line == value(&started, "GITHUB_WORKSPACE=").unwrap()),
        "cwd is the workspace"
    );
    assert_eq!(value(&started, "GITHUB_ACTION="), None);
    assert_eq!(value(&completed, "GITHUB_ACTION=").as_deref(), Some("__run"), "stale, from the last step");
    assert_eq!(value(&completed, "HIDDEN="), None);
    assert_eq!(value(&started, "GITHUB_TOKEN="), None);
    let log = root.texts("_diag", "Worker_");
    let order = ["Set up runner", "Run octo/act@v1", "Run echo HIDDEN", "Complete runner"]
        .map(|name| log.find(&format!("DisplayName='{name}")));
    assert!(order.is_sorted() && order[0].is_some(), "{order:?}");
}

#[test]
fn a_bad_hook_fails_the_job_and_skips_its_steps() {
    for (name, content) in [("fails.sh", Some("exit 3")), ("bad.txt", Some("")), ("missing.sh", None)] {
        let root = job(
            &json!({ "steps": [{ "run": "touch $RUNNER_WORKSPACE/ran" }, { "run": "touch $RUNNER_WORKSPACE/always", "always": true }] }),
        );
        let mut env = hooks(&root);
        let path = root.path(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        env[0].1 = path.to_str().unwrap().into();
        run_once(&root, &borrow(&env)).until("completed with result: Failed");
        assert_eq!(
            (root.path("_work/widgets/ran").exists(), root.path("_work/widgets/always").exists()),
            (false, true),
            "{name}"
        );
        assert!(root.path("completed").exists(), "the completed hook still runs");
    }
}

#[test]
fn the_completed_hook_runs_on_a_server_cancel_but_not_on_a_shutdown() {
    let root = job(&json!({ "cancel_after_ms": 2000, "steps": [
        { "ms": 600_000 }, { "run": "touch $RUNNER_WORKSPACE/ran" }, { "run": "touch $RUNNER_WORKSPACE/always", "always": true }] }));
    let env = hooks(&root);
    run_once(&root, &borrow(&env)).until("completed with result: Canceled");
    assert!(root.path("completed").exists());
    assert_eq!(
        (root.path("_work/widgets/ran").exists(), root.path("_work/widgets/always").exists()),
        (false, true)
    );

    let root = job(
        &json!({ "steps": [{ "ms": 600_000 }, { "run": "touch $RUNNER_WORKSPACE/always", "always": true }] }),
    );
    let env = hooks(&root);
    let mut listener = root.run_with(&[], &borrow(&env));
    let worker = {
        listener.until("Running job");
        listener.worker()
    };
    poll("the step", || {
        root.path("started").exists()
            && children(worker).iter().any(|pid| crate::harness::comm(*pid) == "node")
    });
    listener.signal(SIGINT);
    listener.until("completed with result: Canceled");
    assert_eq!((root.path("completed").exists(), root.path("_work/widgets/always").exists()), (false, false));
}

#[test]
fn a_failed_set_up_skips_both_hooks() {
    let root = job(&json!({ "worker": { "setup": "fail" } }));
    let env = hooks(&root);
    run_once(&root, &borrow(&env)).until("completed with result: Failed");
    assert!(!root.path("started").exists() && !root.path("completed").exists());
}

// 12

#[test]
fn a_step_is_a_child_with_a_higher_oom_score_and_the_worker_is_not() {
    let root = job(&json!({ "ms": 600_000 }));
    let mut listener = root.run_with(&["--once"], &[]);
    let worker = {
        listener.until("Running job");
        listener.worker()
    };
    poll("the step", || children(worker).iter().any(|pid| crate::harness::comm(*pid) == "node"));
    let step = children(worker)[0];
    let score = |pid: u32| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    poll("the score", || score(step).trim() == "500");
    assert_eq!(score(worker), score(std::process::id()));
    listener.signal(SIGINT);
    assert_eq!(listener.code(), 0);
}

#[test]
fn a_cancelled_step_is_asked_twice_then_killed_alone() {
    let script = "sleep 600 & echo $! > $RUNNER_WORKSPACE/child; trap 'date +%s%N > $RUNNER_WORKSPACE/int' INT; trap 'date +%s%N > $RUNNER_WORKSPACE/term' TERM; echo > $RUNNER_WORKSPACE/ready; while :; do sleep 0.01; done";
    let job = json!({ "steps": [{ "run": script }], "worker": { "keep_orphans": true } });
    let root = Root::new(json!({ "speed": 5, "launches": [{ "steps": [{ "job": job }] }] }));
    let mut listener = root.run_with(&["--once"], &[]);
    let child = pid_in(&root, "_work/widgets/child");
    poll("the traps", || root.path("_work/widgets/ready").exists());
    listener.signal(SIGINT);
    listener.until("completed with result: Canceled");
    let at = |file: &str| root.text(file).trim().parse::<u128>().unwrap();
    let gap = Duration::from_nanos((at("_work/widgets/term") - at("_work/widgets/int")).try_into().unwrap());
    assert!(gap >= Duration::from_millis(750), "7.5 s at speed 5 is 1.5 s, and the traps took {gap:?}");
    assert!(alive(child), "only the direct child is killed");
    send(child, SIGKILL);
}

/// The processes that the double's steps left in this root.
fn daemons(root: &Root) -> Vec<u32> {
    let mine = root.path("externals").to_str().unwrap().to_owned();
    let pids = names(Path::new("/proc")).into_iter().filter_map(|name| name.parse().ok());
    let command = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids.filter(|pid| command(pid).starts_with(&mine) && command(pid).contains("--session")).collect()
}

#[test]
fn a_tracked_daemon_is_killed_at_the_end_and_an_untracked_one_escapes() {
    let root = job(&json!({ "steps": [{ "daemon": { "ms": 400_000 } }] }));
    run_once(&root, &[]).until("Succeeded");
    poll("the tracked one's end", || daemons(&root).iter().all(|pid| !alive(*pid)));

    let root = job(&json!({ "steps": [{ "daemon": { "ms": 400_000, "untracked": true } }] }));
    run_once(&root, &[]).until("Succeeded");
    let [free] = daemons(&root)[..] else { panic!("one escapes: {:?}", daemons(&root)) };
    let environ = fs::read_to_string(format!("/proc/{free}/environ")).unwrap();
    assert!(environ.contains("RUNNER_TEMP=") && !environ.contains("RUNNER_TRACKING_ID="));
    send(free, SIGKILL);
}

#[test]
fn a_step_whose_output_is_held_is_held_for_5_seconds() {
    let root = job(&json!({ "steps": [{ "daemon": { "ms": 400_000, "holds_output": true } }] }));
    let started = Instant::now();
    run_once(&root, &[]).until("Succeeded");
    assert!(started.elapsed() >= Duration::from_millis(250), "5 s at speed 20");
}

// 13

#[test]
fn log_files_are_flushed_in_chunks_closed_and_deleted() {
    let lines: Vec<String> = (0..60).map(|n| format!("line {n} {}", "x".repeat(80))).collect();
    let root = job(
        &json!({ "steps": [{ "log": ["two\nlines", "Cache hit for: k"], "ms": 2000 }, { "log": lines, "ms": 600_000 }] }),
    );
    let mut listener = root.run_with(&["--once"], &[]);
    listener.until("Running job");
    let pages = root.path("_diag/pages");
    let big = |name: &String| fs::metadata(pages.join(name)).is_ok_and(|file| file.len() >= 4096);
    // The job's file and the running step's; those of earlier steps go within a second.
    poll("two pages with a chunk", || names(&pages).len() == 2 && names(&pages).iter().all(big));
    let files = names(&pages);
    assert!(
        files.iter().all(|name| name.len() == 36 + 1 + 36 + "_1.log".len() && name.ends_with("_1.log")),
        "{files:?}"
    );
    let blocks = names(&root.path("_diag/blocks"));
    assert_eq!(
        blocks.iter().map(|name| name.strip_suffix(".1").unwrap()).collect::<Vec<_>>(),
        files.iter().map(|name| name.strip_suffix("_1.log").unwrap()).collect::<Vec<_>>()
    );
    for name in &files {
        assert_eq!(fs::metadata(pages.join(name)).unwrap().len() % 4096, 0, "only whole chunks");
    }
    let message = root.texts("_diag", "Worker_");
    let id = message.split("\"jobId\": \"").nth(1).unwrap().split('"').next().unwrap();
    let whole = files.iter().find(|name| name.contains(id)).expect("the job-level file");
    let text = fs::read_to_string(pages.join(whole)).unwrap();
    let mut rows = text.strip_prefix('\u{feff}').expect("a byte order mark").lines();
    assert_eq!(shape(rows.next().unwrap()), "9999-99-99T99:99:99.9999999Z Current runner version: '9.999.9'");
    assert!(text.contains("Z two\nlines\n") && text.contains("Z Cache hit for: k\n"), "{text}");
    listener.signal(SIGINT);
    assert_eq!(listener.code(), 0);
    assert_eq!((names(&pages), names(&root.path("_diag/blocks"))), (vec![], vec![]));
}

#[test]
fn a_killed_worker_leaves_its_log_files() {
    let root = job(&json!({ "ms": 600_000, "during": [{ "idle_ms": 4000 }, { "kill_worker": 9 }] }));
    run_once(&root, &[]).until("completed with result: Failed");
    assert!(!names(&root.path("_diag/pages")).is_empty() && !names(&root.path("_diag/blocks")).is_empty());
}

// 14

#[test]
fn a_crash_is_printed_as_failed_and_leaves_everything() {
    for code in [1, 134, 137] {
        let root = job(&json!({ "ms": 2000, "worker": { "crash": { "after_ms": 1000, "code": code } } }));
        let env = hooks(&root);
        run_once(&root, &borrow(&env)).until("completed with result: Failed");
        assert!(!root.path("completed").exists());
        let told = if code == 137 { -1 } else { code };
        assert!(root.texts("_diag", "Runner_").contains(&format!("Code: {told}\n")));
    }
}

#[test]
fn the_worker_swallows_an_interrupt_and_stops_on_a_termination() {
    let root = job(&json!({ "ms": 600_000 }));
    let mut listener = root.run_with(&["--once"], &[]);
    let worker = {
        listener.until("Running job");
        listener.worker()
    };
    poll("the step", || !children(worker).is_empty());
    send(worker, SIGINT);
    send(worker, SIGTERM);
    listener.until("completed with result: Failed");
    assert!(root.texts("_diag", "Worker_").contains("Job result after all job steps finish: Failed"));
}

#[test]
fn a_terminated_worker_takes_30_seconds_at_most() {
    let root = job(&json!({ "ms": 600_000, "worker": { "upload_ms": 600_000 } }));
    let mut listener = root.run_with(&["--once"], &[]);
    listener.until("Running job");
    let worker = listener.worker();
    poll("the step", || !children(worker).is_empty());
    let asked = Instant::now();
    send(worker, SIGTERM);
    listener.until("completed with result: Failed");
    assert!(asked.elapsed() >= Duration::from_millis(1500), "30 s at speed 20");
    assert!(root.texts("_diag", "Runner_").contains("Code: 143\n"));
}

#[test]
fn a_lost_listener_does_not_stop_the_job_s_hooks() {
    let root = job(&json!({ "ms": 10_000 }));
    let env = hooks(&root);
    let mut listener = root.run_with(&[], &borrow(&env));
    let worker = {
        listener.until("Running job");
        listener.worker()
    };
    poll("the step", || root.path("started").exists());
    listener.signal(SIGKILL);
    listener.exit();
    poll("the orphan's end", || !alive(worker));
    assert!(root.path("completed").exists());
}

#[test]
fn the_server_kills_a_worker_that_does_not_stop() {
    let root = Root::new(json!({ "speed": 200, "launches": [{ "steps": [{ "job": {
        "cancel_after_ms": 40_000, "cancel_timeout_ms": 60_000,
        "steps": [{ "ms": 600_000, "always": true }] } }] }] }));
    let mut listener = run_once(&root, &[]);
    listener.until("completed with result: Canceled");
    assert!(root.texts("_diag", "Runner_").contains("Code: -1\n"), "killed, not ended");
}

#[test]
fn a_worker_ends_with_the_owner_of_its_runner_though_nobody_tells_it_to() {
    let root = job(&json!({}));
    let owner = tether::own(&root.path("")).unwrap();
    let mut command = root.command("/bin/sh");
    command.args(["-c", "exec ./Runner.Worker spawnclient 3 4 3<&0 4>&1"]).current_dir(root.path("bin"));
    let mut worker = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Kept open: a Worker whose listener is gone may leave for that.
    let mut commands = worker.stdin.take().unwrap();
    commands.write_all(b"\"StandIn\"\n{\"Step\":{\"stubborn\":false}}\n").unwrap();
    poll("its step", || !children(worker.id()).is_empty());
    drop(owner);
    assert_eq!(wait(&mut worker).signal(), Some(9));
}
