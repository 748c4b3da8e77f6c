//! The tests that dumb-init and tini have of their own, on our binary: what passes there and what differs on purpose, and why.
//!
//! Their sources come by apt when the test runs, and are kept below the build directory. None of it is ours to hand on.

use super::*;
use std::collections::BTreeMap;

/// What their test is called, of how many cases, and why none of them passes, unless they all do.
type Expected = (&'static str, usize, Option<&'static str>);

const DUMB_INIT: &[Expected] = &[
    ("test_exit_status_regular_exit", 32, None),
    ("test_exit_status_terminated_by_signal", 16, None),
    ("test_proxies_signals", 4, None),
    ("test_proxies_signals_with_rewrite", 16, None),
    ("test_ignored_signals_are_not_proxied", 4, None),
    ("test_setsid_signals_entire_group", 2, None),
    ("test_working_directories", 4, None),
    ("test_tty", 1, None),
    ("test_child_gets_controlling_tty_if_we_had_one", 4, None),
    ("test_help_message", 8, Some("its text; this is our own help")),
    ("test_version_message", 8, Some("its text; this is our own version")),
    ("test_no_arguments_prints_usage", 4, Some("without a command we are the supervisor")),
    ("test_exits_invalid_with_invalid_args", 4, Some("called wrongly is 64, there 1")),
    ("test_rewrite_errors", 40, Some("called wrongly is 64, there 1; and signals go up to 64")),
    ("test_fails_nonzero_with_bad_exec", 16, Some("its words; ours name the program, with 127")),
    ("test_verbose", 2, Some("-v is no option")),
    ("test_verbose_and_single_child", 4, Some("-v is no option")),
    ("test_sighup_sigcont_ignored_if_was_session_leader", 1, Some("-v is no option")),
    ("test_default_rewrites_can_be_overriden_with_setsid_enabled", 2, Some("we stop only with the child")),
    ("test_shell_background_support_setsid", 2, Some("we stop only with the child")),
    ("test_shell_background_support_without_setsid", 2, Some("we stop only with the child")),
    ("test_no_setsid_doesnt_signal_entire_group", 2, Some("what is left is swept")),
    ("test_processes_dont_receive_term_on_exit_if_no_setsid", 2, Some("what is left is swept")),
    ("test_all_processes_receive_term_on_exit_if_setsid", 2, Some("CONT comes with the TERM, KILL after it")),
];

const TINI: &[Expected] = &[
    ("Running exit code test: Inclusive exit code test failed for N, exit: N", 256, None),
    ("Running exit code test: Exclusive exit code test failed for N, exit: N", 256, None),
    ("Running reaping test: Warning message was output!", 6, None),
    ("Running reaping test: Reaping test failed!", 3, None),
    ("Running reaping display test: Reaping display test failed!", 3, None),
    ("Running reaping display test: Warning message was output!", 3, Some("-w says it in our own words")),
    ("running signal test: a wait", 9, None),
    ("running signal test: Signals test failed (ret was N, expected N)", 9, None),
    ("Running process group test (arguments): a wait", 2, None),
    ("Running process group test (environment variable): a wait", 1, None),
    (
        "Running process group test (environment variable): Condition was never met",
        1,
        Some("no environment variable changes what we do"),
    ),
    (
        "Running zombie reaping failure test (Tini should warn): No warning message was output!",
        1,
        Some("we always reap"),
    ),
    (
        "Running zombie reaping failure test (Tini should warn): Reaping test succeeded (it should have failed)!",
        1,
        Some("we always reap"),
    ),
    ("Running signal configuration test: SIGTTOU (N) is missing in SigIgn!", 1, Some(NOT_HANDED_ON)),
    ("Running signal configuration test: SIGSEGV (N) is missing in SigIgn!", 1, Some(NOT_HANDED_ON)),
    ("Running signal configuration test: SIGINT (N) is missing in SigIgn!", 1, Some(NOT_HANDED_ON)),
    ("Running signal configuration test: SIGTTIN (N) is missing in SigBlk!", 1, Some(NOT_HANDED_ON)),
    ("Running signal configuration test: SIGILL (N) is missing in SigBlk!", 1, Some(NOT_HANDED_ON)),
    ("Running signal configuration test: SIGTERM (N) is missing in SigBlk!", 1, Some(NOT_HANDED_ON)),
    ("Running parent death signal test: Condition was never met", 1, Some("it asks for -vvv beside -p")),
];

const NOT_HANDED_ON: &str = "ignored and blocked signals are not handed on";

#[test]
fn dumb_inits_own_tests() {
    own_tests("dumb-init", "1.2.5", DUMB_INIT);
}

#[test]
fn tinis_own_tests() {
    own_tests("tini", "0.19.0", TINI);
}

fn own_tests(peer: &str, version: &str, expected: &[Expected]) {
    // Nobody but root looks into a non-dumpable process, as one of them does.
    require!("namespace", "root", "apt-get", "timeout");
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/init/peers/run");
    let dir = concat!(env!("CARGO_TARGET_TMPDIR"), "/peers");
    let fetched = Command::new(run).args(["fetch", peer, version, dir]).output().unwrap();
    let names = expected.iter().filter(|(_, _, why)| why.is_some()).map(|(name, ..)| *name);
    let arguments: Vec<&str> = [run, "test", peer, version, dir, BIN].into_iter().chain(names).collect();
    // What they leave behind ends with the namespace.
    let output =
        if fetched.status.success() { in_pid_namespace(&arguments).output().unwrap() } else { fetched };
    if output.status.code() == Some(77) {
        let why = text(&output.stderr);
        let why = why.trim();
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
        return;
    }
    assert!(output.status.success(), "{peer}: {}", text(&output.stderr));
    let faults = differences(&text(&output.stdout), expected);
    assert!(faults.is_empty(), "{peer}:\n{}", faults.join("\n"));
}

/// What of the verdicts is not as expected.
fn differences(verdicts: &str, expected: &[Expected]) -> Vec<String> {
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in verdicts.lines() {
        let (verdict, name) = line.split_once('\t').unwrap_or(("no verdict", line));
        *seen.entry((name, verdict)).or_default() += 1;
    }
    let mut faults = Vec::new();
    for (name, count, why) in expected {
        let verdict = if why.is_some() { "fail" } else { "pass" };
        let there = seen.remove(&(*name, verdict)).unwrap_or_default();
        if there != *count {
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            faults.push(format!("{there} of {count} {verdict}: {name}{why}"));
        }
    }
    faults.extend(
        seen.iter().map(|((name, verdict), count)| format!("not expected: {count} {verdict}: {name}")),
    );
    faults
}

#[test]
fn a_difference_to_what_is_expected_is_a_fault() {
    let expected: &[Expected] = &[("a", 2, None), ("b", 1, Some("on purpose"))];
    for (verdicts, faults) in [
        ("pass\ta\nfail\tb\npass\ta\n", vec![]),
        ("pass\ta\nfail\ta\nfail\tb\n", vec!["1 of 2 pass: a", "not expected: 1 fail: a"]),
        ("pass\ta\npass\ta\npass\tb\n", vec!["0 of 1 fail: b (on purpose)", "not expected: 1 pass: b"]),
        ("pass\ta\npass\ta\nfail\tb\npass\tc\n", vec!["not expected: 1 pass: c"]),
        ("", vec!["0 of 2 pass: a", "0 of 1 fail: b (on purpose)"]),
    ] {
        assert_eq!(differences(verdicts, expected), faults, "{verdicts}");
    }
}
