//! The table of what is to be reached: an earlier build and today's measured in turns, in one run, each figure beside its target.
//!
//! The readers of cache lines are linked into this program, so an earlier build's are not measured here.

use super::load::Manner;
use super::report::{Report, Target, median, number, table};
use super::server::{self, Kind, Server, setup};
use super::{Plan, cache, memory, ns, orphans, process, replay, scrape, size, start, tee};
use std::time::Duration;

/// What is to be reached.
enum Goal {
    /// So much of what the earlier build takes, at most.
    Before(f64),
    /// So much at most, in the figure's own unit.
    Own(Target),
    /// There is none: the figure explains another one.
    None,
}

/// One line of the table: a figure of each round, of the earlier build (none without one) and of today's.
struct Row {
    what: String,
    before: Vec<f64>,
    today: Vec<f64>,
    goal: Goal,
}

/// The earlier build, if there is one, and today's.
struct Pair {
    before: Option<Plan>,
    today: Plan,
}

/// Figures of one build, a list for each thing measured.
type Figures = Vec<Vec<f64>>;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    report.topic(
        "What is to be reached",
        "Each figure is a median of rounds in which the earlier build and today's take turns. Ratio: today's to the earlier one's \
         of the same round, median, and half of what lies between its quartiles. `processor`: processor time, which other work on \
         the machine does not spoil as it spoils the clock.",
    );
    if let Some(why) = Kind::Ours.missing() {
        return report.left_out(&format!("numbers: {why}"));
    }
    let before = plan.against.clone().map(|binary| Plan { binary, against: None, ..plan.clone() });
    if before.is_none() {
        report.left_out("numbers: an earlier build (--against REV)");
    }
    let pair = Pair { before, today: plan.clone() };
    let parts: [fn(&Pair) -> Vec<Row>; 9] =
        [resident, history, scrapes, rows, output, cache_lines, orphan, first_answer, idle];
    let mut lines = vec![Row {
        what: "binary, MiB".into(),
        before: pair.before.iter().map(|plan| size::size(&plan.binary).expect("is there")).collect(),
        today: vec![size::size(&plan.binary).expect("is there")],
        goal: Goal::Own(Target::AtMost(4.5, "MiB")),
    }];
    for part in parts {
        lines.extend(part(&pair));
        eprintln!("  {}", lines.last().map_or("", |row| row.what.as_str()));
    }
    let cells: Vec<Vec<String>> = lines.iter().map(|row| row.cells(report)).collect();
    table(&["", "before", "today", "ratio", "target", "reached"], &cells);
}

impl Row {
    fn cells(&self, report: &mut Report) -> Vec<String> {
        let (before, today) = (median(self.before.clone()), median(self.today.clone()));
        let mut ratios: Vec<f64> =
            self.today.iter().zip(&self.before).map(|(today, before)| today / before).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |part: usize| ratios.get(ratios.len() * part / 4).copied().unwrap_or(f64::NAN);
        let (ratio, spread) = (at(2), (at(3) - at(1)) / 2.0);
        let known = |value: f64| if value.is_nan() { "–".to_owned() } else { number(value) };
        let shown = if ratio.is_finite() {
            format!("{} ± {}", number(ratio), number(spread))
        } else {
            "–".to_owned()
        };
        let mut cells = vec![self.what.clone(), known(before), known(today), shown];
        cells.extend(match self.goal {
            Goal::Before(share) if ratio.is_finite() => {
                report.judge(&self.what, ratio, Target::AtMost(share, "x before"))
            }
            Goal::Own(target) if today.is_finite() => report.judge(&self.what, today, target),
            Goal::Before(_) | Goal::Own(_) | Goal::None => [String::new(), String::new()],
        });
        cells
    }
}

/// Rounds in which both builds take turns; `measure` gives as many figures as there are names.
fn in_turns(
    pair: &Pair,
    rounds: usize,
    rows: Vec<(String, Goal)>,
    measure: impl Fn(&Plan) -> Vec<f64>,
) -> Vec<Row> {
    let (mut before, mut today): (Figures, Figures) =
        (vec![Vec::new(); rows.len()], vec![Vec::new(); rows.len()]);
    let take = |plan: &Plan, figures: &mut Figures| {
        for (list, figure) in figures.iter_mut().zip(measure(plan)) {
            list.push(figure);
        }
    };
    for _ in 0..rounds {
        pair.before.iter().for_each(|plan| take(plan, &mut before));
        take(&pair.today, &mut today);
    }
    let rows = rows.into_iter().zip(before).zip(today);
    rows.map(|(((what, goal), before), today)| Row { what, before, today, goal }).collect()
}

fn named<const N: usize>(rows: [(&str, Goal); N]) -> Vec<(String, Goal)> {
    rows.into_iter().map(|(what, goal)| (what.to_owned(), goal)).collect()
}

fn pss(server: &Server) -> [f64; 2] {
    let pids = server.pids();
    [pids[0], pids[1]].map(|pid| process::pss(pid) as f64)
}

/// Memory of both roles, idle and busy.
fn resident(pair: &Pair) -> Vec<Row> {
    let tini = ns::program("tini").map_or(f64::NAN, |program| {
        process::pss(memory::beside_a_child(&program.display().to_string()).pid()) as f64
    });
    let init =
        if tini.is_nan() { Goal::None } else { Goal::Own(Target::AtMost(2.5 * tini, "kB (2.5 x tini)")) };
    let (jobs, scrapes) = (pair.today.pick(1000, 20), pair.today.pick(10_000, 300));
    let mut rows = in_turns(
        pair,
        pair.today.pick(3, 1),
        named([
            ("PSS idle, both roles, kB", Goal::Before(0.6)),
            ("- PID 1", init),
            ("- supervisor", Goal::None),
        ]),
        |plan| {
            let [init, supervisor] = pss(&memory::idle(plan));
            vec![init + supervisor, init, supervisor]
        },
    );
    rows.extend(in_turns(
        pair,
        1,
        vec![(format!("PSS after {jobs} jobs and {scrapes} scrapes, kB"), Goal::Before(0.6))],
        |plan| vec![pss(&memory::busy(Kind::Ours, plan, jobs, scrapes)).iter().sum()],
    ));
    rows
}

/// What a long history leaves in memory.
fn history(pair: &Pair) -> Vec<Row> {
    if !pair.today.long {
        return Vec::new();
    }
    let what = "private memory after 100,000 jobs and 1,000,000 scrapes, kB more than after 1,000".to_owned();
    in_turns(pair, 1, vec![(what, Goal::Own(Target::AtMost(64.0, "kB")))], |plan| {
        let server = memory::endless(plan, 1000, 10_000);
        let private = || server.sum(process::private) as f64;
        let early = private();
        for done in 1..=100 {
            memory::work(&server, done * 1000, 10_000);
        }
        vec![private() - early]
    })
}

/// A hundred scrapers at once, none of which may fail.
fn scrapes(pair: &Pair) -> Vec<Row> {
    server::pin(std::process::id().cast_signed(), 1);
    let time = Duration::from_millis(pair.today.pick(2000, 400));
    let mut rows = Vec::new();
    for (manner, word) in [(Manner::Keep, "kept"), (Manner::KeepGzip, "gzip"), (Manner::Fresh, "new")] {
        rows.extend(in_turns(
            pair,
            pair.today.pick(7, 1),
            vec![
                (format!("p99 at 100 connections, {word}, ms"), Goal::Before(0.5)),
                (format!("- processor us a scrape, {word}"), Goal::None),
            ],
            |plan| {
                let server = setup().start(Kind::Ours, plan);
                server.pin();
                let round = scrape::round(&server, 100, manner, time);
                assert_eq!(round.outcome.failures, 0, "scrapes failed");
                vec![round.outcome.quantile(0.99), round.cpu]
            },
        ));
    }
    server::unpin(std::process::id().cast_signed());
    rows
}

/// A start over a long job log, which nobody has read before, and the start after it; both builds write the same columns.
fn rows(pair: &Pair) -> Vec<Row> {
    let sizes: &[usize] = pair.today.pick(&[10_000, 1_000_000], &[1000]);
    let starts = sizes.iter().flat_map(|size| [(*size, false), (*size, true)]);
    let of = |(size, again): (usize, bool)| {
        let text = replay::ours(size);
        let goal = || if size >= 1_000_000 { Goal::Before(0.4) } else { Goal::None };
        let which = if again { ", again" } else { "" };
        let names = vec![
            (format!("start with {} rows{which}, ms", number(size as f64)), goal()),
            ("- processor ms".to_owned(), goal()),
        ];
        in_turns(pair, pair.today.pick(5, 1), names, |plan| {
            let start = replay::start(&text, size, replay::NO_FOLDING, again, plan);
            vec![start.ms, start.cpu]
        })
    };
    starts.flat_map(of).collect()
}

/// The runner's output on its way through us; no byte may be lost.
fn output(pair: &Pair) -> Vec<Row> {
    let mib = pair.today.pick(512, 16);
    let of = |(kind, _): &(&str, &str)| {
        let names = vec![
            (format!("tee / cat, {kind} lines"), Goal::Own(Target::AtLeast(1.0, "x cat"))),
            ("- processor time / cat".to_owned(), Goal::None),
        ];
        in_turns(pair, pair.today.pick(7, 1), names, |plan| {
            let (ours, cat) = (tee::through_us(plan, kind, mib), tee::through_cat(kind, mib));
            vec![ours.speed / cat.speed, ours.cpu / cat.cpu]
        })
    };
    tee::LINES.iter().flat_map(of).collect()
}

fn cache_lines(pair: &Pair) -> Vec<Row> {
    let mib = pair.today.pick(256, 16);
    let today = Pair { before: None, today: pair.today.clone() };
    let of = |(kind, lines): &(&str, &[&str])| {
        let name = vec![(format!("cache lines / cat, {kind}"), Goal::Own(Target::AtMost(1.5, "x cat")))];
        in_turns(&today, today.today.pick(9, 1), name, |_| {
            let round = cache::round(lines, mib);
            vec![round.cpu / round.cat]
        })
    };
    cache::KINDS.iter().flat_map(of).collect()
}

/// What PID 1 spends on a stranger's child; none may stay.
fn orphan(pair: &Pair) -> Vec<Row> {
    let (rounds, orphans) = (pair.today.pick(9, 1), pair.today.pick(10_000, 1000));
    let of = |argv: &[String]| orphans::below(argv, orphans).cpu / orphans as f64 * 1e6;
    let peers = ["dumb-init", "tini"].map(|name| {
        let path = ns::program(name).map(|path| path.display().to_string());
        (0..rounds).filter_map(|_| Some(of(&[path.clone()?, "--".into()]))).collect::<Vec<f64>>()
    });
    let [dumb_init, tini] = peers.map(median);
    let goal =
        if dumb_init.is_nan() { Goal::None } else { Goal::Own(Target::AtMost(dumb_init, "us (dumb-init)")) };
    let name = format!("processor us an orphan (tini {})", number(tini));
    in_turns(pair, rounds, vec![(name, goal)], |plan| {
        let found = orphans::below(&[plan.binary.display().to_string(), "--".into()], orphans);
        assert!(found.zombies < 1.0, "{} zombies stay", found.zombies);
        vec![found.cpu / orphans as f64 * 1e6]
    })
}

/// From exec to the first page, without what a namespace takes.
fn first_answer(pair: &Pair) -> Vec<Row> {
    let rounds = pair.today.pick(25, 2);
    let namespace = median((0..rounds).map(|_| start::nothing()).collect());
    let names = named([
        ("exec to first 200, net, ms", Goal::Own(Target::AtMost(4.0, "ms"))),
        ("- processor ms of both roles", Goal::None),
    ]);
    in_turns(pair, rounds, names, |plan| {
        let server = setup().start(Kind::Ours, plan);
        let cpu = server.cpu_ns() as f64 / 1e6;
        vec![server.first_200.as_secs_f64() * 1e3 - namespace, cpu]
    })
}

/// Idle and not scraped.
fn idle(pair: &Pair) -> Vec<Row> {
    let window = Duration::from_secs(pair.today.pick(60, 3));
    let name = format!("wake-ups in {} s, idle and not scraped", window.as_secs());
    in_turns(pair, 1, vec![(name, Goal::Own(Target::AtMost(0.0, "")))], |plan| {
        let server = memory::idle(plan);
        // What starting set in motion is not idleness.
        std::thread::sleep(Duration::from_secs(2));
        let before = server.sum(process::waits);
        std::thread::sleep(window);
        vec![(server.sum(process::waits) - before) as f64]
    })
}
