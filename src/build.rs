//! Tells the binary which commit and target it was built from; absent facts stay absent.
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script asks git and reads cargo's variables")]
fn main() {
    let commit = std::env::var("RUNNER_INIT_COMMIT").ok().filter(|c| !c.is_empty()).or_else(git_commit);
    println!("cargo:rustc-env=RUNNER_INIT_COMMIT={}", commit.unwrap_or_else(|| "unknown".into()));
    println!("cargo:rustc-env=RUNNER_INIT_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    println!("cargo:rerun-if-env-changed=RUNNER_INIT_COMMIT");
    // Only paths that exist: cargo rebuilds on every call for a missing one.
    for path in [".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script asks git and reads cargo's variables")]
fn git_commit() -> Option<String> {
    let out = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(out.stdout).ok()?.trim().to_owned();
    (out.status.success() && !commit.is_empty()).then_some(commit)
}
