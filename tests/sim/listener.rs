//! Checklist points 1–7: command line, banner, jobs, ephemeral runs, signals, exit codes, self-update.

use crate::harness::{Listener, Root, alive, children, comm, names, poll, shape, started};
use nix::sys::signal::Signal::{SIGINT, SIGKILL, SIGQUIT, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

const SESSION: &str =
    "\n√ Connected to GitHub\n\nCurrent runner version: '9.999.9'\n9999-99-99 99:99:99Z: Listening for Jobs";

fn steps(steps: &Value) -> Root {
    Root::new(json!({ "speed": 20, "launches": [{ "steps": steps }] }))
}

fn stop_worker(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), SIGKILL).unwrap();
}

// 1

#[test]
fn version_usage_and_unknown_options() {
    let root = Root::new(json!({}));
    assert_eq!(root.call(&["bin/Runner.Listener", "--version"], &[]), (0, "2.336.0\n".into(), String::new()));
    let (code, usage, _) = root.call(&["bin/Runner.Listener", "dance"], &[]);
    assert_eq!((code, usage.contains("./config.sh remove")), (0, true));
    let mut listener = root.run_with(&["--startuptype", "service", "--bogus"], &[]);
    listener.until("Unrecognized command-line input arguments for command run: 'bogus'");
    listener.until("Listening for Jobs");
}

#[test]
fn dotenv_overrides_and_unsets_and_inputs_are_not_handed_on() {
    let root = steps(&json!([{ "job": { "steps": [{ "run": "env > $RUNNER_WORKSPACE/env" }] } }]));
    fs::write(root.path(".env"), "A=file\nGONE=\nQ=\"q\"\n").unwrap();
    let env = [("A", "old"), ("GONE", "here"), ("actions_runner_input_token", "s3cret"), ("KEPT", "1")];
    let mut listener = root.run_with(&["--once"], &env);
    assert_eq!(listener.code(), 0);
    let seen = root.text("_work/widgets/env");
    let has = |line: &str| seen.lines().any(|seen| seen == line);
    assert!(has("A=file") && has("Q=\"q\"") && has("KEPT=1"), "{seen}");
    assert!(!seen.contains("GONE") && !seen.to_lowercase().contains("input_token"), "{seen}");
}

#[test]
fn the_diagnostics_log_has_a_copy_of_every_line() {
    let root = Root::new(json!({ "launches": [{ "connect_ms": 1, "session": "deleted" }] }));
    let mut listener = root.run();
    assert_eq!(listener.code(), 1);
    let files: Vec<String> = names(&root.path("_diag")).iter().map(|name| shape(name)).collect();
    assert_eq!(files, ["Runner_99999999-999999-utc.log"]);
    let log = root.texts("_diag", "Runner_");
    assert!(log.contains(" INFO Terminal] WRITE LINE: \n"), "{log}");
    assert!(log.contains(" ERR  Terminal] WRITE ERROR: Failed to create a session."), "{log}");
    assert!(log.lines().all(|line| shape(line).starts_with("[9999-99-99 99:99:99Z ")), "{log}");
}

// 2

#[test]
fn not_configured_is_told_on_stderr_with_code_1() {
    let root = Root::new(json!({}));
    fs::remove_file(root.path(".runner")).unwrap();
    let mut listener = root.run();
    assert_eq!(listener.code(), 1);
    let text = "An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.";
    assert_eq!(listener.stderr(), [text]);
    assert_eq!(listener.shape(), "");
}

// 3

/// Every `write(2)` of the listener is one datagram.
#[test]
fn the_banner_is_written_as_dotnet_writes() {
    let long = "ü".repeat(600);
    let root = Root::new(json!({ "speed": 20, "launches": [{ "steps": [{ "job": { "name": long } }] }] }));
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let mut command = root.command("bin/Runner.Listener");
    let mut child =
        command.args(["run", "--once"]).stdout(std::os::fd::OwnedFd::from(theirs)).spawn().unwrap();
    drop(command);
    let mut writes = Vec::new();
    while !writes.last().is_some_and(|text: &String| text.contains("completed")) {
        let mut buffer = [0; 4096];
        let count = ours.recv(&mut buffer).unwrap();
        writes.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
    }
    let at = writes.iter().position(|text| text == "√ ").expect("the tick is a write of its own");
    assert_eq!(writes[at - 1..at + 3], ["\n", "√ ", "Connected to GitHub\n", "\n"]);
    assert_eq!(shape(&writes[at + 3]), "Current runner version: '9.999.9'\n");
    assert_eq!(shape(&writes[at + 4]), "9999-99-99 99:99:99Z: Listening for Jobs\n");
    // 35 characters before the name: 256, 256, and the rest with the line end.
    let sizes: Vec<usize> = writes[at + 5..at + 8].iter().map(|text| text.chars().count()).collect();
    assert_eq!(sizes, [256, 256, 600 + 35 - 512 + 1]);
    assert!(crate::harness::wait(&mut child).success());
}

// 4

#[test]
fn a_job_is_announced_then_a_worker_runs_then_its_end_is_told() {
    let script = "until [ -e $RUNNER_WORKSPACE/go ]; do sleep 0.01; done; exit 1";
    let root =
        steps(&json!([{ "job": { "name": "a: b", "spawn_ms": 10_000, "steps": [{ "run": script }] } },
        { "job": { "name": "second" } }]));
    let mut listener = root.run();
    listener.until("Running job: a: b");
    let worker = listener.worker();
    let ticks = started(worker) - started(listener.pid());
    assert!(ticks >= 50, "500 ms from the line to the Worker, but it took {ticks} ticks from the start");
    let arguments = fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
    let words: Vec<&str> = arguments.split('\0').collect();
    assert!(words[0].ends_with("bin/Runner.Worker") && words[1] == "spawnclient", "{words:?}");
    assert!(words[2].parse::<u32>().is_ok() && words[3].parse::<u32>().is_ok(), "{words:?}");
    assert_eq!(comm(listener.pid()), "Runner.Listener");
    assert_eq!(
        fs::read_link(format!("/proc/{worker}/cwd")).unwrap(),
        root.path("bin").canonicalize().unwrap()
    );
    poll("the workspace", || root.path("_work/widgets").exists());
    fs::write(root.path("_work/widgets/go"), "").unwrap();
    listener.until("Job a: b completed with result: Failed");
    assert!(!alive(worker));
    listener.until("Job second completed with result: Succeeded");
    listener.signal(SIGINT);
    assert_eq!(listener.code(), 0);
    let stamp = "9999-99-99 99:99:99Z:";
    let jobs = format!(
        "{stamp} Running job: a: b\n{stamp} Job a: b completed with result: Failed\n{stamp} Running job: second\n\
         {stamp} Job second completed with result: Succeeded\nExiting..."
    );
    assert_eq!(listener.shape(), format!("{SESSION}\n{jobs}"));
}

#[test]
fn the_place_is_kept_between_launches_and_repeat_starts_the_last_one_again() {
    let launch = |name: &str| json!({ "connect_ms": 0, "steps": [{ "job": { "name": name, "ms": 0, "spawn_ms": 0 } }, { "exit": 2 }] });
    let scenario = |then: &str| json!({ "speed": 50, "launches": [launch("first"), launch("last")], "then": then, "max_jobs": 4 });
    let root = Root::new(scenario("repeat"));
    for name in ["first", "last", "last", "last"] {
        let mut listener = root.run();
        assert_eq!(listener.code(), 2);
        assert_eq!(listener.count(&format!("Job {name} completed")), 1);
    }
    let mut listener = root.run();
    listener.until("Listening");
    listener.signal(SIGINT);
    assert_eq!(listener.code(), 0, "all jobs are played, so it idles");
    assert_eq!(listener.count("Running job"), 0);
}

// 5

#[test]
fn an_ephemeral_runner_removes_its_files_and_leaves_with_0_even_for_a_failed_job() {
    let root = Root::new(json!({
        "speed": 20, "ephemeral": true, "launches": [{ "steps": [{ "job": { "result": "Failed" } }] }],
    }));
    let mut listener = root.run();
    assert_eq!(listener.code(), 0);
    assert!(listener.shape().ends_with("with result: Failed\n√ Removed .credentials\n√ Removed .runner"));
    assert!(!root.path(".runner").exists() && !root.path(".credentials").exists());
}

#[test]
fn once_leaves_after_one_job_and_keeps_the_files() {
    let root = steps(&json!([{ "job": {} }, { "job": {} }]));
    let mut listener = root.run_with(&["--once"], &[]);
    assert_eq!(listener.code(), 0);
    assert_eq!((listener.count("Running job"), listener.count("Removed")), (1, 0));
    assert!(root.path(".runner").exists());
}

#[test]
fn a_hosted_runner_leaves_with_the_job_s_result() {
    let root = steps(&json!([{ "job": { "result": "Failed" } }]));
    assert_eq!(root.run_with(&[], &[("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED", "1")]).code(), 102);
}

// 6

#[test]
fn an_interrupt_ends_an_idle_listener_with_0() {
    for signal in [SIGINT, SIGQUIT] {
        let root = steps(&json!([]));
        let mut listener = root.run();
        listener.until("Listening");
        let asked = Instant::now();
        listener.signal(signal);
        assert_eq!(listener.code(), 0);
        assert!(asked.elapsed() < Duration::from_secs(3));
        assert_eq!(listener.shape(), format!("{SESSION}\nExiting..."));
    }
}

#[test]
fn an_interrupt_cancels_the_job_and_waits_without_bound() {
    let root = steps(&json!([{ "job": { "ms": 600_000, "worker": { "upload_ms": 40_000 } } }]));
    let mut listener = root.run();
    listener.until("Running job");
    listener.worker();
    let asked = Instant::now();
    for _ in 0..2 {
        listener.signal(SIGINT);
        listener.until("Exiting...");
    }
    listener.until("completed with result: Canceled");
    assert!(asked.elapsed() >= Duration::from_secs(2), "40 s at speed 20, SIGTERM would give it 30");
    assert_eq!(listener.code(), 0);
    assert_eq!(listener.count("Exiting..."), 2);
    assert!(root.texts("_diag", "Worker_").contains("Job result after all job steps finish: Failed"));
}

#[test]
fn a_termination_says_nothing_and_leaves_with_143_or_0() {
    for code in [143, 0] {
        let root = Root::new(json!({ "speed": 20, "term_exit": code }));
        let mut listener = root.run();
        listener.until("Listening");
        listener.signal(SIGTERM);
        assert_eq!(listener.code(), code);
        assert_eq!(listener.shape(), SESSION);
    }
}

#[test]
fn a_termination_cancels_the_job_within_30_seconds() {
    let launches = json!([{ "steps": [{ "job": { "ms": 600_000 } }] }]);
    let root = Root::new(json!({ "speed": 2, "launches": launches }));
    let mut listener = root.run();
    listener.until("Running job");
    listener.worker();
    listener.signal(SIGTERM);
    listener.until("completed with result: Canceled");
    assert_eq!((listener.code(), listener.count("Exiting...")), (143, 0));
}

#[test]
fn a_termination_leaves_a_stuck_worker_behind_after_30_seconds() {
    let root = steps(&json!([{ "job": { "ms": 600_000, "worker": { "upload_ms": 600_000 } } }]));
    let mut listener = root.run();
    listener.until("Running job");
    let worker = listener.worker();
    let asked = Instant::now();
    listener.signal(SIGTERM);
    listener.signal(SIGTERM);
    assert_eq!((listener.code(), listener.count("completed")), (143, 0));
    assert!(asked.elapsed() >= Duration::from_millis(1500), "30 s at speed 20");
    assert!(alive(worker));
    stop_worker(worker);
}

/// The signal is ignored or caught there.
fn heeds_no(pid: u32, signal: nix::sys::signal::Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let masks = status.lines().filter(|line| line.starts_with("SigIgn:") || line.starts_with("SigCgt:"));
    let mut masks = masks.filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
    masks.any(|mask| mask & (1 << (signal as i32 - 1)) != 0)
}

#[test]
fn a_termination_after_an_interrupt_leaves_at_once() {
    let root = Root::new(json!({ "launches": [{ "steps": [{ "job": { "ms": 600_000, "steps": [
        { "ms": 600_000, "ignores": ["INT", "TERM"] }] } }] }] }));
    let mut listener = root.run();
    listener.until("Running job");
    let worker = listener.worker();
    // It is deaf only some time after its start.
    poll("a deaf step", || {
        children(worker).into_iter().any(|step| comm(step) == "node" && heeds_no(step, SIGTERM))
    });
    listener.signal(SIGINT);
    listener.until("Exiting...");
    let asked = Instant::now();
    listener.signal(SIGTERM);
    assert_eq!((listener.code(), listener.count("completed")), (143, 0));
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert!(alive(worker), "the Worker is orphaned in mid-cancel");
}

#[test]
fn an_inherited_ignore_is_honoured() {
    let root = steps(&json!([]));
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' INT; exec bin/Runner.Listener run"]).current_dir(root.path(""));
    let mut listener = Listener::start(command);
    listener.until("Listening");
    listener.signal(SIGINT);
    listener.signal(SIGTERM);
    assert_eq!((listener.code(), listener.count("Exiting...")), (143, 0), "only SIGTERM was seen");
}

// 7

#[test]
fn every_exit_code_comes_with_its_text() {
    let codes = [
        (0, ""),
        (1, "An error occurred: "),
        (2, "An error occurred: "),
        (5, "Failed to create session."),
        (7, "deprecated"),
    ];
    for (code, text) in
        codes.into_iter().chain([(134, "Unhandled exception."), (143, ""), (102, ""), (3, "")])
    {
        let root = steps(&json!([{ "exit": code }]));
        let mut listener = root.run();
        assert_eq!(listener.code(), code);
        assert_eq!(listener.shape(), SESSION);
        let told = listener.stderr().join("\n");
        assert!(told.contains(text) && told.is_empty() == text.is_empty(), "{code}: {told}");
    }
}

#[test]
fn a_signal_ends_it_past_its_own_handlers() {
    for signal in [9, 15, 11, 6] {
        let root = steps(&json!([{ "signal": signal }]));
        assert_eq!(root.run().exit().signal(), Some(signal));
    }
}

#[test]
fn an_update_waits_for_the_reaper_then_raises_the_flag() {
    let launches = json!([{ "steps": [{ "update": {} }] }, { "steps": [{ "job": {} }] }]);
    let root = Root::new(json!({ "speed": 20, "launches": launches }));
    fs::write(root.path("update.finished"), "old").unwrap();
    let mut command = root.command("bin/Runner.Listener");
    let mut child = command.arg("run").stdout(std::process::Stdio::null()).spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    poll("a zombie", || fs::read_to_string(&stat).unwrap().contains(") Z "));
    // Poll and pause are 150 ms at this speed: ten times that without the flag is no accident.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!root.path("update.finished").exists(), "a zombie keeps the script waiting");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    poll("the flag", || root.path("update.finished").exists());
    poll("the log", || names(&root.path("_diag")).iter().any(|name| name.ends_with(".log.succeed")));
    assert_eq!(fs::read_link(root.path("bin")).unwrap().to_str(), Some("bin.2.337.0"));
    let mut next = root.run();
    next.until("Current runner version: '2.337.0'");
    next.until("Job build completed with result: Succeeded");
}

#[test]
fn an_update_tells_its_lines_in_order_and_a_run_once_runner_leaves_with_4() {
    let root = steps(&json!([{ "update": { "version": "2.338.1" } }]));
    let mut listener = root.run_with(&["--once"], &[]);
    assert_eq!(listener.code(), 4);
    for line in [
        "Listening for Jobs",
        "Runner update in progress, do not shutdown runner.",
        "Downloading 2.338.1 runner",
        "Waiting for current job finish running.",
        "Generate and execute update script.",
        "Runner will exit shortly for update, should be back online within 10 seconds.",
        "Runner update process finished.",
    ] {
        listener.until(line);
    }
}
