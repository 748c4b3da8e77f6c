//! From exec to the first answered scrape.

use super::Plan;
use super::report::{Report, Target, median, millis, number, table};
use super::server::{KINDS, Kind, setup};
use std::time::Instant;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let rounds = plan.pick(25, 3);
    report.topic(
        "From exec to the first 200 of /metrics",
        &format!(
            "Milliseconds, median (and best) of {rounds}, each as PID 1 of a new namespace; what `unshare` itself takes is \
             in the first row and in all others. The stand-in's first answer is a placeholder."
        ),
    );
    let mut rows = vec![times("`unshare … true`", &(0..rounds).map(|_| nothing()).collect::<Vec<f64>>())];
    for kind in KINDS {
        if let Some(why) = kind.missing() {
            report.left_out(&format!("first 200 of {why}"));
            continue;
        }
        let times_of: Vec<f64> = (0..rounds).map(|_| millis(setup().start(kind, plan).first_200)).collect();
        let mut row = times(kind.name(), &times_of);
        if kind == Kind::Ours {
            row.extend(report.judge("first 200", median(times_of), Target::AtMost(20.0, "ms")));
        }
        rows.push(row);
    }
    table(&["", "median", "best", "target", "met"], &rows);
}

fn times(name: &str, times: &[f64]) -> Vec<String> {
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    vec![name.to_owned(), number(median(times.to_vec())), number(best)]
}

/// Milliseconds that a namespace takes, with nothing in it.
pub(crate) fn nothing() -> f64 {
    let began = Instant::now();
    super::ns::in_pid_namespace(&["true"]).status().expect("starts");
    millis(began.elapsed())
}
