//! One signal's variables beside those of all signals: what is for it alone wins.

use super::OtlpTarget;
use super::values::{Millis, OtlpUrl, pairs};
use crate::config::resolve::Resolved;
use crate::config::secret::Secret;
use crate::config::shown::Shown;
use crate::config::var::{Var, Variable};
use crate::config::vars;
use crate::config::words::{OtlpCompression, OtlpExporter, OtlpProtocol};
use std::path::PathBuf;
use url::Url;

/// A collector beside us.
const LOCAL: &str = "http://localhost:4318";
/// What does not leave the machine.
const NEAR: [&str; 3] = ["http://127.", "http://localhost", "http://[::1]"];

/// The variables that are for one signal alone.
pub(super) struct Signal {
    /// Behind the address of all signals.
    path: &'static str,
    exporter: &'static Var<OtlpExporter>,
    endpoint: &'static Var<OtlpUrl>,
    headers: &'static Var<Secret>,
    timeout: &'static Var<Millis>,
    compression: &'static Var<OtlpCompression>,
    certificate: &'static Var<PathBuf>,
    protocol: &'static Var<OtlpProtocol>,
}

pub(super) static METRICS: Signal = Signal {
    path: "/v1/metrics",
    exporter: &vars::OTEL_METRICS_EXPORTER,
    endpoint: &vars::OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    headers: &vars::OTEL_EXPORTER_OTLP_METRICS_HEADERS,
    timeout: &vars::OTEL_EXPORTER_OTLP_METRICS_TIMEOUT,
    compression: &vars::OTEL_EXPORTER_OTLP_METRICS_COMPRESSION,
    certificate: &vars::OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE,
    protocol: &vars::OTEL_EXPORTER_OTLP_METRICS_PROTOCOL,
};

pub(super) static TRACES: Signal = Signal {
    path: "/v1/traces",
    exporter: &vars::OTEL_TRACES_EXPORTER,
    endpoint: &vars::OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    headers: &vars::OTEL_EXPORTER_OTLP_TRACES_HEADERS,
    timeout: &vars::OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
    compression: &vars::OTEL_EXPORTER_OTLP_TRACES_COMPRESSION,
    certificate: &vars::OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE,
    protocol: &vars::OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
};

/// Where it is sent; `None` where it is not, which is so unless an endpoint says otherwise.
pub(super) fn target(resolved: &mut Resolved, signal: &Signal) -> Option<OtlpTarget> {
    let (general, own) = (resolved.get(&vars::OTEL_EXPORTER_OTLP_ENDPOINT), resolved.get(signal.endpoint));
    let asked = match resolved.get(signal.exporter) {
        Some(exporter) => exporter == OtlpExporter::Otlp,
        None => general.is_some() || own.is_some(),
    };
    if !asked || resolved.is_on(&vars::OTEL_SDK_DISABLED) {
        return None;
    }
    let local = || format!("{LOCAL}{}", signal.path);
    let url = match own {
        Some(own) => own.0,
        None => general.map_or_else(local, |base| base.with_path(signal.path)),
    };
    let (protocol, from) = either(resolved, signal.protocol, &vars::OTEL_EXPORTER_OTLP_PROTOCOL);
    if protocol != Some(OtlpProtocol::HttpProtobuf) {
        warn_once(resolved, from, "is not spoken here, only http/protobuf is: with another nothing is sent");
        return None;
    }
    warn_of_grpc_port(resolved, signal, &url);
    let headers = headers_of(resolved, signal, &url);
    let (timeout, _) = either(resolved, signal.timeout, &vars::OTEL_EXPORTER_OTLP_TIMEOUT);
    let (compression, _) = either(resolved, signal.compression, &vars::OTEL_EXPORTER_OTLP_COMPRESSION);
    let (certificate, _) = either(resolved, signal.certificate, &vars::OTEL_EXPORTER_OTLP_CERTIFICATE);
    let gzip = compression == Some(OtlpCompression::Gzip);
    Some(OtlpTarget { url, headers, timeout: timeout?.duration(), gzip, certificate })
}

/// What holds for the signal alone wins over what holds for every signal; and which of them it was.
fn either<T: Shown>(
    resolved: &Resolved,
    own: &'static Var<T>,
    general: &'static Var<T>,
) -> (Option<T>, &'static Variable) {
    match resolved.get(own) {
        Some(value) => (Some(value), own),
        None => (resolved.get(general), general),
    }
}

fn headers_of(resolved: &mut Resolved, signal: &Signal, url: &str) -> Vec<(String, Secret)> {
    let (secret, from) = either(resolved, signal.headers, &vars::OTEL_EXPORTER_OTLP_HEADERS);
    let Some(secret) = secret else { return Vec::new() };
    if url.starts_with("http://") && !NEAR.iter().any(|near| url.starts_with(near)) {
        warn_once(resolved, from, "is sent unencrypted: use https://");
    }
    let headers = pairs(secret.expose()).unwrap_or_default();
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), Secret::new(value))).collect()
}

fn warn_of_grpc_port(resolved: &mut Resolved, signal: &Signal, url: &str) {
    let from: [&Variable; 2] = [signal.endpoint, &vars::OTEL_EXPORTER_OTLP_ENDPOINT];
    let from = from.into_iter().find(|var| resolved.is_set(var));
    let is_grpc = Url::parse(url).is_ok_and(|url| url.port() == Some(4317));
    if let Some(from) = from.filter(|_| is_grpc) {
        warn_once(
            resolved,
            from,
            "names port 4317, which is gRPC's by custom: http/protobuf is mostly on 4318",
        );
    }
}

/// What holds for both signals is said for one of them.
fn warn_once(resolved: &mut Resolved, var: &Variable, says: &str) {
    let is_said = resolved.warnings.iter().any(|known| known.var == var.name && known.says == says);
    if !is_said {
        resolved.warn(var, says);
    }
}
