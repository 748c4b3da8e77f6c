//! A work directory or `_diag` on a file system that hangs, as a network file system does whose server is gone: nothing of ours waits for it.

use crate::supervised::{Supervised, job, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

const FREE: &str = "github_runner_work_dir_free_bytes";
const MOUNT: &str = "exec 3<>/dev/fuse
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung \"$0\"
echo mounted
exec sleep 600";

/// A listener that has a session and says something ten times a second.
const TALKER: &str = "#!/bin/sh
trap 'exit 0' INT
echo '√ Connected to GitHub'
echo '2026-08-17 13:15:44Z: Listening for Jobs'
while :; do echo tick; sleep 0.1; done
";

/// A listener that has a job once it may, and ends it when it is told to.
const EMPLOYER: &str = r#"#!/bin/sh
trap 'kill $worker; wait $worker; date -u "+%F %TZ: Job build completed with result: Canceled"; exit 0' INT
echo '√ Connected to GitHub'
date -u '+%F %TZ: Listening for Jobs'
cp "$(command -v sleep)" Runner.Worker
until [ -e go ]; do sleep 0.05; done
./Runner.Worker 600 & worker=$!
date -u '+%F %TZ: Running job: build'
while :; do echo tick; sleep 0.1; done
"#;

/// A file system whose server takes every request and answers none. Once it is dropped, whoever waits gets an error.
struct Hung(Child);

impl Hung {
    fn over(s: &Supervised, dir: &str) -> Hung {
        let dir = s.path(dir);
        std::fs::create_dir_all(&dir).expect("ours");
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &s.pid().to_string(), "sh", "-ec", MOUNT]).arg(dir);
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("nsenter");
        let mut line = String::new();
        let out = server.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("UTF-8");
        assert_eq!(line, "mounted\n", "its error is above");
        Hung(server)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        // sh has become its sleep: nobody else holds the device.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until_it_hangs(s: &mut Supervised) {
    s.until("a sample has had no answer", |s| s.metric(FREE).is_none());
}

#[test]
fn pipes_scrapes_the_liveness_and_a_stop_go_on() {
    require!("namespace", "root", "fuse", "nsenter");
    let mut s = runner(&[]).listening(TALKER.into()).start();
    s.until_state("idle");
    assert!(s.metric(FREE).is_some());
    let hung = Hung::over(&s, "runner/_work");
    until_it_hangs(&mut s);
    let said = s.out().len();
    s.until("the pipe goes on", |s| s.out().len() > said + 50);
    for path in ["/livez", "/healthz", "/readyz", "/api/v1/status", "/"] {
        assert_eq!(s.get(path).status, 200, "{path}");
    }
    assert_eq!(s.stop(), 0);
    drop(hung);
}

#[test]
fn a_job_fails_and_its_row_is_written_and_once_the_server_is_back_the_space_is_known() {
    require!("namespace", "root", "fuse", "nsenter");
    let mut s = runner(&[job("long", 600_000)]).start();
    s.until_state("busy");
    let hung = Hung::over(&s, "runner/_work");
    until_it_hangs(&mut s);
    let worker = s.until_process("Runner.Worker");
    ns::send(worker, SIGKILL);
    s.until("the job is counted", |s| s.metric("github_runner_jobs_total{status=\"failed\"}") == Some(1.0));
    assert_eq!(s.results(), ["failed"]);
    drop(hung);
    s.until("the disk is known again", |s| s.metric(FREE).is_some());
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
}

#[test]
fn diagnostics_that_hang_keep_nobody_waiting_and_a_job_is_seen_by_its_process() {
    require!("namespace", "root", "fuse", "nsenter");
    let mut s = runner(&[]).listening(EMPLOYER.into()).env("RUNNER_DRAIN_TIMEOUT", "0s").start();
    s.until_state("idle");
    std::fs::create_dir_all(s.path("runner/_diag")).expect("ours");
    let hung = Hung::over(&s, "runner/_diag");
    std::fs::write(s.path("runner/go"), "").expect("ours");
    s.until_state("busy");
    let said = s.out().len();
    s.until("the pipe goes on", |s| s.out().len() > said + 50);
    for path in ["/livez", "/healthz", "/api/v1/status"] {
        assert_eq!(s.get(path).status, 200, "{path}");
    }
    assert_eq!(s.stop(), 0);
    assert_eq!(s.results(), ["cancelled"]);
    drop(hung);
}
