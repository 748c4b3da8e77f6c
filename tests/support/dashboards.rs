//! The dashboards as data: every expression of every one of them.
//!
//! Include it alone; it needs no other part.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use serde_json::Value;
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
    /// The range in seconds.
    pub range_s: &'a str,
}

impl Expression {
    /// As Prometheus gets it.
    pub fn with(&self, values: &Values<'_>) -> String {
        let pairs = [
            ("$__rate_interval", values.rate_interval),
            ("$__range_s", values.range_s),
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
    of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana"))
}

/// All of a directory, by name of the file.
pub fn of(dir: &Path) -> Vec<Dashboard> {
    let entries = std::fs::read_dir(dir).expect("the dashboards are there");
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

/// The elements of a list; none of what is no list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
