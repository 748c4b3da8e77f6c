//! What doing nothing costs.

use super::report::{Report, Target, number, table};
use super::server::{KINDS, Kind, Server, setup};
use super::{Plan, load, process};
use std::time::{Duration, Instant};

/// The update interval, as shipped.
const UPDATES: u64 = 30;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let window = Duration::from_secs(plan.pick(60, 6));
    let every = window / 4;
    report.topic(
        "Idle",
        &format!(
            "{} s with an idle runner, 0 rows in the job log, and a scrape every {} s. Wake-ups are voluntary context switches of \
             all threads; the update interval is the default {UPDATES} s. A scrape needs two (connection, request).",
            window.as_secs(),
            every.as_secs_f64()
        ),
    );
    let mut servers = Vec::new();
    for kind in KINDS {
        match kind.missing() {
            Some(why) => report.left_out(&format!("idle CPU of {why}")),
            None => servers.push(setup().start(kind, plan)),
        }
    }
    // What starting set in motion is not idleness.
    std::thread::sleep(Duration::from_secs(2));
    let before: Vec<(u64, Vec<u64>)> = servers.iter().map(look).collect();
    let began = Instant::now();
    let mut failures = vec![0; servers.len()];
    for round in 1..=4 {
        for (server, failures) in servers.iter().zip(&mut failures) {
            *failures += usize::from(!load::once(server.address));
        }
        std::thread::sleep((every * round).saturating_sub(began.elapsed()));
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut rows = Vec::new();
    for ((server, before), failures) in servers.iter().zip(before).zip(failures) {
        let after = look(server);
        let ms = (after.0 - before.0) as f64 / 1e6;
        let percent = ms / 10.0 / seconds;
        let waits: Vec<String> = after
            .1
            .iter()
            .zip(&before.1)
            .map(|(after, before)| after.saturating_sub(*before).to_string())
            .collect();
        let mut row = vec![server.kind.name().to_owned(), number(ms), number(percent)];
        match server.kind {
            Kind::Ours => {
                assert_eq!(failures, 0, "scrapes failed");
                row.push(format!("{} init, {} supervisor", waits[0], waits[1]));
                row.extend(report.judge("idle CPU", percent, Target::AtMost(0.02, "%")));
            }
            Kind::NodeExporter => row.push(waits.join(" + ")),
            // Its forks come and go uncounted.
            Kind::Predecessor => row.push("-".to_owned()),
        }
        rows.push(row);
    }
    table(&["", "CPU ms", "CPU %", "wake-ups", "target", "met"], &rows);
}

fn look(server: &Server) -> (u64, Vec<u64>) {
    (server.cpu_ns(), server.pids().into_iter().map(process::waits).collect())
}
