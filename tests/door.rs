//! Whatever a job has put in the place of a file of ours or the runner's: nobody waits for it, and what it leads to stays as it was.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use nix::sys::signal::Signal::SIGTERM;
use std::process::Command;
use std::time::{Duration, Instant};
use supervised::{Plan, Supervised, job, runner};

/// What can stand in the place of a file.
const ODDITIES: [&str; 9] =
    ["fifo", "device", "directory", "socket", "sparse", "zero", "link", "dangling", "hard"];

/// Puts one in each place. Twice the same is as good as once.
const SPOIL: &str = r#"
    guid=00000000-0000-0000-0000-000000000001
    mkdir -p "$RUNNER_STATE_DIR" "$RUNNER_DIR/_diag/pages"
    [ -e "$RUNNER_DIR/victim" ] || echo untouched > "$RUNNER_DIR/victim"
    for path in "$RUNNER_STATE_DIR"/jobs.log.snapshot "$RUNNER_STATE_DIR"/jobs.log.registration \
        "$RUNNER_STATE_DIR"/jobs.log.engine "$RUNNER_STATE_DIR/$LOG" \
        "$RUNNER_DIR"/update.finished "$RUNNER_DIR"/.credentials "$RUNNER_DIR"/.runner_migrated \
        "$RUNNER_DIR/_diag/pages/${guid}_${guid}_1.log" "$RUNNER_DIR"/_diag/Worker_20990101-000000-utc.log \
        "$RUNNER_DIR"/_diag/Runner_20990101-000000-utc.log
    do
        rm -rf "$path"
        case $ODDITY in
            fifo) mkfifo "$path" ;;
            device) mknod "$path" c 1 5 || mkfifo "$path" ;;
            directory) mkdir "$path" ;;
            socket) python3 -c 'import socket, sys, os
d, name = os.path.split(sys.argv[1]); os.chdir(d)
socket.socket(socket.AF_UNIX).bind(name)' "$path" ;;
            sparse) truncate -s 1G "$path" ;;
            zero) ln -s /dev/zero "$path" ;;
            link) ln -s "$RUNNER_DIR/victim" "$path" ;;
            dangling) ln -s "$RUNNER_DIR/nowhere" "$path" ;;
            hard) ln "$RUNNER_DIR/victim" "$path" ;;
        esac
    done
"#;

/// A link of our own is an operator's and is followed once; a hole of a gigabyte is a long log.
fn log_of(oddity: &str) -> &'static str {
    if matches!(oddity, "sparse" | "hard" | "link") { "jobs.log.lock" } else { "jobs.log" }
}

fn spoil(s: &Supervised, oddity: &str) {
    let mut sh = Command::new("sh");
    sh.args(["-ec", SPOIL]).env("ODDITY", oddity).env("LOG", log_of(oddity));
    sh.env("RUNNER_DIR", s.path("runner")).env("RUNNER_STATE_DIR", s.path("state"));
    assert!(sh.status().expect("a shell").success(), "{oddity}");
}

/// It answers, it stops when it is told to, and a link has led nowhere.
fn lives_and_leaves(s: &mut Supervised, what: &str) {
    s.until(&format!("it answers: {what}"), |s| s.try_get("/livez").is_ok_and(|answer| answer.status == 200));
    let asked = Instant::now();
    s.signal(SIGTERM);
    assert_eq!(s.exit_code(), 0, "{what}: {}", s.log());
    assert!(asked.elapsed() < Duration::from_secs(20), "{what}: {:?}", asked.elapsed());
    assert_eq!(ns::read(&s.path("runner/victim")), "untouched\n", "{what}: {}", s.log());
    assert!(!s.path("runner/nowhere").exists(), "{what}");
}

fn plan() -> Plan {
    runner(&[job("first", 50)]).env("RUNNER_STOP_GRACE", "30s")
}

#[test]
fn at_the_start() {
    require!("namespace", "root", "python3");
    for oddity in ODDITIES {
        let plan = plan().env("ODDITY", oddity).env("LOG", log_of(oddity));
        let mut s = plan.after(SPOIL).start();
        s.until_log("event=session_created");
        let kind = if matches!(oddity, "sparse" | "hard") { "snapshot_damaged" } else { "unusable" };
        s.until(&format!("{oddity} is told and counted"), |s| {
            s.metric(&format!("github_runner_journal_faults_total{{kind=\"{kind}\"}}")) >= Some(1.0)
        });
        lives_and_leaves(&mut s, oddity);
    }
}

#[test]
fn after_a_job_and_at_the_stop() {
    require!("namespace", "root", "python3");
    for oddity in ODDITIES {
        let mut s = plan().start();
        s.until(&format!("its job is counted: {oddity}"), |s| s.results() == ["success"]);
        spoil(&s, oddity);
        lives_and_leaves(&mut s, oddity);
    }
}

/// The listener reads it too, and waits; we do not.
#[test]
fn a_pipe_in_the_place_of_the_runners_environment() {
    require!("namespace");
    let mut s = runner(&[]).env("RUNNER_STOP_GRACE", "10s").after("mkfifo \"$RUNNER_DIR/.env\"").start();
    s.until("it answers", |s| s.try_get("/livez").is_ok_and(|answer| answer.status == 200));
    s.signal(SIGTERM);
    s.until("it is gone", |s| s.ended().is_some());
}
