//! The first hour of a fleet, by a clock that is the test's: scraped every 15 s, its rules evaluated as Prometheus does.
//!
//! Include it beside `dashboards`, `prom`, `rules`, `week`, `week_board`, `week_ledger`, `week_load`, `week_write` and `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use super::dashboards::{list, text};
use super::prom::Prometheus;
use super::rules;
use super::week::Fleet;
use super::week_board::STALE;
use super::week_ledger::Ledger;
use super::week_load::{MINUTE, SECOND, TICK};
use super::week_write::{self, Writer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rules of one group, and when it is evaluated.
struct Group {
    interval: i64,
    phase: i64,
    rules: Vec<rules::Rule>,
    /// What each has said last, by labels.
    said: Vec<BTreeSet<BTreeMap<String, String>>>,
}

/// A fleet whose clock is the test's, and a Prometheus that scrapes it and evaluates the rules as they are shipped.
pub struct Young {
    pub prometheus: Prometheus,
    fleet: Fleet,
    writer: Writer,
    groups: Vec<Group>,
    begin: i64,
    now: i64,
}

impl Young {
    /// `begin` is in milliseconds since 1970.
    pub fn new(prometheus: Prometheus, runners: usize, slots: usize, begin: i64) -> Young {
        let writer = Writer::to(prometheus.address());
        let fleet = Fleet::young(runners, slots, begin);
        Young { prometheus, fleet, writer, groups: groups(), begin, now: begin }
    }

    /// Lives on until it is so many minutes old; gives the time in seconds.
    pub fn until(&mut self, minutes: i64) -> u64 {
        self.go_on(minutes, Fleet::tick)
    }

    /// Until what has happened is told: two minutes in which nothing does.
    pub fn settle(&mut self) -> u64 {
        let minutes = (self.now - self.begin) / MINUTE;
        self.go_on(minutes + 2, Fleet::rest)
    }

    fn go_on(&mut self, minutes: i64, tick: fn(&mut Fleet, i64) -> Vec<u8>) -> u64 {
        while self.now < self.begin + minutes * MINUTE {
            self.now += TICK;
            self.writer.send(&tick(&mut self.fleet, self.now));
            self.evaluate();
        }
        u64::try_from(self.now / 1000).expect("after 1970")
    }

    pub fn ledger(&self) -> Ledger {
        self.fleet.ledger()
    }

    /// Each group whose turn came since the last tick: one rule after the other, as each may read what those before it have said.
    fn evaluate(&mut self) {
        for group in &mut self.groups {
            let turn = (self.now - self.begin - group.phase).div_euclid(group.interval) * group.interval;
            let at = self.begin + group.phase + turn;
            if at <= self.now - TICK || at < self.begin {
                continue;
            }
            for (rule, said) in group.rules.iter().zip(&mut group.said) {
                let answer =
                    self.prometheus.query(rule.expr(), Some(at as f64 / 1000.0)).expect("it listens");
                let mut request = Vec::new();
                let mut now = BTreeSet::new();
                for series in &answer {
                    let labels = labels(rule.record().expect("it records"), &series["metric"]);
                    let value = series["value"][1].as_str().expect("a text").parse().expect("a number");
                    week_write::add(&mut request, &labels, &[(at, value)]);
                    now.insert(labels);
                }
                for gone in said.difference(&now) {
                    week_write::add(&mut request, gone, &[(at, STALE)]);
                }
                if !request.is_empty() {
                    self.writer.send(&request);
                }
                *said = now;
            }
        }
    }
}

/// Those that record; each at a second of its own, as Prometheus spreads them.
fn groups() -> Vec<Group> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/prometheus/rules");
    let read = |name: &str| rules::yaml(&std::fs::read_to_string(dir.join(name)).expect("readable"));
    let files = ["events.yml", "recording.yml"].map(read);
    let all = files.iter().flat_map(|file| {
        let all = rules::rules(file);
        list(&file["groups"]).iter().enumerate().map(move |(number, group)| {
            let rules: Vec<_> = all.iter().filter(|rule| rule.place.0 == number).cloned().collect();
            (text(&group["interval"]), rules)
        })
    });
    let spread = all.zip([50, 53, 31, 7, 42, 19, 58]).map(|((interval, rules), second)| {
        let interval = interval.strip_suffix('m').and_then(|it| it.parse::<i64>().ok()).expect("minutes");
        Group {
            interval: interval * MINUTE,
            phase: second * SECOND,
            said: vec![BTreeSet::new(); rules.len()],
            rules,
        }
    });
    spread.collect()
}

fn labels(name: &str, metric: &Value) -> BTreeMap<String, String> {
    let own = metric.as_object().expect("labels").iter().filter(|(label, _)| *label != "__name__");
    let own = own.map(|(label, value)| (label.clone(), text(value)));
    own.chain([("__name__".to_owned(), name.to_owned())]).collect()
}
