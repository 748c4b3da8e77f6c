//! The questions of the dashboards over the whole week, asked as Grafana would ask them, and how long each takes.
//!
//! Include it beside `dashboards`, `prom`, `rules` and `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "a clock times")]
#![allow(clippy::cast_precision_loss, reason = "seconds of a week")]

use super::dashboards::{self, Dashboard, Expression, How, Values};
use super::prom::{Prometheus, encoded};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Seven days, in seconds.
const RANGE: u64 = 7 * 86_400;
/// The scrape interval, as a datasource is told.
const SCRAPE: u64 = 15;
/// Points a wide panel asks for unless it says otherwise: one for each pixel.
const POINTS: u64 = 1200;
/// Steps, in seconds, that Grafana takes: the nearest.
const STEPS: [u64; 20] =
    [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
const ROUNDS: usize = 3;

/// What Grafana is asked to show, in seconds: up to `end`, so long, in panels of so many pixels.
pub struct View {
    pub end: u64,
    pub range: u64,
    pub points: u64,
}

/// One question, as it goes to Prometheus.
pub struct Question {
    /// Where it stands.
    pub place: String,
    path: String,
}

/// How long it took, the median of three, how long the processors were busy with it, the mean, and what came.
pub struct Answer {
    pub place: String,
    pub took: Duration,
    pub cpu: Duration,
    pub series: usize,
    pub bytes: usize,
}

/// Every question, each once though it may stand in many places; the week ends at `end`, seconds since 1970.
pub fn questions(dashboards: &[Dashboard], end: u64) -> Vec<Question> {
    let view = View { end, range: RANGE, points: POINTS };
    let mut paths = BTreeMap::new();
    for dashboard in dashboards {
        for expression in dashboard.expressions() {
            let place = format!(
                "{} / {} {}",
                expression.file.trim_end_matches(".json"),
                expression.title,
                expression.reference
            );
            paths.entry(view.path(dashboard, &expression)).or_insert(place.trim_end().to_owned());
        }
    }
    paths.into_iter().map(|(path, place)| Question { place, path }).collect()
}

/// Every rule, as it is evaluated once at `end`.
pub fn rules(end: u64) -> Vec<Question> {
    let all = super::rules::all();
    let path = |expression: &str| format!("/api/v1/query?query={}&time={end}", encoded(expression));
    all.iter().map(|rule| Question { place: rule.name(), path: path(rule.expr()) }).collect()
}

/// Asks each three times and gives the slowest first.
pub fn ask(prometheus: &Prometheus, questions: &[Question]) -> Vec<Answer> {
    let mut answers: Vec<_> = questions.iter().map(|question| once(prometheus, question)).collect();
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.took));
    answers
}

fn once(prometheus: &Prometheus, question: &Question) -> Answer {
    let mut times = Vec::new();
    let before = prometheus.cpu();
    let mut body = Value::Null;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let reply = prometheus.get(&question.path).expect("an answer");
        times.push(started.elapsed());
        assert_eq!(reply.status, 200, "{}: {}", question.place, reply.text());
        (body, bytes) = (reply.json(), reply.body.len());
    }
    let cpu = prometheus.cpu().saturating_sub(before) / u32::try_from(ROUNDS).expect("a few");
    times.sort();
    let result = if body["data"].is_array() { &body["data"] } else { &body["data"]["result"] };
    let series = dashboards::list(result).len();
    Answer { place: question.place.clone(), took: times[ROUNDS / 2], cpu, series, bytes }
}

impl View {
    /// One expression of a dashboard, as Grafana asks for it.
    pub fn path(&self, dashboard: &Dashboard, expression: &Expression) -> String {
        let View { end, range, points } = self;
        let is_its = |panel: &&Value| panel["id"].as_u64() == expression.panel;
        let panel = dashboard.panels().iter().find(is_its).unwrap_or(&Value::Null);
        let least = match expression.how {
            How::Annotation => 60,
            How::Instant | How::Range | How::Variable => panel["interval"].as_str().map_or(SCRAPE, seconds),
        };
        let wanted = range / panel["maxDataPoints"].as_u64().unwrap_or(*points);
        let step = STEPS.into_iter().min_by_key(|step| step.abs_diff(wanted)).expect("some").max(least);
        let values = Values {
            runner_type: ".+",
            runner_name: ".*",
            rate_interval: &format!("{}s", (step + SCRAPE).max(4 * SCRAPE)),
            range: &format!("{range}s"),
            interval: &format!("{step}s"),
            range_s: &range.to_string(),
        };
        let query = encoded(&expression.with(&values));
        // Grafana aligns a range to its step, and an instant to nothing.
        let (from, to) = ((end - range) / step * step, end / step * step);
        match expression.how {
            How::Instant => format!("/api/v1/query?query={query}&time={end}"),
            How::Range | How::Annotation => {
                format!("/api/v1/query_range?query={query}&start={from}&end={to}&step={step}")
            }
            How::Variable => {
                let label = expression.label.as_deref().expect("label_values has one");
                format!("/api/v1/label/{label}/values?match[]={query}&start={from}&end={to}")
            }
        }
    }
}

/// `15s`, `1m`, `2h`, `1d`
fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => panic!("unit {other}"),
    };
    number.parse::<u64>().expect("a number") * unit
}
