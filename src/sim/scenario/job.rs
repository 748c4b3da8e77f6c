//! A job of the scenario: what the listener is told of it, and what its Worker does.

use super::{ContextChange, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A job's result in the runner's own words (`TaskResult.cs`); the double keeps its own list on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskResult {
    /// 0
    Succeeded,
    /// 1
    SucceededWithIssues,
    /// 2
    Failed,
    /// 3
    Canceled,
    /// 4
    Skipped,
    /// 5
    Abandoned,
}

impl TaskResult {
    /// Every value, in numeric order.
    pub const ALL: [TaskResult; 6] = [
        TaskResult::Succeeded,
        TaskResult::SucceededWithIssues,
        TaskResult::Failed,
        TaskResult::Canceled,
        TaskResult::Skipped,
        TaskResult::Abandoned,
    ];

    /// The Worker's exit code for it: 100 + its number (`TaskResultUtil.cs`).
    pub fn exit_code(self) -> i32 {
        100 + self as i32
    }

    /// What the listener makes of the Worker's exit code; anything unknown is `Failed`.
    pub fn from_exit_code(code: Option<i32>) -> TaskResult {
        TaskResult::ALL.into_iter().find(|r| Some(r.exit_code()) == code).unwrap_or(TaskResult::Failed)
    }
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Job {
    /// The display name, printed raw: it may hold anything, newlines and escapes included.
    pub name: String,
    /// How long its only step takes; unused if `steps` is not empty.
    pub ms: u64,
    /// What the Worker returns if nothing went wrong. `Failed` without `steps` makes the only step fail.
    pub result: TaskResult,
    /// From `Running job` to the start of the Worker.
    pub spawn_ms: u64,
    /// The Worker is first, and `Running job` comes so long after it: the real ones are up to 8 ms apart either way.
    pub worker_first_ms: Option<u64>,
    /// Whether the completion line appears.
    pub completion: Completion,
    /// From the Worker's exit to the completion line.
    pub completion_ms: u64,
    /// The server cancels the job so long after the Worker has made its workspace.
    pub cancel_after_ms: Option<u64>,
    /// The server's cancel timeout; the Worker is killed at max(it, 60 s) − 15 s.
    pub cancel_timeout_ms: u64,
    /// The lock is lost so long after the Worker has made its workspace: the job is cancelled and told as `Abandoned`.
    pub lose_lock_after_ms: Option<u64>,
    /// The fields of the context that differ for this job, for example `{"event_name": "schedule"}`.
    pub context: ContextChange,
    /// Whole-job behaviour of the Worker.
    pub worker: Worker,
    /// The steps of the job.
    pub steps: Vec<JobStep>,
    /// What the listener does right after the completion line; a listener that takes one job leaves by itself behind it.
    pub after: Vec<Step>,
    /// What the listener does meanwhile, from the moment the Worker has made its workspace; what is left when the Worker
    /// ends is dropped.
    pub during: Vec<Step>,
}

impl Default for Job {
    fn default() -> Self {
        Job {
            name: "build".into(),
            ms: 1000,
            result: TaskResult::Succeeded,
            spawn_ms: 200,
            worker_first_ms: None,
            completion: Completion::Printed,
            completion_ms: 0,
            cancel_after_ms: None,
            cancel_timeout_ms: 300_000,
            lose_lock_after_ms: None,
            context: ContextChange::new(),
            worker: Worker::default(),
            steps: Vec::new(),
            after: Vec::new(),
            during: Vec::new(),
        }
    }
}

/// Whether the completion line appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completion {
    /// It does.
    Printed,
    /// It does not (runner-facts §1.4).
    Missing,
    /// The Worker cannot be started at all: no Worker, no line.
    NoWorker,
}

/// Whole-job behaviour of the Worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// How setting up the job goes.
    pub setup: Setup,
    /// How long setting up goes on after the workspace is made; a cancel in this time skips every step and both hooks.
    pub setup_ms: u64,
    /// How long uploading the logs takes at the end, which nothing shortens.
    pub upload_ms: u64,
    /// The Worker breaks in the middle of the job.
    pub crash: Option<Crash>,
    /// `process.clean=false`: orphans are left alone.
    pub keep_orphans: bool,
    /// So long, in real time, a shutdown is on its way from the listener if the whole group was interrupted; else a quarter of
    /// a second: a machine too busy for that would lose the race of the interrupted step against it.
    pub shutdown_ms: Option<u64>,
}

/// How setting up the job goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setup {
    /// It succeeds.
    #[default]
    Ok,
    /// It fails: no step and neither hook runs.
    Fail,
}

/// A crash of the Worker: buffers are lost, steps and log files stay behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crash {
    /// So long after the job message.
    pub after_ms: u64,
    /// Exit code; 134 comes with `Unhandled exception`, 137 is a SIGKILL.
    pub code: i32,
}

/// One step of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobStep {
    /// Display name; empty: `Run` and what it runs.
    pub name: String,
    /// A script for `bash -e`. Without it the step is a child of the Worker that sleeps `ms` and exits with `exit`.
    pub run: Option<String>,
    /// The action it pretends to be, such as `actions/cache@v4`; only without `run`.
    pub uses: Option<String>,
    /// The action's inputs, printed in the step's header.
    pub with: BTreeMap<String, String>,
    /// Log lines, written as the step starts.
    pub log: Vec<String>,
    /// How long the sleeping child lives.
    pub ms: u64,
    /// How long what the action does after all steps takes; without it there is nothing.
    pub post_ms: Option<u64>,
    /// The sleeping child's exit code.
    pub exit: i32,
    /// `if: always()`.
    pub always: bool,
    /// Signals the sleeping child ignores: `INT`, `TERM`.
    pub ignores: Vec<String>,
    /// The sleeping child leaves a process behind.
    pub daemon: Option<Daemon>,
}

/// A process in its own session that outlives its step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// How long it lives.
    pub ms: u64,
    /// It clears `RUNNER_TRACKING_ID` and so escapes the clean-up.
    pub untracked: bool,
    /// It keeps the step's stdout open, which holds the step for 5 s.
    pub holds_output: bool,
}
