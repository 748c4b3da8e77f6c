//! What the Dockerfiles say, read without an engine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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
fn a_runner_s_binary_has_no_simulated_runner_and_the_demo_is_a_file_of_its_own() {
    let text = read("binary/Dockerfile");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    let last = stages.last().expect("the image");
    let flags = |stage: &str| {
        let stage = stages.iter().find(|s| s.lines().next().is_some_and(|from| from.ends_with(stage)));
        stage.expect("the stage").contains("make-binary --no-default-features")
    };
    assert!(last.contains("COPY --from=build --chmod=0711 ") && flags(" AS build"), "{last}");
    assert!(
        last.contains("COPY --from=build-demo --chmod=0711 /out/runner-init /runner-init-demo\n"),
        "{last}"
    );
    assert!(!flags(" AS build-demo"));
    assert!(read("standard/Dockerfile").contains(" /runner-init /runner-init-demo /usr/local/bin/\n"));
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

/// A `docker` that has everything, and refuses bake as newer ones do where it is to read outside the work tree.
const STRICT_DOCKER: &str = r#"#!/bin/sh
test "$1 $2" = "buildx bake" || exit 0
test "$BUILDX_BAKE_ENTITLEMENTS_FS" = 0 || { echo "ERROR: additional privileges requested"; exit 1; }
echo "$@" > "$RUNNER_INIT_IMAGE_CACHE/asked"
"#;

#[test]
fn the_images_are_built_from_a_cache_outside_the_tree() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("below")).expect("a directory");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
    };
    write("bin/docker", STRICT_DOCKER);
    for idle in ["cargo", "rustup"] {
        write(&format!("bin/{idle}"), "#!/bin/sh\n");
    }
    for program in ["runner-init", "runner-sim"] {
        write(&format!("built/{}-unknown-linux-musl/release/{program}", std::env::consts::ARCH), "");
    }
    for archive in ["node", "go"] {
        write(&format!("cache/archives/{archive}.tar.gz"), "something");
    }
    let cache = dir.path().join("cache");
    let path = format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").expect("a PATH"));
    let mut build = Command::new(root().join("tests/images/build"));
    build.env("PATH", path).env("RUNNER_INIT_IMAGE_CACHE", &cache);
    build.env("CARGO_TARGET_DIR", dir.path().join("built")).env_remove("BUILDX_BAKE_ENTITLEMENTS_FS");
    let out = build.output().expect("bash");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let asked = fs::read_to_string(cache.join("asked")).expect("bake was called");
    assert!(asked.contains(&format!("archives={}", cache.join("archives").display())), "{asked}");
}
