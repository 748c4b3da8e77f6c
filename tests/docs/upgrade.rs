//! What 2.3.0 called something is called so still: its variables with their defaults and other names, its metrics with their kinds,
//! labels and the values of those.
//!
//! The rows are those of 2.3.0's own references (`tests/corpus/upgrade`); today's references are what the code says.

use crate::markdown::root;
use std::collections::BTreeSet;

/// What is no longer as it was, each said in CHANGELOG.md.
const CHANGED: [&str; 1] = ["`RUNNER_STATUS_CHECK_INTERVAL`"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Name, and the two cells behind it.
fn rows(text: &str) -> Vec<[&str; 3]> {
    text.lines()
        .map(|line| line.trim_start_matches("| "))
        .filter(|line| line.starts_with('`'))
        .filter_map(|line| {
            let mut cells = line.split(" |").map(str::trim);
            Some([cells.next()?, cells.next()?, cells.next()?])
        })
        .collect()
}

/// The words of a cell, each by itself.
fn words(cell: &str) -> BTreeSet<&str> {
    cell.split([',', ';', '=']).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// What somebody who comes from 2.3.0 would miss.
fn missed(before: &str, now: &str) -> Vec<String> {
    let now = rows(now);
    let keeps = |[name, second, third]: &[&str; 3]| {
        now.iter().any(|row| row[0] == *name && row[1] == *second && words(row[2]).is_superset(&words(third)))
    };
    let lost = rows(before).into_iter().filter(|row| !keeps(row) && !CHANGED.contains(&row[0]));
    lost.map(|row| row.join(" | ")).collect()
}

#[test]
fn variables_and_metrics_of_2_3_0_are_what_they_were() {
    for (file, reference, rows_of_it) in [
        ("variables.txt", "docs/CONFIGURATION.md", 70),
        ("families.txt", "docs/PROMETHEUS_METRICS_REFERENCE.md", 37),
    ] {
        let before = read(&format!("tests/corpus/upgrade/{file}"));
        assert_eq!(rows(&before).len(), rows_of_it, "{file}");
        assert_eq!(missed(&before, &read(reference)), [""; 0], "{reference}");
    }
}

#[test]
fn a_name_a_default_or_a_label_that_goes_is_missed() {
    let before = "`A` | `1` | `B` (x), `C`\n`m` | counter | `reason` = one, two";
    let keeps = |now: &str| missed(before, now).is_empty();
    assert!(keeps(
        "| `A` | `1` | `B` (x), `C`, `D` | us |\n| `m` | counter | `reason` = one, two, three | |"
    ));
    assert!(!keeps("| `A` | `2` | `B` (x), `C` | us |\n| `m` | counter | `reason` = one, two | |"));
    assert!(!keeps("| `A` | `1` | `B` (x) | us |\n| `m` | counter | `reason` = one, two | |"));
    assert!(!keeps("| `A` | `1` | `B` (x), `C` | us |\n| `m` | gauge | `reason` = one, two | |"));
    assert!(!keeps("| `A` | `1` | `B` (x), `C` | us |\n| `m` | counter | `reason` = one | |"));
}
