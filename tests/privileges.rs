//! Who the runner is, what it may write, who dies first and of what: from outside, with real users, sockets, cgroups and disks.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use supervised::{Plan, Supervised, job, launches, runner};
use tempfile::TempDir;

/// Both the runner's user and its group.
const RUNNER: u32 = 1001;
/// Docker's.
const DOCKER: u32 = 4321;

/// A job that runs this.
fn script(text: &str) -> Value {
    json!({ "job": { "name": "script", "steps": [{ "run": text }] } })
}

/// What the job has left in its directory.
fn left(s: &Supervised, name: &str) -> String {
    ns::read(&s.path(&format!("runner/_work/widgets/widgets/{name}")))
}

fn run_to_end(plan: Plan) -> Supervised {
    let mut s = plan.start();
    s.until("the job is done", |s| s.results().len() == 1);
    s
}

/// A directory with docker's socket in it, as group `gid`'s; and what to run so that it stands at `/run`.
fn docker_at_run(gid: u32) -> (TempDir, UnixListener, String) {
    let dir = TempDir::new().expect("a directory");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    let socket = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    std::os::unix::fs::chown(&socket, Some(0), Some(gid)).expect("root may");
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o660)).expect("ours");
    let mount = format!("mount --bind '{}' /run", dir.path().display());
    (dir, listener, mount)
}

#[test]
fn the_runner_is_its_own_user_with_docker_s_group_and_no_capability() {
    require!("namespace", "root", "bash");
    let (_dir, _docker, mount) = docker_at_run(DOCKER);
    let look = "id -u > uid; id -g > gid; id -G > groups; echo \"$HOME $USER $LOGNAME\" > env
        grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status > caps
        (echo > /run/docker.sock) 2> socket || true
        [ ! -w \"$STATE\" ]";
    let mut plan = runner(&[script(look)]).with_runner_user(RUNNER).after(&mount);
    plan = plan.env("HOME", "/root").env("USER", "root").env("STATE", "/var/lib");
    let mut s = run_to_end(plan);
    assert_eq!(s.results(), ["success"], "{}", s.log());
    assert_eq!(left(&s, "uid"), "1001\n");
    assert_eq!(left(&s, "gid"), "1001\n");
    assert_eq!(left(&s, "groups"), "1001 4321\n");
    assert_eq!(left(&s, "env"), "/ 1001 1001\n");
    assert_eq!(left(&s, "caps").matches("0000000000000000").count(), 3);
    let status = ns::read(Path::new(&format!("/proc/{}/status", s.supervisor())));
    assert!(status.contains("Uid:\t0\t"), "we stay who we are: {status}");
    assert_eq!(s.stop(), 0, "root may signal its runner");
}

#[test]
fn the_socket_that_docker_host_names_grants_its_group_too_and_what_cannot_be_granted_is_said() {
    require!("namespace", "root", "bash");
    let (_dir, _docker, mount) = docker_at_run(DOCKER);
    let (rootless, _daemon, _) = docker_at_run(113);
    let host = |path: &Path| format!("unix://{}", path.display());
    let there = host(&rootless.path().join("docker.sock"));
    let nowhere = host(&rootless.path().join("later.sock"));
    for (docker_host, groups, says) in [
        (there.as_str(), "1001 113 4321\n", ""),
        (nowhere.as_str(), "1001 4321\n", "is not there"),
        ("tcp://engine:2375", "1001 4321\n", ""),
    ] {
        let plan = runner(&[script("id -G > groups")]).with_runner_user(RUNNER).after(&mount);
        let mut s = run_to_end(plan.env("DOCKER_HOST", docker_host));
        assert_eq!(left(&s, "groups"), groups, "{docker_host}");
        let log = s.log();
        let warning = log.lines().find(|line| line.contains("event=docker_not_granted"));
        assert_eq!(warning.is_some(), !says.is_empty(), "{docker_host}: {log}");
        assert!(warning.is_none_or(|line| line.contains(says) && line.contains("later.sock")), "{log}");
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn who_has_the_host_s_socket_hears_that_jobs_in_containers_would_not_find_their_files() {
    require!("namespace", "root", "bash");
    let work = "mkdir -p \"$RUNNER_DIR/_work\" && chown 1001:1001 \"$RUNNER_DIR/_work\"";
    let bind = |path: &str| format!("mount --bind {path} {path}");
    let (of_its_own, same_path) = (bind("/run/docker.sock"), bind("\"$RUNNER_DIR/_work\""));
    for (mounts, is_told) in [
        (vec![of_its_own.clone()], true),
        (vec![of_its_own, same_path], false),
        // A socket in a shared directory may be a side-car's.
        (vec![], false),
    ] {
        let (_dir, _docker, run) = docker_at_run(DOCKER);
        let after = [vec![run, work.to_owned()], mounts.clone()].concat().join(" && ");
        let plan = runner(&[script("true")]).with_runner_user(RUNNER).after(&after);
        let mut s = run_to_end(plan);
        let log = s.log();
        let told = log.lines().find(|line| line.contains("event=container_jobs_fail why=\"/"));
        assert_eq!(told.is_some(), is_told, "{mounts:?}: {log}");
        let says = ["_work lies in the container's own layer", "compose/container-jobs.yml"];
        assert!(told.is_none_or(|line| says.iter().all(|says| line.contains(says))), "{told:?}");
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn root_s_group_is_not_given_for_docker() {
    require!("namespace", "root", "bash");
    let (_dir, _docker, mount) = docker_at_run(0);
    let plan = runner(&[script("id -G > groups")]).with_runner_user(RUNNER).after(&mount);
    let mut s = run_to_end(plan);
    assert_eq!(left(&s, "groups"), "1001\n");
    assert!(s.log().contains("event=docker_not_granted"), "{}", s.log());
    assert_eq!(s.stop(), 0);
}

#[test]
fn only_root_becomes_somebody_else() {
    require!("namespace", "root", "setpriv");
    let mut s = runner(&[]).owned_by(RUNNER).env("RUNNER_USER", "4242:4242").start();
    assert_eq!(s.exit_code(), 64);
    let says = "runner-init: RUNNER_USER: asks for uid 4242, but this container runs as uid 1001";
    assert!(s.log().contains(says), "{}", s.log());

    let mut s = runner(&[job("own", 10)]).owned_by(RUNNER).env("RUNNER_USER", "1001:1001").start();
    s.until("the job is done", |s| s.results() == ["success"]);
    assert_eq!(s.stop(), 0);

    let bounding = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill", "--"];
    let mut s = runner(&[]).with_runner_user(RUNNER).through(&bounding).start();
    assert_eq!(s.exit_code(), 64);
    assert!(s.log().contains("but KILL is dropped: add it"), "{}", s.log());
}

#[test]
fn a_directory_the_runner_cannot_write_is_named_with_the_fix() {
    require!("namespace", "root", "setpriv");
    let owned = |of: &str| format!("chown 0:0 \"$RUNNER_DIR/{of}\"");
    for (dir, variable, plan) in [
        ("_work", "RUNNER_WORK_DIR", runner(&[]).with_runner_user(RUNNER).after(&owned("_work"))),
        ("_diag", "RUNNER_DIR", runner(&[]).with_runner_user(RUNNER).after(&owned("_diag"))),
        ("_work", "RUNNER_WORK_DIR", runner(&[]).owned_by(RUNNER).after(&owned("_work"))),
    ] {
        let mut s = plan.start();
        assert_eq!(s.exit_code(), 64, "{}", s.log());
        let path = s.path("runner").join(dir);
        let path = path.display();
        let says = format!(
            "runner-init: {variable}: uid 1001 cannot write {path}, which belongs to 0:0 (mode 755): \
             chown -R 1001:1001 {path}\n"
        );
        assert!(s.log().contains(&says), "{says:?} in {}", s.log());
    }
}

#[test]
fn a_state_that_cannot_be_written_stops_nobody_and_is_named_with_the_fix() {
    require!("namespace", "root", "setpriv");
    let dir = "mkdir \"$RUNNER_STATE_DIR\"; chmod 755 \"$RUNNER_STATE_DIR\"";
    let log = format!("{dir}; touch \"$RUNNER_STATE_DIR/jobs.log\" \"$RUNNER_STATE_DIR/jobs.log.lock\"");
    let open =
        format!("{log}; chmod 666 \"$RUNNER_STATE_DIR/jobs.log.lock\"; chmod 777 \"$RUNNER_STATE_DIR\"");
    for (script, what, mode) in [(dir, "state", 755), (&open, "state/jobs.log", 644)] {
        let mut s = runner(&[job("one", 10)]).owned_by(RUNNER).after(script).start();
        s.until("the job is done", |s| s.metric("github_runner_jobs_total{status=\"success\"}") == Some(1.0));
        let (file, path) = (s.path("state/jobs.log"), s.path(what));
        let (file, path) = (file.display(), path.display());
        let says = format!(
            "detail=\"cannot use the job log {file}: uid 1001 cannot write {path}, which belongs to 0:0 (mode {mode}): \
             chown -R 1001:1001 {path}\""
        );
        assert!(s.log().contains(&says), "{says:?} in {}", s.log());
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn docker_is_waited_for_while_everything_else_goes_on() {
    require!("namespace", "root");
    let (_dir, docker, mount) = docker_at_run(DOCKER);
    let plan = runner(&[job("first", 10)]).env("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "60").after(&mount);
    let mut s = plan.start();
    s.until_log("says=\"Waiting for docker to be ready.\"");
    assert_eq!(s.get("/readyz").status, 503);
    assert_eq!(s.get("/livez").status, 200);
    answer(&docker, "503 Service Unavailable");
    assert!(!s.log().contains("event=listener_started"), "{}", s.log());
    answer(&docker, "200 OK");
    s.until("the job is done", |s| s.results() == ["success"]);
    let (ready, started) = (s.log().find("event=docker_ready"), s.log().find("event=listener_started"));
    assert!(ready.is_some() && ready < started, "{}", s.log());
    assert_eq!(s.stop(), 0);
}

/// Answers one question.
fn answer(docker: &UnixListener, status: &str) {
    let (mut stream, _): (UnixStream, _) = docker.accept().expect("somebody asks");
    let mut question = [0; 512];
    let count = stream.read(&mut question).expect("a question");
    assert!(question[..count].starts_with(b"GET /_ping HTTP/1.1\r\n"));
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("it listens");
}

#[test]
fn docker_that_does_not_come_is_a_warning_and_no_stop_waits_for_it() {
    require!("namespace", "root");
    let nowhere = ("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let plan = runner(&[job("first", 10)]).env(nowhere.0, nowhere.1);
    let mut s = run_to_end(plan.env("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "1"));
    assert!(s.log().contains("event=docker_not_ready"), "{}", s.log());
    assert_eq!((s.results(), s.stop()), (vec!["success".to_owned()], 0));

    let plan = runner(&[]).env(nowhere.0, nowhere.1).env("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "1h");
    let mut s = plan.start();
    s.until_log("event=docker_awaited");
    assert_eq!(s.stop(), 0);
    assert!(!s.log().contains("event=listener_started"), "{}", s.log());
}

#[test]
fn certificates_are_updated_before_the_runner_starts() {
    require!("namespace", "root");
    let program =
        "d=$(mktemp -d); printf '#!/bin/sh\\necho updated\\nexit %s\\n' \"$CODE\" > $d/update-ca-certificates
        chmod +x $d/*; export PATH=$d:$PATH";
    for (code, event) in [("0", "event=certificates_updated"), ("3", "event=certificates_not_updated")] {
        let plan =
            runner(&[job("first", 10)]).env("RUNNER_UPDATE_CA_CERTS", "1").env("CODE", code).after(program);
        let mut s = run_to_end(plan);
        let (told, started) = (s.log().find(event), s.log().find("event=listener_started"));
        assert!(told.is_some() && told < started, "{}", s.log());
        assert!(s.out().starts_with(b"updated\n"), "what it prints is passed on");
        assert_eq!((s.results(), s.stop()), (vec!["success".to_owned()], 0));
    }
}

fn score(pid: i32) -> String {
    ns::read(Path::new(&format!("/proc/{pid}/oom_score_adj"))).trim().to_owned()
}

#[test]
fn steps_die_before_the_listener_and_that_before_us() {
    require!("namespace", "root", "bash");
    // The worker writes a step's score once it runs.
    let look = "until ! cmp -s /proc/$$/oom_score_adj /proc/$PPID/oom_score_adj; do sleep 0.01; done
        cat /proc/$$/oom_score_adj > step; cat /proc/$PPID/oom_score_adj > worker; sleep 600";
    let plan = runner(&[script(look)]).after("echo 600 > /proc/self/oom_score_adj");
    let mut s = plan.start();
    s.until("the step has looked", |s| !left(s, "worker").is_empty());
    assert_eq!((score(s.pid()), score(s.supervisor())), ("100".into(), "100".into()));
    assert_eq!(score(s.until_process("Runner.Listener")), "600");
    assert_eq!((left(&s, "worker"), left(&s, "step")), ("600\n".into(), "1000\n".into()));

    // Whether it is permitted or not: nobody is told, and the runner's own default is left alone.
    let mut s = runner(&[script(look)]).start();
    s.until("the step has looked", |s| !left(s, "worker").is_empty());
    let given = ns::read(Path::new("/proc/self/oom_score_adj"));
    assert_eq!((left(&s, "worker"), left(&s, "step")), (given, "500\n".into()));
    assert!(!s.log().contains("oom"), "{}", s.log());
}

#[test]
fn we_leave_no_core_and_a_job_may() {
    require!("namespace", "bash");
    let plan = runner(&[script("ulimit -Sc > core; sleep 600")]);
    let mut s = plan.through(&["bash", "-c", "ulimit -Sc 500; exec \"$@\"", "bash"]).start();
    s.until("the step has looked", |s| !left(s, "core").is_empty());
    for pid in [s.pid(), s.supervisor()] {
        let limits = ns::read(Path::new(&format!("/proc/{pid}/limits")));
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    }
    assert_eq!(left(&s, "core"), "500\n");
}

/// The last row's status and cause.
fn end(s: &Supervised) -> (String, String) {
    let rows = s.table();
    let row = rows.last().expect("a row");
    (row.status.clone(), row.cause.clone())
}

fn ended(status: &str, cause: &str) -> (String, String) {
    (status.to_owned(), cause.to_owned())
}

#[test]
fn an_abandoned_job_says_why() {
    require!("namespace");
    let long = |during: Value| json!({ "job": { "name": "long", "ms": 600_000, "during": [during] } });
    for (what, cause) in [(json!({ "exit": 134 }), "listener exit 134"), (json!({ "signal": 9 }), "signal 9")]
    {
        let mut s = runner(&[long(what)]).start();
        s.until("the job is over", |s| s.results().len() == 1);
        assert_eq!(end(&s), ended("abandoned", cause));
        let told = format!("\"cause\":\"{cause}\"");
        s.until("it is told", |s| s.get("/api/v1/jobs").body.contains(&told));
    }
    let mut s = runner(&[job("long", 600_000)]).start();
    s.until("the job is on disk", |s| s.table().len() == 1);
    ns::send(s.supervisor(), SIGKILL);
    s.exit_code();
    let mut next = runner(&[]).in_dir_of(&s).start();
    next.until("it is closed", |s| s.table().len() == 2);
    assert_eq!(end(&next), ended("abandoned", "supervisor lost"));
}

#[test]
fn a_job_that_fills_the_disk_says_so() {
    require!("namespace", "root", "bash");
    let fill = "mount -t tmpfs -o size=100m none \"$RUNNER_WORK_DIR\"";
    let mut s = run_to_end(runner(&[script("head -c 60000000 /dev/zero > fill; exit 1")]).after(fill));
    assert_eq!(end(&s), ended("failed", "disk_full"));
    s.until_log("cause=disk_full");
    assert_eq!(s.stop(), 0);

    // What filled it is gone before the runner says that the job is over.
    let temporary = script(
        "head -c 60000000 /dev/zero > \"$RUNNER_TEMP/fill\"; sleep 1.1; echo No space left on device; sleep 0.5; exit 1",
    );
    let s = run_to_end(runner(&[temporary]).after(fill));
    assert_eq!(end(&s), ended("failed", "disk_full"));

    let failed = runner(&[script("exit 1")]);
    assert_eq!(end(&run_to_end(failed)), ended("failed", ""), "there is room enough");
}

/// A memory cgroup of its own, of either version; gone with its last process.
struct Cgroup(PathBuf);

impl Cgroup {
    /// With this limit in bytes; `None` where none can be made.
    fn new(name: &str, limit: u32) -> Option<Cgroup> {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (root, file) = if v1.is_dir() {
            (v1, "memory.limit_in_bytes")
        } else {
            (Path::new("/sys/fs/cgroup"), "memory.max")
        };
        let dir = root.join(format!("runner-init-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).ok()?;
        let cgroup = Cgroup(dir);
        std::fs::write(cgroup.0.join(file), limit.to_string()).ok()?;
        // Without it nothing is killed as long as there is swap.
        let _ = std::fs::write(cgroup.0.join("memory.swap.max"), "0");
        Some(cgroup)
    }

    fn enter(&self) -> String {
        format!("echo $$ > '{}/cgroup.procs'", self.0.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let gone = || std::fs::remove_dir(&self.0).is_ok();
        let deadline = std::time::Instant::now() + ns::SOON;
        while !gone() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// Ends the test loudly where no memory cgroup can be made, as `require!` does.
macro_rules! cgroup {
    ($name:expr) => {
        match Cgroup::new($name, 160 << 20) {
            Some(cgroup) => cgroup,
            None => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot make a memory cgroup in CI");
                eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: no memory cgroup can be made ***\n");
                return;
            }
        }
    };
}

const KILLS: &str = "github_runner_oom_kills_total";

#[test]
fn a_step_killed_for_memory_is_counted_and_named() {
    require!("namespace", "root", "bash");
    let cgroup = cgroup!("step");
    let steps = [job("calm", 10), script("tail /dev/zero")];
    let mut s = runner(&steps).after(&cgroup.enter()).start();
    s.until("both jobs are done", |s| s.results().len() == 2);
    assert_eq!(s.results(), ["success", "failed"]);
    assert_eq!(end(&s), ended("failed", "oom"));
    s.until("it is counted", |s| s.metric(KILLS) == Some(1.0));
    let page = s.get("/metrics").body;
    assert!(page.contains(&format!("# TYPE {KILLS} counter\n")), "{page}");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_listener_killed_for_memory_is_restarted_for_that_reason() {
    require!("namespace", "root", "bash");
    let cgroup = cgroup!("listener");
    let eat = script("until [ -e go ]; do sleep 0.05; done; tail /dev/zero");
    // The step is to be the last choice, for once.
    let plan = launches(&[&[eat], &[]]).env("PIPELINE_JOB_OOMSCOREADJ", "0").after(&cgroup.enter());
    let mut s = plan.start();
    let listener = s.until_process("Runner.Listener");
    s.until("the step waits", |s| {
        s.path("runner/_work/widgets/widgets").is_dir() && !s.processes("bash").is_empty()
    });
    std::fs::write(format!("/proc/{listener}/oom_score_adj"), "1000").expect("more is always permitted");
    std::fs::write(s.path("runner/_work/widgets/widgets/go"), "").expect("a file");
    s.until_log("event=restart_scheduled reason=oom_killed");
    assert!(s.log().contains("event=listener_died signal=9 cause=oom"), "{}", s.log());
    s.until("the job is over", |s| s.results().len() == 1);
    assert_eq!(end(&s), ended("abandoned", "oom"));
    s.until("it is counted", |s| {
        s.metric("github_runner_restarts_total{reason=\"oom_killed\"}") == Some(1.0)
    });
    assert!(s.metric(KILLS).is_some_and(|kills| kills >= 1.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_state_that_jobs_could_write_is_set_aside_and_no_link_of_theirs_is_followed() {
    require!("namespace", "root");
    let spoil = "install -d -o 1001 \"$RUNNER_STATE_DIR\"
        ln -s \"$RUNNER_STATE_DIR/../from-root\" \"$RUNNER_STATE_DIR/jobs.log\"
        chown -h 1001 \"$RUNNER_STATE_DIR/jobs.log\"";
    let plan = runner(&[job("one", 10)]).with_runner_user(RUNNER).after(spoil);
    let mut s = plan.start();
    s.until("the job is done", |s| s.metric("github_runner_jobs_total{status=\"success\"}") == Some(1.0));
    assert!(s.metric("github_runner_journal_faults_total{kind=\"unusable\"}") >= Some(1.0));
    let dir = s.path("state");
    let says = format!("or chown -R 0:0 {0} && chmod 755 {0}", dir.display());
    assert!(s.log().contains("jobs of uid 1001 can write") && s.log().contains(&says), "{}", s.log());
    assert!(!s.path("from-root").exists(), "nothing is made where the link points");

    // Somebody does what it says: but a link of theirs is still not followed.
    std::os::unix::fs::chown(&dir, Some(0), Some(0)).expect("root may");
    s.until("it is tried again", |_| dir.join("jobs.log.lock").exists());
    std::fs::remove_file(dir.join("jobs.log")).expect("ours");
    s.until("what was counted is written", |s| s.results() == ["success"]);
    assert!(!s.path("from-root").exists());
    assert_eq!(s.stop(), 0);
}
