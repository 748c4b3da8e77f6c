//! The dashboards as data: every expression of every one of them, and what an expression may speak of.
//!
//! Include it alone; it needs no other part.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use runner_init::telemetry::catalog::{self, Kind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One dashboard.
#[derive(Clone)]
pub struct Dashboard {
    /// `runner-overview.json`
    pub file: String,
    pub json: Value,
}

/// How Grafana asks for an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Instant,
    Range,
    /// `label_values(expression, label)`
    Variable,
    Annotation,
}

/// One expression as it stands in the file.
#[derive(Clone, Debug)]
pub struct Expression {
    pub file: String,
    /// The panel's id; none for variables and annotations.
    pub panel: Option<u64>,
    /// Title of the panel, name of the variable or the annotation.
    pub title: String,
    /// `refId`; empty for variables and annotations.
    pub reference: String,
    pub how: How,
    /// `PromQL` with Grafana's variables in it; of a variable its selector.
    pub text: String,
    /// The label a variable takes its values from.
    pub label: Option<String>,
}

/// What Grafana would put in place of its variables.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    pub runner_type: &'a str,
    pub runner_name: &'a str,
    /// A duration, as `5m`; at least four scrape intervals.
    pub rate_interval: &'a str,
    pub range: &'a str,
    pub interval: &'a str,
}

impl Expression {
    /// As Prometheus gets it.
    pub fn with(&self, values: &Values<'_>) -> String {
        let pairs = [
            ("$__rate_interval", values.rate_interval),
            ("$__range", values.range),
            ("$__interval", values.interval),
            ("$runner_type", values.runner_type),
            ("$runner_name", values.runner_name),
        ];
        pairs.iter().fold(self.text.clone(), |text, (name, value)| text.replace(name, value))
    }
}

/// All of them, by name of the file.
pub fn all() -> Vec<Dashboard> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana");
    let entries = std::fs::read_dir(&dir).expect("the dashboards are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &Path| Dashboard {
        file: path.file_name().expect("a name").to_string_lossy().into_owned(),
        json: serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON"),
    };
    paths.iter().map(|path| read(path)).collect()
}

impl Dashboard {
    pub fn panels(&self) -> &[Value] {
        list(&self.json["panels"])
    }

    /// Variables first, then annotations, then panels in their order.
    pub fn expressions(&self) -> Vec<Expression> {
        let variables = list(&self.json["templating"]["list"]).iter().filter_map(|it| self.variable(it));
        let annotations = list(&self.json["annotations"]["list"]).iter().map(|it| Expression {
            text: text(&it["expr"]),
            ..self.blank(text(&it["name"]), How::Annotation)
        });
        let panels = self.panels().iter().flat_map(|panel| {
            list(&panel["targets"]).iter().map(|target| Expression {
                panel: panel["id"].as_u64(),
                reference: text(&target["refId"]),
                text: text(&target["expr"]),
                ..self.blank(
                    text(&panel["title"]),
                    if target["instant"] == true { How::Instant } else { How::Range },
                )
            })
        });
        variables.chain(annotations).chain(panels).collect()
    }

    fn variable(&self, variable: &Value) -> Option<Expression> {
        let query = variable["query"]["query"].as_str()?;
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or((query, ""));
        let label = Some(label.trim().to_owned()).filter(|label| !label.is_empty());
        Some(Expression {
            text: selector.to_owned(),
            label,
            ..self.blank(text(&variable["name"]), How::Variable)
        })
    }

    fn blank(&self, title: String, how: How) -> Expression {
        let (file, reference) = (self.file.clone(), String::new());
        Expression { file, panel: None, title, reference, how, text: String::new(), label: None }
    }
}

/// What is wrong with the names in an expression: metrics, labels and label values nobody has. Variables may
/// still be in it.
pub fn unknown(expression: &str) -> Vec<String> {
    let said = Said::of(expression);
    let mut faults = Vec::new();
    let mut grouped: BTreeSet<&str> = FOREIGN_LABELS.into();
    for (metric, matchers) in &said.selectors {
        let Some(labels) = labels(metric) else {
            faults.push(format!("no such metric: {metric}"));
            continue;
        };
        for (label, value) in matchers {
            match labels.get(label.as_str()) {
                None => faults.push(format!("{metric} has no label {label}")),
                Some(values) => faults.extend(
                    strangers(value, values).map(|word| format!("{metric} has no {label}=\"{word}\"")),
                ),
            }
        }
        grouped.extend(labels.keys());
    }
    faults.extend(
        said.grouped
            .iter()
            .filter(|label| !grouped.contains(label.as_str()))
            .map(|label| format!("groups by {label}, which none of its metrics has")),
    );
    if said.selectors.is_empty() {
        faults.push("speaks of no metric".to_owned());
    }
    faults
}

/// The labels a scrape adds.
const FOREIGN_LABELS: [&str; 2] = ["instance", "job"];
/// Series that Prometheus itself makes of a scrape.
const FOREIGN: [&str; 2] = ["up", "scrape_duration_seconds"];
/// Of the supervisor's own process, by a library.
const PROCESS: [&str; 6] = [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_start_time_seconds",
    "process_threads",
];

type Labels = BTreeMap<&'static str, &'static [&'static str]>;

/// The labels of a metric and their values where they are known; none if there is no such metric.
fn labels(metric: &str) -> Option<Labels> {
    let mut labels: Labels = FOREIGN_LABELS.iter().map(|label| (*label, &[][..])).collect();
    if FOREIGN.contains(&metric) {
        return Some(labels);
    }
    labels.extend([("runner_name", &[][..]), ("runner_type", &[][..])]);
    if PROCESS.contains(&metric) {
        return Some(labels);
    }
    let parts = ["_bucket", "_sum", "_count"];
    let found = catalog::ALL.iter().find_map(|family| match family.kind {
        Kind::Histogram => {
            let part = metric.strip_prefix(family.name)?;
            parts.contains(&part).then_some((family, part == "_bucket"))
        }
        Kind::Counter | Kind::FloatCounter | Kind::SampledCounter | Kind::Gauge => {
            (family.name == metric).then_some((family, false))
        }
    });
    let (family, bucket) = found?;
    labels.extend(family.labels.iter().map(|label| (label.name, label.values)));
    labels.extend(bucket.then_some(("le", &[][..])));
    Some(labels)
}

/// The words of a matcher that are no value of the label; a regular expression is read as far as it is a list of words.
fn strangers<'a>(value: &'a str, values: &'static [&'static str]) -> impl Iterator<Item = &'a str> {
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    value.split('|').filter(plain).filter(move |word| !values.is_empty() && !values.contains(word))
}

/// What an expression names.
struct Said {
    /// Metric and its matchers: label and what it is compared with.
    selectors: Vec<(String, Vec<(String, String)>)>,
    /// Labels in `by (…)`, `on (…)` and the like.
    grouped: BTreeSet<String>,
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];

impl Said {
    fn of(expression: &str) -> Said {
        let tokens = tokens(expression);
        let mut said = Said { selectors: Vec::new(), grouped: BTreeSet::new() };
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at].as_str();
            let next = tokens.get(at + 1).map(String::as_str);
            at += 1;
            if GROUPING.contains(&token) && next == Some("(") {
                let inside = tokens[at..].iter().take_while(|token| *token != ")");
                said.grouped.extend(inside.filter(|token| is_name(token)).cloned());
                at += tokens[at..].iter().position(|token| token == ")").unwrap_or(0);
            } else if token == "{" {
                // Without a metric's name before it.
                said.selectors.push((String::new(), Vec::new()));
            } else if is_name(token) && next == Some("{") {
                let end = at + tokens[at..].iter().position(|token| token == "}").unwrap_or(0);
                let matchers = tokens[at..end].windows(3).filter(|window| is_name(&window[0]));
                let matchers = matchers.map(|window| (window[0].clone(), unquoted(&window[2])));
                said.selectors.push((token.to_owned(), matchers.collect()));
                at = end + 1;
            } else if is_name(token)
                && !["(", "by", "without"].iter().any(|it| next == Some(it))
                && !GROUPING.contains(&token)
                && !WORDS.contains(&token.to_ascii_lowercase().as_str())
            {
                said.selectors.push((token.to_owned(), Vec::new()));
            }
        }
        said
    }
}

/// Names, texts with their quotes, operators, everything else by character; no white space, no number, no variable.
fn tokens(expression: &str) -> Vec<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            '=' | '!' | '<' | '>' => rest.find(|c| !"=!<>~".contains(c)).unwrap_or(rest.len()),
            '$' => 1 + rest[1..].find(|c| !part(c)).unwrap_or(rest.len() - 1),
            _ if part(first) => rest.find(|c| !part(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        if first != '$' && !first.is_ascii_digit() {
            tokens.push(rest[..length].to_owned());
        }
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The length of the text that begins here, its quotes included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn unquoted(token: &str) -> String {
    token.trim_matches(['"', '\'', '`']).to_owned()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The elements of a list; none of what is no list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
