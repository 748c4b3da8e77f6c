//! Tells the binary which commit and target it was built from, absent facts stay absent; keeps what nobody reads out of the shipped one.
use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script asks git and reads cargo's variables")]
fn main() {
    let commit = std::env::var("RUNNER_INIT_COMMIT")
        .ok()
        .filter(|c| !c.is_empty())
        .or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    println!("cargo:rustc-env=RUNNER_INIT_COMMIT={}", commit.unwrap_or_else(|| "unknown".into()));
    println!("cargo:rustc-env=RUNNER_INIT_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    println!("cargo:rerun-if-env-changed=RUNNER_INIT_COMMIT");
    // Where a linked work tree has them, too. Only paths that exist: cargo rebuilds on every call for a missing one.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|p| Path::new(p).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    shrink();
}

/// The static release: functions that came out alike are one. Its relocations are packed, which musl has applied by itself since 1.2.4.
#[expect(clippy::disallowed_methods, reason = "a build script reads cargo's variables")]
fn shrink() {
    const SCRIPT: &str = "src/no-unwinding.ld";
    println!("cargo:rerun-if-changed={SCRIPT}");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("PROFILE", "release") {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{root}/{SCRIPT}");
        println!("cargo:rustc-link-arg-bins=--icf=all");
        println!("cargo:rustc-link-arg-bins=-zpack-relative-relocs");
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script asks git and reads cargo's variables")]
fn git(arguments: &[&str]) -> Option<String> {
    let out = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(out.stdout).ok()?.trim().to_owned();
    (out.status.success() && !said.is_empty()).then_some(said)
}
