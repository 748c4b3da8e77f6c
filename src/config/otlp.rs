//! Where metrics are pushed to, in OpenTelemetry's own variables: what the specification says of them holds, but for what
//! would be guessed, which is refused.

use super::fault::Warning;
use super::lookup::Lookup;
use super::parsers::{Parsed, line, one_of};
use super::resolve::Resolved;
use super::secret::Secret;
use super::shown::Shown;
use super::var::{Var, Variable};
use super::vars;
use super::words::{OtlpCompression, OtlpExporter, OtlpProtocol};
use crate::domain::otlp::Temporality;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// What resource attributes and headers are at most.
const PAIR_LIMIT: usize = 64;
/// The job of the examples, so that dashboards find what a receiver of Prometheus makes of it.
const SERVICE_NAME: &str = "github-runners";
/// Of a collector beside us.
const LOCAL: &str = "http://localhost:4318/v1/metrics";
const PATH: &str = "/v1/metrics";
/// What does not leave the machine.
const NEAR: [&str; 3] = ["http://127.", "http://localhost", "http://[::1]"];
/// What others have to show a certificate of their own.
const CLIENT: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
];

/// Everything an exporter needs.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpOptions {
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
    /// From one export to the next.
    pub interval: Duration,
    /// Which counts are deltas.
    pub temporality: Temporality,
    /// Who tells: what was configured, `service.name` among it.
    pub resource: Vec<(String, String)>,
}

/// Milliseconds, as OpenTelemetry has its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millis(pub u64);

impl Millis {
    /// At most an hour.
    pub(super) fn parse(text: &str) -> Parsed<Millis> {
        let found = text.trim().parse().ok().filter(|millis| (100..=3_600_000).contains(millis));
        found.map(Millis).ok_or_else(|| "expected milliseconds from 100 to 3600000".into())
    }

    fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Shown for Millis {
    fn shown(&self) -> String {
        self.0.to_string()
    }
}

/// A URL to post to. What is behind `?` is not shown: some services have a key there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpUrl(String);

impl OtlpUrl {
    pub(super) fn parse(text: &str) -> Parsed<OtlpUrl> {
        let is_one = |url: &Url| {
            let named = url.host_str().is_some_and(|host| !host.is_empty());
            let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
            ["http", "https"].contains(&url.scheme()) && named && plain
        };
        let word = text.trim();
        let found = Url::parse(word).ok().filter(is_one).map(|_| OtlpUrl(word.to_owned()));
        found.ok_or_else(|| "expected a URL such as http://collector:4318, without user and #".into())
    }

    /// The signal's path behind the base's, as the specification has it.
    fn with_path(&self) -> String {
        let (base, query) =
            self.0.split_once('?').map_or((self.0.as_str(), None), |(base, query)| (base, Some(query)));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{PATH}{query}", base.trim_end_matches('/'))
    }
}

impl Shown for OtlpUrl {
    fn shown(&self) -> String {
        self.0.split('?').next().unwrap_or_default().to_owned()
    }
}

/// `key=value,…`, values percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Attributes of the resource.
    pub(super) fn parse(text: &str) -> Parsed<Pairs> {
        let plain = |(key, value): &(String, String)| [key, value].iter().all(|part| line(part, 256).is_ok());
        let found = pairs(text).filter(|pairs| pairs.iter().all(plain)).map(Pairs);
        found.ok_or_else(|| {
            format!("expected at most {PAIR_LIMIT} KEY=VALUE separated by commas, values percent-encoded")
        })
    }
}

impl Shown for Pairs {
    fn shown(&self) -> String {
        let encoded = |text: &str| {
            let mut out = String::new();
            for byte in text.bytes() {
                if byte.is_ascii_graphic() && !b"%,=\"'".contains(&byte) {
                    out.push(byte.into());
                } else {
                    // A string takes any text.
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            out
        };
        self.0.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join(",")
    }
}

/// Headers, as they were written: they hold keys.
pub(super) fn headers(text: &str) -> Parsed<Secret> {
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_value = |value: &str| value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let found =
        pairs(text).filter(|pairs| pairs.iter().all(|(name, value)| is_name(name) && is_value(value)));
    found.map(|_| Secret::new(text.to_owned())).ok_or_else(|| {
        format!("expected at most {PAIR_LIMIT} NAME=VALUE separated by commas, values percent-encoded")
    })
}

fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let key = decoded(key.trim())?;
        (!key.is_empty()).then_some((key, decoded(value.trim())?))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(pair).collect::<Option<Vec<_>>>().filter(|pairs| (1..=PAIR_LIMIT).contains(&pairs.len()))
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out).ok()
}

impl Shown for Temporality {
    const WORDS: &'static [&'static str] = &["cumulative", "delta", "lowmemory"];

    fn shown(&self) -> String {
        match self {
            Temporality::Cumulative => "cumulative",
            Temporality::Delta => "delta",
            Temporality::LowMemory => "lowmemory",
        }
        .to_owned()
    }
}

pub(super) fn temporality(text: &str) -> Parsed<Temporality> {
    let words = [
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("lowmemory", Temporality::LowMemory),
    ];
    one_of(&words, text)
}

/// What is pushed where; `None` where nothing is, which is so unless an endpoint says otherwise.
pub(super) fn check(resolved: &mut Resolved, lookup: &dyn Lookup) -> Option<OtlpOptions> {
    let (general, own) = (
        resolved.get(&vars::OTEL_EXPORTER_OTLP_ENDPOINT),
        resolved.get(&vars::OTEL_EXPORTER_OTLP_METRICS_ENDPOINT),
    );
    let chosen = resolved.get(&vars::OTEL_METRICS_EXPORTER);
    let asked = match chosen {
        Some(exporter) => exporter == OtlpExporter::Otlp,
        None => general.is_some() || own.is_some(),
    };
    if !asked || resolved.is_on(&vars::OTEL_SDK_DISABLED) {
        return None;
    }
    let url =
        own.map_or_else(|| general.map_or_else(|| LOCAL.to_owned(), |base| base.with_path()), |own| own.0);
    let (protocol, from) =
        either(resolved, &vars::OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, &vars::OTEL_EXPORTER_OTLP_PROTOCOL);
    if protocol != Some(OtlpProtocol::HttpProtobuf) {
        resolved.warn(from, "is not spoken here, only http/protobuf is: no metrics are pushed");
        return None;
    }
    warn_of_grpc_port(resolved, &url);
    for name in CLIENT.into_iter().filter(|name| lookup.get(name).is_some_and(|value| !value.is_empty())) {
        let says = "is not read here: send to a collector nearby, which can show a certificate".to_owned();
        resolved.warnings.push(Warning { var: name.to_owned(), says });
    }
    let headers = headers_of(resolved, &url);
    let millis = |var: &'static Var<Millis>| resolved.get(var).map(Millis::duration);
    let timeout =
        millis(&vars::OTEL_EXPORTER_OTLP_METRICS_TIMEOUT).or(millis(&vars::OTEL_EXPORTER_OTLP_TIMEOUT))?;
    let (compression, _) = either(
        resolved,
        &vars::OTEL_EXPORTER_OTLP_METRICS_COMPRESSION,
        &vars::OTEL_EXPORTER_OTLP_COMPRESSION,
    );
    let (certificate, _) = either(
        resolved,
        &vars::OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE,
        &vars::OTEL_EXPORTER_OTLP_CERTIFICATE,
    );
    Some(OtlpOptions {
        headers,
        timeout,
        gzip: compression == Some(OtlpCompression::Gzip),
        certificate,
        interval: millis(&vars::OTEL_METRIC_EXPORT_INTERVAL)?,
        temporality: resolved.get(&vars::OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE)?,
        resource: resource(resolved),
        url,
    })
}

/// What holds for metrics alone wins over what holds for every signal; and which of them it was.
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

fn headers_of(resolved: &mut Resolved, url: &str) -> Vec<(String, Secret)> {
    let (secret, from) =
        either(resolved, &vars::OTEL_EXPORTER_OTLP_METRICS_HEADERS, &vars::OTEL_EXPORTER_OTLP_HEADERS);
    let Some(secret) = secret else { return Vec::new() };
    if url.starts_with("http://") && !NEAR.iter().any(|near| url.starts_with(near)) {
        resolved.warn(from, "is sent unencrypted: use https://");
    }
    let headers = pairs(secret.expose()).unwrap_or_default();
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), Secret::new(value))).collect()
}

fn warn_of_grpc_port(resolved: &mut Resolved, url: &str) {
    let from: [&Variable; 2] =
        [&vars::OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, &vars::OTEL_EXPORTER_OTLP_ENDPOINT];
    let from = from.into_iter().find(|var| resolved.is_set(var));
    let is_grpc = Url::parse(url).is_ok_and(|url| url.port() == Some(4317));
    if let Some(from) = from.filter(|_| is_grpc) {
        resolved.warn(from, "names port 4317, which is gRPC's by custom: http/protobuf is mostly on 4318");
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
mod tests {
    use super::super::Config;
    use super::super::lookup::MapLookup;
    use super::*;

    fn loaded(set: &[(&'static str, &str)]) -> (Option<OtlpOptions>, Vec<String>) {
        let base = MapLookup::new([("RUNNER_SKIP_REGISTRATION", "true")]).with_hostname("box");
        let lookup = set.iter().fold(base, |lookup, (name, value)| lookup.with(*name, *value));
        let loaded = Config::from_lookup(&lookup).expect("valid");
        (loaded.config.otlp, loaded.warnings.iter().map(ToString::to_string).collect())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

    #[test]
    fn where_metrics_go() {
        let own = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
        for (set, url) in [
            (vec![], None),
            (vec![ENDPOINT], Some("http://localhost:4318/v1/metrics")),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x/otlp/")], Some("https://x/otlp/v1/metrics")),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x?k=v")], Some("https://x/v1/metrics?k=v")),
            (
                vec![ENDPOINT, (own, "http://vm/opentelemetry/v1/metrics?a=b")],
                Some("http://vm/opentelemetry/v1/metrics?a=b"),
            ),
            (vec![(own, "http://x")], Some("http://x")),
            (vec![("OTEL_METRICS_EXPORTER", "otlp")], Some("http://localhost:4318/v1/metrics")),
            (vec![ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")], None),
            (vec![ENDPOINT, ("OTEL_METRICS_EXPORTER", "prometheus")], None),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "true")], None),
        ] {
            let (options, warnings) = loaded(&set);
            assert_eq!(options.map(|options| options.url).as_deref(), url, "{set:?}");
            assert_eq!(warnings, [""; 0], "{set:?}");
        }
    }

    #[test]
    fn what_is_for_metrics_wins_and_defaults_are_the_specification_s() {
        let (options, _) = loaded(&[ENDPOINT]);
        let options = options.expect("on");
        assert_eq!((options.timeout, options.interval), (Duration::from_secs(10), Duration::from_secs(60)));
        assert_eq!((options.gzip, options.certificate, options.headers), (false, None, vec![]));
        assert_eq!(options.temporality, Temporality::Cumulative);
        let (options, warnings) = loaded(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "Authorization=Basic%20x%3D, X-Scope-OrgID = 7 "),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/a.pem"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ]);
        let options = options.expect("on");
        let secret = |text: &str| Secret::new(text.to_owned());
        let headers =
            vec![("authorization".to_owned(), secret("Basic x=")), ("x-scope-orgid".to_owned(), secret("7"))];
        assert_eq!(options.headers, headers);
        assert_eq!((options.timeout, options.interval), (Duration::from_secs(2), Duration::from_secs(5)));
        assert_eq!((options.gzip, options.certificate), (true, Some("/a.pem".into())));
        assert_eq!((options.temporality, warnings), (Temporality::Delta, vec![]));
    }

    #[test]
    fn what_is_not_meant_so_is_said() {
        let key = ("OTEL_EXPORTER_OTLP_HEADERS", "k=v");
        for (set, is_on, says) in [
            (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], false, "PROTOCOL is not spoken here"),
            (
                vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json")],
                false,
                "METRICS_PROTOCOL is not",
            ),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x:4317")], true, "names port 4317"),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"), key], true, "HEADERS is sent unencrypted"),
            (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k")], true, "CLIENT_KEY is not read here"),
        ] {
            let (options, warnings) = loaded(&set);
            assert_eq!(options.is_some(), is_on, "{set:?}");
            assert!(warnings.len() == 1 && warnings[0].contains(says), "{warnings:?}");
        }
    }

    #[test]
    fn the_service_has_a_name() {
        let resource = |set: &[(&'static str, &str)]| {
            let set: Vec<_> = set.iter().copied().chain([ENDPOINT]).collect();
            loaded(&set).0.expect("on").resource
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(resource(&[]), [pair("service.name", "github-runners")]);
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=ci,site=M%C3%BCnchen%2C1");
        assert_eq!(resource(&[attributes]), [pair("service.name", "ci"), pair("site", "München,1")]);
        assert_eq!(resource(&[attributes, ("OTEL_SERVICE_NAME", "own")])[0], pair("service.name", "own"));
    }

    #[test]
    fn what_is_shown_is_read_back_and_holds_no_key() {
        for text in ["a=b", "a=%2C%25,b=c%20d%C3%BC", "k=x%3Dy"] {
            assert_eq!(Pairs::parse(text).expect(text).shown(), text);
        }
        for bad in ["", ",", "a", "=b", "a=%", "a=%4", "a=%zz", "a=%ff", "a=\u{7}"] {
            assert!(Pairs::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["a b=c", "a=b\u{7f}", "a=%0a", "x"] {
            assert!(headers(bad).is_err(), "{bad:?}");
        }
        assert_eq!(OtlpUrl::parse("https://x/y?key=hunter2").expect("a URL").shown(), "https://x/y");
        for bad in ["x:4318", "ftp://x", "https://u:p@x", "https://x#y", "localhost:4318", "http://"] {
            assert!(OtlpUrl::parse(bad).is_err(), "{bad}");
        }
        for (text, millis) in
            [("100", Some(100)), (" 60000 ", Some(60_000)), ("99", None), ("10s", None), ("3600001", None)]
        {
            assert_eq!(Millis::parse(text).ok(), millis.map(Millis), "{text}");
        }
    }
}
