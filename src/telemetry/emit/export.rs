//! Of the metrics that are pushed: what there is to tell, and what became of it.

use crate::domain::identity::Identity;
use crate::domain::notice::Notice;
use crate::domain::otlp::{ExportNews, ExportSetup, Instrument, MetricsExport, Temporality, resource_of};
use crate::domain::totals::{to_seconds, to_ticks};
use crate::domain::trace::TraceNews;
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
            resource: resource_of(resource, &identity.runner_name, identity.init_version),
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

/// Of traces: the same, and how many were given up.
pub(super) fn traces(news: &TraceNews) {
    let count = |result: &'static str, by| {
        counter!(c::OTLP_TRACE_EXPORTS.name, "result" => result).increment(by);
    };
    match &news.export {
        Some(ExportNews::Sent { again, says }) => {
            count("success", 1);
            if *again {
                info!(event = "traces_sent_again");
            } else {
                debug!(event = "trace_sent");
            }
            if let Some(says) = says {
                warn!(event = "traces_receiver_says", says);
            }
        }
        Some(ExportNews::Rejected { points, says: Some(says) }) => {
            count("partial", 1);
            warn!(event = "spans_rejected", spans = points, says);
        }
        Some(ExportNews::Rejected { points, says: None }) => {
            count("partial", 1);
            debug!(event = "spans_rejected", spans = points);
        }
        Some(ExportNews::Failed { says: Some(says) }) => {
            count("failed", 1);
            warn!(event = "trace_not_sent", says);
        }
        Some(ExportNews::Failed { says: None }) => {
            count("failed", 1);
            debug!(event = "trace_not_sent");
        }
        None => {}
    }
    if news.dropped > 0 {
        count("dropped", news.dropped);
        debug!(event = "traces_dropped", traces = news.dropped);
    }
}
