//! The configuration as a user meets it: what `check` prints for an environment, word for word.
//!
//! `UPDATE_GOLDEN=1` rewrites the files of `tests/golden/config`.
#![allow(clippy::disallowed_methods, reason = "a test reads its own switch from the environment")]

use proptest::prelude::*;
use runner_init::config::{
    Config, Credential, Fallback, Lookup, MapLookup, Secret, Variable, describe, render_check, vars,
};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

/// Registration is skipped, the machine is called `box`: the least that is valid.
fn base() -> MapLookup {
    MapLookup::new([(vars::RUNNER_SKIP_REGISTRATION.name, "true")]).with_hostname("box")
}

fn base_and(vars: &[(&str, &str)]) -> MapLookup {
    vars.iter().fold(base(), |lookup, (name, value)| lookup.with(*name, *value))
}

/// Compares what `check` prints with `tests/golden/config/NAME.txt`.
fn check(name: &str, lookup: &MapLookup) {
    let shown = render_check(&Config::from_lookup(lookup));
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden/config", name].iter().collect();
    let file = file.with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &shown).expect("the golden directory is writable");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, golden, "differs from {}", file.display());
}

#[test]
fn nothing_set() {
    check("nothing_set", &MapLookup::default());
}

#[test]
fn least_that_is_valid() {
    check("least_that_is_valid", &base());
}

/// A value each variable takes, as far as they go together.
const EVERY: [(&str, &str); 102] = [
    ("GITHUB_TOKEN", "ghp_s3cr3t"),
    ("GITHUB_REPOSITORY", "octo/cat"),
    ("GITHUB_OWNER", "octo"),
    ("RUNNER_URL", "https://ghes.example.com:8443/git/octo/cat"),
    ("RUNNER_SCOPE", "Repo"),
    ("ORG_RUNNER", "no"),
    ("GITHUB_HOST", "https://GHES.example.com:8443/git/"),
    ("GITHUB_API_URL", "https://api.example.com/github/"),
    ("GITHUB_API_HOST", "api.example.com"),
    ("GITHUB_API_PATH", "/github"),
    ("RUNNER_DIR", "/opt/runner"),
    ("RUNNER_NAME", "größter \"runner\""),
    ("RUNNER_NAME_PREFIX", "grö"),
    ("RANDOM_RUNNER_SUFFIX", "false"),
    ("RUNNER_TYPE", "Chrome-Go"),
    ("RUNNER_LABELS", " gpu, LARGE,Gpu,,x y "),
    ("NO_DEFAULT_LABELS", "1"),
    ("RUNNER_GROUP", "default"),
    ("RUNNER_WORK_DIR", "/jobs"),
    ("RUNNER_EPHEMERAL", "Yes"),
    ("RUNNER_JIT", "on"),
    ("RUNNER_REPLACE_EXISTING", "no"),
    ("DISABLE_AUTO_UPDATE", "yes"),
    ("RUNNER_USER", "1001:121"),
    ("RUNNER_ALLOW_RUNASROOT", "1"),
    ("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "120"),
    ("RUNNER_UPDATE_CA_CERTS", "1"),
    ("RUNNER_SKIP_REGISTRATION", "off"),
    ("RUNNER_PRINT_LOG", "on"),
    ("RUNNER_SWEEP", "off"),
    ("RUNNER_DIAG_MAX_MB", "64"),
    ("RUNNER_JOB_SUMMARY", "true"),
    ("RUNNER_STOP_GRACE", "1h30m"),
    ("RUNNER_DRAIN_TIMEOUT", "1h"),
    ("RUNNER_IDLE_TIMEOUT", "1h"),
    ("RUNNER_MAX_RESTARTS", "Unlimited"),
    ("DISABLE_AUTOMATIC_DEREGISTRATION", "true"),
    ("RUNNER_STATUS_CHECK_INTERVAL", "30"),
    ("METRICS_ENABLED", "TRUE"),
    ("METRICS_PORT", "0"),
    ("METRICS_BIND", "::"),
    ("METRICS_AUTH_TOKEN", "s3cr3t"),
    ("METRICS_UPDATE_INTERVAL", "5"),
    ("METRICS_LINGER_SECONDS", "20"),
    ("JOB_DURATION_BUCKETS", "0.5, 1 2,1e3"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com/"),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://otlp.example.com/metrics?key=s3cr3t"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://otlp.example.com/traces?key=s3cr3t"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cr3t"),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-key=s3cr3t2"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=s3cr3t3"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
    ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "6000"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "7000"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
    ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
    ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/other.pem"),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/third.pem"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "30000"),
    ("OTEL_TRACES_EXPORTER", "otlp"),
    ("OTEL_TRACES_SAMPLER", "traceidratio"),
    ("OTEL_TRACES_SAMPLER_ARG", "0.50"),
    ("RUNNER_TRACE_IDS", "run_attempt"),
    ("RUNNER_TRACEPARENT", "yes"),
    ("RUNNER_TRACEPARENT_ENDPOINT", "http://collector:4318"),
    ("OTEL_RESOURCE_ATTRIBUTES", "site=M%c3%bcnchen, team = ci"),
    ("OTEL_SERVICE_NAME", "ci"),
    ("OTEL_SDK_DISABLED", "no"),
    ("DORA_DEPLOYMENT_MATCH", " ^CD/deploy (eu|us)$ "),
    ("DORA_BRANCH_MATCH", "^(main|refs/tags/v\\d+)$"),
    ("DORA_STREAM", "\\((.+)\\)$"),
    ("CACHE_TYPES", " bazel, npm"),
    ("STEP_METRICS_MATCH", "^(Build|Test)\\b"),
    ("RUNNER_STATE_DIR", "/state"),
    ("JOBS_LOG", "/logs/jobs.csv"),
    ("JOBS_LOG_MAX_RECORDS", "100"),
    ("RUNNER_RUN_DIR", "/run/runner-init"),
    ("JOB_EVENTS_URL", "https://collector.example.com:9095/?key=s3cr3t"),
    ("JOB_EVENTS_FORMAT", "NDJSON"),
    ("JOB_EVENTS_TOKEN", "s3cr3t"),
    ("JOB_EVENTS_WAIT", "1m"),
    ("METRICS_ADVERTISE", "runner-7.example.com:9091"),
    ("COLLECT_LABELS", "workflow, runner_type"),
    ("COLLECT_MAX_LABEL_SETS", "20"),
    ("COLLECT_TOKEN", "s3cr3t"),
    ("LOG_FORMAT", "json"),
    ("LOG_LEVEL", "DEBUG"),
    // What would contradict the ones above, given as nothing.
    ("RUNNER_TOKEN", ""),
    ("APP_ID", ""),
    ("APP_PRIVATE_KEY", ""),
    ("APP_INSTALLATION_ID", ""),
    ("APP_LOGIN", ""),
    ("ACTIONS_RUNNER_INPUT_JITCONFIG", ""),
    ("ORG_NAME", ""),
    ("ENTERPRISE_NAME", ""),
];

#[test]
fn every_variable_set() {
    let lookup = EVERY.iter().fold(MapLookup::default(), |lookup, (name, value)| lookup.with(*name, *value));
    for name in describe().iter().map(|variable| variable.name) {
        assert!(lookup.get(name).is_some(), "{name} is missing here");
    }
    check("every_variable_set", &lookup);
}

#[test]
fn every_variable_wrong() {
    let takes_any_line =
        ["RUNNER_NAME", "RUNNER_NAME_PREFIX", "RUNNER_GROUP", "RUNNER_LABELS", "OTEL_SERVICE_NAME"];
    let wrong = |name: &str| match name {
        _ if takes_any_line.contains(&name) => "a\nb",
        "DORA_DEPLOYMENT_MATCH" | "DORA_BRANCH_MATCH" | "DORA_STREAM" | "STEP_METRICS_MATCH" => {
            "wrong (value"
        }
        _ => "wrong value",
    };
    let lookup = describe()
        .iter()
        .fold(MapLookup::default(), |lookup, variable| lookup.with(variable.name, wrong(variable.name)));
    let faults = Config::from_lookup(&lookup).unwrap_err();
    let mut named: Vec<&str> = faults.faults.iter().map(|fault| fault.var.as_str()).collect();
    named.dedup();
    let expected: Vec<&str> = describe().iter().map(|variable| variable.name).collect();
    assert_eq!(named, expected);
    check("every_variable_wrong", &lookup);
}

#[test]
fn aliases_of_other_images() {
    let lookup = base_and(&[
        ("EPHEMERAL", "1"),
        ("RUNNER_WORKDIR", "/_work"),
        ("RUNNER_GRACEFUL_STOP_TIMEOUT", "15"),
        ("RUNNER_STOP_GRACE", "60"),
    ]);
    check("aliases_of_other_images", &lookup);
}

#[test]
fn own_name_wins_over_equal_aliases() {
    let lookup = base_and(&[
        ("RUNNER_EPHEMERAL", "true"),
        ("EPHEMERAL", "1"),
        ("RUNNER_WORK_DIRECTORY", "/w"),
        ("RUNNER_WORKDIR", "/w"),
    ]);
    check("own_name_wins_over_equal_aliases", &lookup);
}

#[test]
fn contradicting_names() {
    let lookup = base_and(&[
        ("RUNNER_EPHEMERAL", "0"),
        ("EPHEMERAL", "1"),
        ("RUNNER_WORK_DIR", "/a"),
        ("RUNNER_WORKDIR", "/b"),
        ("RUNNER_WORK_DIRECTORY", "/c"),
    ]);
    check("contradicting_names", &lookup);
}

#[test]
fn faulty_alias_is_named_as_it_was_set() {
    check("faulty_alias", &base_and(&[("EPHEMERAL", "maybe"), ("RUNNER_WORKDIR", "_work")]));
}

#[test]
fn ephemeral_0_is_false() {
    check("ephemeral_0", &base_and(&[("EPHEMERAL", "0")]));
}

#[test]
fn empty_means_not_set() {
    let lookup = describe().iter().flat_map(Variable::names).fold(base(), |lookup, name| {
        let is_base = name == vars::RUNNER_SKIP_REGISTRATION.name;
        if is_base { lookup } else { lookup.with(name, "") }
    });
    check("empty_means_not_set", &lookup.with("METRICS_AUTH_TOKEN_FILE", ""));
}

#[test]
fn chrome_name() {
    check("chrome_name", &base_and(&[("RUNNER_TYPE", "chrome")]));
}

#[test]
fn no_hostname() {
    check("no_hostname", &MapLookup::new([(vars::RUNNER_SKIP_REGISTRATION.name, "true")]));
}

#[test]
fn hostname_too_long_and_odd() {
    check("hostname_too_long_and_odd", &base().with_hostname(format!("a\u{1b}[31m b_{}", "x".repeat(100))));
}

#[test]
fn drain_alone() {
    check("drain_alone", &base_and(&[("RUNNER_DRAIN_TIMEOUT", "90s")]));
}

#[test]
fn drain_does_not_fit() {
    check("drain_does_not_fit", &base_and(&[("RUNNER_DRAIN_TIMEOUT", "10m"), ("RUNNER_STOP_GRACE", "5m")]));
}

#[test]
fn long_grace() {
    check("long_grace", &base_and(&[("RUNNER_STOP_GRACE", "3600")]));
}

#[test]
fn secret_from_a_file() {
    let lookup = base_and(&[("METRICS_AUTH_TOKEN_FILE", "/run/secrets/token")]);
    let lookup = lookup.with_file("/run/secrets/token", "s3cr3t\r\n");
    let loaded = Config::from_lookup(&lookup).unwrap();
    assert_eq!(loaded.config.metrics.auth_token.unwrap().expose(), "s3cr3t");
    check("secret_from_a_file", &lookup);
}

#[test]
fn secret_given_twice() {
    let lookup =
        base_and(&[("METRICS_AUTH_TOKEN", "s3cr3t"), ("METRICS_AUTH_TOKEN_FILE", "/run/secrets/token")]);
    check("secret_given_twice", &lookup);
}

#[test]
fn secret_file_faults() {
    let from = |path: &str| base_and(&[("METRICS_AUTH_TOKEN_FILE", path)]);
    check("secret_file_missing", &from("/run/secrets/none"));
    check("secret_file_empty", &from("/run/secrets/token").with_file("/run/secrets/token", "\n"));
    check(
        "secret_file_large",
        &from("/run/secrets/token").with_file("/run/secrets/token", vec![b'x'; 65537]),
    );
    check("secret_file_binary", &from("/run/secrets/token").with_file("/run/secrets/token", [0xff, 0xfe]));
    check("secret_file_two_lines", &from("/run/secrets/token").with_file("/run/secrets/token", "a\n\n"));
    check("secret_in_place_of_its_file", &from("s3cr3t"));
}

#[test]
fn secret_file_of_64_kib_is_read() {
    let lookup = base_and(&[("METRICS_AUTH_TOKEN_FILE", "/t")]).with_file("/t", vec![b'x'; 65536]);
    assert!(Config::from_lookup(&lookup).is_ok());
}

#[test]
fn not_utf_8() {
    let lookup = base().with("RUNNER_NAME", OsString::from_vec(vec![b'a', 0xff]));
    check("not_utf_8", &lookup.with("METRICS_AUTH_TOKEN", OsString::from_vec(vec![0xff])));
}

#[test]
fn kubernetes_service_link() {
    check("kubernetes_service_link", &base_and(&[("METRICS_PORT", "tcp://10.0.0.1:9091")]));
}

#[test]
fn misspelt_names() {
    let lookup = base_and(&[
        ("RUNNER_EPHEMREAL", "1"),
        ("METRICS_PROT", "1"),
        ("METRICS_AUTH_TOKEN_FIEL", "/x"),
        ("GITHUB_TOKNE", "ghp_s3cr3t"),
        ("RUNNER_\u{1b}DIR", "1"),
        ("JOBS_LOGS", "1"),
        // Each of these has a meaning, or is none of ours.
        ("GITHUB_PATH", "1"),
        ("RUNNER_OS", "1"),
        ("RUNNER_OS_VERSION", "1"),
        ("RUNNER_UID", "1"),
        ("APP_IP", "1"),
        ("PATH", "1"),
    ]);
    check("misspelt_names", &lookup);
}

#[test]
fn misspelt_name_behind_a_fault() {
    check("misspelt_name_behind_a_fault", &MapLookup::new([("RUNNER_SKIP_REGISTRATON", "true")]));
}

#[test]
fn alias_that_does_not_fit() {
    let lookup = base_and(&[("RUNNER_GRACEFUL_STOP_TIMEOUT", "15"), ("RUNNER_STOP_GRACE", "30")]);
    check("alias_that_does_not_fit", &lookup);
}

#[test]
fn numbers_at_their_bounds() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("METRICS_PORT", &["0", "65535", " 9091 "], &["65536", "-1", "9091x", "1.0"]),
        ("METRICS_BIND", &["127.0.0.1", "::1"], &["localhost", "[::1]", "1.2.3"]),
        ("METRICS_UPDATE_INTERVAL", &["1", "3600", "1h"], &["0", "999ms", "3601", "-5", "x"]),
        ("METRICS_LINGER_SECONDS", &["0", "3600"], &["3601"]),
        ("RUNNER_STOP_GRACE", &["0", "30d", "1h30m", "1h 30m"], &["31d", "1h30", "18446744073709551616"]),
        ("RUNNER_IDLE_TIMEOUT", &["0", "1", "30d"], &["-1", "31d", "0.5"]),
        ("RUNNER_MAX_RESTARTS", &["0", "4294967295", "unlimited"], &["-1", "4294967296", "none"]),
        ("JOBS_LOG_MAX_RECORDS", &["100", "10000000"], &["99", "-1"]),
        (
            "JOB_DURATION_BUCKETS",
            &["1", "0.1,0.2", "1  2"],
            &["0", "-1", "2,1", "1,1", "nan", "inf", "1;2", ","],
        ),
        ("RUNNER_TYPE", &["standard", "CHROME", "chrome-go"], &["fire fox", "chrome go"]),
        ("RUNNER_STATUS_CHECK_INTERVAL", &["0", "10", "1day"], &["9", "86401"]),
        ("RUNNER_USER", &["runner", "1001", "0:0"], &["a b", "1:", "runner:docker:x"]),
        ("RUNNER_LABELS", &["a", "a,b,"], &[",", "a\tb", "-a"]),
        ("RUNNER_GROUP", &["Default", "a b"], &["-a", " "]),
        ("APP_INSTALLATION_ID", &["1", "18446744073709551615"], &["-1", "+1", "x", "18446744073709551616"]),
        ("GITHUB_API_URL", &["https://x/y", "x"], &["ftp://x", "https://a@b", "https://x?y", " "]),
        ("GITHUB_API_PATH", &["/", "/api/v3/"], &["api", "/a b"]),
        ("GITHUB_HOST", &["x", "https://x:1/"], &["https://", "github.com/o", "a b"]),
        (
            "RUNNER_URL",
            &["https://x/o", "http://x/o/r"],
            &["https://x", "x/a/b/c", "https://t0k3n@github.com/o/r"],
        ),
        ("ORG_NAME", &["a", "a-b"], &["a/b", "ä"]),
        ("RUNNER_DIR", &["/", "/a b"], &["a", "./a", "~/a", "/a\n", " /a"]),
        ("RUNNER_NAME", &["x", "a b"], &[" ", "a\tb", "-x"]),
        ("METRICS_AUTH_TOKEN", &["x", "!~"], &["a b", "a\n", "ä"]),
        ("DORA_DEPLOYMENT_MATCH", &["deploy", "^$", "^CD/(a|b)$"], &["(", " ", "a(?=b)", "(a{999}){999}"]),
        ("DORA_BRANCH_MATCH", &["^main$"], &["*", "[", r"(a)\1"]),
        ("DORA_STREAM", &["job", "Job", r"\((.+)\)$"], &["jobs", "deploy", "(?:a)", "(", "(a{999}){999}"]),
        ("LOG_LEVEL", &["error", "WARN"], &["trace", "5"]),
    ];
    for (name, good, bad) in cases {
        for value in *good {
            let result = Config::from_lookup(&base_and(&[(name, value)]));
            assert!(result.is_ok(), "{name}={value}: {}", render_check(&result));
        }
        for value in *bad {
            let faults =
                Config::from_lookup(&base_and(&[(name, value)])).expect_err(&format!("{name}={value}"));
            assert_eq!(faults.faults.len(), 1, "{name}={value}: {faults}");
            assert_eq!(faults.faults[0].var, *name);
        }
    }
    let bounds = |count: u32| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    assert!(Config::from_lookup(&base_and(&[("JOB_DURATION_BUCKETS", &bounds(30))])).is_ok());
    assert!(Config::from_lookup(&base_and(&[("JOB_DURATION_BUCKETS", &bounds(31))])).is_err());
    assert!(Config::from_lookup(&base_and(&[("RUNNER_NAME", &"ä".repeat(64))])).is_ok());
    assert!(Config::from_lookup(&base_and(&[("RUNNER_NAME", &"a".repeat(65))])).is_err());
}

#[test]
fn what_check_prints_can_be_set_again() {
    let lookup = base_and(&[("RUNNER_DRAIN_TIMEOUT", "1500ms"), ("RUNNER_MAX_RESTARTS", "unlimited")]);
    let first = Config::from_lookup(&lookup).unwrap();
    let shown = render_check(&Ok(first.clone()));
    let assignments = shown.lines().filter_map(|line| line.split_once('='));
    let again = assignments.fold(MapLookup::default(), |lookup, (name, value)| {
        let value = value.split(" (").next().expect("a split has a first part");
        if value == "(set, redacted)" { lookup } else { lookup.with(name, value) }
    });
    let second = Config::from_lookup(&again).unwrap();
    assert_eq!(first.config, second.config);
    let defaults = describe().iter().filter(|v| v.fallback != Fallback::Unset).count();
    assert_eq!(second.sources.len(), defaults);
}

/// The least that registers.
fn registering(vars: &[(&str, &str)]) -> MapLookup {
    let least = [("GITHUB_TOKEN", "ghp_s3cr3t"), ("GITHUB_REPOSITORY", "octo/cat")];
    with(least.iter().chain(vars))
}

fn with<'a>(vars: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> MapLookup {
    let none = MapLookup::default().with_hostname("box").with_random(1 << 60);
    vars.into_iter().fold(none, |lookup, (name, value)| lookup.with(*name, *value))
}

const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\\nczNjcjN0czNjcjN0\\n-----END RSA PRIVATE KEY-----\\n";
/// `{".runner":"BOM{"agentId":7,"agentName":"arc-x7b2f-runner-9qk4z"}"}`
const JIT: &str = "eyIucnVubmVyIjoiNzd1L2V5SmhaMlZ1ZEVsa0lqbzNMQ0poWjJWdWRFNWhiV1VpT2lKaGNtTXRlRGRpTW1ZdGNuVnVibVZ5TFRseGF6UjZJbjA9In0=";

#[test]
fn credentials() {
    let app = |vars: &[(&str, &str)]| with([("APP_ID", "12345"), ("ORG_NAME", "octo")].iter().chain(vars));
    check("pat_repository", &registering(&[]));
    check(
        "app_organisation_from_files",
        &app(&[("APP_PRIVATE_KEY_FILE", "/run/secrets/key")])
            .with_file("/run/secrets/key", KEY.replace("\\n", "\n")),
    );
    check(
        "app_escaped",
        &app(&[("APP_PRIVATE_KEY", KEY), ("APP_INSTALLATION_ID", "7"), ("APP_LOGIN", "octo")]),
    );
    check("app_id_alone", &app(&[]));
    check("app_key_alone", &with(&[("APP_PRIVATE_KEY", KEY), ("ORG_NAME", "octo")]));
    check("app_key_wrong", &app(&[("APP_PRIVATE_KEY", "s3cr3t")]));
    check("pat_and_app", &app(&[("APP_PRIVATE_KEY", KEY), ("ACCESS_TOKEN", "ghp_s3cr3t")]));
    check("pat_and_app_key", &registering(&[("APP_PRIVATE_KEY", KEY)]));
    check("token", &with(&[("RUNNER_TOKEN", "AAS3CR3T"), ("GITHUB_REPOSITORY", "octo/cat")]));
    check("token_beside_pat", &registering(&[("RUNNER_TOKEN", "AAS3CR3T"), ("APP_LOGIN", "octo")]));
    check("no_credential", &with(&[("GITHUB_REPOSITORY", "octo/cat")]));
    check("no_target", &with(&[("GITHUB_TOKEN", "ghp_s3cr3t")]));
}

#[test]
fn just_in_time() {
    check(
        "arc_scale_set",
        &with(&[
            (vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, JIT),
            ("ACTIONS_RUNNER_CONTAINER_HOOKS", "/home/runner/k8s/index.js"),
            ("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "120"),
            ("RUNNER_UPDATE_CA_CERTS", "1"),
            ("DISABLE_AUTO_UPDATE", "true"),
        ]),
    );
    check(
        "jit_with_what_it_has_already",
        &with(&[
            (vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, JIT),
            ("RUNNER_NAME", "mine"),
            ("RUNNER_LABELS", "gpu"),
            ("RUNNER_GROUP", "big"),
            ("NO_DEFAULT_LABELS", "false"),
            ("REPO_URL", "https://github.com/octo/cat"),
            ("EPHEMERAL", "false"),
            ("RUNNER_JIT", "true"),
            ("RUNNER_STATUS_CHECK_INTERVAL", "60"),
        ]),
    );
    check(
        "jit_and_other_credentials",
        &registering(&[(vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, JIT), ("RUNNER_TOKEN", "AAS3CR3T")]),
    );
    check("jit_asked_for", &registering(&[("RUNNER_JIT", "true"), ("RUNNER_LABELS", "gpu")]));
    check("jit_asked_for_and_not_ephemeral", &registering(&[("RUNNER_JIT", "true"), ("EPHEMERAL", "0")]));
    check(
        "jit_asked_for_with_a_token",
        &with(&[("RUNNER_JIT", "true"), ("RUNNER_TOKEN", "AAS3CR3T"), ("ORG_NAME", "octo")]),
    );
}

#[test]
fn targets() {
    let pat = |vars: &[(&str, &str)]| with([("GITHUB_TOKEN", "ghp_s3cr3t")].iter().chain(vars));
    check("enterprise", &pat(&[("ENTERPRISE_NAME", "big-corp"), ("RUNNER_GROUP", "gpu")]));
    check("ghes", &registering(&[("GITHUB_HOST", "https://ghes.example.com/api/v3/")]));
    check(
        "ghes_with_port_and_path",
        &pat(&[
            ("GITHUB_HOST", "ghes.example.com:8443/git"),
            ("RUNNER_URL", "https://ghes.example.com:8443/git/octo"),
        ]),
    );
    check("ghes_from_url", &pat(&[("REPO_URL", "https://GHES.example.com/octo/cat.git/")]));
    check("ghe_com", &registering(&[("GITHUB_HOST", "octo.ghe.com")]));
    check("www", &pat(&[("RUNNER_URL", "http://www.github.com/enterprises/big-corp")]));
    check(
        "api_elsewhere_unencrypted",
        &registering(&[("GITHUB_API_URL", "http://proxy.internal:8080/github/")]),
    );
    check(
        "same_target_twice",
        &registering(&[("REPO_URL", "https://github.com/Octo/Cat"), ("GITHUB_OWNER", "OCTO")]),
    );
    check("targets_contradict", &registering(&[("ORG_NAME", "octo"), ("RUNNER_ENTERPRISE", "big-corp")]));
    check(
        "hosts_contradict",
        &pat(&[("GITHUB_HOST", "octo.ghe.com"), ("REPO_URL", "https://github.com/octo/cat")]),
    );
    check("apis_contradict", &registering(&[("GITHUB_API_URL", "https://a"), ("GITHUB_API_HOST", "b")]));
    check("owners_contradict", &registering(&[("GITHUB_OWNER", "other")]));
    check("repository_without_owner", &pat(&[("GITHUB_REPOSITORY", "cat")]));
    check("url_with_token", &pat(&[("REPO_URL", "https://s3cr3t@github.com/octo/cat")]));
    check("url_of_nothing", &pat(&[("REPO_URL", "https://github.com/octo/cat/settings")]));
    check("scope_decides", &registering(&[("RUNNER_SCOPE", "ORG"), ("ORG_NAME", "octo")]));
    check("scope_without_target", &registering(&[("ORG_RUNNER", "true")]));
    check("scopes_contradict", &registering(&[("ORG_RUNNER", "true"), ("RUNNER_SCOPE", "repo")]));
    check("group_of_a_repository", &registering(&[("RUNNER_GROUP", "gpu")]));
    check("no_label_at_all", &registering(&[("NO_DEFAULT_LABELS", "true")]));
}

#[test]
fn variables_of_myoung34() {
    check(
        "myoung34_repository",
        &with(&[
            ("ACCESS_TOKEN", "ghp_s3cr3t"),
            ("REPO_URL", "https://github.com/octo/cat"),
            ("RUNNER_NAME_PREFIX", "cat"),
            ("RANDOM_RUNNER_SUFFIX", "true"),
            ("RUNNER_WORKDIR", "/tmp/runner/work"),
            ("LABELS", "linux,x64,gpu"),
            ("EPHEMERAL", "1"),
            ("DISABLE_AUTO_UPDATE", "1"),
            ("RUN_AS_ROOT", "false"),
            ("GITHUB_ACTIONS_RUNNER_TLS_NO_VERIFY", "1"),
            ("START_DOCKER_SERVICE", "true"),
        ]),
    );
    check(
        "myoung34_organisation",
        &with(&[
            ("APP_ID", "12345"),
            ("APP_PRIVATE_KEY", KEY),
            ("APP_LOGIN", "octo"),
            ("RUNNER_SCOPE", "org"),
            ("ORG_NAME", "octo"),
            ("REPO_URL", "https://github.com/octo/cat"),
            ("RUNNER_GROUP", "Default"),
            ("DISABLE_AUTOMATIC_DEREGISTRATION", "true"),
        ]),
    );
    check(
        "myoung34_api",
        &registering(&[
            ("GITHUB_HOST", "octo.ghe.com"),
            ("GITHUB_API_HOST", "api.octo.ghe.com"),
            ("GITHUB_API_PATH", "/"),
        ]),
    );
}

#[test]
fn variables_of_other_images() {
    check(
        "arc_legacy",
        &with(&[
            ("RUNNER_NAME", "octo-7x9k2-q5w8z"),
            ("RUNNER_TOKEN", "AAS3CR3T"),
            ("GITHUB_URL", "https://github.com/"),
            ("RUNNER_ORG", "octo"),
            ("RUNNER_REPO", ""),
            ("RUNNER_ENTERPRISE", ""),
            ("RUNNER_GROUPS", "gpu"),
            ("RUNNER_LABELS", "gpu"),
            ("RUNNER_EPHEMERAL", "true"),
            ("DISABLE_RUNNER_UPDATE", "true"),
            ("RUNNER_WORKDIR", "/runner/_work"),
            ("RUNNER_GRACEFUL_STOP_TIMEOUT", "15"),
        ]),
    );
    check(
        "tcardonne",
        &with(&[
            ("GITHUB_ACCESS_TOKEN", "ghp_s3cr3t"),
            ("RUNNER_ORGANIZATION_URL", "https://github.com/octo"),
            ("RUNNER_REPOSITORY_URL", ""),
            ("RUNNER_WORK_DIRECTORY", "/_work"),
            ("RUNNER_REPLACE_EXISTING", "true"),
        ]),
    );
    check(
        "sanderknape_repository",
        &with(&[("GITHUB_PAT", "ghp_s3cr3t"), ("GITHUB_OWNER", "octo"), ("GITHUB_REPOSITORY", "cat")]),
    );
    check("sanderknape_organisation", &with(&[("GITHUB_PAT", "ghp_s3cr3t"), ("GITHUB_OWNER", "octo")]));
    check(
        "labbs",
        &with(&[
            ("GITHUB_APP_ID", "Iv1.8a61f9b3a7aba766"),
            ("GITHUB_APP_INSTALLATION_ID", "7"),
            ("GITHUB_APP_PRIVATE_KEY", KEY),
            ("ORG_NAME", "octo"),
        ]),
    );
}

#[test]
fn registration_skipped() {
    check(
        "skipped_with_all_the_rest",
        &base_and(&[
            ("GITHUB_TOKEN", "ghp_s3cr3t"),
            ("RUNNER_TOKEN", "AAS3CR3T"),
            ("GITHUB_REPOSITORY", "octo/cat"),
            ("RUNNER_LABELS", "gpu"),
            ("RUNNER_JIT", "true"),
            ("RUNNER_STATUS_CHECK_INTERVAL", "5m"),
        ]),
    );
    check("skipped_with_jit", &base_and(&[(vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, JIT)]));
}

#[test]
fn everything_wrong_at_once() {
    let lookup = with(&[
        ("GITHUB_TOKEN", "ghp_s3cr3t with spaces"),
        ("APP_ID", "ghp_s3cr3t"),
        ("APP_PRIVATE_KEY_FILE", "/run/secrets/none"),
        (vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, "s3cr3t"),
        ("GITHUB_REPOSITORY", "https://s3cr3t@github.com/octo/cat"),
        ("ORG_NAME", "octo"),
        ("ENTERPRISE_NAME", "big-corp"),
        ("RUNNER_SCOPE", "team"),
        ("GITHUB_HOST", "https://s3cr3t@ghes"),
        ("RUNNER_NAME", "-s3cr3t"),
        ("LABELS", ","),
        ("EPHEMERAL", "s3cr3t"),
        ("RUNNER_WORKDIR", "s3cr3t"),
        ("RUNNER_DRAIN_TIMEOUT", "2h"),
        ("RUNNER_STOP_GRACE", "1h"),
        ("RUNNER_LABLES", "s3cr3t"),
    ]);
    let shown = everything_shown(&lookup);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    check("everything_wrong_at_once", &lookup);
}

#[test]
fn ephemeral_is_true_only_when_it_says_so() {
    let table = [(None, Some(false)), (Some(""), Some(false)), (Some("maybe"), None), (Some("2"), None)];
    let no = ["0", "false", "False", "FALSE", "no", "off", " 0 "].map(|value| (Some(value), Some(false)));
    let yes = ["1", "true", "True", "yes", "on", "ON"].map(|value| (Some(value), Some(true)));
    for (value, expected) in table.into_iter().chain(no).chain(yes) {
        for name in ["RUNNER_EPHEMERAL", "EPHEMERAL"] {
            let lookup = value.into_iter().fold(registering(&[]), |lookup, value| lookup.with(name, value));
            let read = Config::from_lookup(&lookup).ok().map(|loaded| loaded.config.runner.ephemeral);
            assert_eq!(read, expected, "{name}={value:?}");
        }
    }
}

#[test]
fn a_name_differs_from_container_to_container() {
    let name = |hostname: Option<&str>, vars: &[(&str, &str)]| {
        let lookup =
            MapLookup::default().with(vars::RUNNER_SKIP_REGISTRATION.name, "1").with_random(u64::MAX);
        let lookup = hostname.into_iter().fold(lookup, MapLookup::with_hostname);
        let lookup = vars.iter().fold(lookup, |lookup, (name, value)| lookup.with(*name, *value));
        Config::from_lookup(&lookup).expect("valid").config.runner.name
    };
    let random = "3w5e11264sgsf";
    assert_eq!(name(Some("0f3c9d"), &[]), "docker-runner-0f3c9d");
    for constant in [None, Some(""), Some("localhost"), Some("LOCALHOST.localdomain")] {
        assert_eq!(name(constant, &[]), format!("docker-runner-{random}"), "{constant:?}");
    }
    assert_eq!(name(None, &[("RUNNER_TYPE", "chrome-go")]), format!("chrome-runner-{random}"));
    assert_eq!(name(Some("box"), &[("RANDOM_RUNNER_SUFFIX", "true")]), format!("docker-runner-{random}"));
    assert_eq!(name(Some("localhost"), &[("RANDOM_RUNNER_SUFFIX", "false")]), "docker-runner-localhost");
    assert_eq!(name(None, &[("RANDOM_RUNNER_SUFFIX", "false")]), format!("docker-runner-{random}"));
    assert_eq!(name(Some("box"), &[("RUNNER_NAME_PREFIX", "ci")]), "ci-box");
    assert_eq!(name(Some("box"), &[("RUNNER_NAME", "me"), ("RANDOM_RUNNER_SUFFIX", "1")]), "me");
    let longest = "p".repeat(50);
    assert_eq!(name(None, &[("RUNNER_NAME_PREFIX", &longest)]), format!("{longest}-{random}"));
    assert_eq!(
        name(Some(&"h".repeat(99)), &[("RUNNER_NAME_PREFIX", &longest)]),
        format!("{longest}-{}", "h".repeat(13))
    );
}

#[test]
fn replicas_have_names_of_their_own() {
    // A pod's name of up to 63 characters: what differs is at its end.
    let pods = ["x2x9z", "k8q4w", "m7p2c"]
        .map(|end| format!("payments-frontend-actions-runner-linux-x64-7d9f8b6c5d-{end}"));
    let template = ("RUNNER_NAME", "{hostname}-{random}");
    for vars in [
        &[][..],
        &[("RUNNER_TYPE", "chrome")],
        &[("RUNNER_NAME", "a-long-beginning-{hostname}")],
        &[template],
    ] {
        let loaded = pods
            .each_ref()
            .map(|pod| Config::from_lookup(&base_and(vars).with_hostname(pod.clone())).expect("valid"));
        let names = loaded.each_ref().map(|loaded| loaded.config.runner.name.clone());
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
        assert!(names.iter().all(|name| name.chars().count() <= 64), "{names:?}");
        let warned = |name: &str| name.contains("the beginning of the hostname is left out");
        let warnings = loaded[0].warnings.iter().filter(|warning| warned(&warning.says)).count();
        assert_eq!(warnings, 1, "{names:?}");
    }
}

#[test]
fn a_name_can_be_a_template() {
    let name = |template: &str, hostname: &str| {
        let lookup = base_and(&[("RUNNER_NAME", template)]).with_hostname(hostname).with_random(u64::MAX);
        Config::from_lookup(&lookup)
            .map(|loaded| loaded.config.runner.name)
            .map_err(|faults| faults.to_string())
    };
    let random = "3w5e11264sgsf";
    assert_eq!(name("{hostname}-{random}", "box"), Ok(format!("box-{random}")));
    assert_eq!(name("ci-{random}", "box"), Ok(format!("ci-{random}")));
    assert_eq!(name("{hostname}", "localhost"), Ok(random.into()), "everybody is localhost");
    assert_eq!(name("a{b", "box"), Ok("a{b".into()));
    for wrong in ["{host}", "{hostname}-{}", "{HOSTNAME}"] {
        let fault = name(wrong, "box").expect_err(wrong);
        assert!(fault.contains("expected nothing but {hostname} and {random} in braces"), "{fault}");
    }
    let long = format!("{}{{random}}", "x".repeat(52));
    assert_eq!(name(&long, "box"), Err("RUNNER_NAME: makes a name longer than 64 characters".into()));
}

#[test]
fn quotes_of_an_env_file() {
    let quoted = [
        ("GITHUB_TOKEN", "\"ghp_s3cr3t\""),
        ("GITHUB_REPOSITORY", "'octo/cat'"),
        ("RUNNER_NAME", "\"build-1\""),
        ("RUNNER_NAME_PREFIX", "\"ci\""),
        ("RUNNER_LABELS", "\"gpu,linux\""),
        ("RUNNER_GROUP", "'Default'"),
        ("METRICS_AUTH_TOKEN", "\"s3cr3t\""),
        ("DORA_DEPLOYMENT_MATCH", "\"deploy\""),
        ("DORA_BRANCH_MATCH", "\"^main$\""),
        ("DORA_STREAM", "\"job\""),
        ("RUNNER_EPHEMERAL", "\"true\""),
        ("HTTPS_PROXY", "\"http://p:3128\""),
    ];
    check("quotes_of_an_env_file", &with(&quoted));
}

#[test]
fn a_value_in_quotes_is_a_fault_for_every_variable_but_the_key() {
    for variable in describe().iter().filter(|variable| !variable.quotable) {
        for quote in ['"', '\''] {
            let lookup = MapLookup::default().with(variable.name, format!("{quote}x{quote}"));
            let faults = Config::from_lookup(&lookup).expect_err(variable.name).faults;
            let own = faults.iter().find(|fault| fault.var == variable.name).expect(variable.name);
            assert!(own.problem.starts_with("has quotes around it"), "{own}");
        }
    }
}

#[test]
fn labels_written_as_another_list() {
    for (labels, shown) in
        [("[gpu,linux]", "["), ("gpu;linux", ";"), ("gpu linux", "a blank"), ("a,b\"", "a quote")]
    {
        let loaded = Config::from_lookup(&registering(&[("RUNNER_LABELS", labels)])).expect("valid");
        let says = format!("has {shown} in a label: labels are separated by commas alone, as in gpu,linux");
        assert!(
            loaded.warnings.iter().any(|warning| warning.says == says),
            "{labels}: {:?}",
            loaded.warnings
        );
    }
    check("labels_as_json", &registering(&[("RUNNER_LABELS", "[\"gpu\",\"linux\"]")]));
}

#[test]
fn a_flavour_of_ones_own() {
    check("a_flavour_of_ones_own", &base_and(&[("RUNNER_TYPE", "GPU-a100")]));
}

#[test]
fn little_time_to_deregister() {
    check("little_time_to_deregister", &registering(&[("RUNNER_STOP_GRACE", "3s")]));
}

#[test]
fn a_repository_in_place_of_a_url() {
    check(
        "a_repository_in_place_of_a_url",
        &with(&[("GITHUB_TOKEN", "ghp_s3cr3t"), ("RUNNER_URL", "acme/web")]),
    );
}

#[test]
fn a_name_from_a_template() {
    check("a_name_from_a_template", &base_and(&[("RUNNER_NAME", "ci-{hostname}-{random}")]));
}

#[test]
fn what_is_configured_is_what_is_used() {
    let load = |lookup: &MapLookup| Config::from_lookup(lookup).expect("valid").config;
    let config = load(&registering(&[("RUNNER_LABELS", "b, a,B"), ("RUNNER_STATUS_CHECK_INTERVAL", "1m")]));
    assert_eq!(config.credential, Some(Credential::Pat(Secret::new("ghp_s3cr3t".into()))));
    assert_eq!(config.target.map(|target| target.api_path()), Some("repos/octo/cat".into()));
    assert_eq!(config.api_url, "https://api.github.com");
    assert_eq!(config.registration.labels, ["b", "a"]);
    assert_eq!(config.registration.status_check, Some(Duration::from_secs(60)));
    assert!(config.registration.replace && !config.registration.disable_update && !config.registration.jit);

    let config =
        load(&with(&[("APP_ID", "1"), ("APP_PRIVATE_KEY", KEY), ("ORG_NAME", "octo"), ("RUNNER_JIT", "1")]));
    let key = Secret::new("czNjcjN0czNjcjN0".into());
    assert_eq!(
        config.credential,
        Some(Credential::App { id: "1".into(), key, installation: None, login: None })
    );
    assert!(config.registration.jit && config.runner.ephemeral && config.registration.status_check.is_some());

    let config = load(&with(&[(vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, JIT)]));
    assert_eq!(config.runner.name, "arc-x7b2f-runner-9qk4z");
    assert!(config.runner.ephemeral && config.target.is_none() && !config.deregisters());
}

#[test]
fn time_to_remove_is_kept_only_where_there_is_something_to_remove() {
    let token = [("RUNNER_TOKEN", "AAS3CR3T"), ("ORG_NAME", "octo")];
    let keep = [("DISABLE_AUTOMATIC_DEREGISTRATION", "true")];
    let cases = [
        (registering(&[]), true),
        (registering(&[("RUNNER_JIT", "true")]), true),
        (with(&token), true),
        (registering(&keep), false),
        (with(&[(vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name, JIT)]), false),
        (base_and(&[("GITHUB_TOKEN", "ghp_s3cr3t")]), false),
    ];
    for (lookup, removes) in cases {
        let config = Config::from_lookup(&lookup.with("RUNNER_STOP_GRACE", "60")).expect("valid").config;
        assert_eq!(config.deregisters(), removes, "{config:?}");
        assert_eq!(!config.lifecycle.budget.deregistration.is_zero(), removes, "{config:?}");
    }
}

#[test]
fn the_reference_is_what_the_table_says() {
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs/CONFIGURATION.md"].iter().collect();
    let rendered = runner_init::config::reference::markdown();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &rendered).expect("the documentation is writable");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), rendered, "UPDATE_GOLDEN=1 rewrites it");
    for line in rendered.lines().filter(|line| line.starts_with('|')) {
        let columns = line.replace("\\|", "").matches('|').count() - 1;
        assert!(columns == 6 || columns == 4, "{columns} columns: {line}");
    }
}

/// Everything that could be shown of an environment.
fn everything_shown(lookup: &MapLookup) -> String {
    let result = Config::from_lookup(lookup);
    format!(
        "{result:?}\n{result:#?}\n{}\n{:?}",
        render_check(&result),
        result.as_ref().err().map(ToString::to_string)
    )
}

/// Long enough not to stand in an output by chance, and no path.
fn a_secret() -> impl Strategy<Value = String> {
    "[0-9A-Za-z+_. \n\u{e9}\u{1b}]{1,8}[qxz]{12}[ -~\n]{0,8}"
}

proptest! {
    /// Whether accepted, refused, given twice, misplaced into `_FILE` or in a file: a secret shows nowhere.
    #[test]
    fn no_secret_is_ever_shown(
        secret in a_secret(),
        places in proptest::collection::vec((0..describe().len(), 0..5_usize, 0..4_u8), 1..6),
        broken in any::<bool>(),
    ) {
        let core: String = secret.chars().filter(|c| "qxz".contains(*c)).take(12).collect();
        let mut lookup = if broken { MapLookup::new([("METRICS_PORT", "none")]) } else { base() };
        for (row, name, how) in places {
            let secrets: Vec<_> = describe().iter().filter(|variable| variable.redacted).collect();
            let variable = secrets[row % secrets.len()];
            let accepted: Vec<_> = variable.names().collect();
            let name = accepted[name % accepted.len()];
            lookup = match how {
                0 => lookup.with(name, &secret),
                1 => lookup.with(format!("{name}_FILE"), &secret),
                2 => lookup.with(name, OsString::from_vec([secret.as_bytes(), &[0xff]].concat())),
                _ => lookup.with(format!("{name}_FILE"), "/secret").with_file("/secret", secret.as_bytes()),
            };
        }
        let shown = everything_shown(&lookup);
        prop_assert!(!shown.contains(&core), "{shown}");
    }

    /// A value that is refused is not repeated, whichever variable it was meant for.
    #[test]
    fn no_refused_value_is_ever_shown(secret in a_secret(), row in 0..describe().len(), name in 0..5_usize) {
        let core: String = secret.chars().filter(|c| "qxz".contains(*c)).take(12).collect();
        let accepted: Vec<_> = describe()[row].names().collect();
        let lookup = base().with(accepted[name % accepted.len()], &secret);
        if Config::from_lookup(&lookup).is_err() {
            let shown = everything_shown(&lookup);
            prop_assert!(!shown.contains(&core), "{shown}");
        }
    }

    /// No environment whatsoever makes it panic.
    #[test]
    fn any_environment_is_answered(
        vars in proptest::collection::vec((0..describe().len(), 0..5_usize, "\\PC{0,12}|[0-9a-z]{0,4}"), 0..12),
        hostname in proptest::option::of("\\PC{0,80}"),
    ) {
        let mut lookup = base();
        for (row, name, value) in vars {
            let accepted: Vec<_> = describe()[row].names().collect();
            lookup = lookup.with(accepted[name % accepted.len()], value);
        }
        if let Some(hostname) = hostname {
            lookup = lookup.with_hostname(hostname);
        }
        prop_assert!(!render_check(&Config::from_lookup(&lookup)).chars().any(|c| c.is_control() && c != '\n'));
    }
}
