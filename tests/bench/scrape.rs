//! Scrapes: how fast, how many, and how many fail.

use super::load::{Manner, Outcome, Until};
use super::report::{Report, Target, median, number, table};
use super::server::{self, KINDS, Kind, Server, setup};
use super::{Plan, load};
use std::time::Duration;

const CONNECTIONS: [usize; 4] = [1, 10, 50, 100];

/// One round's figures.
pub(crate) struct Round {
    pub(crate) outcome: Outcome,
    /// Microseconds of the server's processor time per good answer.
    pub(crate) cpu: f64,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (rounds, time) = (plan.pick(3, 1), Duration::from_millis(plan.pick(2000, 400)));
    report.topic(
        "Scrapes",
        &format!(
            "The server keeps to processor 0, the scraper to processor 1; {rounds} rounds of {} s each, medians. `kept`: connections \
             stay, as Prometheus does it; `gzip`: and the answer is compressed, as Prometheus asks; `new`: one connection per \
             scrape. `CPU us` is the server's own processor time per scrape, and `per CPU s` how many one core could give, \
             whatever else the machine does. node_exporter refuses more than 40 scrapes at once.",
            time.as_secs_f64()
        ),
    );
    server::pin(std::process::id().cast_signed(), 1);
    let mut rows = Vec::new();
    for kind in KINDS {
        if let Some(why) = kind.missing() {
            report.left_out(&format!("scrapes of {why}"));
            continue;
        }
        let peer = setup().start(kind, plan);
        peer.pin();
        let manners: &[(Manner, &str)] = match kind {
            Kind::Ours => &[(Manner::Keep, "kept"), (Manner::KeepGzip, "gzip"), (Manner::Fresh, "new")],
            Kind::Predecessor => &[(Manner::Fresh, "new")],
            Kind::NodeExporter => &[(Manner::Keep, "kept")],
        };
        for (manner, word) in manners {
            for connections in CONNECTIONS {
                let measured: Vec<Round> =
                    (0..rounds).map(|_| round(&peer, connections, *manner, time)).collect();
                rows.push(row(&peer, connections, *manner, word, &measured, report));
            }
        }
    }
    let head =
        ["", "connections", "per s", "p50 ms", "p99 ms", "failed", "CPU us", "per CPU s", "target", "met"];
    table(&head, &rows);
}

pub(crate) fn round(server: &Server, connections: usize, manner: Manner, time: Duration) -> Round {
    let before = server.cpu_ns();
    let outcome = load::run(server.address, connections, manner, Until::Elapsed(time));
    let cpu = server.cpu_ns().saturating_sub(before) as f64 / 1e3 / outcome.good().max(1) as f64;
    Round { outcome, cpu }
}

fn row(
    server: &Server,
    connections: usize,
    manner: Manner,
    word: &str,
    rounds: &[Round],
    report: &mut Report,
) -> Vec<String> {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let failures: usize = rounds.iter().map(|round| round.outcome.failures).sum();
    let asked: usize = rounds.iter().map(|round| round.outcome.good()).sum::<usize>() + failures;
    let (p99, per_cpu) = (of(|r| r.outcome.quantile(0.99)), 1e6 / of(|r| r.cpu));
    let mut cells = vec![format!("{}, {word}", server.kind.name())];
    cells.push(connections.to_string());
    cells.extend([of(|r| r.outcome.per_second()), of(|r| r.outcome.quantile(0.5)), p99].map(number));
    cells.push(if failures == 0 {
        "0".to_owned()
    } else {
        format!("{} %", number(failures as f64 / asked as f64 * 100.0))
    });
    cells.extend([of(|r| r.cpu), per_cpu].map(number));
    if server.kind == Kind::Ours {
        assert_eq!(failures, 0, "scrapes failed, {connections} connections, {word}");
        if connections == 100 && manner == Manner::Fresh {
            cells.extend(report.judge(
                "scrape p99 at 100 connections, new",
                p99,
                Target::AtMost(5.0, "ms p99"),
            ));
        } else if connections == 100 {
            let what = format!("scrapes on one core, {word}");
            cells.extend(report.judge(&what, per_cpu, Target::AtLeast(20_000.0, "per CPU s")));
            let what = format!("scrape p99 at 100 connections, {word}");
            let [target, met] = report.judge(&what, p99, Target::AtMost(5.0, "ms p99"));
            let at = cells.len() - 2;
            cells[at] = format!("{}, {target}", cells[at]);
            cells[at + 1] = format!("{}, {met}", cells[at + 1]);
        }
    }
    cells
}
