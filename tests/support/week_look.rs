//! What the dashboards say of a fleet: what is empty, and what is said in two ways. Asked as Grafana would.
//!
//! Include it beside `dashboards`, `prom`, `week_ask`, `week_ledger` and `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]

use super::dashboards::{Dashboard, Expression, list, text};
use super::prom::Prometheus;
use super::week_ask::View;
use super::week_ledger::{Figures, Ledger};
use serde_json::Value;

/// Seconds: ten minutes, an hour, a day.
pub const RANGES: [u64; 3] = [600, 3600, 86_400];
/// Of a panel that is a third of a screen wide: a day is drawn in steps of five minutes.
const POINTS: u64 = 400;
/// What has just happened is recorded within so many seconds.
const RECORDED: u64 = 90;

/// What need not have happened within an hour: the panel, which of its targets, and the counter that must not have moved then; none
/// where an hour is not enough.
const MAY_BE_EMPTY: [(&str, &str, &str); 8] = [
    ("Failed deployment recovery time", "AB", "github_runner_recovery_time_seconds_count"),
    ("Recovery time over time", "A", "github_runner_recovery_time_seconds_count"),
    ("Queue time unknown", "A", "github_runner_queue_time_unknown_total"),
    ("GitHub API refusals", "A", "github_runner_github_api_requests_total{code!~\"[23]..\"}"),
    ("Log and leftovers", "A", "github_runner_journal_faults_total"),
    ("Log and leftovers", "B", "github_runner_output_dropped_lines_total"),
    ("Log and leftovers", "D", "github_runner_reports_refused_total"),
    ("Disk in 24 hours", "B", ""),
];

const JOBS: &str = "job-analysis.json";
const OVERVIEW: &str = "runner-overview.json";
const DORA: &str = "dora-metrics.json";

/// What is asked, and its answers in one place and in others.
type Question = (&'static str, Figures, Vec<Figures>);

/// One target's answer: labels, and the finite values.
type Series = (Value, Vec<f64>);

/// Every panel of every dashboard, as Grafana would ask for it.
pub struct Look<'a> {
    pub prometheus: &'a Prometheus,
    pub boards: &'a [Dashboard],
    pub view: View,
}

impl<'a> Look<'a> {
    pub fn new(prometheus: &'a Prometheus, boards: &'a [Dashboard], end: u64, range: u64) -> Look<'a> {
        Look { prometheus, boards, view: View { end, range, points: POINTS } }
    }

    /// Of a panel's target.
    fn answer(&self, board: &Dashboard, panel: &Value, reference: &str) -> Vec<Series> {
        let expressions = board.expressions();
        let is_it = |it: &&Expression| it.panel == panel["id"].as_u64() && it.reference == reference;
        let expression = expressions.iter().find(is_it).expect("its target");
        let reply = self.prometheus.get(&self.view.path(board, expression)).expect("an answer");
        assert_eq!(reply.status, 200, "{}: {}", panel["title"], reply.text());
        let body = reply.json();
        let series = list(&body["data"]["result"]).iter().map(|series| {
            let points = list(&series["values"]).iter().chain(series.get("value"));
            let values =
                points.map(|pair| pair[1].as_str().expect("a text").parse::<f64>().expect("a number"));
            (series["metric"].clone(), values.filter(|value| value.is_finite()).collect())
        });
        series.filter(|(_, values): &Series| !values.is_empty()).collect()
    }

    /// What is empty and has something to tell.
    pub fn silent(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for board in self.boards {
            for panel in board.panels() {
                for target in list(&panel["targets"]) {
                    let reference = text(&target["refId"]);
                    if reference.ends_with("_total") || !self.answer(board, panel, &reference).is_empty() {
                        continue;
                    }
                    let title = text(&panel["title"]);
                    let counter = MAY_BE_EMPTY.iter().find(|it| it.0 == title && it.1.contains(&reference));
                    if counter.is_none_or(|(_, _, counter)| !counter.is_empty() && self.has_moved(counter)) {
                        faults.push(format!(
                            "{} / {title} {reference}: empty over {} s",
                            board.file, self.view.range
                        ));
                    }
                }
            }
        }
        faults
    }

    /// Within the range, and long enough ago to have been recorded.
    fn has_moved(&self, counter: &str) -> bool {
        let range = self.view.range;
        let moved =
            format!("sum({counter} offset {RECORDED}s) - (sum({counter} offset {range}s) or vector(0)) > 0");
        !self.prometheus.query(&moved, Some(self.view.end as f64)).expect("it listens").is_empty()
    }

    /// The panel of this title, in this dashboard.
    fn panel(&self, file: &str, title: &str) -> (&Dashboard, &Value) {
        let board = self.boards.iter().find(|board| board.file == file).expect("the dashboard");
        (board, board.panels().iter().find(|panel| panel["title"] == title).expect("the panel"))
    }

    /// By one label of a target: the sums of what it has.
    fn by(&self, file: &str, title: &str, reference: &str, label: &str) -> Figures {
        let (board, panel) = self.panel(file, title);
        let mut figures = Figures::new();
        for (metric, values) in self.answer(board, panel, reference) {
            *figures.entry(text(&metric[label])).or_default() += values.iter().sum::<f64>();
        }
        some(figures)
    }

    /// The legend's totals: of each series that it names, by name.
    fn legend(&self, file: &str, title: &str) -> Figures {
        let (board, panel) = self.panel(file, title);
        let mut figures = Figures::new();
        for target in list(&panel["targets"]) {
            let reference = text(&target["refId"]);
            if hidden_from_legend(panel, &reference) {
                continue;
            }
            for (metric, values) in self.answer(board, panel, &reference) {
                let labels = metric.as_object().expect("labels").iter();
                let name = labels.fold(text(&target["legendFormat"]), |name, (label, value)| {
                    name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default())
                });
                *figures.entry(name).or_default() += values.iter().sum::<f64>();
            }
        }
        some(figures)
    }

    /// Every question that is answered in more than one place, and the answers that differ.
    pub fn contradictions(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (question, first, others) in
            self.of_jobs().into_iter().chain(self.of_deployments()).chain(self.of_runners())
        {
            let differing = others.iter().filter(|other| !agree(&first, other));
            faults.extend(differing.map(|other| {
                format!("{question} over {} s: {first:?}, and elsewhere {other:?}", self.view.range)
            }));
        }
        faults
    }

    fn of_jobs(&self) -> Vec<Question> {
        let tile = self.by(JOBS, "Jobs ended", "A", "status");
        let abandoned = one(tile.get("abandoned").copied().unwrap_or_default());
        let killed = self.legend(JOBS, "What killed jobs");
        let success = self.by(OVERVIEW, "Success rate", "A", "").values().sum::<f64>();
        vec![
            (
                "jobs",
                all(&tile),
                vec![
                    all(&self.by(JOBS, "Runners compared", "A", "runner_name")),
                    all(&self.by(OVERVIEW, "Runners", "E", "runner_name")),
                ],
            ),
            (
                "abandoned jobs",
                abandoned,
                vec![
                    one(killed.get("abandoned jobs").copied().unwrap_or_default()),
                    all(&self.by(JOBS, "Runners compared", "C", "runner_name")),
                ],
            ),
            (
                "failure rate",
                failure_rate(&tile),
                vec![self.by(JOBS, "Failure rate", "A", ""), one(1.0 - success)],
            ),
            (
                "jobs by result",
                tile,
                vec![
                    self.legend(OVERVIEW, "Jobs ended"),
                    self.legend(JOBS, "Jobs by result over time"),
                    self.by(JOBS, "Results by runner", "A", "status"),
                ],
            ),
        ]
    }

    fn of_deployments(&self) -> Vec<Question> {
        let tile = self.by(DORA, "Deployments in range", "A", "status");
        let days = self.view.range as f64 / 86_400.0;
        let a_day = self.by(DORA, "Deployment frequency", "A", "").values().sum::<f64>();
        vec![
            ("deployments", one(tile.get("success").copied().unwrap_or_default()), vec![one(a_day * days)]),
            ("change failure rate", failure_rate(&tile), vec![self.by(DORA, "Change failure rate", "A", "")]),
            ("deployments by result", tile, vec![self.legend(DORA, "Deployments")]),
        ]
    }

    fn of_runners(&self) -> Vec<Question> {
        let restarts = self.legend(OVERVIEW, "Restarts by reason");
        // Of those that leave after a job there is a row only while they are there.
        let lasting = self.by(OVERVIEW, "Runners", "B", "ephemeral").get("false").copied();
        vec![
            (
                "restarts",
                all(&restarts),
                vec![
                    all(&self.by(JOBS, "Runners compared", "J", "runner_name")),
                    all(&self.by(OVERVIEW, "Runners", "F", "runner_name")),
                ],
            ),
            (
                "runners that stay",
                one(lasting.unwrap_or_default()),
                vec![one(self.rows(JOBS, "Runners compared", "F"))],
            ),
            (
                "runners",
                all(&self.by(OVERVIEW, "Online", "B", "")),
                vec![
                    all(&self.by(OVERVIEW, "Runners by state", "A", "state")),
                    one(self.rows(OVERVIEW, "Runners", "A")),
                ],
            ),
        ]
    }

    /// Jobs and deployments by result, as the tiles show them over everything, beside what happened.
    pub fn beside(&self, ledger: &Ledger) -> [(Figures, Figures); 2] {
        let [good, bad, _] = ledger.deployments();
        let deployments = [("success".to_owned(), good), ("failed".to_owned(), bad)].into();
        [
            (self.by(JOBS, "Jobs ended", "A", "status"), some(ledger.by_status())),
            (self.by(DORA, "Deployments in range", "A", "status"), some(deployments)),
        ]
    }

    fn rows(&self, file: &str, title: &str, reference: &str) -> f64 {
        let (board, panel) = self.panel(file, title);
        self.answer(board, panel, reference).len() as f64
    }
}

/// The same without the totals of their own that legends have: each then adds up what is drawn.
pub fn bars_alone(boards: &[Dashboard]) -> Vec<Dashboard> {
    let mut boards = boards.to_vec();
    for panel in boards.iter_mut().flat_map(|board| board.json["panels"].as_array_mut().expect("panels")) {
        if let Some(targets) = panel["targets"].as_array_mut() {
            targets.retain(|target| !text(&target["refId"]).ends_with("_total"));
        }
        if let Some(overrides) = panel["fieldConfig"]["overrides"].as_array_mut() {
            overrides.retain(|it| it["matcher"]["id"] != "byFrameRefID");
        }
    }
    boards
}

/// The same where an interval is drawn once it is over.
pub fn looking_back(boards: &[Dashboard]) -> Vec<Dashboard> {
    let back = |board: &Dashboard| {
        let json = board.json.to_string().replace(" offset -$__interval", "");
        Dashboard { file: board.file.clone(), json: serde_json::from_str(&json).expect("still JSON") }
    };
    boards.iter().map(back).collect()
}

/// Whether an override keeps a target's series out of the legend.
fn hidden_from_legend(panel: &Value, reference: &str) -> bool {
    list(&panel["fieldConfig"]["overrides"]).iter().any(|it| {
        let properties = list(&it["properties"]).iter();
        it["matcher"]["id"] == "byFrameRefID"
            && it["matcher"]["options"] == reference
            && properties.into_iter().any(|it| it["id"] == "custom.hideFrom" && it["value"]["legend"] == true)
    })
}

fn all(figures: &Figures) -> Figures {
    one(figures.values().sum())
}

fn failure_rate(results: &Figures) -> Figures {
    let [good, bad] = ["success", "failed"].map(|name| results.get(name).copied().unwrap_or_default());
    one(bad / (good + bad))
}

fn one(value: f64) -> Figures {
    some([(String::new(), value)].into())
}

/// What was counted as none need not be said.
fn some(mut figures: Figures) -> Figures {
    figures.retain(|_, value| *value != 0.0 && value.is_finite());
    figures
}

fn agree(one: &Figures, other: &Figures) -> bool {
    let fits = |(one, other): (&f64, &f64)| (one - other).abs() <= other.abs() * 1e-9;
    one.keys().eq(other.keys()) && one.values().zip(other.values()).all(fits)
}
