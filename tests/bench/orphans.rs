//! Orphans by the thousand: how fast they are reaped, and how many stay zombies.

use super::report::{Report, Target, median, number, table};
use super::{Plan, ns, process};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use std::time::{Duration, Instant};

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (rounds, orphans) = (plan.pick(5, 1), plan.pick(10_000, 1000));
    report.topic(
        "Orphans",
        &format!(
            "{orphans} processes, each forked twice and left behind, below each PID 1; median of {rounds}, taken in turns. `per s` is \
             bounded by how fast the kernel makes and ends them; `CPU us` is what PID 1 itself spends on one."
        ),
    );
    if let Some(why) = ns::missing(&["namespace"]) {
        return report.left_out(&format!("orphans: {why}"));
    }
    let binary = plan.binary.display().to_string();
    let mut peers: Vec<(&str, Vec<String>)> = vec![("runner-init", vec![binary, "--".into()])];
    for name in ["tini", "dumb-init", "catatonit"] {
        match ns::program(name) {
            Some(path) => peers.push((name, vec![path.display().to_string(), "--".into()])),
            None => report.left_out(&format!("orphans: there is no {name}")),
        }
    }
    let mut found: Vec<Vec<Found>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, argv), found) in peers.iter().zip(&mut found) {
            found.push(below(argv, orphans));
        }
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut cpu_of_tini = f64::NAN;
    let figures: Vec<[f64; 3]> = found
        .iter()
        .map(|found| {
            let of = |figure: fn(&Found) -> f64| median(found.iter().map(figure).collect());
            [of(|f| f.seconds), of(|f| f.cpu), found.iter().map(|f| f.zombies).fold(0.0, f64::max)]
        })
        .collect();
    for ((name, _), [_, cpu, _]) in peers.iter().zip(&figures) {
        if *name == "tini" {
            cpu_of_tini = *cpu;
        }
    }
    for ((name, _), [seconds, cpu, zombies]) in peers.iter().zip(figures) {
        let mut row = vec![(*name).to_owned()];
        row.extend([orphans as f64 / seconds, cpu / orphans as f64 * 1e6, zombies].map(number));
        if rows.is_empty() {
            assert!(zombies < 1.0, "{zombies} zombies stay");
            if cpu_of_tini.is_nan() {
                row.extend([String::new(), String::new()]);
            } else {
                let bound = Target::AtMost(cpu_of_tini * 1.1 / orphans as f64 * 1e6, "us (tini + 10 %)");
                row.extend(report.judge("CPU per orphan", cpu / orphans as f64 * 1e6, bound));
            }
        }
        rows.push(row);
    }
    table(&["", "per s", "CPU us", "zombies left", "target", "met"], &rows);
}

pub(crate) struct Found {
    /// From the first fork to the last reaping.
    seconds: f64,
    /// Processor seconds of PID 1.
    pub(crate) cpu: f64,
    pub(crate) zombies: f64,
}

/// So many orphans below such a PID 1.
pub(crate) fn below(argv: &[String], orphans: usize) -> Found {
    let this = std::env::current_exe().expect("this program").display().to_string();
    let mut all = argv.to_vec();
    all.extend([this, "orphans".into(), orphans.to_string()]);
    let output = ns::in_pid_namespace(&all).output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers.len(), 3, "{argv:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Found { seconds: numbers[0], cpu: numbers[1], zombies: numbers[2] }
}

/// The program `orphans N`, below a PID 1 that is to be measured: prints seconds, PID 1's processor seconds, zombies left.
pub(crate) fn make(orphans: usize) {
    let (began, cpu) = (Instant::now(), process::cpu_ns(1));
    for _ in 0..orphans {
        leave_one();
    }
    // Whoever is left is a zombie, or about to be none.
    let left = || ns::children(1).len() - 1;
    let (mut zombies, mut progress) = (left(), Instant::now());
    while zombies > 0 && progress.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_micros(200));
        let now = left();
        if now < zombies {
            (zombies, progress) = (now, Instant::now());
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds} {} {zombies}", (process::cpu_ns(1) - cpu) as f64 / 1e9);
}

fn leave_one() {
    // SAFETY: this program has one thread, and the children only fork and leave.
    #[expect(unsafe_code, reason = "an orphan is made by fork")]
    unsafe {
        match fork().expect("a process") {
            ForkResult::Parent { child } => {
                waitpid(child, None).expect("our child");
            }
            ForkResult::Child => {
                let _ = fork();
                nix::libc::_exit(0);
            }
        }
    }
}
