//! Where each signal goes, and what is said of what is not meant so.

use super::super::Config;
use super::super::lookup::MapLookup;
use super::*;
use crate::config::shown::Shown as _;
use crate::domain::trace::SamplerKind;

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
        assert_eq!(options.map(|options| options.target.url).as_deref(), url, "{set:?}");
        assert_eq!(warnings, [""; 0], "{set:?}");
    }
}

#[test]
fn what_is_for_metrics_wins_and_defaults_are_the_specification_s() {
    let (options, _) = loaded(&[ENDPOINT]);
    let options = options.expect("on");
    assert_eq!(
        (options.target.timeout, options.interval),
        (Duration::from_secs(10), Duration::from_secs(60))
    );
    let OtlpTarget { gzip, certificate, headers, .. } = options.target;
    assert_eq!((gzip, certificate, headers), (false, None, vec![]));
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
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
    ]);
    let options = options.expect("on");
    let secret = |text: &str| Secret::new(text.to_owned());
    let headers =
        vec![("authorization".to_owned(), secret("Basic x=")), ("x-scope-orgid".to_owned(), secret("7"))];
    assert_eq!(options.target.headers, headers);
    assert_eq!((options.target.timeout, options.interval), (Duration::from_secs(2), Duration::from_secs(5)));
    assert_eq!((options.target.gzip, options.target.certificate), (true, Some("/a.pem".into())));
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
    assert!(OtlpUrl::parse("https://xn--kln-sna.example").is_ok(), "a name as it is in DNS");
    for bad in [
        "x:4318",
        "ftp://x",
        "https://u:p@x",
        "https://x#y",
        "localhost:4318",
        "http://",
        "https://köln.example",
    ] {
        assert!(OtlpUrl::parse(bad).is_err(), "{bad}");
    }
    for (text, millis) in
        [("100", Some(100)), (" 60000 ", Some(60_000)), ("99", None), ("10s", None), ("3600001", None)]
    {
        assert_eq!(Millis::parse(text).ok(), millis.map(Millis), "{text}");
    }
}

fn traces(set: &[(&'static str, &str)]) -> (TraceOptions, Vec<String>) {
    let base = MapLookup::new([("RUNNER_SKIP_REGISTRATION", "true")]).with_hostname("box");
    let lookup = set.iter().fold(base, |lookup, (name, value)| lookup.with(*name, *value));
    let loaded = Config::from_lookup(&lookup).expect("valid");
    (loaded.config.traces, loaded.warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn where_traces_go() {
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (set, url) in [
        (vec![], None),
        (vec![ENDPOINT], Some("http://localhost:4318/v1/traces")),
        (vec![ENDPOINT, (own, "http://tempo:4318/v1/traces")], Some("http://tempo:4318/v1/traces")),
        (vec![(own, "http://x")], Some("http://x")),
        (vec![("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://x")], None),
        (vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], None),
        (vec![ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")], Some("http://localhost:4318/v1/traces")),
        (vec![("OTEL_TRACES_EXPORTER", "otlp")], Some("http://localhost:4318/v1/traces")),
        (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "true")], None),
    ] {
        let (options, warnings) = traces(&set);
        assert_eq!(options.target.map(|target| target.url).as_deref(), url, "{set:?}");
        assert_eq!(warnings, [""; 0], "{set:?}");
    }
    let (options, _) = traces(&[
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "C=d"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/b.pem"),
        ("OTEL_SERVICE_NAME", "ci"),
    ]);
    let target = options.target.expect("on");
    assert_eq!(target.headers, [("c".to_owned(), Secret::new("d".to_owned()))]);
    assert_eq!((target.timeout, target.gzip), (Duration::from_secs(3), true));
    assert_eq!(target.certificate, Some("/b.pem".into()));
    assert_eq!(options.resource, [("service.name".to_owned(), "ci".to_owned())]);
}

#[test]
fn which_traces_and_what_jobs_are_told() {
    let (options, _) = traces(&[]);
    assert_eq!(options.sampler, TraceSampler { kind: SamplerKind::ParentBasedAlwaysOn, ratio: 1.0 });
    assert_eq!((options.ids, options.told), (IdRule::CheckRun, None));
    let (options, warnings) = traces(&[
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("RUNNER_TRACE_IDS", "run_attempt"),
        ("RUNNER_TRACEPARENT", "true"),
        ("RUNNER_TRACEPARENT_ENDPOINT", "http://172.17.0.1:4318"),
    ]);
    assert_eq!(options.sampler, TraceSampler { kind: SamplerKind::TraceIdRatio, ratio: 0.25 });
    assert_eq!(options.ids, IdRule::RunAttempt);
    assert_eq!(options.told, Some(ToldToJobs { endpoint: Some("http://172.17.0.1:4318".into()) }));
    assert_eq!(warnings, [""; 0]);
    let (options, warnings) = traces(&[("RUNNER_TRACEPARENT_ENDPOINT", "http://c")]);
    assert_eq!(options.told, None);
    assert!(warnings[0].contains("says nothing without RUNNER_TRACEPARENT"), "{warnings:?}");
    for bad in ["1.1", "-0.1", "NaN", "", "half"] {
        assert!(Ratio::parse(bad).is_err(), "{bad}");
    }
    assert!(sampler("jaeger_remote").is_err());
}

#[test]
fn what_holds_for_both_signals_is_said_once() {
    let key = ("OTEL_EXPORTER_OTLP_HEADERS", "k=v");
    let (_, warnings) = traces(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x:4317"), key]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}
