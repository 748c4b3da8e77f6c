//! The configuration as a user meets it: what `check` prints for an environment, word for word.
//!
//! `UPDATE_GOLDEN=1` rewrites the files of `tests/golden/config`.
#![allow(clippy::disallowed_methods, reason = "a test reads its own switch from the environment")]

use proptest::prelude::*;
use runner_init::config::{Config, Fallback, Lookup, MapLookup, Variable, describe, names, render_check};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Registration is skipped, the machine is called `box`: the least that is valid.
fn base() -> MapLookup {
    MapLookup::new([(names::RUNNER_SKIP_REGISTRATION, "true")]).with_hostname("box")
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

#[test]
fn every_variable_set() {
    let lookup = base_and(&[
        ("RUNNER_DIR", "/opt/runner"),
        ("RUNNER_NAME", "größter \"runner\""),
        ("RUNNER_TYPE", "Chrome-Go"),
        ("RUNNER_WORK_DIR", "/jobs"),
        ("RUNNER_EPHEMERAL", "Yes"),
        ("RUNNER_PRINT_LOG", "on"),
        ("RUNNER_STOP_GRACE", "1h30m"),
        ("RUNNER_DRAIN_TIMEOUT", "1h"),
        ("RUNNER_MAX_RESTARTS", "Unlimited"),
        ("METRICS_ENABLED", "TRUE"),
        ("METRICS_PORT", "0"),
        ("METRICS_BIND", "::"),
        ("METRICS_AUTH_TOKEN", "s3cr3t"),
        ("METRICS_UPDATE_INTERVAL", "5"),
        ("METRICS_LINGER_SECONDS", "20"),
        ("JOB_DURATION_BUCKETS", "0.5, 1 2,1e3"),
        ("RUNNER_STATE_DIR", "/state"),
        ("JOBS_LOG", "/logs/jobs.csv"),
        ("JOBS_LOG_MAX_RECORDS", "100"),
        ("RUNNER_RUN_DIR", "/run/runner-init"),
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "DEBUG"),
    ]);
    let read = describe().iter();
    for variable in read {
        assert!(lookup.get(variable.name).is_some(), "{} is missing here", variable.name);
    }
    check("every_variable_set", &lookup);
}

#[test]
fn every_variable_wrong() {
    let lookup = describe().iter().fold(MapLookup::default(), |lookup, variable| {
        let wrong = if variable.name == names::RUNNER_NAME { "a\nb" } else { "wrong value" };
        lookup.with(variable.name, wrong)
    });
    let faults = Config::from_lookup(&lookup).unwrap_err();
    let named: Vec<&str> = faults.faults.iter().map(|fault| fault.var.as_str()).collect();
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
        ("RUNNER_EPHEMERAL", ""),
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
        let is_switch = [names::RUNNER_SKIP_REGISTRATION, names::METRICS_ENABLED].contains(&name);
        if is_switch { lookup } else { lookup.with(name, "") }
    });
    check("empty_means_not_set", &lookup.with("METRICS_AUTH_TOKEN_FILE", ""));
}

#[test]
fn chrome_name() {
    check("chrome_name", &base_and(&[("RUNNER_TYPE", "chrome")]));
}

#[test]
fn no_hostname() {
    check("no_hostname", &MapLookup::new([(names::RUNNER_SKIP_REGISTRATION, "true")]));
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
fn credentials_of_a_later_stage() {
    let lookup = base_and(&[
        ("ACCESS_TOKEN", "ghp_s3cr3t"),
        ("APP_PRIVATE_KEY_FILE", "/run/secrets/key"),
        ("ACTIONS_RUNNER_INPUT_JITCONFIG", "czNjcjN0"),
    ]);
    check("credentials_of_a_later_stage", &lookup);
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
        ("RUNNER_LABELS", "1"),
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
        ("RUNNER_MAX_RESTARTS", &["0", "4294967295", "unlimited"], &["-1", "4294967296", "none"]),
        ("JOBS_LOG_MAX_RECORDS", &["100", "10000000"], &["99", "-1"]),
        (
            "JOB_DURATION_BUCKETS",
            &["1", "0.1,0.2", "1  2"],
            &["0", "-1", "2,1", "1,1", "nan", "inf", "1;2", ","],
        ),
        ("RUNNER_TYPE", &["standard", "CHROME", "chrome-go"], &["firefox", "chrome go"]),
        ("RUNNER_DIR", &["/", "/a b"], &["a", "./a", "~/a", "/a\n", " /a"]),
        ("RUNNER_NAME", &["x", "a b"], &[" ", "a\tb"]),
        ("METRICS_AUTH_TOKEN", &["x", "!~"], &["a b", "a\n", "ä"]),
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
        if value.starts_with('(') { lookup } else { lookup.with(name, value) }
    });
    let second = Config::from_lookup(&again).unwrap();
    assert_eq!(first.config, second.config);
    let defaults = describe().iter().filter(|v| v.fallback != Fallback::Unset).count();
    assert_eq!(second.used.len(), defaults);
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
            let secrets: Vec<_> = describe().iter().filter(|variable| variable.secret).collect();
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
