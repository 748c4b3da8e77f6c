//! Of the metrics that are pushed: what there is to tell, and what became of it.

use crate::domain::identity::Identity;
use crate::domain::notice::Notice;
use crate::domain::otlp::{ExportNews, ExportSetup, Instrument, MetricsExport, Temporality};
use crate::domain::totals::{to_seconds, to_ticks};
use crate::telemetry::catalog as c;
use crate::telemetry::cicd::{self, PIPELINE, Runs};
use crate::telemetry::exporter::Exporter;
use chrono::{DateTime, Utc};
use metrics::counter;
use tracing::{debug, info, warn};

/// What is told by OTLP, where it is.
pub(super) struct Push {
    export: MetricsExport,
    runs: Runs,
    pipeline: Option<String>,
}

impl Push {
    pub(super) fn new(
        resource: Vec<(String, String)>,
        temporality: Temporality,
        bounds: Vec<f64>,
        identity: &Identity,
    ) -> Push {
        let pipeline = resource.iter().find(|(key, _)| key == PIPELINE).map(|(_, value)| value.clone());
        let export = MetricsExport::new(ExportSetup {
            resource: with_runner(resource, identity),
            version: identity.init_version,
            temporality,
            started_at: identity.started_at,
        });
        Push { export, runs: Runs::new(bounds), pipeline }
    }

    pub(super) fn request(&mut self, exporter: &Exporter, now: DateTime<Utc>) -> Vec<u8> {
        let mut reading = exporter.reading();
        let same = cicd::instruments(&reading, &self.runs, self.pipeline.as_deref());
        reading.extend(same);
        self.export.request(reading, now)
    }

    /// What has to be known of the counters before this is told.
    pub(super) fn before(notice: &Notice, exporter: &Exporter) -> Option<Vec<Instrument>> {
        matches!(notice, Notice::JobsRestored { .. }).then(|| exporter.reading())
    }

    /// What a push has to know of it.
    pub(super) fn after(&mut self, notice: &Notice, before: Option<Vec<Instrument>>, exporter: &Exporter) {
        match (notice, before) {
            (Notice::JobsRestored { begun, .. }, Some(before)) => {
                self.export.restored(&before, &exporter.reading(), *begun);
            }
            (Notice::RowWritten { delta, .. }, _) => {
                if let (Some(status), Some(took)) = (delta.finished, delta.duration) {
                    // In steps of 1/1024 s, as our own histogram has it.
                    self.runs.ended(status, to_seconds(to_ticks(took)));
                }
            }
            (Notice::Export(ExportNews::Sent { .. } | ExportNews::Rejected { .. }), _) => self.export.taken(),
            _ => {}
        }
    }
}

/// The runner is the instance of its service, and a worker in the words of the conventions, unless it was said otherwise.
fn with_runner(mut resource: Vec<(String, String)>, identity: &Identity) -> Vec<(String, String)> {
    let known = [
        ("service.instance.id", identity.runner_name.as_str()),
        ("service.version", identity.init_version),
        ("cicd.worker.name", identity.runner_name.as_str()),
    ];
    for (key, value) in known {
        if !resource.iter().any(|(set, _)| set == key) {
            resource.push((key.to_owned(), value.to_owned()));
        }
    }
    resource
}

pub(super) fn ended(news: &ExportNews) {
    let count = |result: &'static str| counter!(c::OTLP_EXPORTS.name, "result" => result).increment(1);
    match news {
        ExportNews::Sent { again, says } => {
            count("success");
            if *again {
                info!(event = "metrics_pushed_again");
            } else {
                debug!(event = "metrics_pushed");
            }
            if let Some(says) = says {
                warn!(event = "metrics_receiver_says", says);
            }
        }
        ExportNews::Rejected { points, says: Some(says) } => {
            count("partial");
            warn!(event = "metrics_rejected", points, says);
        }
        ExportNews::Rejected { points, says: None } => {
            count("partial");
            debug!(event = "metrics_rejected", points);
        }
        ExportNews::Failed { says: Some(says) } => {
            count("failed");
            warn!(event = "metrics_not_pushed", says);
        }
        ExportNews::Failed { says: None } => {
            count("failed");
            debug!(event = "metrics_not_pushed");
        }
    }
}
