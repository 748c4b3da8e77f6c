//! A larger fleet than can be lived through: each runner of a written week is there many times, under other names, in another Prometheus.
//!
//! Include it beside `dashboards`, `prom`, `week_load`, `week_write` and `wire`. What is recorded is there whole, for the dashboards read
//! the past from it. What was scraped is there as far back as the rules look, and before that twice a day, so that every index has it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_possible_truncation, reason = "times below 2^53")]

use super::dashboards::{list, text};
use super::prom::Prometheus;
use super::week_load::{DAY, HOUR, MINUTE};
use super::week_write::{self, Writer};
use serde_json::Value;
use std::collections::BTreeMap;

/// As far back as the rules look at what was scraped, but for the one that foretells how full a disk will be.
const RECENT: i64 = 65 * MINUTE;
/// Every half a day, and everything of the recent past; the forecast's six hours are three more of its gauge.
const SPARSE: &str = "12h";
/// What is written at once: Prometheus takes nothing that is an hour older than its newest sample.
const WINDOW: i64 = HOUR / 2;

/// One series, by the labels of each copy.
struct Series {
    labels: Vec<BTreeMap<String, String>>,
    /// Milliseconds and value, in order.
    samples: Vec<(i64, f64)>,
}

/// Writes the seven days to `end`, in milliseconds since 1970, into an empty one; how many samples these are.
pub fn copy(from: &Prometheus, into: &Prometheus, copies: usize, end: i64) -> usize {
    let series = read(from, copies, end);
    let mut writer = Writer::to(into.address());
    let mut written = 0;
    let mut begin = end - 7 * DAY - WINDOW;
    while begin <= end + WINDOW {
        for copy in 0..copies {
            let mut request = Vec::new();
            for it in &series {
                let at = |time: i64| it.samples.partition_point(|(at, _)| *at < time);
                let part = &it.samples[at(begin)..at(begin + WINDOW)];
                if let (Some(labels), false) = (it.labels.get(copy), part.is_empty()) {
                    week_write::add(&mut request, labels, part);
                    written += part.len();
                }
            }
            if !request.is_empty() {
                writer.send(&request);
            }
        }
        begin += WINDOW;
    }
    written
}

fn read(from: &Prometheus, copies: usize, end: i64) -> Vec<Series> {
    let names = from.get("/api/v1/label/__name__/values").expect("an answer").json();
    let mut all = Vec::new();
    for name in list(&names["data"]).iter().map(text) {
        let mut found: BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>> = BTreeMap::new();
        let recent = format!("{}m", RECENT / MINUTE);
        let parts = if name.contains(':') {
            vec![(format!("{{__name__=\"{name}\"}}[8d]"), i64::MAX)]
        } else {
            let sparse = format!("{{__name__=\"{name}\"}}[7d:{SPARSE}]");
            vec![(sparse, end - RECENT), (format!("{{__name__=\"{name}\"}}[{recent}]"), i64::MAX)]
        };
        for (question, before) in parts {
            // What is recorded goes on a little.
            let series = from.query(&question, Some(end as f64 / 1000.0)).expect("an answer");
            for it in &series {
                let labels = it["metric"].as_object().expect("labels");
                let labels = labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
                let samples = list(&it["values"]).iter().map(sample).filter(|(at, _)| *at < before);
                found.entry(labels).or_default().extend(samples);
            }
        }
        all.extend(
            found.into_iter().map(|(labels, samples)| Series { labels: named(labels, copies), samples }),
        );
    }
    all
}

fn sample(pair: &Value) -> (i64, f64) {
    let value = pair[1].as_str().and_then(|value| value.parse().ok());
    ((pair[0].as_f64().expect("a time") * 1000.0).round() as i64, value.expect("a number"))
}

/// What is a runner's is there once for each copy of it; what is of all of them, once.
fn named(labels: BTreeMap<String, String>, copies: usize) -> Vec<BTreeMap<String, String>> {
    const WHOSE: [&str; 2] = ["runner_name", "instance"];
    if WHOSE.iter().all(|name| !labels.contains_key(*name)) {
        return vec![labels];
    }
    let other = |copy: usize| {
        let mut labels = labels.clone();
        for name in WHOSE {
            if let Some(value) = labels.get_mut(name).filter(|_| copy > 0) {
                *value = format!("{value}~{copy}");
            }
        }
        labels
    };
    (0..copies).map(other).collect()
}
