//! The registry becomes a page: families sorted, absent things absent, the same bytes until something happens.

use super::catalog::{self, Kind, Metric};
use crate::domain::totals::Bounds;
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `text/plain; version=0.0.4`, as the exporter crate writes it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What every series carries.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `runner_name`.
    pub runner_name: String,
    /// `runner_type`.
    pub runner_type: String,
}

/// The process's registry and the page drawn from it. Clones share both.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
    changes: Arc<AtomicU64>,
    drawn: Arc<Mutex<Drawn>>,
}

/// The page as it was after so many changes; compressed once somebody has asked for that.
#[derive(Default)]
struct Drawn {
    changes: u64,
    page: Arc<[u8]>,
    gzip: Option<Arc<[u8]>>,
}

impl Exporter {
    /// Installs the process-wide recorder, describes every family of the catalogue and shows every bounded series at 0.
    ///
    /// # Errors
    /// If a recorder is installed already, or there are no bounds of durations.
    pub fn install(identity: &Identity, bounds: &Bounds) -> Result<Exporter, BuildError> {
        let handle = PrometheusBuilder::new()
            .add_global_label("runner_name", &identity.runner_name)
            .add_global_label("runner_type", &identity.runner_type)
            .set_buckets_for_metric(only(&catalog::JOB_DURATION), &bounds.duration)?
            .set_buckets_for_metric(only(&catalog::QUEUE_TIME), &bounds.queue_time)?
            .set_buckets_for_metric(only(&catalog::LEAD_TIME), &bounds.lead_time)?
            .set_buckets_for_metric(only(&catalog::RECOVERY_TIME), &bounds.recovery_time)?
            .install_recorder()?;
        let exporter = Exporter { handle, changes: Arc::new(AtomicU64::new(1)), drawn: Arc::default() };
        for metric in catalog::ALL {
            seed(metric);
        }
        Ok(exporter)
    }

    /// Something was recorded: the next page is drawn anew.
    pub fn touch(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Moves recorded samples into their buckets, so that they do not pile up between scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The page in text format 0.0.4.
    pub fn page(&self) -> Arc<[u8]> {
        Arc::clone(&self.drawn().page)
    }

    /// The same as a gzip member: what a Prometheus asks for.
    pub fn page_gzip(&self) -> Arc<[u8]> {
        let mut drawn = self.drawn();
        let Drawn { page, gzip, .. } = &mut *drawn;
        Arc::clone(gzip.get_or_insert_with(|| compress(page)))
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        let changes = self.changes.load(Ordering::Relaxed);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.changes != changes {
            let page = Arc::from(arrange(&self.handle.render()).into_bytes());
            *drawn = Drawn { changes, page, gzip: None };
        }
        drawn
    }
}

fn only(metric: &Metric) -> Matcher {
    Matcher::Full(metric.name.to_owned())
}

fn compress(page: &[u8]) -> Arc<[u8]> {
    let mut out = GzEncoder::new(Vec::with_capacity(page.len() / 4), Compression::fast());
    out.write_all(page).and_then(|()| out.finish()).expect("memory takes every byte").into()
}

/// An unseeded counter hides its first increment from `increase()`.
fn seed(metric: &'static Metric) {
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
        Kind::Gauge | Kind::FloatCounter | Kind::SampledCounter => {
            metrics::describe_gauge!(metric.name, metric.help);
        }
        Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
    match (metric.kind, metric.labels) {
        (Kind::Counter, []) => metrics::counter!(metric.name).absolute(0),
        (Kind::Counter, [label]) => {
            for value in label.values {
                metrics::counter!(metric.name, label.name => *value).absolute(0);
            }
        }
        (Kind::Histogram, []) => drop(metrics::histogram!(metric.name)),
        // A gauge is unknown until it is known; more than one label is never all combinations.
        (Kind::Counter | Kind::Histogram | Kind::Gauge | Kind::FloatCounter | Kind::SampledCounter, _) => {}
    }
}

/// Sorts families by name and series within each, drops NaN, sets the type of fractional counters right.
fn arrange(text: &str) -> String {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    let mut current: &str = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().unwrap_or_default();
            families.entry(current).or_default().help = Some(line);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap_or_default();
            families.entry(current).or_default().kind = rest.split(' ').nth(1).unwrap_or("untyped");
        } else if !line.is_empty() && !is_unknown(current, line) {
            families.entry(current).or_default().series.push(line);
        }
    }
    let mut out = String::with_capacity(text.len());
    for (name, mut family) in families {
        if !family.series.is_empty() {
            family.write(name, &mut out);
        }
    }
    out
}

/// NaN stands for what is not known, and the library's 0 for a limit there is not.
fn is_unknown(family: &str, line: &str) -> bool {
    line.ends_with(" NaN") || (line.ends_with(" 0") && catalog::PROCESS_LIMITS.contains(&family))
}

#[derive(Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: &'a str,
    series: Vec<&'a str>,
}

impl Family<'_> {
    fn write(&mut self, name: &str, out: &mut String) {
        let mut known = catalog::ALL.iter().chain(catalog::PROCESS);
        let declared = known.find(|m| m.name == name).map(|m| m.kind.as_str());
        let kind = declared.unwrap_or(self.kind);
        if let Some(help) = self.help {
            out.push_str(help);
            out.push('\n');
        }
        out.push_str("# TYPE ");
        out.push_str(name);
        out.push(' ');
        out.push_str(kind);
        out.push('\n');
        // Buckets come in the order of their bounds, which no sort of text would keep.
        if kind != "histogram" {
            self.series.sort_unstable();
        }
        for line in &self.series {
            out.push_str(line);
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_sorted_and_what_is_unknown_is_absent() {
        let raw = "# HELP b Second.\n# TYPE b gauge\nb{x=\"2\"} 1\nb{x=\"1\"} NaN\n\n\
                   # HELP c Gone.\n# TYPE c gauge\nc NaN\n\n\
                   # HELP process_max_fds Limit.\n# TYPE process_max_fds gauge\nprocess_max_fds 0\n\n\
                   # HELP process_cpu_seconds_total CPU.\n# TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 0.5\n\n\
                   # HELP a First.\n# TYPE a histogram\na_bucket{le=\"10\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 3\na_count 1\n";
        let want = "# HELP a First.\n# TYPE a histogram\na_bucket{le=\"10\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 3\na_count 1\n\
                    # HELP b Second.\n# TYPE b gauge\nb{x=\"2\"} 1\n\
                    # HELP process_cpu_seconds_total CPU.\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 0.5\n";
        assert_eq!(arrange(raw), want);
    }
}
