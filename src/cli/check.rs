//! `check`: what the configuration comes to, and with `--files` what a start would find.

use super::print;
use crate::config::{Config, Environment, child_environment, render_check};
use crate::exit_code::ExitCode;
use crate::run::{cautions, refused};
use crate::supervisor::{self, Finding};
use std::fmt::Write as _;

const UNSEEN: &str = "\nnot looked at: files, users, sockets, name look-up, GitHub; runner-init check --files does, in the container\n";

/// The exit code of the first fault, as a start's would be.
pub(super) fn check(files: bool) -> i32 {
    let mut result = Config::from_lookup(&Environment);
    if let Ok(loaded) = &mut result {
        loaded.warnings.extend(cautions::weak_token(&loaded.config));
        // Looked at, it is a fault.
        loaded.warnings.extend(cautions::refuses_root(&loaded.config).filter(|_| !files));
    }
    let mut text = render_check(&result);
    let mut code = ExitCode::Done;
    match &result {
        Ok(loaded) if files => match look(&loaded.config) {
            Ok(findings) => {
                text.push_str(&rendered(&findings));
                let mut codes = findings.iter().map(|finding| finding.code);
                code = codes.find(|code| *code != ExitCode::Done).unwrap_or(ExitCode::Done);
            }
            Err(error) => return refused("cannot start", &error),
        },
        Ok(_) => text.push_str(UNSEEN),
        Err(_) => code = ExitCode::Usage,
    }
    let written = print(&text);
    if code == ExitCode::Done { written } else { code.code() }
}

fn look(config: &Config) -> std::io::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(supervisor::look(config, &child_environment(&Environment)));
    // A look-up that hangs is a thread nobody waits for.
    runtime.shutdown_background();
    Ok(findings)
}

fn rendered(findings: &[Finding]) -> String {
    let mut text = String::from("\nlooked at:\n");
    for Finding { what, seen, .. } in findings {
        let (word, line) = match seen {
            Ok(line) => ("ok   ", line),
            Err(line) => ("FAULT", line),
        };
        // The text of an error may begin with the variable itself.
        let line =
            line.strip_prefix(what).map_or(line.as_str(), |rest| rest.trim_start_matches(':').trim_start());
        writeln!(text, "  {word} {what}: {line}").expect("a string takes every write");
    }
    text
}
