//! The recipes of `tests/run` are those that `CONTRIBUTING.md` begins with, and no document names another.

use crate::markdown::{Document, documents, root};
use std::collections::BTreeSet;
use std::process::Command;

/// `tests/run NAME …` in code, without its options.
fn named(document: &Document) -> BTreeSet<String> {
    let recipe = |code: &String| {
        code.strip_prefix("tests/run ").and_then(|rest| rest.split_whitespace().next().map(str::to_owned))
    };
    document.code.iter().filter_map(recipe).filter(|word| !word.starts_with(['-', '#'])).collect()
}

/// What `tests/run --list` prints, by name.
fn listed() -> BTreeSet<String> {
    let out = Command::new(root().join("tests/run")).arg("--list").output().expect("it runs");
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn contributing_begins_with_the_recipes_there_are() {
    let documents = documents();
    let listed = listed();
    assert!(listed.len() > 8, "{listed:?}");
    let contributing =
        documents.iter().find(|document| document.path == "CONTRIBUTING.md").expect("it is there");
    assert_eq!(named(contributing), listed);
    let first = contributing.text.split("\n## ").nth(1).expect("a heading");
    assert!(first.starts_with("Recipes\n"));
    for document in &documents {
        assert!(named(document).is_subset(&listed), "{}: {:?}", document.path, named(document));
    }
}

#[test]
fn a_recipe_that_is_not_there_is_refused_and_found() {
    let out = Command::new(root().join("tests/run")).arg("sing").output().expect("it runs");
    assert_eq!(out.status.code(), Some(64));
    let document =
        Document::new("d.md", "`tests/run --all` `tests/run # all` `tests/run` `tests/run sing --loud`");
    assert_eq!(named(&document), BTreeSet::from(["sing".to_owned()]));
}
