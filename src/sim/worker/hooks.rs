//! Job hooks: a script named by the environment, run on the host first and last, able to fail the job.

use super::process::Ended;
use super::{Stop, WorkerRun};
use crate::environment::Environment;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

/// Which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Started,
    Completed,
}

impl Hook {
    fn variable(self) -> &'static str {
        match self {
            Hook::Started => "ACTIONS_RUNNER_HOOK_JOB_STARTED",
            Hook::Completed => "ACTIONS_RUNNER_HOOK_JOB_COMPLETED",
        }
    }

    /// The step's name in the log.
    pub(super) fn display_name(self) -> &'static str {
        match self {
            Hook::Started => "Set up runner",
            Hook::Completed => "Complete runner",
        }
    }

    /// What telemetry calls it, and its stage.
    fn telemetry(self) -> (&'static str, &'static str) {
        match self {
            Hook::Started => ("Pre Job Hook", "Pre"),
            Hook::Completed => ("Post Job Hook", "Post"),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Hook::Started => "started",
            Hook::Completed => "completed",
        }
    }
}

impl WorkerRun {
    /// Whether it is configured.
    pub(super) fn has_hook(&self, hook: Hook) -> bool {
        self.env.get(hook.variable()).is_some()
    }

    /// Runs the hook if one is configured and the runner is not going down.
    pub(super) fn hook(&mut self, hook: Hook) -> ControlFlow<i32> {
        let Some(path) = self.env.get(hook.variable()).map(str::to_owned) else {
            return ControlFlow::Continue(());
        };
        if self.stop == Some(Stop::Shutdown) {
            return ControlFlow::Continue(());
        }
        self.turn(hook.display_name(), "always()", true);
        let (action, stage) = hook.telemetry();
        let record = self.begin_step("runner", action, stage);
        let word = hook.word();
        self.log
            .line(&format!("A job {word} hook has been configured by the self-hosted runner administrator"));
        self.log.line(&format!("##[group]Run '{path}'"));
        self.log.line("shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}");
        self.log.line("##[endgroup]");
        let problem = match self.hook_command(&path) {
            Err(problem) => Some(problem),
            // A cancelled job leaves a running hook alone; a shutdown does not.
            Ok((command, guid)) => {
                let ended = self.run_process(command, |stop| stop == Stop::Server)?;
                self.workspace.collect(&guid);
                match ended {
                    Err(error) => Some(error.to_string()),
                    Ok(Ended { code: 0, .. }) => None,
                    Ok(Ended { code, .. }) => Some(format!("Process completed with exit code {code}.")),
                }
            }
        };
        self.end_step(&record, problem.as_deref());
        ControlFlow::Continue(())
    }

    /// The interpreter the extension asks for, and the GUID of its file commands; the path is not quoted, so one with spaces falls
    /// apart.
    fn hook_command(&self, path: &str) -> Result<(Command, String), String> {
        let text = |error: io::Error| error.to_string();
        self.workspace.write_event(&self.task.context).map_err(text)?;
        let (env, guid) = self.workspace.hook_env(&self.env, &self.task).map_err(text)?;
        let words = path.split_whitespace();
        let mut command = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("sh") => {
                let mut command = env.command(first(&env, ["bash", "sh"]));
                command.arg("-e").args(words);
                command
            }
            Some("ps1") => {
                let mut command = env.command(first(&env, ["pwsh", "powershell"]));
                command.arg("-command").arg(format!(". '{path}'"));
                command
            }
            Some("js") => {
                let mut command = env.command(self.root.join("externals/node20/bin/node"));
                command.args(words);
                command
            }
            Some(_) | None => {
                return Err(format!(
                    "{path} is not a valid path to a script. Make sure it ends in '.sh', '.ps1' or '.js'."
                ));
            }
        };
        if !Path::new(path).is_file() {
            return Err(format!("File doesn't exist: {path}"));
        }
        command.current_dir(&self.workspace.dir);
        Ok((command, guid))
    }
}

/// The first of two programs if `PATH` has it, else the second.
fn first(env: &Environment, [wanted, other]: [&str; 2]) -> std::path::PathBuf {
    env.which(wanted).or_else(|| env.which(other)).unwrap_or_else(|| other.into())
}
