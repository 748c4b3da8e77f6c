//! The steps of a job between its two hooks; which of them run depends on what has happened before.

use super::hooks::Hook;
use super::process::Ended;
use super::{Stop, WorkerRun};
use crate::clock;
use crate::scenario::{JobStep, TaskResult};
use serde_json::json;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::process::Command;

/// An open step: what its telemetry will need.
#[derive(Debug)]
pub(super) struct Record {
    id: String,
    started: String,
    kind: &'static str,
    action: String,
    stage: &'static str,
}

impl WorkerRun {
    /// Started hook, steps, what their actions do after them, completed hook.
    pub(super) fn run_steps(&mut self) -> ControlFlow<i32> {
        let steps = self.steps();
        let before = usize::from(self.has_hook(Hook::Started));
        self.info("JobRunner", &format!("Total job steps: {}.", before + steps.len()));
        self.hook(Hook::Started)?;
        let mut posts = Vec::new();
        for step in steps {
            let due = match self.stop {
                None => step.always || !self.failed,
                Some(Stop::Server) => step.always,
                Some(Stop::Shutdown) => false,
            };
            if due {
                posts.extend(post(&step));
                self.step(&step, "Main")?;
            } else {
                self.skip_step(&display_name(&step), condition(&step));
            }
        }
        while let Some(step) = posts.pop().filter(|_| self.stop != Some(Stop::Shutdown)) {
            self.step(&step, "Post")?;
        }
        self.hook(Hook::Completed)
    }

    /// The scenario's steps, or the one that stands for a whole job.
    fn steps(&self) -> Vec<JobStep> {
        let job = &self.task.job;
        if !job.steps.is_empty() {
            return job.steps.clone();
        }
        let exit = i32::from(job.result == TaskResult::Failed);
        vec![JobStep { uses: Some("octo-org/simulate@v1".into()), ms: job.ms, exit, ..JobStep::default() }]
    }

    fn step(&mut self, step: &JobStep, stage: &'static str) -> ControlFlow<i32> {
        let name = display_name(step);
        let action = step.uses.as_deref().and_then(|uses| uses.split('@').next()).unwrap_or("sh");
        let kind = if step.run.is_some() { "run" } else { "node20" };
        self.turn(&name, condition(step), true);
        let record = self.begin_step(kind, action, stage);
        if stage == "Post" {
            self.log.line("Post job cleanup.");
        } else {
            self.header(step);
        }
        step.log.iter().for_each(|line| self.log.line(line));
        let spares: fn(Stop) -> bool = if step.always { |stop| stop == Stop::Server } else { |_| false };
        let (command, guid) = match self.step_command(step) {
            Ok(ready) => ready,
            Err(error) => {
                self.end_step(&record, Some(&error.to_string()));
                return ControlFlow::Continue(());
            }
        };
        let ended = self.run_process(command, spares)?;
        self.workspace.collect(&guid);
        let problem = match ended {
            Err(error) => Some(error.to_string()),
            Ok(Ended { cancelled: true, .. }) => Some("The operation was canceled.".into()),
            Ok(Ended { code: 0, .. }) => None,
            Ok(Ended { code, .. }) => Some(format!("Process completed with exit code {code}.")),
        };
        self.end_step(&record, problem.as_deref());
        ControlFlow::Continue(())
    }

    /// What a step prints of itself before it runs.
    fn header(&mut self, step: &JobStep) {
        if let Some(script) = &step.run {
            self.log.line(&format!("##[group]Run {}", script.lines().next().unwrap_or_default()));
            script.lines().for_each(|line| self.log.line(&format!("\u{1b}[36;1m{line}\u{1b}[0m")));
            self.log.line("shell: /usr/bin/bash -e {0}");
        } else {
            // Its display name is not in it.
            let what = step.uses.as_deref().unwrap_or("Run");
            self.log.line(&format!("##[group]Run {what}"));
            if !step.with.is_empty() {
                self.log.line("with:");
            }
            step.with.iter().for_each(|(key, value)| self.log.line(&format!("  {key}: {value}")));
        }
        self.log.line("##[endgroup]");
    }

    fn step_command(&mut self, step: &JobStep) -> io::Result<(Command, String)> {
        self.workspace.write_event(&self.task.context)?;
        let action = step.uses.as_deref().unwrap_or("__run");
        let (env, guid) = self.workspace.step_env(&self.env, &self.task, action)?;
        let mut command;
        if let Some(script) = &step.run {
            let file = self.workspace.temp.join(format!("{}.sh", clock::guid()));
            fs::write(&file, script)?;
            command = env.command("bash");
            command.arg("-e").arg(file);
        } else {
            command = env.command(self.root.join("externals/node20/bin/node"));
            let millis = |ms| self.pace.ms(ms).as_millis().to_string();
            command.args(["sleep", &millis(step.ms), "--exit", &step.exit.to_string()]);
            step.ignores.iter().for_each(|signal| _ = command.args(["--ignore", signal]));
            if let Some(daemon) = step.daemon {
                command.args(["--daemon", &millis(daemon.ms)]);
                let flags = [(daemon.untracked, "--untracked"), (daemon.holds_output, "--holds-output")];
                command.args(flags.into_iter().filter_map(|(wanted, flag)| wanted.then_some(flag)));
            }
        }
        command.current_dir(&self.workspace.dir);
        Ok((command, guid))
    }

    /// A step's turn comes, and its condition is looked at.
    pub(super) fn turn(&mut self, name: &str, condition: &str, holds: bool) {
        self.info("StepsRunner", &format!("Processing step: DisplayName='{name}'"));
        self.info("StepsRunner", &format!("Evaluating: {condition}"));
        self.info("StepsRunner", &format!("Result: {holds}"));
        if holds {
            self.info("StepsRunner", "Starting the step.");
        }
    }

    /// A step that is not due leaves no log.
    fn skip_step(&mut self, name: &str, condition: &str) {
        self.turn(name, condition, false);
        self.info("StepsRunner", "Skipping step due to condition evaluation.");
        self.turn_ends();
    }

    /// Opens a step's log.
    pub(super) fn begin_step(&mut self, kind: &'static str, action: &str, stage: &'static str) -> Record {
        let id = clock::guid();
        self.log.begin(&id);
        Record { id, started: clock::round_trip(), kind, action: action.to_owned(), stage }
    }

    /// Closes a step: its problem, if it had one, fails the job.
    pub(super) fn end_step(&mut self, record: &Record, problem: Option<&str>) {
        if let Some(problem) = problem {
            self.log.line(&format!("##[error]{problem}"));
            self.failed = self.failed || self.stop.is_none();
        }
        let word = match (problem, self.stop) {
            (None, _) => "",
            (Some(_), Some(Stop::Server)) => "Canceled",
            (Some(_), Some(Stop::Shutdown) | None) => "Failed",
        };
        self.info("StepsRunner", &format!("Step result: {word}"));
        self.close_step(record, if word.is_empty() { "succeeded" } else { word }, problem);
        self.turn_ends();
    }

    /// Closes a step's log, and tells all about it.
    pub(super) fn close_step(&mut self, record: &Record, result: &str, problem: Option<&str>) {
        let finished = clock::round_trip();
        self.log.end();
        let telemetry = json!({
            "action": record.action,
            "type": record.kind,
            "stage": record.stage,
            "stepId": record.id,
            "result": result.to_lowercase(),
            "errorMessages": problem.into_iter().collect::<Vec<_>>(),
            "startTime": record.started,
            "finishTime": finished,
        });
        let pretty = serde_json::to_string_pretty(&telemetry).expect("a JSON value is plain data");
        self.info("ExecutionContext", &format!("Publish step telemetry for current step {pretty}."));
    }

    fn turn_ends(&self) {
        let state = match self.stop {
            None if !self.failed => "",
            Some(Stop::Server) => "Canceled",
            Some(Stop::Shutdown) | None => "Failed",
        };
        self.info("StepsRunner", &format!("Current state: job state = '{state}'"));
    }
}

/// What the action of a step does after all steps.
fn post(step: &JobStep) -> Option<JobStep> {
    let (name, uses) = (format!("Post {}", display_name(step)), step.uses.clone());
    Some(JobStep { name, uses, ms: step.post_ms?, always: true, ..JobStep::default() })
}

fn condition(step: &JobStep) -> &'static str {
    if step.always { "always()" } else { "success()" }
}

fn display_name(step: &JobStep) -> String {
    let what = step.run.as_deref().and_then(|script| script.lines().next()).or(step.uses.as_deref());
    match (step.name.as_str(), what) {
        ("", Some(what)) => format!("Run {what}"),
        ("", None) => "Run".into(),
        (name, _) => name.to_owned(),
    }
}
