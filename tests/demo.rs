//! The demo as a new user meets it: everything is shown, nothing is left behind.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::float_cmp, reason = "counts are exact in a float")]

#[path = "support/demo.rs"]
mod demo;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "support/wire.rs"]
mod wire;

use demo::{BIN, Demo, files};
use nix::sys::signal::Signal;
use ns::wait_until;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

/// The back-off after the listener's death is real time, whatever the speed.
const SHOW: Duration = Duration::from_secs(60);

#[test]
fn it_shows_everything_and_leaves_nothing() {
    let demo = Demo::start(&["--speed", "10"], &[("METRICS_PORT", "0")]);
    let supervisor = demo.tree.pid();
    wait_until(SHOW, "every ending", || {
        ["success", "failed", "cancelled", "abandoned"].into_iter().all(|status| demo.jobs(status) >= 1.0)
            && demo.count("github_runner_reconnects_total") >= 1.0
            && demo.page().value("github_runner_restarts_total", Some(("reason", "killed"))) == Some(1.0)
    });
    assert!(demo.count("github_runner_connection_errors_total") >= 1.0);
    let jobs = wire::get(&demo.address, "/api/v1/jobs", "").expect("an answer").json();
    assert!(jobs["jobs"].as_array().expect("jobs").len() >= 5, "{jobs}");
    let status = wire::get(&demo.address, "/api/v1/status", "").expect("an answer").json();
    assert_eq!(status["runner_name"], "demo-runner");
    // Everything it has written is in one place.
    assert!(files(demo.temp.path()).iter().all(|name| name.starts_with("runner-init-demo-")));
    // Listener, worker and steps end with it.
    let below = ns::descendants(supervisor);
    assert!(!below.is_empty());
    let output = demo.end(supervisor);
    assert!(below.into_iter().all(|pid| ns::stat(pid).is_none_or(|s| s.state == 'Z')), "processes are left");
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        out.contains("Running job: ") && log.contains("event=finished reason=asked code=0"),
        "{out}{log}"
    );
    assert!(!log.contains("level=error"), "{log}");
}

#[test]
fn outside_of_a_container_it_does_not_tell_the_machine_s_figures_as_its_own() {
    const FIGURES: [&str; 5] = [
        "github_runner_container_memory_bytes",
        "github_runner_container_cpu_seconds_total",
        "github_runner_pressure_seconds_total",
        "github_runner_job_peak_memory_bytes",
        "github_runner_zombie_processes",
    ];
    require!("namespace");
    let told = |command| {
        let demo = Demo::spawn(command, &[("METRICS_PORT", "0"), ("METRICS_UPDATE_INTERVAL", "1")]);
        wait_until(SHOW, "an ended job, and a sample", || {
            demo.jobs("success") >= 1.0 && demo.count("github_runner_work_dir_free_bytes") > 0.0
        });
        let page = demo.page();
        FIGURES.into_iter().filter(|name| page.series().any(|s| s.name == *name)).collect::<Vec<_>>()
    };
    let mut here = Command::new(BIN);
    here.args(["demo", "--speed", "50"]);
    // The kernel's own process has the machine's namespaces, and nobody in a container sees it.
    let of = |pid: &str, name: &str| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).ok();
    let is_the_machine_s = |name| of("2", name).is_some_and(|link| of("self", name) == Some(link));
    let kernel = std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n");
    if kernel && ["pid", "cgroup", "mnt"].into_iter().all(is_the_machine_s) {
        assert_eq!(told(here), [""; 0]);
    }
    let namespace = told(ns::in_pid_namespace(&[BIN, "demo", "--speed", "50"]));
    assert!(namespace.contains(&FIGURES[4]), "its processes are all it sees: {namespace:?}");
}

#[test]
fn it_says_what_to_open_and_every_address_answers() {
    let demo = Demo::start(&["--speed", "50"], &[("METRICS_PORT", "0")]);
    wait_until(SHOW, "readiness", || wire::get(&demo.address, "/readyz", "").is_ok_and(|r| r.status == 200));
    let text = demo.tree.stdout();
    let urls: Vec<&str> = text.split_whitespace().filter_map(|word| word.strip_prefix("http://")).collect();
    assert_eq!(urls.len(), 5, "{text}");
    for url in urls {
        let (address, path) = url.split_at(url.find('/').expect("a path"));
        // Not ready for a moment is an answer too.
        assert!([200, 503].contains(&wire::get(address, path, "").expect("an answer").status), "{url}");
    }
    assert!(text.contains("Within 7 seconds: "), "{text}");
    let pid = demo.tree.pid();
    demo.end(pid);
}

#[test]
fn it_stops_after_so_many_jobs() {
    let demo = Demo::start(&["--speed", "5", "--jobs", "3"], &[("METRICS_PORT", "0")]);
    assert!(demo.tree.stdout().contains("It takes 3 jobs, then it idles."));
    wait_until(SHOW, "three jobs", || demo.count("github_runner_jobs_started_total") == 3.0);
    let ended = || ["success", "failed", "cancelled"].map(|status| demo.jobs(status)).iter().sum::<f64>();
    wait_until(SHOW, "their ends", || ended() == 3.0);
    // What would follow follows within a second and a half at this speed.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((ended(), demo.count("github_runner_jobs_started_total")), (3.0, 3.0));
    assert_eq!(demo.page().value("github_runner_state", Some(("state", "idle"))), Some(1.0));
    let pid = demo.tree.pid();
    demo.end(pid);
}

#[test]
fn two_of_them_live_side_by_side_also_when_the_port_is_taken() {
    // If this fails somebody else has it, for how long we do not know.
    let held = TcpListener::bind("127.0.0.1:9091");
    // One job each: in a later one the listener dies, and a demo asked to leave just then leaves with its code.
    let demos = [(); 2].map(|()| Demo::start(&["--speed", "20", "--jobs", "1"], &[]));
    for demo in &demos {
        let says_so = demo.tree.stdout().contains("(port 9091 is taken)");
        assert!(says_so || (held.is_err() && demo.address.ends_with(":9091")), "{}", demo.tree.stdout());
        wait_until(SHOW, "a job", || demo.jobs("success") >= 1.0);
    }
    assert_ne!(demos[0].address, demos[1].address);
    for demo in demos {
        let pid = demo.tree.pid();
        demo.end(pid);
    }
    // A port that was asked for is not exchanged for another.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = Command::new(BIN).arg("demo").env("METRICS_PORT", &port).output().expect("it runs");
    assert_eq!(output.status.code(), Some(71));
    assert!(String::from_utf8_lossy(&output.stderr).contains("METRICS_PORT"), "{output:?}");
}

#[test]
fn it_runs_as_pid_1() {
    require!("namespace");
    let demo = Demo::spawn(ns::in_pid_namespace(&[BIN, "demo", "--speed", "20"]), &[("METRICS_PORT", "0")]);
    wait_until(SHOW, "a job", || demo.jobs("success") >= 1.0);
    let init = ns::children(demo.tree.pid())[0];
    assert_eq!(ns::children(init).len(), 1, "one supervisor below it");
    demo.end(init);
}

#[test]
fn the_callers_own_settings_neither_break_it_nor_leak_into_it() {
    let state = tempfile::tempdir().expect("a directory");
    let elsewhere = state.path().to_str().expect("UTF-8");
    let env = [
        ("METRICS_PORT", "0"),
        ("RUNNER_NAME", "mine"),
        ("RUNNER_WORKDIR", elsewhere),
        ("RUNNER_DIR", elsewhere),
        ("RUNNER_STATE_DIR", elsewhere),
        ("JOBS_LOG", "/proc/nowhere"),
        ("RUNNER_SKIP_REGISTRATION", "false"),
        ("GITHUB_TOKEN", "s3cret"),
        ("METRICS_BIND", "0.0.0.0"),
    ];
    let demo = Demo::start(&["--speed", "50"], &env);
    assert!(demo.address.starts_with("127.0.0.1:"), "an address one can open: {}", demo.address);
    wait_until(SHOW, "a job", || demo.jobs("success") >= 1.0);
    assert!(demo.page().series().all(|s| s.labels["runner_name"] == "mine"));
    let pid = demo.tree.pid();
    let output = demo.end(pid);
    assert_eq!(files(state.path()), Vec::<String>::new());
    assert!(!format!("{output:?}").contains("s3cret"));
}

#[test]
fn what_an_image_or_a_shell_says_of_another_runner_is_neither_heeded_nor_warned_of() {
    require!("namespace");
    let env = [
        ("METRICS_PORT", "0"),
        ("RUNNER_USER", "runner"),
        ("GITHUB_REPOSITORY", "acme/web"),
        ("GITHUB_TOKEN_FILE", "/nowhere"),
        ("ORG_NAME", "not a name"),
        ("RUNNER_LABELS", "[gpu]"),
        ("LABELS", "cpu"),
        ("EPHEMERAL", "1"),
        ("RUNNER_IDLE_TIMEOUT", "1"),
        ("RUNNER_STATUS_CHECK_INTERVAL", "7"),
        ("DISABLE_AUTOMATIC_DEREGISTRATION", "true"),
    ];
    let demo = Demo::spawn(ns::in_pid_namespace(&[BIN, "demo", "--speed", "50"]), &env);
    wait_until(SHOW, "two jobs", || demo.count("github_runner_jobs_started_total") >= 2.0);
    let init = ns::children(demo.tree.pid())[0];
    let log = String::from_utf8(demo.end(init).stderr).expect("UTF-8");
    assert!(!log.contains("event=configuration"), "{log}");
}

#[test]
fn killed_it_leaves_no_process_and_the_next_one_clears_its_directory_and_no_other() {
    let temp = tempfile::tempdir().expect("a directory");
    let at = temp.path();
    let env = [("METRICS_PORT", "0"), ("TMPDIR", at.to_str().expect("UTF-8"))];
    let others = ["runner-init-demo-without-an-owner", "runner-init-else"];
    for other in others {
        std::fs::create_dir(at.join(other)).expect("a directory");
    }
    let mine = || files(at).into_iter().filter(|name| !others.contains(&name.as_str())).collect::<Vec<_>>();
    let lives = Demo::start(&["--speed", "50", "--jobs", "1"], &env);
    let [live] = &mine()[..] else { panic!("{:?}", files(at)) };
    let killed = Demo::start(&["--speed", "0.2"], &env);
    let supervisor = killed.tree.pid();
    // One that would not end by itself while it is waited for below.
    let is_long_step = |pid: &i32| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let ms = command.split('\0').skip_while(|word| *word != "sleep").nth(1);
        ms.and_then(|ms| ms.parse().ok()).is_some_and(|ms| Duration::from_millis(ms) > ns::SOON)
    };
    wait_until(SHOW, "a job's long step", || ns::descendants(supervisor).iter().any(is_long_step));
    let below = ns::descendants(supervisor);
    ns::send(supervisor, Signal::SIGKILL);
    let is_gone = |pid: &i32| ns::stat(*pid).is_none_or(|stat| stat.state == 'Z');
    wait_until(ns::SOON, "the end of them all", || below.iter().all(is_gone));
    assert_eq!(mine().len(), 2, "nobody was left to remove it");
    let next = Demo::start(&["--speed", "50", "--jobs", "1"], &env);
    let now = mine();
    assert!(now.len() == 2 && now.contains(live), "{live} lives, one has begun: {now:?}");
    for demo in [lives, next] {
        let pid = demo.tree.pid();
        demo.end(pid);
    }
    assert_eq!(mine(), Vec::<String>::new());
    assert_eq!(files(at).len(), others.len(), "they are somebody else's");
}

#[test]
fn wrong_arguments_are_64() {
    for args in
        [["--speed", "0"], ["--speed", "1000"], ["--speed", "x"], ["--jobs", "-1"], ["--nothing", "1"]]
    {
        let output = Command::new(BIN).arg("demo").args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    for args in [["metrics"], ["check"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = Command::new(BIN);
        command.args(args).env_clear().env("RUNNER_SKIP_REGISTRATION", "1").stdout(full);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(71), "{args:?}: {said}");
        assert!(said.starts_with("runner-init: cannot write to stdout: "), "{said}");
    }
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut health = Command::new(BIN);
    health.args(["health", "--url", "http://127.0.0.1:1"]).stdout(full()).stderr(full());
    assert_eq!(health.status().expect("it runs").code(), Some(1));
}
