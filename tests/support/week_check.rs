//! Every panel that counts jobs shows what the ledger says: equal, not near.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]

use super::dashboards::{self, How, Values, list, text};
use super::prom::{Prometheus, encoded};
use super::week_ledger::{Figures, Ledger};
use serde_json::Value;

/// A little more than the week at both ends: the rules are evaluated up to a minute later than what they tell of.
const MORE: i64 = 180;
const RANGE: i64 = 7 * 86_400 + 2 * MORE;

/// What a week need not have.
pub fn may_be_empty(place: &str) -> bool {
    // Nobody's log was at fault in it, or it is asked of a chosen runner alone.
    ["Log and leftovers"].iter().any(|title| place.contains(title))
}

/// Panel, target, the label by which it is told apart, and what it should say.
type Expected = (&'static str, &'static str, &'static str, Figures);

fn one(value: f64) -> Figures {
    [(String::new(), value)].into()
}

fn expected(ledger: &Ledger) -> Vec<Expected> {
    let rate = ledger.success_rate();
    let [good, bad, known] = ledger.deployments();
    let bounds = [
        10.0,
        30.0,
        60.0,
        120.0,
        300.0,
        600.0,
        1200.0,
        1800.0,
        3600.0,
        7200.0,
        14_400.0,
        21_600.0,
        f64::INFINITY,
    ];
    let distribution = bounds.iter().map(|bound| (bound.to_string(), ledger.below(*bound))).collect();
    let deployments: Figures = [("success".to_owned(), good), ("failed".to_owned(), bad)].into();
    vec![
        ("Jobs ended", "A", "status", ledger.by_status()),
        ("Jobs by result over time", "A", "status", ledger.by_status()),
        ("Jobs by result over time", "A_total", "status", ledger.by_status()),
        ("Failure rate", "A", "", one(1.0 - rate)),
        ("Success rate", "A", "", one(rate)),
        ("Mean duration", "A", "", one(ledger.mean())),
        ("Distribution of durations", "A", "le", distribution),
        ("Results by runner", "A", "runner_name", ledger.by_runner()),
        ("Runners compared", "A", "runner_name", ledger.by_runner()),
        ("Deployments in range", "A", "status", deployments.clone()),
        ("Deployments", "A", "status", deployments),
        ("Change failure rate", "A", "", one(bad / (good + bad))),
        ("Known lead time", "A", "", one(known / good)),
        ("Deployment frequency", "A", "", one(good / RANGE as f64 * 86_400.0)),
    ]
}

/// `end` is in seconds since 1970, on an hour.
pub fn every_job_panel_is_its_ledger(prometheus: &Prometheus, ledger: &Ledger, end: i64) {
    let expressions: Vec<_> = dashboards::all().iter().flat_map(dashboards::Dashboard::expressions).collect();
    let [range, range_s] = [format!("{RANGE}s"), RANGE.to_string()];
    let values = Values {
        runner_type: ".+",
        runner_name: ".*",
        rate_interval: "1h",
        range: &range,
        interval: "1h",
        range_s: &range_s,
    };
    assert!(ledger.0.len() > 500, "{} jobs", ledger.0.len());
    let ephemeral = ledger.0.iter().filter(|it| it.runner.is_none()).count();
    assert!(ephemeral > 100, "{ephemeral} jobs of ephemeral runners");
    for (title, reference, label, want) in expected(ledger) {
        let asked = expressions.iter().filter(|it| it.title == title && it.reference == reference);
        let mut seen = 0;
        for expression in asked {
            seen += 1;
            let query = encoded(&expression.with(&values));
            let path = match expression.how {
                // Steps that follow one another without a gap.
                How::Range => format!(
                    "/api/v1/query_range?query={query}&start={}&end={}&step=3600",
                    end - 7 * 86_400,
                    end + 3600
                ),
                _ => format!("/api/v1/query?query={query}&time={}", end + MORE),
            };
            let reply = prometheus.get(&path).expect("an answer");
            assert_eq!(reply.status, 200, "{title}: {}", reply.text());
            let mut shown = Figures::new();
            for series in list(&reply.json()["data"]["result"]) {
                let points = list(&series["values"]).iter().chain(series.get("value"));
                let name = text(&series["metric"][label]);
                let name = if label == "le" { bound(&name) } else { name };
                *shown.entry(name).or_default() += points.map(number).sum::<f64>();
            }
            // What was counted as none need not be said.
            let some = |figures: &Figures| -> Figures {
                figures
                    .iter()
                    .filter(|(_, value)| **value != 0.0)
                    .map(|(name, value)| (name.clone(), *value))
                    .collect()
            };
            let (shown, want) = (some(&shown), some(&want));
            let fits = |(one, other): (&f64, &f64)| (one - other).abs() <= other.abs() * 1e-12;
            let agrees = shown.keys().eq(want.keys()) && shown.values().zip(want.values()).all(fits);
            assert!(agrees, "{} / {title}: shown {shown:?}, and it was {want:?}", expression.file);
        }
        assert!(seen > 0, "no panel {title} {reference}");
    }
}

fn bound(le: &str) -> String {
    le.replace("+Inf", "inf").parse::<f64>().map_or(le.to_owned(), |number| number.to_string())
}

fn number(pair: &Value) -> f64 {
    pair[1].as_str().expect("a text").parse().expect("a number")
}
