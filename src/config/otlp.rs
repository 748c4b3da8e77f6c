//! Where metrics and traces are sent, in OpenTelemetry's own variables: what the specification says of them holds, but for what
//! would be guessed, which is refused.

mod signal;
mod values;

pub(super) use values::{Millis, OtlpUrl, Pairs, Ratio, headers, ids, sampler, temporality};

use super::fault::Warning;
use super::lookup::Lookup;
use super::resolve::Resolved;
use super::secret::Secret;
use super::vars;
use crate::domain::otlp::Temporality;
use crate::domain::trace::{IdRule, TraceSampler};
use signal::{METRICS, TRACES, target};
use std::path::PathBuf;
use std::time::Duration;

/// The job of the examples, so that dashboards find what a receiver of Prometheus makes of it.
const SERVICE_NAME: &str = "github-runners";
/// What others have to show a certificate of their own.
const CLIENT: [&str; 6] = [
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
];

/// Where one signal is sent, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpTarget {
    /// The whole URL.
    pub url: String,
    /// Sent with every request.
    pub headers: Vec<(String, Secret)>,
    /// How long one request may take.
    pub timeout: Duration,
    /// Compress requests.
    pub gzip: bool,
    /// Whom to trust alone; `None` is whom the system trusts.
    pub certificate: Option<PathBuf>,
}

/// Everything that metrics need.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpOptions {
    /// Where to.
    pub target: OtlpTarget,
    /// From one export to the next.
    pub interval: Duration,
    /// Which counts are deltas.
    pub temporality: Temporality,
    /// Who tells: what was configured, `service.name` among it.
    pub resource: Vec<(String, String)>,
}

/// Everything that traces need.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOptions {
    /// Where to; `None` where none is sent.
    pub target: Option<OtlpTarget>,
    /// Who tells: what was configured, `service.name` among it.
    pub resource: Vec<(String, String)>,
    /// Which are sent.
    pub sampler: TraceSampler,
    /// What their ids are made from.
    pub ids: IdRule,
    /// What jobs are told; `None` where they are told nothing.
    pub told: Option<ToldToJobs>,
}

/// What a job is told of its trace, besides that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldToJobs {
    /// Where its own telemetry may go.
    pub endpoint: Option<String>,
}

/// What is sent where: metrics, if they are, and traces.
pub(super) fn check(
    resolved: &mut Resolved,
    lookup: &dyn Lookup,
) -> Option<(Option<OtlpOptions>, TraceOptions)> {
    let metrics = target(resolved, &METRICS);
    let traces = target(resolved, &TRACES);
    if metrics.is_some() || traces.is_some() {
        warn_of_certificates(resolved, lookup);
    }
    let resource = resource(resolved);
    let metrics = match metrics {
        Some(target) => Some(OtlpOptions {
            target,
            interval: resolved.get(&vars::OTEL_METRIC_EXPORT_INTERVAL)?.duration(),
            temporality: resolved.get(&vars::OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE)?,
            resource: resource.clone(),
        }),
        None => None,
    };
    let endpoint = resolved.get(&vars::RUNNER_TRACEPARENT_ENDPOINT);
    let is_told = resolved.is_on(&vars::RUNNER_TRACEPARENT);
    if endpoint.is_some() && !is_told {
        resolved.warn(&vars::RUNNER_TRACEPARENT_ENDPOINT, "says nothing without RUNNER_TRACEPARENT");
    }
    let told = is_told.then(|| ToldToJobs { endpoint: endpoint.map(|url| url.0) });
    let sampler = TraceSampler {
        kind: resolved.get(&vars::OTEL_TRACES_SAMPLER)?,
        ratio: resolved.get(&vars::OTEL_TRACES_SAMPLER_ARG)?.0,
    };
    let ids = resolved.get(&vars::RUNNER_TRACE_IDS)?;
    Some((metrics, TraceOptions { target: traces, resource, sampler, ids, told }))
}

fn warn_of_certificates(resolved: &mut Resolved, lookup: &dyn Lookup) {
    for name in CLIENT.into_iter().filter(|name| lookup.get(name).is_some_and(|value| !value.is_empty())) {
        let says = "is not read here: send to a collector nearby, which can show a certificate".to_owned();
        resolved.warnings.push(Warning { var: name.to_owned(), says });
    }
}

/// What was configured, and a name for the service in any case.
fn resource(resolved: &Resolved) -> Vec<(String, String)> {
    const NAME: &str = "service.name";
    let Pairs(mut resource) = resolved.get(&vars::OTEL_RESOURCE_ATTRIBUTES).unwrap_or(Pairs(Vec::new()));
    let named = resource.iter().rev().find(|(key, _)| key == NAME).map(|(_, name)| name.clone());
    let name = resolved.get(&vars::OTEL_SERVICE_NAME).or(named).unwrap_or_else(|| SERVICE_NAME.to_owned());
    resource.retain(|(key, _)| key != NAME);
    resource.insert(0, (NAME.to_owned(), name));
    resource
}

#[cfg(test)]
mod tests;
