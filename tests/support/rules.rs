//! Rule files as data, and the names a `PromQL` expression uses held against the catalogue.
#![allow(dead_code, unreachable_pub, reason = "each test file uses the part it needs")]

use runner_init::telemetry::catalog::{self, Kind, Label};
use serde_json::Value;
use std::collections::BTreeSet;

/// Labels a scrape or the exporter puts on every series.
const EVERYWHERE: [&str; 4] = ["job", "instance", "runner_name", "runner_type"];
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// One alert or recording rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its group, and which one it is there.
    pub place: (usize, usize),
    pub value: Value,
}

impl Rule {
    fn text(&self, path: &str) -> &str {
        self.value.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn alert(&self) -> Option<&str> {
        self.value["alert"].as_str()
    }

    pub fn record(&self) -> Option<&str> {
        self.value["record"].as_str()
    }

    pub fn expr(&self) -> &str {
        self.text("/expr")
    }

    pub fn label(&self, name: &str) -> &str {
        self.text(&format!("/labels/{name}"))
    }

    pub fn annotation(&self, name: &str) -> &str {
        self.text(&format!("/annotations/{name}"))
    }

    /// `RunnerDown (gone)`: rules of one name differ in their cause.
    pub fn name(&self) -> String {
        let name = self.alert().or(self.record()).unwrap_or_default();
        let cause = self.label("cause");
        if cause.is_empty() { name.to_owned() } else { format!("{name} ({cause})") }
    }
}

pub fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("YAML")
}

/// Every rule of a file, in its order.
pub fn rules(file: &Value) -> Vec<Rule> {
    let groups = file["groups"].as_array().expect("groups").iter().enumerate();
    let of_group = |(number, group): (usize, &Value)| {
        let rules = group["rules"].as_array().expect("rules").clone().into_iter().enumerate();
        rules.map(move |(at, value)| Rule { place: (number, at), value })
    };
    groups.flat_map(of_group).collect()
}

/// What is wrong with the names in an expression; `records` are those that rules define.
pub fn unknown_names(expr: &str, records: &BTreeSet<&str>) -> Vec<String> {
    let tokens = tokens(expr);
    let mut faults = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        at += 1;
        if GROUPING.contains(&token) && next == "(" {
            while tokens[at] != ")" {
                at += 1;
                let label = tokens[at];
                if is_name(label) && !all_labels().contains(label) {
                    faults.push(format!("label {label}"));
                }
            }
        } else if !is_name(token) || WORDS.contains(&token) || GROUPING.contains(&token) {
        } else if next != "(" && !["by", "without"].contains(&next) {
            let selector: Vec<&str> = if next == "{" {
                tokens[at + 1..].iter().copied().take_while(|token| *token != "}").collect()
            } else {
                Vec::new()
            };
            at += if next == "{" { selector.len() + 2 } else { 0 };
            faults.extend(selection_faults(token, &selector, records));
        }
    }
    faults
}

fn selection_faults(metric: &str, matchers: &[&str], records: &BTreeSet<&str>) -> Vec<String> {
    let Some(labels) = labels_of(metric, records) else { return vec![format!("metric {metric}")] };
    let mut faults = Vec::new();
    for matcher in matchers.split(|token| *token == ",") {
        let [label, operator, value] = matcher else { continue };
        let value = value.trim_matches('"');
        let Some(known) = labels.iter().find(|known| known.name == *label) else {
            faults.push(format!("label {label} of {metric}"));
            continue;
        };
        let values: Vec<&str> = if operator.contains('~') { value.split('|').collect() } else { vec![value] };
        let strange =
            |value: &&&str| !known.values.is_empty() && !value.is_empty() && !known.values.contains(*value);
        faults.extend(values.iter().filter(strange).map(|value| format!("{label}={value} of {metric}")));
    }
    faults
}

/// The labels of a metric and their values; `None` if there is no such metric.
fn labels_of(metric: &str, records: &BTreeSet<&str>) -> Option<Vec<Label>> {
    let free = |name: &&'static str| Label { name, values: &[] };
    let mut labels: Vec<Label> = EVERYWHERE.iter().map(free).collect();
    if records.contains(metric) {
        labels.extend(catalog::ALL.iter().flat_map(|metric| metric.labels).copied());
        labels.push(free(&"le"));
        return Some(labels);
    }
    if metric == "up" {
        labels.truncate(2);
        return Some(labels);
    }
    let family = catalog::ALL.iter().find(|family| match family.kind {
        Kind::Histogram => {
            metric.strip_prefix(family.name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        }
        Kind::Counter | Kind::FloatCounter | Kind::SampledCounter | Kind::Gauge => metric == family.name,
    })?;
    labels.extend(family.labels.iter().copied());
    labels.extend(metric.ends_with("_bucket").then(|| free(&"le")));
    Some(labels)
}

/// Every label a series of ours can have.
pub fn all_labels() -> BTreeSet<&'static str> {
    let own = catalog::ALL.iter().flat_map(|metric| metric.labels).map(|label| label.name);
    own.chain(EVERYWHERE).chain(["le"]).collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == ':')
}

/// Words, numbers with their units, texts with their quotes, operators.
pub fn tokens(expr: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = expr.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        let length = if first == '"' {
            rest[1..].find('"').expect("the text ends") + 2
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if "=!<>~".contains(first) {
            rest.find(|c| !"=!<>~".contains(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}
