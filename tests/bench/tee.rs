//! The listener's output on its way through us, beside the same through `cat`.

use super::report::{Report, Target, median, number, table};
use super::{Plan, process};
use runner_sim as sim;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const MIB: usize = 1024 * 1024;

/// A step's output, and a line of the runner's own trace, as `ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT` brings them by the thousand.
pub(crate) const LINES: [(&str, &str); 2] = [
    (
        "plain",
        "   Compiling some-crate v1.2.3 (registry index), a line such as jobs write by the thousand, 1234567890",
    ),
    (
        "trace",
        "[WORKER 2026-08-17 13:15:44Z INFO ProcessInvokerWrapper] Process started with process id 4711, waiting for exit.",
    ),
];

/// The program `produce KIND MIB`: that many bytes of lines on standard output.
pub(crate) fn produce(kind: &str, mib: usize) {
    let line = LINES.iter().find(|(name, _)| *name == kind).expect("a kind").1;
    let lines = format!("{line}\n").repeat(MIB / (line.len() + 1) + 1);
    let (whole, mut out) = (mib * MIB, std::io::stdout().lock());
    let mut left = whole;
    // 64 KiB at a time, as a pipe holds by default; a closed pipe ends it.
    let mut pieces = lines.as_bytes().chunks(64 * 1024).cycle();
    while left > 0 {
        let piece = pieces.next().expect("endless");
        let piece = &piece[..piece.len().min(left)];
        if out.write_all(piece).is_err() {
            return;
        }
        left -= piece.len();
    }
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (rounds, mib) = (plan.pick(9, 1), plan.pick(512, 32));
    report.topic(
        "Tee",
        &format!(
            "MiB/s of {mib} MiB of lines from one producer to one consumer, from the first byte seen to the last: through the \
             supervisor, and through `cat`; median of {rounds}, taken in turns. `CPU` is milliseconds of processor time, the \
             producer's included, the consumer's not. More than two busy processes share two cores: what else runs decides much."
        ),
    );
    let mut rows = Vec::new();
    for (kind, _) in LINES {
        let (mut ours, mut cat) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(through_us(plan, kind, mib));
            cat.push(through_cat(kind, mib));
        }
        let of = |runs: &[Flow], figure: fn(&Flow) -> f64| median(runs.iter().map(figure).collect());
        let [cpu, cat_cpu] = [&ours, &cat].map(|runs| of(runs, |flow| flow.cpu));
        let [ours, cat] = [&ours, &cat].map(|runs| of(runs, |flow| flow.speed));
        let mut row = vec![format!("{kind} lines")];
        row.extend([ours, cat, cpu, cat_cpu, ours / cat].map(number));
        row.extend(report.judge(&format!("tee, {kind} lines"), ours / cat, Target::AtLeast(0.8, "x cat")));
        rows.push(row);
    }
    table(&["", "runner-init", "cat", "CPU", "cat's CPU", "ratio", "target", "met"], &rows);
}

fn producer(kind: &str, mib: usize) -> String {
    format!("{} produce {kind} {mib}", std::env::current_exe().expect("this program").display())
}

/// So many MiB through the supervisor.
pub(crate) fn through_us(plan: &Plan, kind: &str, mib: usize) -> Flow {
    let dir = TempDir::new().expect("a temporary directory");
    let root = dir.path().join("runner");
    sim::install(&root, &plan.binary, &sim::Scenario::default()).expect("a runner directory");
    let listener = root.join("bin/Runner.Listener");
    std::fs::remove_file(&listener).expect("a link");
    std::fs::write(&listener, format!("#!/bin/sh\nexec {}\n", producer(kind, mib))).expect("a script");
    std::fs::set_permissions(&listener, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let mut command = Command::new(&plan.binary);
    command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH"));
    command.env("METRICS_ENABLED", "false").env("RUNNER_SKIP_REGISTRATION", "true");
    command.env("RUNNER_ALLOW_RUNASROOT", "1");
    command.env("RUNNER_DIR", &root).env("RUNNER_STATE_DIR", dir.path()).env("RUNNER_RUN_DIR", dir.path());
    consume(&mut command, mib)
}

/// The same through `cat`.
pub(crate) fn through_cat(kind: &str, mib: usize) -> Flow {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{} | cat", producer(kind, mib))]);
    consume(&mut command, mib)
}

/// One run.
pub(crate) struct Flow {
    /// MiB/s from the first byte to the last.
    pub(crate) speed: f64,
    /// Milliseconds of all processes started.
    pub(crate) cpu: f64,
}

/// Takes everything `command` prints; every byte must come.
fn consume(command: &mut Command, mib: usize) -> Flow {
    let before = process::children_used_ms();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let mut pipe = child.stdout.take().expect("piped");
    let mut buffer = vec![0; MIB];
    let (mut began, mut ended, mut total) = (None, Instant::now(), 0);
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        ended = Instant::now();
        began.get_or_insert(ended);
        total += count;
    }
    child.wait().expect("ours");
    assert_eq!(total, mib * MIB, "bytes were lost");
    let speed = mib as f64 / (ended - began.expect("some bytes")).as_secs_f64();
    Flow { speed, cpu: process::children_used_ms() - before }
}
