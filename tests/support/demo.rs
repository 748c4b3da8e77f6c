//! The demo as a user starts it, and what it leaves behind.
//!
//! Include it beside `ns`, `page` and `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

use super::ns::{self, Tree};
use super::page::Page;
use super::wire;
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The program.
pub const BIN: &str = env!("CARGO_BIN_EXE_runner-init");
/// The back-off after the listener's death is real time, whatever the speed.
const SHOW: Duration = Duration::from_secs(60);

/// A running demo, with a temporary directory of its own to look into afterwards.
pub struct Demo {
    pub tree: Tree,
    pub temp: TempDir,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Demo {
    pub fn start<S: AsRef<OsStr>>(args: &[S], env: &[(&str, &str)]) -> Demo {
        let mut command = Command::new(BIN);
        command.arg("demo").args(args);
        Demo::spawn(command, env)
    }

    pub fn spawn(mut command: Command, env: &[(&str, &str)]) -> Demo {
        let temp = tempfile::tempdir().expect("a directory");
        let path = std::env::var_os("PATH").expect("PATH");
        command.env_clear().env("PATH", path).env("TMPDIR", temp.path()).envs(env.iter().copied());
        let tree = Tree::spawn(command.stdin(Stdio::null()));
        tree.wait_for("are runner-init's own.\n");
        let address =
            tree.stdout().split("http://").nth(1).and_then(|t| t.split('/').next()).unwrap_or("").to_owned();
        Demo { tree, temp, address }
    }

    pub fn page(&self) -> Page {
        let text = wire::get(&self.address, "/metrics", "").expect("a page").text();
        Page::read(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
    }

    pub fn jobs(&self, status: &str) -> f64 {
        self.page().value("github_runner_jobs_total", Some(("status", status))).expect("counted from 0")
    }

    pub fn count(&self, name: &str) -> f64 {
        self.page().value(name, None).expect("counted from 0")
    }

    /// TERM to the one that was started; nothing may be left of it.
    pub fn end(self, pid: i32) -> Output {
        ns::send(pid, Signal::SIGTERM);
        let output = self.tree.finish(SHOW);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(files(self.temp.path()), Vec::<String>::new(), "left behind");
        output
    }
}

/// What is in a directory.
pub fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
