//! What the Dockerfiles say, read without an engine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join("runner-images").join(name)).expect("a file")
}

fn dockerfiles() -> Vec<(String, String)> {
    ["binary", "standard", "chrome", "chrome-go"]
        .map(|dir| (dir.to_owned(), read(&format!("{dir}/Dockerfile"))))
        .into()
}

/// Name and default of every ARG, those of the builder itself left out.
fn args(text: &str) -> BTreeSet<(String, String)> {
    let args = text.lines().filter_map(|line| line.strip_prefix("ARG "));
    let split = args.map(|arg| arg.split_once('=').unwrap_or((arg, "")));
    split
        .filter(|(name, _)| !["TARGETARCH", "BUILDARCH"].contains(name))
        .map(|(n, d)| (n.into(), d.into()))
        .collect()
}

#[test]
fn every_default_of_the_version_is_the_project_s() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("docker-bake.hcl").contains(&format!("variable \"VERSION\" {{ default = \"{version}\" }}")));
    for (name, text) in dockerfiles() {
        let defaults: Vec<String> = args(&text)
            .into_iter()
            .filter(|(n, d)| n == "VERSION" && !d.is_empty())
            .map(|(_, d)| d)
            .collect();
        assert!(defaults.iter().all(|default| default == version), "{name}: {defaults:?}");
    }
}

#[test]
fn every_argument_is_explained_and_has_one_default() {
    let readme = read("README.md");
    for (name, text) in dockerfiles() {
        for (arg, default) in args(&text) {
            assert!(readme.contains(&format!("| `{arg}` |")), "README.md does not explain {arg} of {name}");
            let other = args(&text)
                .into_iter()
                .any(|(n, d)| n == arg && d != default && !d.is_empty() && !default.is_empty());
            assert!(!other, "{name}: {arg} has two defaults");
        }
    }
}

#[test]
fn only_the_demo_s_image_has_the_simulated_runner() {
    let text = read("binary/Dockerfile");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    let last = stages.last().expect("the image");
    let flags = |stage: &str| {
        let stage = stages.iter().find(|s| s.lines().next().is_some_and(|from| from.ends_with(stage)));
        stage.expect("the stage").contains("make-binary --no-default-features")
    };
    assert!(last.contains("COPY --from=build --chmod=0711 ") && flags(" AS build"), "{last}");
    assert!(!flags(" AS build-demo"));
}

#[test]
fn what_is_fetched_has_a_checksum_and_what_is_based_on_a_digest() {
    for (name, text) in dockerfiles() {
        let args = args(&text);
        for (arg, default) in &args {
            if ["BASE_IMAGE", "BUILD_IMAGE"].contains(&arg.as_str()) {
                assert!(default.contains("@sha256:"), "{name}: {arg} has no digest");
            }
            if let Some(stem) = arg.strip_suffix("_URL") {
                let sums =
                    args.iter().filter(|(n, d)| n.starts_with(&format!("{stem}_SHA256")) && d.len() == 64);
                assert!(sums.count() >= 1, "{name}: {arg} has no checksum");
            }
        }
    }
}

#[test]
fn hadolint_has_nothing_to_say() {
    let Ok(out) = Command::new("hadolint").arg("--version").output() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: there is no hadolint");
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: there is no hadolint ***\n");
        return;
    };
    assert!(out.status.success());
    let files =
        dockerfiles().into_iter().map(|(name, _)| PathBuf::from(format!("runner-images/{name}/Dockerfile")));
    let lint = Command::new("hadolint")
        .args(["--config", "runner-images/.hadolint.yaml"])
        .args(files)
        .current_dir(root())
        .output();
    let lint = lint.expect("hadolint");
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
}
