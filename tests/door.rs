//! Whatever a job has put in the place of a file of ours or the runner's: nobody waits for it, and what it leads to stays as it was.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use nix::sys::signal::Signal::SIGTERM;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use supervised::{Supervised, job, runner};

/// Puts one in each place. Twice the same is as good as once.
const SPOIL: &str = r#"
    # A job knows the way as well.
    : "${RUNNER_DIR:=$(cd "$RUNNER_TEMP/../.." && pwd)}"
    state=$(cd "$RUNNER_DIR/.." && pwd)/state
    guid=00000000-0000-0000-0000-000000000001
    mkdir -p "$state" "$RUNNER_DIR/_diag/pages" "$RUNNER_DIR/_diag/blocks"
    [ -e "$RUNNER_DIR/victim" ] || echo untouched > "$RUNNER_DIR/victim"
    [ -e "$RUNNER_DIR/kept" ] || [ -n "${ONLY:-}" ] || cp "$RUNNER_DIR/.runner" "$RUNNER_DIR/kept"
    : "${ONLY:=$state/jobs.log.snapshot $state/jobs.log.registration $state/jobs.log.engine $state/$LOG \
        $RUNNER_DIR/.runner $RUNNER_DIR/.runner_migrated $RUNNER_DIR/.env $RUNNER_DIR/.credentials \
        $RUNNER_DIR/.credentials_rsaparams $RUNNER_DIR/update.finished \
        $RUNNER_DIR/_diag/pages/${guid}_${guid}_1.log $RUNNER_DIR/_diag/blocks/${guid}_${guid}.1 \
        $RUNNER_DIR/_diag/Worker_20990101-000000-utc.log $RUNNER_DIR/_diag/Runner_20990101-000000-utc.log}"
    for path in $ONLY
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

/// The listener reads these two as well, and would wait where we do not: it finds them as they were.
const LISTENER: &str = r#"#!/bin/sh
cd "$(dirname "$0")/.." && rm -rf .runner .env && cp kept .runner && exec bin/simulated/Runner.Listener "$@"
"#;

/// The script for one oddity. A link of our own is an operator's and is followed once; a hole of a gigabyte is a long log.
fn spoil(oddity: &str) -> String {
    let log = if matches!(oddity, "sparse" | "hard" | "link") { "jobs.log.lock" } else { "jobs.log" };
    format!("ODDITY={oddity}\nLOG={log}\n{SPOIL}")
}

/// A job of one script.
fn script(text: &str) -> Value {
    json!({ "job": { "name": "script", "steps": [{ "run": text }] } })
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

/// In one line, and counted.
fn is_told(s: &mut Supervised, path: &str) {
    let line = format!("event=odd_file path={path}");
    s.until(&format!("{line} is told"), |s| s.log().contains(&line));
    s.until("it is counted", |s| s.metric("github_runner_odd_files_total") >= Some(1.0));
}

fn at_the_start(oddity: &str) {
    require!("namespace", "root", "python3");
    let plan = runner(&[job("first", 50)]).env("RUNNER_STOP_GRACE", "30s").listening(LISTENER.to_owned());
    let mut s = plan.after(&spoil(oddity)).start();
    s.until_log("event=session_created");
    let kind = if matches!(oddity, "sparse" | "hard") { "snapshot_damaged" } else { "unusable" };
    s.until(&format!("{oddity} is told and counted"), |s| {
        s.metric(&format!("github_runner_journal_faults_total{{kind=\"{kind}\"}}")) >= Some(1.0)
    });
    // Somebody's text with a second name is only text, and a memory of ours that is no longer ours alone.
    let odd: &[&str] =
        if oddity == "hard" { &["jobs.log.engine"] } else { &[".runner", ".runner_migrated", ".env"] };
    for path in odd {
        is_told(&mut s, path);
    }
    lives_and_leaves(&mut s, oddity);
}

/// What is no registration makes room for one: `config.sh` would wait for it, or take it for its own.
fn where_config_sh_registers(oddity: &str) {
    require!("namespace", "root", "python3");
    let only = format!("ONLY=$RUNNER_DIR/.runner\n{}", spoil(oddity));
    let plan = runner(&[job("first", 50)]).unconfigured().env("RUNNER_SKIP_REGISTRATION", "false");
    let mut s =
        plan.env("RUNNER_TOKEN", "invented").env("GITHUB_REPOSITORY", "o/r").after(&only).start_unseen();
    if oddity == "directory" {
        s.until("it has left", |s| s.ended().is_some());
        assert!(s.log().contains("is no registration and cannot be deleted"), "{}", s.log());
        return;
    }
    s.until_log("event=session_created");
    if oddity != "hard" {
        s.until("it is told", |s| s.log().contains("event=odd_file path=.runner "));
    }
    assert_eq!(ns::read(&s.path("runner/victim")), "untouched\n", "{oddity}: {}", s.log());
    s.signal(SIGTERM);
    assert_eq!(s.exit_code(), 0, "{oddity}: {}", s.log());
}

/// A directory of the runner that never answers, before anything of it is known.
#[test]
fn a_directory_that_hangs_ends_the_start() {
    require!("namespace", "root", "fuse");
    let mount = "exec 3<>/dev/fuse
        mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung \"$RUNNER_DIR\"
        sleep 600 & exec 3<&-";
    let mut s = runner(&[]).after(mount).start_unseen();
    assert_eq!(s.exit_code(), 71, "{}", s.log());
    assert!(s.log().contains("does not answer: its file system hangs"), "{}", s.log());
}

/// It is a job that does it; the next one runs as if nothing had happened.
fn after_a_job_and_at_the_stop(oddity: &str) {
    require!("namespace", "root", "python3");
    let steps = [script(&spoil(oddity)), json!({ "idle_ms": 50 }), job("second", 50)];
    let mut s = runner(&steps).env("RUNNER_STOP_GRACE", "30s").start();
    s.until(&format!("the job after it has ended: {oddity}"), |s| {
        String::from_utf8_lossy(&s.out()).matches("completed with result: Succeeded").count() == 2
    });
    // Once more while nobody works, when a page may be the next job's.
    let mut sh = Command::new("sh");
    sh.args(["-ec", &spoil(oddity)]).env("RUNNER_DIR", s.path("runner"));
    assert!(sh.status().expect("a shell").success(), "{oddity}");
    if !matches!(oddity, "sparse" | "hard") {
        is_told(&mut s, "_diag/pages/");
    }
    lives_and_leaves(&mut s, oddity);
}

macro_rules! oddities {
    ($($oddity:ident)+) => {
        mod at_the_start {
            $(#[test]
            fn $oddity() {
                super::at_the_start(stringify!($oddity));
            })+
        }
        mod where_config_sh_registers {
            $(#[test]
            fn $oddity() {
                super::where_config_sh_registers(stringify!($oddity));
            })+
        }
        mod after_a_job_and_at_the_stop {
            $(#[test]
            fn $oddity() {
                super::after_a_job_and_at_the_stop(stringify!($oddity));
            })+
        }
    };
}

oddities! { fifo device directory socket sparse zero link dangling hard }

/// What lies behind a directory that a job has replaced by a link; the sweep would like to have it.
const ELSEWHERE: &str = r#"
    runner=$(cd "$RUNNER_TEMP/../.." && pwd)
    there=$(cd "$runner/.." && pwd)/elsewhere
    mkdir -p "$there/pages" "$there/blocks"
    for file in pages/precious blocks/precious; do echo untouched > "$there/$file"; done
    for day in 1 2 3; do truncate -s 1M "$there/Worker_2020010$day-000000-utc.log"; done
    mv "$runner/$WHAT" "$runner/moved"
    ln -s "$there/${WHAT#_diag}" "$runner/$WHAT"
"#;

fn behind_a_link(what: &str) {
    require!("namespace", "root");
    let steps = [script(&format!("WHAT={what}\n{ELSEWHERE}")), json!({ "idle_ms": 50 }), job("second", 50)];
    let mut s = runner(&steps).env("RUNNER_DIAG_MAX_MB", "1").env("RUNNER_STOP_GRACE", "30s").start();
    s.until(&format!("two jobs have ended: {what}"), |s| s.results() == ["success", "success"]);
    is_told(&mut s, "_diag");
    s.signal(SIGTERM);
    assert_eq!(s.exit_code(), 0, "{}", s.log());
    let there = s.path("elsewhere");
    for file in ["pages/precious", "blocks/precious"] {
        assert_eq!(ns::read(&there.join(file)), "untouched\n", "{file}: {}", s.log());
    }
    for day in 1..=3 {
        let log = there.join(format!("Worker_2020010{day}-000000-utc.log"));
        assert!(log.exists(), "{}: {}", log.display(), s.log());
    }
    assert!(!s.log().contains("event=swept"), "{}", s.log());
}

#[test]
fn nothing_is_read_or_removed_behind_a_linked_parent() {
    behind_a_link("_diag");
}

#[test]
fn nothing_is_read_behind_a_linked_directory_of_pages() {
    behind_a_link("_diag/pages");
}

/// A job that moves the directory of the pages away blinds us for itself only.
#[test]
fn pages_that_are_made_anew_are_followed_anew() {
    require!("namespace", "root");
    let moves = r#"cd "$RUNNER_TEMP/../../_diag" && mv pages moved"#;
    let mut s = runner(&[script(moves), json!({ "idle_ms": 50 }), job("second", 50)]).start();
    s.until("two jobs have ended", |s| s.results() == ["success", "success"]);
    let guid = "00000000-0000-0000-0000-000000000001";
    let page = s.path(&format!("runner/_diag/pages/{guid}_{guid}_1.log"));
    nix::unistd::mkfifo(&page, nix::sys::stat::Mode::S_IRWXU).expect("it was made anew");
    is_told(&mut s, "_diag/pages/");
    assert_eq!(s.stop(), 0, "{}", s.log());
}

/// A job of our user may lower our limits: rows wait for the disk as they do when it is full.
#[test]
fn a_limit_for_our_files_costs_rows_their_time_and_nobody_his_life() {
    require!("namespace", "prlimit");
    let waits = r#"while [ ! -e "$RUNNER_TEMP/../../go" ]; do sleep 0.02; done"#;
    let mut s = runner(&[script(waits)]).start();
    s.until_state("busy");
    let limit = |bytes: &str, s: &Supervised| {
        let mut prlimit = Command::new(ns::program("prlimit").expect("required"));
        prlimit.args(["--pid", &s.supervisor().to_string(), &format!("--fsize={bytes}:")]);
        assert!(prlimit.status().expect("it runs").success());
    };
    limit("0", &s);
    std::fs::write(s.path("runner/go"), "").expect("ours");
    s.until("the fault is told", |s| {
        s.metric("github_runner_journal_faults_total{kind=\"write_failed\"}") >= Some(1.0)
    });
    assert_eq!(s.get("/livez").status, 200);
    limit("unlimited", &s);
    s.until("the row is written", |s| s.results() == ["success"]);
    assert_eq!(s.stop(), 0, "{}", s.log());
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
