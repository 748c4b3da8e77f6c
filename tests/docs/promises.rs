//! What is promised has a test: each row of the threat model and of `docs/RELIABILITY.md` names tests, as `SUITE::TEST`, that are there.

use crate::markdown::{ours, root};
use std::collections::BTreeSet;
use std::path::Path;

/// Names of functions: some tests are made of them by a macro.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?.split(['(', '<']).next()
    })
}

/// Of which suite a source file is: of `unit`, if it is the program's own.
fn suite(path: &Path) -> Option<String> {
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    match &*parts.next()? {
        "src" => Some("unit".to_owned()),
        "tests" => Some(parts.next()?.trim_end_matches(".rs").to_owned()),
        _ => None,
    }
}

/// Every test there is.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for path in ours(&[".rs"]) {
        let Some(suite) = suite(&path) else { continue };
        let source = std::fs::read_to_string(root().join(path)).unwrap();
        known.extend(functions(&source).map(|test| format!("{suite}::{test}")));
    }
    known
}

/// The rows of the table behind this mark, each with what its last cell names.
fn rows<'a>(text: &'a str, mark: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let table = text.split(mark).nth(1).unwrap_or_default().trim_start();
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
    let named = |row: &'a str| {
        let cell = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        cell.split('`').skip(1).step_by(2).collect()
    };
    rows.map(|row| (row, named(row))).collect()
}

/// Rows without a test, and tests that are not there.
fn complaints(rows: &[(&str, Vec<&str>)], known: &BTreeSet<String>) -> Vec<String> {
    let bare = rows.iter().filter(|(_, tests)| tests.is_empty()).map(|(row, _)| format!("no test: {row}"));
    let named = rows.iter().flat_map(|(_, tests)| tests);
    let gone = named.filter(|test| !known.contains(**test)).map(|test| format!("no such test: {test}"));
    bare.chain(gone).collect()
}

#[test]
fn each_row_of_the_threat_model_and_of_what_is_promised_names_its_tests_and_they_exist() {
    let known = known();
    assert!(known.len() > 800, "{}", known.len());
    for (path, mark, least) in
        [("SECURITY.md", "<!-- threat model -->", 12), ("docs/RELIABILITY.md", "<!-- promises -->", 30)]
    {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let rows = rows(&text, mark);
        assert!(rows.len() >= least, "{path}: {rows:?}");
        assert_eq!(complaints(&rows, &known), [""; 0], "{path}");
    }
}

#[test]
fn a_test_that_is_gone_is_missed() {
    let source = "    fn here() {\n// fn not() {\n    async fn there(a: u8) {\n";
    assert_eq!(functions(source).collect::<Vec<_>>(), ["here", "there"]);
    let suites =
        ["src/a/b.rs", "tests/http.rs", "tests/docs/main.rs", "x.rs"].map(|path| suite(Path::new(path)));
    assert_eq!(suites.each_ref().map(Option::as_deref), [Some("unit"), Some("http"), Some("docs"), None]);
    let text = "| no |\n<!-- it -->\n\n| who | test |\n|---|---|\n| a | `unit::here`, `unit::gone` |\n| `b` | c |\n\n| no |";
    let known = BTreeSet::from(["unit::here".to_owned()]);
    assert_eq!(
        complaints(&rows(text, "<!-- it -->"), &known),
        ["no test: | `b` | c |", "no such test: unit::gone"]
    );
    assert_eq!(rows(text, "<!-- other -->"), []);
}
