//! The metric reference is what the catalogue says: `UPDATE_GOLDEN=1` writes it anew.
#![allow(clippy::disallowed_methods, reason = "a test runs the binary and reads its environment")]

use runner_init::telemetry::catalog;
use std::path::Path;
use std::process::Command;

#[test]
fn the_document_is_what_the_binary_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_runner-init")).arg("metrics").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROMETHEUS_METRICS_REFERENCE.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &printed).expect("docs can be written");
    }
    let written = std::fs::read_to_string(&file).expect("the document is there");
    assert!(
        written == printed,
        "{} is not what `runner-init metrics` prints; UPDATE_GOLDEN=1 rewrites it",
        file.display()
    );
}

#[test]
fn every_metric_has_one_row() {
    let output = Command::new(env!("CARGO_BIN_EXE_runner-init")).arg("metrics").output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    for metric in catalog::ALL.iter().chain(catalog::OTLP) {
        let start = format!("| `{}` | {} |", metric.name, metric.kind.as_str());
        let rows: Vec<&str> = printed.lines().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(rows.len(), 1, "{start}");
        // Four columns, whatever the help holds.
        assert_eq!(rows[0].matches(" | ").count(), 3, "{}", rows[0]);
    }
}
