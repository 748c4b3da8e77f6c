//! A strict reader of the text format 0.0.4: what Prometheus would tolerate in silence is a fault here.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use std::collections::{BTreeMap, BTreeSet};

/// One family of the page.
#[derive(Clone, Debug)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub series: Vec<Series>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// A whole page.
#[derive(Clone, Debug)]
pub struct Page {
    pub families: Vec<Family>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// The first thing that is not as it should be, with its line.
    pub fn read(text: &str) -> Result<Page, String> {
        let mut families: Vec<Family> = Vec::new();
        if !text.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        let mut lines = text[..text.len() - 1].split('\n').peekable();
        while let Some(line) = lines.next() {
            let fault = |what: &str| format!("{what}: {line}");
            let help = line.strip_prefix("# HELP ").ok_or(fault("a family begins with its help"))?;
            let (name, help) = help.split_once(' ').ok_or(fault("no help"))?;
            let kind =
                lines.next().and_then(|l| l.strip_prefix("# TYPE ")).ok_or(fault("its type must follow"))?;
            let kind =
                kind.strip_prefix(name).and_then(|k| k.strip_prefix(' ')).ok_or(fault("another type"))?;
            let mut series = Vec::new();
            while let Some(line) = lines.next_if(|l| !l.starts_with('#')) {
                series.push(sample(line).map_err(|what| format!("{what}: {line}"))?);
            }
            let family = Family { name: name.into(), kind: kind.into(), help: help.into(), series };
            check(&family).map_err(|what| fault(&what))?;
            if families.last().is_some_and(|last| last.name >= family.name) {
                return Err(fault("out of order, or twice"));
            }
            families.push(family);
        }
        let mut seen = BTreeSet::new();
        for series in families.iter().flat_map(|f| &f.series) {
            if !seen.insert((&series.name, &series.labels)) {
                return Err(format!("twice: {series:?}"));
            }
        }
        Ok(Page { families })
    }

    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.families.iter().flat_map(|family| &family.series)
    }

    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// The value of the series of this name with this label, if there is one.
    pub fn value(&self, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let fits = |s: &&Series| {
            s.name == name && label.is_none_or(|(n, v)| s.labels.get(n).is_some_and(|l| l == v))
        };
        self.series().find(fits).map(|series| series.value)
    }
}

fn check(family: &Family) -> Result<(), String> {
    let is_histogram = family.kind == "histogram";
    if !["counter", "gauge", "histogram"].contains(&family.kind.as_str()) {
        return Err(format!("unknown type {}", family.kind));
    }
    if family.series.is_empty() {
        return Err("no series".into());
    }
    for series in &family.series {
        let suffix = series.name.strip_prefix(&family.name).ok_or("a series of another family")?;
        let fits =
            if is_histogram { ["_bucket", "_sum", "_count"].contains(&suffix) } else { suffix.is_empty() };
        if !fits || series.labels.contains_key("le") != (suffix == "_bucket") {
            return Err(format!("does not belong: {}", series.name));
        }
        for label in ["runner_name", "runner_type"] {
            if !series.labels.contains_key(label) {
                return Err(format!("no {label}: {}", series.name));
            }
        }
        if family.kind != "gauge" && !(series.value >= 0.0 && series.value.is_finite()) {
            return Err(format!("a count of {}", series.value));
        }
    }
    if is_histogram { check_histogram(family) } else { Ok(()) }
}

/// Of each set of labels besides `le`.
fn check_histogram(family: &Family) -> Result<(), String> {
    let mut each: BTreeMap<_, Vec<&Series>> = BTreeMap::new();
    for series in &family.series {
        let mut labels = series.labels.clone();
        labels.remove("le");
        each.entry(labels).or_default().push(series);
    }
    each.values().try_for_each(|series| check_buckets(series))
}

fn check_buckets(of_one: &[&Series]) -> Result<(), String> {
    let value = |suffix: &str| of_one.iter().find(|s| s.name.ends_with(suffix)).map(|s| s.value);
    let (sum, count) = (value("_sum").ok_or("no sum")?, value("_count").ok_or("no count")?);
    let mut last = (f64::NEG_INFINITY, 0.0);
    for bucket in of_one.iter().filter(|s| s.name.ends_with("_bucket")) {
        let bound = number(&bucket.labels["le"])?;
        if bound <= last.0 || bucket.value < last.1 {
            return Err("buckets must ascend".into());
        }
        last = (bound, bucket.value);
    }
    if last != (f64::INFINITY, count) {
        return Err(format!("+Inf holds {} of {count}", last.1));
    }
    // What was over at once took no time.
    if count > 0.0 || sum == 0.0 { Ok(()) } else { Err(format!("a sum of {sum} for {count}")) }
}

fn sample(line: &str) -> Result<Series, String> {
    let open = line.find(['{', ' ']).ok_or("no value")?;
    let name = &line[..open];
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    if !name.starts_with(is_start) || !name.chars().all(|c| is_start(c) || c.is_ascii_digit()) {
        return Err("not a name".into());
    }
    let mut labels = BTreeMap::new();
    let mut rest = &line[open..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("a label without a value")?;
            let (value, after) = label_value(after)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("label {label} twice"));
            }
            match after.chars().next() {
                Some(',') => rest = &after[1..],
                Some('}') => {
                    rest = &after[1..];
                    break;
                }
                _ => return Err("labels do not end".into()),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok(Series { name: name.into(), labels, value: number(value)? })
}

/// Up to the closing quote, and what follows it; only `\\`, `\"` and `\n` are escapes.
fn label_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, '\\')) => value.push('\\'),
                Some((_, '"')) => value.push('"'),
                Some((_, 'n')) => value.push('\n'),
                _ => return Err("an escape nobody knows".into()),
            },
            c => value.push(c),
        }
    }
    Err("a label's value does not end".into())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            text.parse().map_err(|_| format!("not a number: {text}"))
        }
        _ => Err(format!("not a number: {text}")),
    }
}
