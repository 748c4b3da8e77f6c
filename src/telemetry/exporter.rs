//! The registry becomes a page: families sorted, absent things absent, the same bytes until something happens.

mod arrange;
mod openmetrics;

use self::arrange::{Begun, arrange};
use super::catalog::{self, Metric, MetricKind};
use crate::domain::identity::Identity;
use crate::domain::otlp::Instrument;
use crate::domain::step_times;
use crate::domain::totals::Bounds;
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `text/plain; version=0.0.4`, as the exporter crate writes it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The other one, for who asks.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process's registry and the page drawn from it. Clones share both.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
    changes: Arc<AtomicU64>,
    /// For a scraper, and for anybody else.
    drawn: Arc<[Mutex<Drawn>; 2]>,
    begun: Arc<Mutex<Begun>>,
    /// Unix time at which every counter of this process was 0.
    since: f64,
}

/// Who reads the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageReader {
    /// Prometheus or its kin: it comes again, and where a series begins it needs a first value.
    Scraper,
    /// A person, a script, an agent that sees no difference: what is.
    Anybody,
}

/// The page as it was after so many changes; compressed once somebody has asked for that.
#[derive(Default)]
struct Drawn {
    changes: u64,
    page: Arc<[u8]>,
    gzip: Option<Arc<[u8]>>,
    open: Option<Arc<[u8]>>,
}

/// Measures the clock that every registry is made with, once: a millisecond of reading it over and over, which another thread can
/// spend while the start has other things to do.
pub fn measure_clock() {
    drop(quanta::Clock::new());
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
            .set_buckets_for_metric(only(&catalog::STEP_DURATION), &step_times::BOUNDS)?
            .build_recorder();
        let exporter = Exporter {
            handle: recorder.handle(),
            changes: Arc::new(AtomicU64::new(1)),
            drawn: Arc::default(),
            begun: Arc::default(),
            since: super::emit::seconds(identity.started_at),
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
        String::from_utf8(exporter.page(PageReader::Anybody).to_vec()).unwrap()
    }

    /// Something was recorded: the next page is drawn anew.
    pub fn touch(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// What this family has counted was counted before this process: it is shown as it is, and nobody knows since when.
    pub fn restored(&self, metric: &'static Metric) {
        self.begun().restored.insert(metric.name);
    }

    /// The next page may be the last: it shows all there is.
    pub fn release(&self) {
        self.begun().is_over = true;
        self.touch();
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves recorded samples into their buckets, so that they do not pile up between scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The page in text format 0.0.4.
    pub fn page(&self, reader: PageReader) -> Arc<[u8]> {
        Arc::clone(&self.drawn(reader).page)
    }

    /// The same as a gzip member: what a Prometheus asks for.
    pub fn page_gzip(&self, reader: PageReader) -> Arc<[u8]> {
        let mut drawn = self.drawn(reader);
        let Drawn { page, gzip, .. } = &mut *drawn;
        Arc::clone(gzip.get_or_insert_with(|| compress(page)))
    }

    /// The same as `OpenMetrics` text, with the time since when each counter counts.
    pub fn page_open_metrics(&self, reader: PageReader) -> Arc<[u8]> {
        let mut drawn = self.drawn(reader);
        let Drawn { page, open, .. } = &mut *drawn;
        let convert = || {
            let text = String::from_utf8_lossy(page);
            Arc::from(openmetrics::from_text(&text, self.since, &self.begun().restored).into_bytes())
        };
        Arc::clone(open.get_or_insert_with(convert))
    }

    /// The same as values.
    pub fn reading(&self) -> Vec<Instrument> {
        // Of what begins late too, as it is: each export says since when it counts.
        super::reading::read(&arrange(&self.handle.render(), &mut Begun::over()).0)
    }

    /// Shows this counter, which is not there for everybody, at 0 for each of its label's values.
    pub fn begin(&self, metric: &'static Metric) {
        seed(metric);
        self.touch();
    }

    fn drawn(&self, reader: PageReader) -> MutexGuard<'_, Drawn> {
        let changes = self.changes.load(Ordering::Relaxed);
        let mut drawn = self.drawn[reader as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.changes != changes {
            let text = self.handle.render();
            let (page, more) = match reader {
                PageReader::Scraper => arrange(&text, &mut self.begun()),
                // It takes no first page from a scraper.
                PageReader::Anybody => arrange(&text, &mut Begun::over()),
            };
            *drawn = Drawn { changes, page: Arc::from(page.into_bytes()), ..Drawn::default() };
            if more {
                self.touch();
            }
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

/// A counter whose first value is not 0 hides it from `increase()`: it is here at 0, or begins at 0 when it begins.
fn seed(metric: &'static Metric) {
    match metric.kind {
        MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
        MetricKind::Gauge | MetricKind::FloatCounter | MetricKind::SampledCounter => {
            metrics::describe_gauge!(metric.name, metric.help);
        }
        MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
    if catalog::is_late(metric.name) {
        return;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_late_is_at_0_on_one_page_and_true_on_the_next() {
        let (exporter, recorder) =
            Exporter::build(&Identity::somebody(), &Bounds::with_duration(vec![10.0])).unwrap();
        let read = |name: &str, reader| {
            let page = String::from_utf8(exporter.page(reader).to_vec()).expect("a text");
            let series = page.lines().filter(|line| line.starts_with(name));
            series.filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect::<Vec<_>>()
        };
        let shown = |name: &str| read(name, PageReader::Scraper);
        let count = |reason: &'static str, more: u64| {
            metrics::counter!(catalog::CLAIMS_DROPPED.name, "reason" => reason).increment(more);
            exporter.touch();
        };
        let dropped = || shown(catalog::CLAIMS_DROPPED.name);
        metrics::with_local_recorder(&recorder, || {
            exporter.seed();
            assert_eq!(dropped(), [""; 0], "an idle runner says nothing of what never was");
            count("killed", 2);
            count("killed", 3);
            let told = || read(catalog::CLAIMS_DROPPED.name, PageReader::Anybody);
            assert_eq!((told(), told()), (vec!["5".to_owned()], vec!["5".to_owned()]), "what is, at once");
            assert_eq!(dropped(), ["0"], "nobody else has taken it");
            assert_eq!((dropped(), told()), (vec!["5".to_owned()], vec!["5".to_owned()]));
            count("killed", 1);
            count("muted", 4);
            assert_eq!(dropped(), ["6", "0"]);
            assert_eq!(dropped(), ["6", "4"]);
            metrics::histogram!(catalog::LEAD_TIME.name).record(7.0);
            exporter.touch();
            let first = shown(catalog::LEAD_TIME.name);
            assert!(first.len() > 3 && first.iter().all(|value| value == "0"), "{first:?}");
            assert_eq!(shown(catalog::LEAD_TIME.name)[first.len() - 2..], ["7", "1"]);
            metrics::counter!(catalog::DEPLOYMENTS.name, "status" => "failed").increment(7);
            exporter.restored(&catalog::DEPLOYMENTS);
            exporter.touch();
            assert_eq!(shown(catalog::DEPLOYMENTS.name), ["7"], "it did not begin now");
            count("unknown", 8);
            exporter.release();
            assert_eq!(dropped(), ["6", "4", "8"], "the last page tells all");
        });
    }

    #[test]
    fn the_other_format_says_since_when_unless_nobody_knows() {
        let (exporter, recorder) =
            Exporter::build(&Identity::somebody(), &Bounds::with_duration(vec![10.0])).unwrap();
        metrics::with_local_recorder(&recorder, || {
            exporter.seed();
            let created = || {
                let page = String::from_utf8(exporter.page_open_metrics(PageReader::Scraper).to_vec())
                    .expect("a text");
                assert!(page.ends_with("\n# EOF\n"), "{page}");
                page.lines().filter(|line| line.contains("_jobs_created{")).count()
            };
            assert_eq!(created(), 5);
            exporter.restored(&catalog::JOBS);
            exporter.touch();
            assert_eq!(created(), 0);
        });
    }
}
