//! What a `PromQL` expression names, held against the catalogue: a metric, a label or a label's value nobody has is a fault.
//!
//! Include it alone; it needs no other part.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use runner_init::telemetry::catalog::{self, MetricKind};
use std::collections::{BTreeMap, BTreeSet};

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

/// Label values where they are known, by label.
type Labels = BTreeMap<&'static str, &'static [&'static str]>;

/// Names that a scrape of a runner has and the catalogue has not.
pub fn scraped() -> BTreeSet<&'static str> {
    FOREIGN.into_iter().chain(PROCESS).collect()
}

/// What is wrong with the names in an expression: metrics, labels and label values nobody has. Variables may still be in it.
/// `besides` are the names that are there though the catalogue has them not: of [`scraped`], or `level:source:operation` as
/// recorded.
pub fn unknown(expression: &str, besides: &BTreeSet<&str>) -> Vec<String> {
    let said = Said::of(expression);
    let mut faults = Vec::new();
    let mut grouped: BTreeSet<&str> = FOREIGN_LABELS.into();
    for (metric, matchers) in &said.selectors {
        let source = metric.split(':').nth(1).and_then(catalogued);
        let is_besides = besides.contains(metric.as_str());
        let of_a_rule = || source.map(with_ephemeral).or(foreign(metric));
        let own = catalogued(metric).or(if is_besides { of_a_rule() } else { None });
        let Some(labels) = own.clone().or(is_besides.then(every_label)) else {
            faults.push(format!("no such metric {metric}"));
            continue;
        };
        for [label, operator, value] in matchers {
            match labels.get(label.as_str()) {
                None => faults.push(format!("{metric} has no label {label}")),
                Some(values) => faults.extend(
                    strangers(operator, value, values).map(|word| format!("{metric} has no {label}={word}")),
                ),
            }
        }
        grouped.extend(own.unwrap_or_default().keys());
    }
    let strange = said.grouped.iter().filter(|label| !grouped.contains(label.as_str()));
    faults.extend(strange.map(|label| format!("groups by label {label}, which none of its metrics has")));
    if said.selectors.is_empty() {
        faults.push("speaks of no metric".to_owned());
    }
    faults
}

/// The labels of a metric of ours; none if there is no such metric.
fn catalogued(metric: &str) -> Option<Labels> {
    let parts = ["_bucket", "_sum", "_count"];
    let (family, bucket) =
        catalog::ALL.iter().chain(catalog::COLLECT).find_map(|family| match family.kind {
            MetricKind::Histogram => {
                let part = metric.strip_prefix(family.name)?;
                parts.contains(&part).then_some((family, part == "_bucket"))
            }
            MetricKind::Counter
            | MetricKind::FloatCounter
            | MetricKind::SampledCounter
            | MetricKind::Gauge => (family.name == metric).then_some((family, false)),
        })?;
    let mut labels = of_a_runner();
    labels.extend(family.labels.iter().map(|label| (label.name, label.values)));
    labels.extend(bucket.then_some(("le", &[][..])));
    Some(labels)
}

/// A rule may join whether the runner leaves after its job.
fn with_ephemeral(mut labels: Labels) -> Labels {
    labels.extend(
        catalogued(catalog::INFO.name).into_iter().flatten().filter(|(label, _)| *label == "ephemeral"),
    );
    labels
}

/// The labels of what [`scraped`] names.
fn foreign(metric: &str) -> Option<Labels> {
    let of_the_scrape = || FOREIGN_LABELS.map(|label| (label, &[][..])).into();
    FOREIGN.contains(&metric).then(of_the_scrape).or_else(|| PROCESS.contains(&metric).then(of_a_runner))
}

fn of_a_runner() -> Labels {
    FOREIGN_LABELS.into_iter().chain(["runner_name", "runner_type"]).map(|label| (label, &[][..])).collect()
}

/// Of a recorded name whose source is no metric it is not known which it has.
fn every_label() -> Labels {
    let own = catalog::ALL.iter().flat_map(|metric| metric.labels).map(|label| (label.name, &[][..]));
    of_a_runner().into_iter().chain(own).chain([("le", &[][..])]).collect()
}

/// The words of a matcher that are no value of the label.
fn strangers<'a>(
    operator: &str,
    value: &'a str,
    values: &'static [&'static str],
) -> impl Iterator<Item = &'a str> {
    let words: Vec<&str> = if operator.contains('~') { value.split('|').collect() } else { vec![value] };
    words.into_iter().filter(|word| !values.is_empty() && !word.is_empty() && !values.contains(word))
}

/// What an expression names.
struct Said {
    /// Metric and its matchers: label, operator, and what it is compared with.
    selectors: Vec<(String, Vec<[String; 3]>)>,
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
                let matchers =
                    matchers.map(|window| [window[0].clone(), window[1].clone(), unquoted(&window[2])]);
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
pub fn tokens(expression: &str) -> Vec<String> {
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
