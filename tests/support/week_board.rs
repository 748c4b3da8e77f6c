//! Every series that a target has ever had: its value now, and the samples of it that nobody has taken yet.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use runner_init::telemetry::catalog;
use std::collections::{BTreeMap, HashMap};

/// What Prometheus writes where a series ends: one NaN among all.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// One series.
pub struct Series {
    /// Name and labels as they are stored, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// Time in milliseconds and value.
    pub samples: Vec<(i64, f64)>,
    value: Option<f64>,
    was_there: bool,
    /// It is of a family that begins late, at 0 on its first page, and has not begun.
    begins: bool,
    /// It is on the target's page; else Prometheus makes it.
    pub on_page: bool,
}

/// The page of one target, and what Prometheus says of the target.
pub struct Board {
    page: Vec<(String, String)>,
    target: Vec<(String, String)>,
    index: HashMap<String, usize>,
    pub series: Vec<Series>,
}

impl Board {
    pub fn new(name: &str, kind: &str, instance: &str) -> Board {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        Board {
            page: pairs(&[("runner_name", name), ("runner_type", kind)]),
            target: pairs(&[("instance", instance), ("job", "github-runners")]),
            index: HashMap::new(),
            series: Vec::new(),
        }
    }

    pub fn set(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.slot(name, labels, true).value = Some(value);
    }

    pub fn add(&mut self, name: &str, labels: &[(&str, &str)], more: f64) {
        let value = &mut self.slot(name, labels, true).value;
        *value = Some(value.unwrap_or(0.0) + more);
    }

    pub fn remove(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.slot(name, labels, true).value = None;
    }

    /// The process is gone, and its page with it.
    pub fn clear(&mut self) {
        for series in self.series.iter_mut().filter(|series| series.on_page) {
            series.value = None;
            series.begins = is_late(&series.labels["__name__"]);
        }
    }

    /// What is there now did not begin now.
    pub fn as_it_is(&mut self) {
        for series in self.series.iter_mut().filter(|series| series.value.is_some()) {
            series.begins = false;
        }
    }

    /// The target is there no more.
    pub fn end(&mut self, at: i64) {
        for series in self.series.iter_mut().filter(|series| series.was_there) {
            series.samples.push((at, STALE));
            series.was_there = false;
        }
    }

    /// One scrape at this time, in milliseconds, that took so many seconds.
    pub fn scrape(&mut self, at: i64, up: bool, seconds: f64) {
        let (mut count, mut new) = (0.0, 0.0);
        for series in &self.series {
            if series.on_page && series.value.is_some() {
                count += 1.0;
                new += f64::from(u8::from(!series.was_there));
            }
        }
        for (name, value) in [
            ("up", f64::from(u8::from(up))),
            ("scrape_duration_seconds", seconds),
            ("scrape_samples_scraped", count),
            ("scrape_samples_post_metric_relabeling", count),
            ("scrape_series_added", new),
        ] {
            self.slot(name, &[], false).value = Some(value);
        }
        for series in &mut self.series {
            match series.value {
                Some(value) => {
                    let value = if std::mem::take(&mut series.begins) { 0.0 } else { value };
                    series.samples.push((at, value));
                }
                None if series.was_there => series.samples.push((at, STALE)),
                None => {}
            }
            series.was_there = series.value.is_some();
        }
    }

    fn slot(&mut self, name: &str, labels: &[(&str, &str)], on_page: bool) -> &mut Series {
        let mut key = String::with_capacity(96);
        key.push_str(name);
        for (label, value) in labels {
            key.extend([",", label, "=", value]);
        }
        if let Some(at) = self.index.get(&key) {
            return &mut self.series[*at];
        }
        let own = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let page = if on_page { self.page.clone() } else { Vec::new() };
        let begins = is_late(name);
        let name = ("__name__".to_owned(), name.to_owned());
        let labels = own.chain(page).chain(self.target.clone()).chain([name]).collect();
        self.index.insert(key, self.series.len());
        self.series.push(Series {
            labels,
            samples: Vec::new(),
            value: None,
            was_there: false,
            begins,
            on_page,
        });
        self.series.last_mut().expect("was pushed")
    }
}

/// Of a histogram every part is.
fn is_late(series: &str) -> bool {
    ["", "_bucket", "_sum", "_count"]
        .iter()
        .any(|part| series.strip_suffix(part).is_some_and(catalog::is_late))
}
