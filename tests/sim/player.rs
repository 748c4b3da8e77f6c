//! A played recording is the run that was recorded, seen from outside: writes, processes, files, traces, answers, exit.

use crate::harness::{Listener, Root, alive, children, comm, names, poll, shape};
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGKILL, SIGQUIT};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use runner_sim::recording::{Recording, What};
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/recordings").join(name)
}

fn read(name: &str) -> Recording {
    Recording::parse(&fs::read_to_string(corpus(&format!("{name}.jsonl"))).unwrap()).unwrap()
}

fn playing(name: &str, speed: f64) -> Root {
    let logs = Some(corpus(&format!("logs/{name}"))).filter(|dir| dir.exists());
    let play = json!({ "recording": corpus(&format!("{name}.jsonl")), "logs": logs });
    Root::new(json!({ "speed": speed, "play": play }))
}

/// What the recording wrote to one pipe, as lines with every digit a 9.
fn recorded(recording: &Recording, wanted: bool) -> Vec<String> {
    let of = |what: &What| match what {
        What::Wrote { stderr, text } if *stderr == wanted => Some(shape(text)),
        _ => None,
    };
    let whole: String = recording.events.iter().filter_map(|event| of(&event.what)).collect();
    whole.lines().map(str::to_owned).collect()
}

/// Waits for the Worker and the step below it.
fn step_of(listener: &Listener) -> (u32, u32) {
    let worker = listener.worker();
    poll("the step", || children(worker).iter().any(|pid| comm(*pid) == "node"));
    (worker, children(worker)[0])
}

#[test]
fn a_job_is_played_to_the_last_file() {
    let (root, recording) = (playing("plain", 4.0), read("plain"));
    let mut listener = root.run();
    listener.until("Running job: lab job");
    let worker = listener.worker();
    let code = listener.code();
    assert_eq!(
        (code, listener.shape().lines().map(str::to_owned).collect::<Vec<_>>()),
        (0, recorded(&recording, false))
    );
    assert!(!alive(worker));
    let gone = [".runner", ".credentials", ".credentials_rsaparams"].map(|name| root.path(name).exists());
    assert_eq!(gone, [false; 3]);
    assert_eq!((names(&root.path("_diag/pages")), names(&root.path("_diag/blocks"))), (vec![], vec![]));
    let (trace, work) = (root.texts("_diag", "Runner_"), root.texts("_diag", "Worker_"));
    assert!(
        trace.contains("INFO BrokerMessageListener] Received job status event. JobState: Online\n"),
        "kept"
    );
    assert!(trace.lines().all(|line| !line.contains("08:59:0")), "its times are now");
    assert!(work.contains("INFO JobRunner] Job result after all job steps finish: Succeeded\n"));
    assert!(work.ends_with("INFO Worker] Job completed.\n"));
}

#[test]
fn a_trace_that_was_not_kept_is_made_up_in_its_form() {
    let root = playing("poll-403", 100.0);
    let mut listener = root.run();
    assert_eq!(listener.code(), 0);
    let trace = root.texts("_diag", "Runner_");
    let tries = [
        "4 attempt left.",
        "1 attempt left.",
        "ERR  Terminal] WRITE ERROR: ",
        "INFO BrokerMessageListener] Sleeping for 25.893",
    ];
    let at: Vec<usize> =
        tries.iter().map(|text| trace.find(text).unwrap_or_else(|| panic!("{text} in {trace}"))).collect();
    assert!(at.is_sorted(), "{at:?} in {trace}");
    let work = root.texts("_diag", "Worker_");
    assert!(work.contains("\"jobDisplayName\": \"lab job\"") && work.ends_with("Job completed.\n"), "{work}");
}

#[test]
fn the_answer_to_a_signal_has_its_recorded_distance_from_it() {
    let root = playing("sigint-group", 2.0);
    let mut listener = root.run();
    listener.until("Running job");
    let (worker, step) = step_of(&listener);
    let asked = Instant::now();
    kill(Pid::from_raw(-i32::try_from(listener.pid()).unwrap()), SIGINT).unwrap();
    listener.until("Exiting...");
    listener.until("completed with result: Canceled");
    let took = asked.elapsed();
    assert_eq!(listener.code(), 0);
    assert!(took >= Duration::from_millis(600), "1.4 s at twice the speed, though it came early: {took:?}");
    assert!(!alive(worker) && !alive(step));
}

#[test]
fn a_signal_is_waited_for_however_long() {
    let root = playing("sigint-idle", 100.0);
    let mut listener = root.run();
    listener.until("Listening for Jobs");
    std::thread::sleep(Duration::from_millis(300));
    assert!(alive(listener.pid()), "it was recorded after 40 ms at this speed");
    listener.signal(SIGINT);
    assert_eq!(listener.code(), 0);
}

#[test]
fn a_step_that_somebody_else_ends_sooner_ends_the_recorded_wait() {
    let root = playing("stop-steps-stubborn", 0.5);
    let mut listener = root.run();
    listener.until("Running job");
    let (_, step) = step_of(&listener);
    let asked = Instant::now();
    listener.signal(SIGINT);
    listener.until("Exiting...");
    let pid = Pid::from_raw(step.try_into().unwrap());
    kill(pid, SIGINT).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(alive(step), "it was recorded to ignore that");
    kill(pid, SIGKILL).unwrap();
    assert_eq!(listener.code(), 0);
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "it was recorded to be killed after 2.3 s, 4.6 at this pace, and done 1.2 s later"
    );
}

#[test]
fn a_recorded_kill_of_the_worker_is_done_and_its_process_is_gone() {
    let root = playing("kill-worker", 10.0);
    let mut listener = root.run();
    listener.until("completed with result: Failed");
    assert_eq!(listener.code(), 0);
    assert!(!root.texts("_diag", "Worker_").contains("Job result"), "it could not say");
}

#[test]
fn what_comes_after_an_exit_is_the_next_launch_and_after_the_last_it_idles() {
    let root = playing("sigquit-idle", 10.0);
    let mut first = root.run();
    first.until("Listening for Jobs");
    first.signal(SIGHUP);
    assert_eq!(first.exit().signal(), Some(1));
    let mut second = root.run();
    second.until("Listening for Jobs");
    second.signal(SIGQUIT);
    assert_eq!(second.code(), 0);
    let mut third = root.run();
    third.until("Listening for Jobs");
    third.signal(SIGINT);
    assert_eq!(third.code(), 0);
}

#[test]
fn a_signal_that_the_recording_does_not_know_ends_it_as_it_ends_every_listener() {
    let root = playing("plain", 1.0);
    let mut listener = root.run();
    listener.until("Running job");
    let worker = listener.worker();
    listener.signal(SIGINT);
    listener.until("Exiting...");
    assert_eq!(listener.code(), 0);
    assert!(!alive(worker));
}

#[test]
fn the_updater_raises_its_flag_when_the_listener_is_gone() {
    let root = playing("update-idle", 20.0);
    let mut listener = root.run();
    assert_eq!(listener.code(), 3);
    poll("the flag", || root.path("update.finished").exists());
}
