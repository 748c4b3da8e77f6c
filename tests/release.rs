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
