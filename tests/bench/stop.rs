//! `docker stop` in the middle of a step: when GitHub is told, with which code the container ends, and whom the kernel must end.

use super::report::{Report, Target, median, number, table};
use super::steps::{KINDS, Kind};
use super::{Plan, ns, sim};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// About what the real Worker needs from its last step to GitHub's answer.
const UPLOAD: u64 = 600;
/// Longer than the start of anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// `run.sh` with `RUNNER_MANUALLY_TRAP_SIG`, as the official image is started: TERM becomes INT to the listener's group.
const RUN_SH: &str = "set -m; bin/Runner.Listener run & listener=$!
trap 'kill -INT -$listener' INT TERM
wait $listener; code=$?
trap - INT TERM
while kill -0 $listener 2>/dev/null; do wait $listener; done
exit $code";

/// Who is stopped.
struct Peer {
    name: &'static str,
    argv: Vec<String>,
}

/// What became of it.
struct Found {
    /// From the signal until the Worker has its report out.
    told: Option<Duration>,
    code: i32,
    /// Processes of the job that lived to the last, so that only the end of the namespace has ended them.
    left: usize,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let graces: &[u64] = plan.pick(&[5, 10, 60], &[10]);
    report.topic(
        "A stop in a job",
        "TERM as `docker stop` sends it, KILL to PID 1 after the grace, no time to wait for the job (`RUNNER_DRAIN_TIMEOUT=0`), nothing to deregister. Each cell: seconds from TERM until \
         GitHub is told how the job ended (`–`: never), the container's exit code, and how many processes of the job lived until PID 1 was gone. The runner is the simulated one with the real \
         one's clocks; its Worker uploads for 0.6 s. One round, all kinds of step at once.",
    );
    if let Some(why) = ns::missing(&["namespace", "bash", "setsid"]) {
        return report.left_out(&format!("stop: {why}"));
    }
    let binary = |path: &Path| vec![path.display().to_string()];
    let mut peers = vec![Peer { name: "runner-init", argv: binary(&plan.binary) }];
    match &plan.against {
        Some(path) => peers.push(Peer { name: "the build before", argv: binary(path) }),
        None => report.left_out("stop: an earlier build (--against REV)"),
    }
    peers.push(Peer {
        name: "run.sh, INT to the group",
        argv: vec!["bash".into(), "-c".into(), RUN_SH.into()],
    });
    for grace in graces {
        judge(&peers, *grace, report);
    }
}

/// One grace: a row for each kind, a column for each peer.
fn judge(peers: &[Peer], grace: u64, report: &mut Report) {
    println!("Grace {grace} s:\n");
    let found: Vec<Vec<Found>> = peers.iter().map(|peer| every_kind(peer, grace)).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (at, kind) in KINDS.iter().enumerate() {
        let mut row = vec![kind.name.to_owned()];
        row.extend(found.iter().map(|kinds| cell(&kinds[at])));
        let ours = found[0][at].told.map_or(f64::INFINITY, |told| told.as_secs_f64());
        let before = peers.iter().position(|peer| peer.name == "the build before");
        let before = before.and_then(|peer| found[peer][at].told).map(|told| told.as_secs_f64());
        let target = match (grace, kind.name, before) {
            (60, "ordinary", Some(before)) => Some(Target::AtMost(before * 0.2, "s (0.2 x before)")),
            (10, _, _) => Some(Target::AtMost(9.5, "s")),
            _ => None,
        };
        row.extend(
            target.into_iter().flat_map(|target| {
                report.judge(&format!("stop, grace {grace} s, {}", kind.name), ours, target)
            }),
        );
        rows.push(row);
    }
    let names = peers.iter().map(|peer| peer.name);
    let head: Vec<&str> = std::iter::once("").chain(names).chain(["target", "met"]).collect();
    table(&head, &rows);
    let told =
        |kinds: &[Found]| median(kinds.iter().filter_map(|f| f.told).map(|t| t.as_secs_f64()).collect());
    let medians: Vec<String> = peers
        .iter()
        .zip(&found)
        .map(|(peer, kinds)| format!("{} {}", peer.name, number(told(kinds))))
        .collect();
    println!("\nMedian of those that were told, in seconds: {}.\n", medians.join(", "));
}

fn cell(found: &Found) -> String {
    let told = found.told.map_or("–".to_owned(), |told| number(told.as_secs_f64()));
    format!("{told}, {}, {}", found.code, found.left)
}

fn every_kind(peer: &Peer, grace: u64) -> Vec<Found> {
    std::thread::scope(|scope| {
        let all: Vec<_> = KINDS
            .iter()
            .map(|kind| scope.spawn(move || stop(peer, *kind, Duration::from_secs(grace))))
            .collect();
        all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Starts one, stops it in its step, and watches what becomes of it.
fn stop(peer: &Peer, kind: Kind, grace: Duration) -> Found {
    let dir = TempDir::new().expect("a temporary directory");
    let root = dir.path().join("runner");
    let mut child = start(peer, kind, grace, &root, dir.path());
    let outer = child.id().cast_signed();
    let is_asleep = |pid: &i32| {
        let comm = ns::read(format!("/proc/{pid}/comm").as_ref());
        comm.trim_end() == "sleep" || ns::stat(*pid).is_some_and(|stat| stat.state == 'T')
    };
    let ready = root.join("_work/widgets/ready");
    ns::wait_until(PATIENCE, "the step works", || {
        let wanted = if kind.name == "a daemon holds its output" { 2 } else { 1 };
        ready.exists() && ns::descendants(outer).iter().filter(|pid| is_asleep(pid)).count() == wanted
    });
    let pid_1 = *ns::children(outer).first().expect("PID 1");
    let (asked, mut told, mut left, mut killed) = (Instant::now(), None, 0, false);
    kill(Pid::from_raw(pid_1), SIGTERM).expect("it lives");
    loop {
        if told.is_none() && is_told(&root) {
            told = Some(asked.elapsed());
        }
        if let Some(status) = child.try_wait().expect("our child") {
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            // `unshare` has a code of its own for a PID 1 that was killed.
            return Found { told, code: if killed { 137 } else { code }, left };
        }
        if ns::stat(pid_1).is_some_and(|stat| stat.state != 'Z') && !ns::children(outer).is_empty() {
            left = ns::descendants(pid_1).iter().filter(|pid| is_a_step_s(**pid)).count();
        }
        if !killed && asked.elapsed() >= grace {
            killed = true;
            // It may have ended this very moment.
            let _ = kill(Pid::from_raw(pid_1), SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(peer: &Peer, kind: Kind, grace: Duration, root: &PathBuf, dir: &Path) -> Child {
    let launch = json!({ "connect_ms": 0, "shutdown_ms": 10, "steps": [kind.job(UPLOAD)] });
    let scenario = serde_json::from_value(json!({ "launches": [launch] })).expect("a scenario");
    let this = std::env::current_exe().expect("this program");
    sim::install(root, &this, &scenario).expect("a simulated runner");
    let mut command = ns::in_pid_namespace(&peer.argv);
    command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH")).current_dir(root);
    command.env("RUNNER_SKIP_REGISTRATION", "true").env("RUNNER_NAME", "bench-runner");
    command.env("RUNNER_DIR", root).env("RUNNER_WORK_DIR", root.join("_work"));
    command.env("RUNNER_STATE_DIR", dir).env("RUNNER_RUN_DIR", dir.join("run"));
    command.env("METRICS_BIND", "127.0.0.1").env("METRICS_PORT", "0").env("RUNNER_ALLOW_RUNASROOT", "1");
    command.env("RUNNER_STOP_GRACE", format!("{}s", grace.as_secs())).env("RUNNER_DRAIN_TIMEOUT", "0s");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("starts")
}

/// The Worker's last word: its report is out.
fn is_told(root: &Path) -> bool {
    let entries = std::fs::read_dir(root.join("_diag")).into_iter().flatten().flatten();
    let mut workers = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"Worker_"));
    workers.any(|entry| ns::read(&entry.path()).contains("Raising job completed against run service"))
}

/// It carries a job's id.
fn is_a_step_s(pid: i32) -> bool {
    let is_alive = ns::stat(pid).is_some_and(|stat| stat.state != 'Z');
    is_alive
        && std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|text| memchr::memmem::find(&text, b"RUNNER_TRACKING_ID=github_").is_some())
}
