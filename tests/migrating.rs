//! What the page on migrating says is taken over is an alias in the table, and every alias stands on the page.
#![allow(clippy::disallowed_methods, reason = "a test reads the documents")]

use runner_init::config::{Config, MapLookup, Variable, describe};
use std::collections::BTreeSet;
use std::path::Path;

const TAKEN: &str = "| there | here | what differs |";
const LEFT: &str = "| there | instead |";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is there")
}

/// The rows below each heading that is this line.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let tables = page.split(heading).skip(1);
    let rows = tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The variables among the words in backquotes.
fn names(cell: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.len() > 2 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    cell.split('`').skip(1).step_by(2).filter(is_name).collect()
}

fn faults(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let of = |name: &str| describe().iter().find(|variable| variable.names().any(|known| known == name));
    let mut taken = BTreeSet::new();
    for row in rows(page, TAKEN) {
        let here = names(row[1]);
        for name in names(row[0]) {
            taken.insert(name);
            match (of(name), here.as_slice()) {
                (Some(variable), []) if row[1] == "the same" && variable.name == name => {}
                (Some(variable), [own]) if variable.name == *own => {}
                (found, _) => faults.push(format!("{name} is {:?}, not {}", found.map(|v| v.name), row[1])),
            }
        }
    }
    let aliases = describe().iter().flat_map(|variable| variable.aliases);
    // A second name of our own is nobody's to migrate from.
    let aliases = aliases.filter(|alias| alias.project != "another name").map(|alias| alias.name);
    faults.extend(aliases.filter(|name| !taken.contains(name)).map(|name| format!("{name} is missing")));
    let left: BTreeSet<&str> = rows(page, LEFT).iter().flat_map(|row| names(row[0])).collect();
    faults.extend(left.iter().filter(|name| of(name).is_some()).map(|name| format!("{name} is read")));
    let unsupported = read("src/config/unsupported.rs");
    // Behind the table stand names that mean the same everywhere.
    let table = unsupported.split("const HANDED_ON").next().expect("the table");
    let told = table.split('"').skip(1).step_by(2).filter(|text| names(&format!("`{text}`")) == [*text]);
    faults.extend(
        told.filter(|name| !left.contains(name)).map(|name| format!("{name} is told of and missing")),
    );
    faults
}

#[test]
fn the_tables_are_those_of_the_configuration() {
    let page = read("docs/MIGRATING.md");
    assert!(rows(&page, TAKEN).len() > 40 && rows(&page, LEFT).len() > 10);
    assert_eq!(faults(&page), [""; 0]);
}

#[test]
fn a_wrong_row_and_a_missing_one_are_seen() {
    let page = read("docs/MIGRATING.md");
    for (right, wrong, says) in [
        ("| `ACCESS_TOKEN` | `GITHUB_TOKEN` |", "| `ACCESS_TOKEN` | `RUNNER_TOKEN` |", "ACCESS_TOKEN is "),
        ("| `RUNNER_SCOPE` | the same |", "| `RUNNER_SCOPES` | the same |", "RUNNER_SCOPES is None"),
        ("| `GITHUB_PAT` |", "| PAT |", "GITHUB_PAT is missing"),
        ("| `DEBUG_OUTPUT` |", "| `LOG_LEVEL` |", "LOG_LEVEL is read"),
        ("| `DEBUG_ONLY` |", "| DEBUG |", "DEBUG_ONLY is told of and missing"),
    ] {
        assert!(page.contains(right), "{right}");
        let found = faults(&page.replace(right, wrong));
        assert!(found.iter().any(|fault| fault.starts_with(says)), "{says}: {found:?}");
    }
}

#[test]
fn every_variable_that_the_page_mentions_is_read_told_of_or_the_runners() {
    let page = read("docs/MIGRATING.md");
    let known: BTreeSet<&str> = describe().iter().flat_map(Variable::names).collect();
    // The hooks are the runner's own; NAME, TERM and the like are no variables.
    let others = ["ACTIONS_RUNNER_HOOK_JOB_STARTED", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED", "NAME_FILE"];
    let left: BTreeSet<&str> = rows(&page, LEFT).iter().flat_map(|row| names(row[0])).collect();
    for name in names(&page).into_iter().filter(|name| name.contains('_')) {
        assert!(known.contains(name) || left.contains(name) || others.contains(&name), "{name}");
    }
    assert_eq!(page.matches("runner-init/binary:").count(), 1);
    assert!(page.contains(concat!("localhost/runner-init/binary:", env!("CARGO_PKG_VERSION"), " ")));
}

#[test]
fn the_compose_file_before_and_the_one_after_are_the_same_configuration() {
    let page = read("docs/MIGRATING.md");
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let services = blocks.iter().map(|text| -> serde_yaml_ng::Value {
        let file: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).expect("YAML");
        file["services"]["runner"].clone()
    });
    let [before, after] = &services.collect::<Vec<_>>()[..] else { panic!("{blocks:?}") };
    let loaded = |service: &serde_yaml_ng::Value| {
        let text = |value: &serde_yaml_ng::Value| {
            value.as_str().expect("a text").replace("${ACCESS_TOKEN}", "token")
        };
        let pairs = service["environment"].as_mapping().expect("a table").iter();
        Config::from_lookup(
            &MapLookup::new(pairs.map(|(name, value)| (text(name), text(value)))).with_hostname("box"),
        )
        .expect("no fault")
    };
    let ([old, new], grace) = ([before, after].map(loaded), "RUNNER_STOP_GRACE");
    assert_eq!(new.warnings, [], "{:?}", new.warnings);
    assert_eq!(
        (
            &old.config.target,
            &old.config.runner.name,
            &old.config.registration.labels,
            &old.config.runner.work_dir
        ),
        (
            &new.config.target,
            &new.config.runner.name,
            &new.config.registration.labels,
            &new.config.runner.work_dir
        )
    );
    assert_eq!(after["stop_grace_period"], after["environment"][grace], "one grace for both");
    let image = format!("/runner-init/standard:{}", env!("CARGO_PKG_VERSION"));
    assert!(after["image"].as_str().is_some_and(|name| name.ends_with(&image)), "{after:?}");
}

#[test]
fn the_examples_are_configurations() {
    let page = read("docs/MIGRATING.md");
    let started =
        page.split("docker run -e GITHUB_REPOSITORY").nth(1).and_then(|rest| rest.split("```").next());
    let words = started.expect("the example").split_whitespace();
    let mut vars: Vec<(String, String)> = vec![("GITHUB_REPOSITORY".into(), "octo-org/widgets".into())];
    let pairs = words.filter_map(|word| word.split_once('=')).filter(|(name, _)| !name.is_empty());
    vars.extend(pairs.map(|(name, value)| (name.to_owned(), value.replace('…', "token"))));
    assert_eq!(vars.len(), 4, "{vars:?}");
    let loaded = Config::from_lookup(&MapLookup::new(vars)).expect("no fault");
    assert_eq!(loaded.warnings, [], "{:?}", loaded.warnings);
}
