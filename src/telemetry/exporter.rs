//! The registry becomes a page: families sorted, absent things absent, the same bytes until something happens.

use super::catalog::{self, Metric, MetricKind};
use crate::domain::identity::Identity;
use crate::domain::totals::Bounds;
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics::Counter;
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `text/plain; version=0.0.4`, as the exporter crate writes it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process's registry and the page drawn from it. Clones share both.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
    changes: Arc<AtomicU64>,
    drawn: Arc<Mutex<Drawn>>,
    late: Arc<Mutex<BTreeMap<String, Late>>>,
}

/// A group of counters that begins with its first happening. `increase()` needs a first value: one page shows them at 0.
enum Late {
    /// What has happened since, to be shown from the page after the next one on.
    Held(Vec<(Counter, u64)>),
    Shown,
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
        let (exporter, recorder) = Exporter::build(identity, bounds)?;
        metrics::set_global_recorder(recorder)?;
        exporter.seed();
        Ok(exporter)
    }

    /// The page, and the recorder it is drawn from.
    fn build(identity: &Identity, bounds: &Bounds) -> Result<(Exporter, PrometheusRecorder), BuildError> {
        let recorder = PrometheusBuilder::new()
            .add_global_label("runner_name", &identity.runner_name)
            .add_global_label("runner_type", &identity.runner_type)
            .set_buckets_for_metric(only(&catalog::JOB_DURATION), &bounds.duration)?
            .set_buckets_for_metric(only(&catalog::QUEUE_TIME), &bounds.queue_time)?
            .set_buckets_for_metric(only(&catalog::LEAD_TIME), &bounds.lead_time)?
            .set_buckets_for_metric(only(&catalog::RECOVERY_TIME), &bounds.recovery_time)?
            .build_recorder();
        let exporter = Exporter {
            handle: recorder.handle(),
            changes: Arc::new(AtomicU64::new(1)),
            drawn: Arc::default(),
            late: Arc::default(),
        };
        Ok((exporter, recorder))
    }

    fn seed(&self) {
        for metric in catalog::ALL {
            seed(metric);
        }
        self.touch();
    }

    /// What `tell` tells this exporter, as its page has it: an exporter of its own, not the process's.
    #[cfg(test)]
    pub(super) fn alone(bounds: &Bounds, tell: impl FnOnce(&Exporter)) -> String {
        let (exporter, recorder) = Exporter::build(&Identity::somebody(), bounds).unwrap();
        metrics::with_local_recorder(&recorder, || {
            exporter.seed();
            tell(&exporter);
        });
        String::from_utf8(exporter.page().to_vec()).unwrap()
    }

    /// Something was recorded: the next page is drawn anew.
    pub fn touch(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows a group of counters at 0 from now on, if it is not there yet.
    pub fn show_late<const N: usize>(&self, group: &str, counters: &[Counter; N]) {
        for counter in counters {
            counter.absolute(0);
        }
        self.late().insert(group.to_owned(), Late::Shown);
    }

    /// Counts in a group of counters; one that is not there yet is at 0 on the next page.
    pub fn count_late<const N: usize>(&self, group: &str, counters: [(Counter, u64); N]) {
        let mut late = self.late();
        match late.get_mut(group) {
            Some(Late::Shown) => add(&counters),
            Some(Late::Held(held)) => held.extend(counters),
            None => {
                for (counter, _) in &counters {
                    counter.absolute(0);
                }
                late.insert(group.to_owned(), Late::Held(counters.into()));
            }
        }
    }

    /// The next page is the last: it shows all there is.
    pub fn release(&self) {
        let mut released = false;
        for late in self.late().values_mut() {
            if let Late::Held(held) = std::mem::replace(late, Late::Shown) {
                add(&held);
                released = true;
            }
        }
        if released {
            self.touch();
        }
    }

    fn late(&self) -> MutexGuard<'_, BTreeMap<String, Late>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
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
            self.release();
        }
        drawn
    }
}

fn add(counts: &[(Counter, u64)]) {
    for (counter, count) in counts {
        counter.increment(*count);
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
        MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
        MetricKind::Gauge | MetricKind::FloatCounter | MetricKind::SampledCounter => {
            metrics::describe_gauge!(metric.name, metric.help);
        }
        MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
    match (metric.kind, metric.labels) {
        (MetricKind::Counter, []) => metrics::counter!(metric.name).absolute(0),
        (MetricKind::Counter, [label]) => {
            for value in label.values {
                metrics::counter!(metric.name, label.name => *value).absolute(0);
            }
        }
        (MetricKind::Histogram, []) => drop(metrics::histogram!(metric.name)),
        // A gauge is unknown until it is known; more than one label is never all combinations.
        (
            MetricKind::Counter
            | MetricKind::Histogram
            | MetricKind::Gauge
            | MetricKind::FloatCounter
            | MetricKind::SampledCounter,
            _,
        ) => {}
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
    fn what_begins_late_is_at_0_on_one_page_and_true_on_the_next() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let changes = Arc::new(AtomicU64::new(1));
        let exporter = Exporter { handle, changes, drawn: Arc::default(), late: Arc::default() };
        let shown = || {
            let page = String::from_utf8(exporter.page().to_vec()).expect("a text");
            let series = page.lines().filter(|line| !line.starts_with('#'));
            series.filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect::<Vec<_>>()
        };
        let count = |group: &str, here: u64| {
            let counter = |which| metrics::counter!("x_total", "group" => group.to_owned(), "which" => which);
            exporter.count_late(group, [(counter("here"), here), (counter("there"), 0)]);
            exporter.touch();
        };
        metrics::with_local_recorder(&recorder, || {
            assert_eq!(shown(), [""; 0]);
            count("a", 2);
            count("a", 3);
            assert_eq!(shown(), ["0", "0"]);
            assert_eq!(shown(), ["5", "0"]);
            count("a", 1);
            assert_eq!(shown(), ["6", "0"]);
            exporter.show_late("b", &[metrics::counter!("x_total", "group" => "b", "which" => "here")]);
            exporter.touch();
            assert_eq!(shown(), ["6", "0", "0"]);
            count("c", 7);
            exporter.release();
            assert_eq!(shown(), ["6", "0", "0", "7", "0"], "the last page tells all");
        });
    }

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
