//! The images at work: how they start, what they answer, how they stop and go on, however they are called.

use crate::docker::{Container, IMAGES, attempt, docker, image, job, launches};
use crate::require_engine;
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A job that finds our processes and must not see into them.
const LOOK: &str = r#"
found=0
for process in /proc/[0-9]*; do
  [ "$(cat "$process/comm" 2> look.log)" = runner-init ] || continue
  found=$((found + 1))
  if cat "$process/environ" >> look.log 2>&1 || ls "$process/fd/" >> look.log 2>&1; then exit 1; fi
done
[ "$found" -ge 1 ]
"#;

#[test]
fn pid_1_is_the_binary_and_no_shell_is_needed() {
    require_engine!();
    let mut without = Vec::new();
    for shell in ["bash", "dash", "sh"] {
        without.extend(["--volume".to_owned(), format!("/dev/null:/usr/bin/{shell}")]);
    }
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    for name in IMAGES {
        let c = Container::create(name, &without, launches(&[&[]]));
        c.start();
        c.until_ready();
        assert_ne!(attempt(&["exec", c.id(), "sh", "-c", "true"]).0, 0, "{name} still has a shell");
        let names: Vec<String> = c.processes().into_iter().map(|(_, comm)| comm).collect();
        assert_eq!(names, ["Runner.Listener", "runner-init", "runner-init"], "{name}");
        assert_eq!(c.metric("github_runner_status", &format!("runner_type=\"{name}\"")), Some(1.0));
        assert_eq!(c.stop(10).1, 0, "{name}");
    }
}

#[test]
fn every_image_plays_a_demo_that_is_seen_from_outside_and_is_healthy() {
    require_engine!();
    for name in IMAGES {
        let c = Container::of("--health-interval=300ms", name, &["demo", "--speed", "20", "--jobs", "1"]);
        c.start();
        c.until_jobs("success", 1.0);
        c.until("it is healthy", |c| c.inspect("{{.State.Health.Status}}") == "healthy");
        assert!(c.log().contains("runner-init demo: real supervision"), "{name}: {}", c.log());
        assert_eq!(c.stop(10).1, 0, "{name}: {}", c.log());
    }
    let (code, help, _) = attempt(&["run", "--rm", &image("standard"), "demo", "--help"]);
    assert!(code == 0 && help.contains("--speed"), "the demo's own: {help}");
}

#[test]
fn it_registers_with_the_archive_s_own_config_sh() {
    require_engine!();
    let c = Container::unregistered(
        "standard",
        &["-e", "GITHUB_REPOSITORY=o/r", "-e", "RUNNER_TOKEN=registration"],
    );
    c.start();
    c.until_ready();
    assert_eq!(c.stop(10).1, 0, "{}", c.log());
}

/// ARC's default command, and what the init container of its dind mode does.
#[test]
fn what_arc_looks_for_in_an_image_is_there() {
    require_engine!();
    for name in IMAGES {
        let c = Container::create(name, &["--entrypoint", "/home/runner/run.sh"], launches(&[&[]]));
        c.start();
        c.until_ready();
        assert_eq!(c.stop(10).1, 0, "{name}");
        let copy = "cp -r /home/runner/externals/. /tmp/externals && ls /tmp/externals/";
        let (code, said, why) = attempt(&["run", "--rm", "--entrypoint", "bash", &image(name), "-c", copy]);
        assert_eq!(code, 0, "{name}: {why}");
        assert!(said.contains("node"), "{name}: {said}");
    }
}

#[test]
fn it_is_ready_soon() {
    require_engine!();
    for name in IMAGES {
        let mut millis: Vec<u128> = (0..5)
            .map(|_| {
                let c = Container::create(name, &[], launches(&[&[]]));
                let begun = Instant::now();
                c.start();
                c.until_ready();
                begun.elapsed().as_millis()
            })
            .collect();
        millis.sort_unstable();
        println!("{name}: from `docker start` to /readyz 200: {millis:?} ms");
    }
}

#[test]
fn health_goes_from_starting_to_healthy_to_unhealthy_to_healthy() {
    require_engine!();
    let often = [
        "--health-interval=300ms",
        "--health-start-interval=2s",
        "--health-start-period=3s",
        "--health-retries=2",
    ];
    let gone = "The runner no longer exists on the server. Please reconfigure the runner.\n";
    let steps = [
        json!({ "idle_ms": 6000 }),
        json!({ "stderr": gone }),
        json!({ "idle_ms": 6000 }),
        json!({ "banner": {} }),
    ];
    for name in IMAGES {
        let c = Container::create(name, &often, launches(&[&steps]));
        c.start();
        let mut seen: Vec<String> = Vec::new();
        c.until("its health has gone round", |c| {
            let now = c.inspect("{{.State.Health.Status}}");
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            seen.len() >= 4
        });
        assert_eq!(seen, ["starting", "healthy", "unhealthy", "healthy"], "{name}: {}", c.log());
    }
}

#[test]
fn a_stop_lets_the_job_finish() {
    require_engine!();
    for name in IMAGES {
        let c =
            Container::create(name, &["-e", "RUNNER_STOP_GRACE=60s"], launches(&[&[job("slow", "sleep 4")]]));
        c.start();
        c.until("it is busy", |c| c.metric("github_runner_state", "state=\"busy\"") == Some(1.0));
        let (took, code) = c.stop(60);
        let log = c.log();
        assert_eq!(code, 0, "{name}: {log}");
        assert!(log.contains("Job slow completed with result: Succeeded"), "{name}: {log}");
        assert!(took < Duration::from_secs(20), "{name}: {took:?}");
    }
}

#[test]
fn a_stop_without_time_cancels_the_job_and_ends_in_time() {
    require_engine!();
    // A step that obeys, and one whose shell waits for its program: the whole group is interrupted.
    let obeys = json!({ "job": { "name": "slow", "ms": 300_000 } });
    for (step, program) in [(obeys, "node"), (job("slow", "sleep 300"), "sleep")] {
        let c = Container::create("standard", &[], launches(&[&[step]]));
        c.start();
        c.until("its step runs", |c| c.processes().iter().any(|(_, comm)| comm == program));
        let (took, ended) = c.stop(10);
        let log = c.log();
        assert_eq!(ended, 0, "{log}");
        assert!(took < Duration::from_secs(10), "{took:?}: {log}");
        assert!(log.contains("event=job_finished status=cancelled"), "{log}");
    }
}

#[test]
fn after_a_kill_counters_and_histograms_go_on() {
    require_engine!();
    let two = [job("one", "true"), job("two", "true")];
    for name in IMAGES {
        let c = Container::create(name, &[], launches(&[&two, &[job("three", "true")]]));
        c.start();
        c.until_jobs("success", 2.0);
        docker(&["kill", c.id()]);
        c.until("it is dead", |c| c.inspect("{{.State.Running}}") == "false");
        c.start();
        c.until_jobs("success", 3.0);
        assert_eq!(c.metric("github_runner_job_duration_seconds_count", ""), Some(3.0), "{name}");
        assert_eq!(c.metric("github_runner_jobs_started_total", ""), Some(3.0), "{name}");
    }
}

#[test]
fn another_command_is_run_instead() {
    require_engine!();
    for name in IMAGES {
        let image = image(name);
        let run = |options: &[&str], command: &[&str]| {
            attempt(&[&["run", "--rm"], options, &[&image], command].concat())
        };
        assert_eq!(
            run(&[], &["bash", "-c", "echo $PPID; exit 42"]),
            (42, "1\n".into(), String::new()),
            "{name}"
        );
        assert_eq!(run(&["--init"], &["bash", "-c", "exit 42"]).0, 42, "{name}");
        assert_eq!(run(&["--user", "4711:4711"], &["id", "-u"]).1, "4711\n", "{name}");
        assert_eq!(run(&["--user", "0"], &["id", "-u"]).1, "0\n", "{name}");
        let closed = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
        assert_eq!(run(&closed, &["bash", "-c", "! touch /x 2> /dev/null && id -u"]).1, "1001\n", "{name}");
        assert_eq!(run(&[], &["no-such-program"]).0, 127, "{name}");
    }
}

#[test]
fn a_terminal_is_the_command_s() {
    require_engine!();
    let command =
        format!("docker run --rm -it {} bash -c 'test -t 0 && tty && stty size'", image("standard"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).stdin(Stdio::null());
    let out = script.output().expect("script, of util-linux");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("/dev/pts/0"), "{said}");
}

#[test]
fn it_supervises_however_it_is_started() {
    require_engine!();
    let closed = [
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--tmpfs=/tmp",
        "--tmpfs=/var/lib/runner-init:uid=1001,gid=1001",
        "--tmpfs=/home/runner:uid=1001,gid=1001,exec",
    ];
    let ways: [&[&str]; 4] = [
        &["--init"],
        &["--user=0", "-e", "RUNNER_USER=runner"],
        &["--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=512", "--memory=512m"],
        &["--tty"],
    ];
    for options in ways {
        let c = Container::create("standard", options, launches(&[&[job("one", LOOK)]]));
        c.start();
        c.until_jobs("success", 1.0);
        assert_eq!(c.stop(10).1, 0, "{options:?}: {}", c.log());
    }
    // The runner writes beside its programs: with a read-only root that needs a volume, here the engine's copy of them.
    let c = Container::create(
        "standard",
        &[&closed[..], &["--volume=/actions-runner"]].concat(),
        launches(&[&[job("one", LOOK)]]),
    );
    c.start();
    c.until_jobs("success", 1.0);
    assert_eq!(c.stop(10).1, 0, "{}", c.log());
}
