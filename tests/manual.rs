//! The manual pages and shell completions are what the command line is: `UPDATE_GOLDEN=1` writes them anew.
#![allow(clippy::disallowed_methods, reason = "a test writes files and reads its environment")]

use clap_complete::Shell;
use runner_init::{cli, exit_code};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// By name, the bytes.
type Files = BTreeMap<String, Vec<u8>>;

/// The command line, with a version that does not change with every commit.
fn command() -> clap::Command {
    cli::command().version(env!("CARGO_PKG_VERSION"))
}

fn read(dir: &Path) -> Files {
    let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.map(|path| (name(&path), std::fs::read(&path).expect("a file"))).collect()
}

/// The directory holds these files and no other.
#[track_caller]
fn hold(dir: &str, files: &Files) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("docs can be written");
        for (name, bytes) in files {
            std::fs::write(dir.join(name), bytes).expect("docs can be written");
        }
    }
    let written = read(&dir);
    assert!(written.keys().eq(files.keys()), "{:?} are there, {:?} should be", written.keys(), files.keys());
    for (name, bytes) in files {
        assert!(written[name] == *bytes, "{}/{name} is old; UPDATE_GOLDEN=1 rewrites it", dir.display());
    }
}

/// What clap cannot know of the whole command.
fn more() -> String {
    let mut page = String::from(".SH \"EXIT STATUS\"\n");
    for (code, meaning) in exit_code::table() {
        writeln!(page, ".TP\n{code}\n{meaning}").expect("a string takes every write");
    }
    page.push_str(".SH ENVIRONMENT\n");
    for variable in runner_init::config::describe() {
        writeln!(
            page,
            ".TP\n{}\n{}",
            variable.name,
            variable.explained().replace('`', "").replace('\\', "\\e")
        )
        .expect("a string takes every write");
    }
    page
}

#[test]
fn the_manual_is_current() {
    let dir = tempfile::tempdir().expect("a directory");
    clap_mangen::generate_to(command(), dir.path()).expect("pages");
    let mut pages = read(dir.path());
    let page = pages.get_mut("runner-init.1").expect("its own page");
    page.extend_from_slice(more().as_bytes());
    assert!(pages.len() > 5, "{:?}", pages.keys());
    hold("docs/man", &pages);
}

#[test]
fn the_completions_are_current() {
    let dir = tempfile::tempdir().expect("a directory");
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command(), "runner-init", dir.path()).expect("a script");
    }
    hold("docs/completions", &read(dir.path()));
}
