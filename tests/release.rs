//! A release is possible at any time: one version everywhere, notes for it, and a tag that is not it is refused.
#![allow(clippy::disallowed_methods, reason = "a test runs a script")]

use std::process::{Command, Output};

fn notes(tag: &str) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/release-notes");
    Command::new(script).arg(tag).output().expect("it runs")
}

#[test]
fn this_version_has_notes() {
    let output = notes(concat!("v", env!("CARGO_PKG_VERSION")));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("### Added") && !text.contains("\n## "), "{text}");
}

#[test]
fn another_tag_is_refused() {
    for tag in ["v0.0.1", env!("CARGO_PKG_VERSION"), "v2.3", "v", "v2.3.0-rc.1"] {
        let output = notes(tag);
        assert!(!output.status.success() && output.stdout.is_empty(), "{tag}");
        assert!(!output.stderr.is_empty(), "{tag}: it says why");
    }
}

#[test]
fn one_toolchain_lints_here_and_builds_the_images() {
    let read = |path: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("UTF-8")
    };
    let pinned = read("rust-toolchain.toml");
    let channel =
        pinned.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a channel");
    let dockerfile = read("runner-images/binary/Dockerfile");
    assert!(dockerfile.contains(&format!("ARG BUILD_IMAGE=rust:{channel}-")), "{channel}");
}

#[test]
fn a_test_run_says_how_many_tests_checked_nothing_and_why() {
    let case = |name: &str, inside: &str| {
        format!("<testcase name=\"{name}\" classname=\"x\" time=\"0.1\">\n{inside}\n</testcase>\n")
    };
    let skipped = |why: &str| {
        format!(
            "<system-err>\n\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n\n</system-err>\n\
             <system-out>*** SKIPPED, NOTHING WAS CHECKED: once more ***</system-out>"
        )
    };
    let cases = [
        case("good", "<system-out>ok</system-out>"),
        case("better", ""),
        case("bad", "<failure type=\"test failure\">panicked</failure>"),
        // Seen to fail although a part was skipped.
        case("worse", &format!("{}<failure type=\"x\"/>", skipped("not root"))),
        case("blank", &skipped("there is no Debian&apos;s &lt;tool&gt;")),
        case("empty", &skipped("no Docker Engine answers")),
        case("void", &skipped("no Docker Engine answers")),
    ];
    let text =
        format!("<?xml version=\"1.0\"?>\n<testsuites tests=\"7\">\n{}</testsuites>\n", cases.concat());
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("junit.xml");
    std::fs::write(&file, text).expect("written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/summary");
    let output = Command::new(script).arg(&file).output().expect("it runs");
    let want = "2 passed, 2 failed, 3 checked nothing:\n    2  no Docker Engine answers\n    1  there is no Debian's <tool>\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{output:?}");
}

/// `tests/run` in a tree where cargo, and whatever installs or lints, is a script.
fn run_with(cargo: &str) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().join(path);
    std::fs::create_dir_all(at("tests/support")).expect("made");
    std::fs::create_dir(at("bin")).expect("made");
    for script in ["tests/run", "tests/summary"] {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        std::fs::copy(source, at(script)).expect("copied");
    }
    let stub = |path: &str, body: &str| {
        std::fs::write(at(path), format!("#!/usr/bin/env bash\n{body}\n")).expect("written");
        std::fs::set_permissions(at(path), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("ours");
    };
    for quiet in ["bin/apt-get", "bin/shellcheck", "tests/support/victoria-metrics"] {
        stub(quiet, "exit 0");
    }
    stub("bin/cargo", cargo);
    let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").expect("a path"));
    let output = Command::new(at("tests/run")).env("PATH", path).output().expect("it runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn the_last_line_of_a_test_run_counts_and_names_what_was_not_checked() {
    const LEFT: &str = "not checked: scans, images, pictures, release build, benchmark";
    let tests = |last: &str| {
        format!(
            "case $1-$2 in\n\
             fmt-*) echo a line of the lints ;;\n\
             nextest-run) mkdir -p target/nextest/default\n\
             echo '<testcase name=\"a\"></testcase><!--' > target/nextest/default/junit.xml\n\
             echo '--><testcase name=\"b\"><o>*** SKIPPED, NOTHING WAS CHECKED: no moon ***</o></testcase>' >> target/nextest/default/junit.xml\n\
             echo '    Starting 100 tests across 1 binary (13 tests skipped)'\n\
             for n in $(seq 100); do echo '        PASS [ 0.1s] x'; done\n{last} ;;\nesac"
        )
    };
    let (passed, said) = run_with(&tests("exit 0"));
    let last = said.lines().last().expect("a line");
    assert!(passed && last.starts_with("tests/run: 1 passed, 0 failed, 1 checked nothing; "), "{said}");
    assert!(last.contains(LEFT) && last.contains(": passed ("), "{last}");
    assert!(said.contains("    1  no moon") && said.contains("  100 of 100 tests"), "{said}");
    assert!(!said.contains("a line of the lints") && said.lines().count() < 16, "{said}");

    let (passed, said) = run_with(&tests("exit 100"));
    assert!(!passed && said.lines().last().expect("a line").contains(": FAILED ("), "{said}");

    let (passed, said) = run_with("case $1 in fmt) echo crooked; exit 1 ;; esac");
    assert!(
        !passed && said.contains("crooked") && said.contains("target/run/format-and-lints.log"),
        "{said}"
    );
    let last = said.lines().last().expect("a line");
    assert!(last.starts_with("tests/run: no test was run; not checked: "), "{last}");
}
