//! What we are built from is on the lists of `deny.toml`: licences, sources, and crates that are there twice. Without `cargo deny`, and so always.
#![allow(clippy::disallowed_methods, reason = "a test asks cargo")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const DENY: &str = include_str!("../deny.toml");

/// A crate that is built for this machine, tests included.
struct Package {
    name: String,
    version: String,
    /// What cargo adds where it is not from the registry, or not only a library.
    remark: String,
    licence: String,
}

fn packages() -> Vec<Package> {
    let words = [
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}\t{l}",
    ];
    let output =
        Command::new(env!("CARGO")).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // An empty line stands between our two packages.
    let lines: BTreeSet<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let package = |line: String| {
        let (package, licence) = line.split_once('\t')?;
        let mut words = package.splitn(3, ' ');
        let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
        let licence = licence.trim_end_matches(" (*)").to_owned();
        Some(Package { name, version, remark: words.next().unwrap_or_default().to_owned(), licence })
    };
    let packages: Vec<Package> = lines.into_iter().map(|line| package(line).expect("a package")).collect();
    assert!(packages.len() > 100, "{}", packages.len());
    packages
}

/// The strings of `NAME = [ … ]`.
fn list(name: &str) -> Vec<String> {
    let begin = DENY.split(&format!("\n{name} = [")).nth(1).unwrap_or_else(|| panic!("no {name}"));
    let body = begin.split("\n]").next().unwrap();
    let body =
        if begin.lines().next().unwrap().contains(']') { begin.split(']').next().unwrap() } else { body };
    let quoted = Regex::new(r#"(?:crate = |^\s*|\[|, )"([^"]+)""#).unwrap();
    quoted.captures_iter(body).map(|found| found[1].to_owned()).collect()
}

/// Whether an SPDX expression can be met with these licences; an exception only widens what it stands by.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "{expression}");
    met
}

fn any(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed.iter().any(|licence| licence == word)
}

#[test]
fn every_licence_is_on_the_list_and_every_one_on_it_is_needed() {
    let allowed = list("allow");
    assert!(allowed.len() > 3, "{allowed:?}");
    let packages = packages();
    let refused = |allowed: &[String]| -> Vec<String> {
        let refused = packages.iter().filter(|package| !is_met(&package.licence, allowed));
        refused.map(|package| format!("{}: {}", package.name, package.licence)).collect()
    };
    assert_eq!(refused(&allowed), [""; 0]);
    for licence in &allowed {
        let others: Vec<String> = allowed.iter().filter(|other| *other != licence).cloned().collect();
        assert!(!refused(&others).is_empty(), "nobody needs {licence}");
    }
}

#[test]
fn everything_is_from_the_one_registry() {
    let plain = |package: &Package| package.remark.is_empty() || package.remark == "(proc-macro)";
    let ours: BTreeSet<String> =
        packages().into_iter().filter(|package| !plain(package)).map(|package| package.name).collect();
    assert_eq!(ours, BTreeSet::from([env!("CARGO_PKG_NAME").to_owned(), "runner-sim".to_owned()]));
    let lock = include_str!("../Cargo.lock");
    let sources: BTreeSet<&str> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert!(sources.len() == 1 && sources.iter().all(|source| source.contains("registry+")), "{sources:?}");
}

#[test]
fn what_is_there_twice_has_a_reason_and_what_is_banned_is_not_there() {
    let packages = packages();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let mut skipped: BTreeSet<String> = list("skip").into_iter().collect();
    for (name, versions) in &versions {
        let explained: Vec<String> = versions
            .iter()
            .filter_map(|version| skipped.iter().find(|skip| is_version(skip, name, version)).cloned())
            .collect();
        assert!(versions.len() - explained.len() <= 1, "{name} {versions:?}: say why in deny.toml");
        if versions.len() > 1 {
            for skip in &explained {
                assert!(skipped.remove(skip));
            }
        }
    }
    assert!(skipped.is_empty(), "there once, or not at all: {skipped:?}");
    for banned in list("deny") {
        assert!(!versions.contains_key(banned.as_str()), "{banned}");
    }
}

/// `name@0.9` is version 0.9.5 of it.
fn is_version(skip: &str, name: &str, version: &str) -> bool {
    let Some((of, prefix)) = skip.split_once('@') else { return false };
    of == name && version.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
}

#[test]
fn an_expression_is_read_as_it_is_meant() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
    let table = [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND Apache-2.0", true),
        ("(MIT OR GPL-3.0) AND ISC", false),
        ("Apache-2.0 WITH LLVM-exception OR ISC", true),
        ("(MIT OR Apache-2.0) AND (ISC OR MIT)", true),
    ];
    for (expression, met) in table {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}
