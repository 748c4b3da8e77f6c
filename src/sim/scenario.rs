//! A scenario says everything the simulated runner will do; the same file always plays the same way.
//!
//! It is JSON at `<root>/sim.json`. Every field has a default, so `{}` is a runner that connects and idles. Durations
//! are milliseconds as the real runner would take them; all of them are divided by [`Scenario::speed`].
//!
//! ```json
//! { "speed": 20, "launches": [
//!   { "steps": [
//!     { "idle_ms": 500 },
//!     { "job": { "name": "build (x, 1)", "ms": 2000, "result": "Failed" } },
//!     { "job": { "name": "deploy / production", "steps": [{ "run": "env > env.txt" }], "cancel_after_ms": 900 } },
//!     { "disconnect": { "ms": 3000, "recovery": "silent" } },
//!     { "job": { "ms": 9000, "during": [{ "idle_ms": 4000 }, { "signal": 9 }] } } ] },
//!   { "session": { "conflict": { "clears_after_ms": 60000 } }, "steps": [{ "exit": 2 }] } ] }
//! ```

mod context;
mod job;
mod step;

pub use context::Context;
pub use job::{Completion, Crash, Daemon, Job, JobStep, Setup, TaskResult, Worker};
pub use step::{Banner, Bytes, Disconnect, LastWords, Race, Recovery, Step, Update, UpdateOutcome};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};

/// What the simulated runner does, from the first launch to the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Divides every duration; 1 is the real runner's pace. Must be above 0.
    pub speed: f64,
    /// The version the runner says it is; an [`Update`] changes it for later launches.
    pub version: String,
    /// Whether [`install`](super::install()) registers the runner as ephemeral.
    pub ephemeral: bool,
    /// Exit code after SIGTERM: 143, or 0 as when `Main` wins the race (runner-facts §3).
    pub term_exit: i32,
    /// Appends one JSON object per start (`argv`, `env`, `cwd`, `pid`, `SigBlk`, `SigIgn`) to `<root>/sim-calls.jsonl`.
    /// Only for tests: the values are written as they are.
    pub record_calls: bool,
    /// How the listener's text reaches its pipes.
    pub console: Console,
    /// Where the jobs come from, unless a job says otherwise.
    pub context: Context,
    /// One entry per `configure` call, in order; the last one repeats. Empty: always succeeds.
    pub configure: Vec<Configure>,
    /// One entry per `remove` call, in order; the last one repeats. Empty: always succeeds.
    pub remove: Vec<Remove>,
    /// One entry per launch of the listener.
    pub launches: Vec<Launch>,
    /// What happens when `launches` or the steps of the last launch run out.
    pub then: Then,
    /// After so many jobs (counted over all launches) the listener idles.
    pub max_jobs: Option<u64>,
    /// Each launch does what the recorded one with its number did, instead of its steps; later ones connect and idle.
    pub play: Option<Play>,
}

/// A recording to be done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// The recording's file, absolute.
    pub recording: PathBuf,
    /// Where its traces and pages were kept (`listener.log`, `worker.log`, `step-*.txt`, `job.txt`), absolute; what is not there
    /// is made up from the recording.
    #[serde(default)]
    pub logs: Option<PathBuf>,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            speed: 1.0,
            version: "2.336.0".into(),
            ephemeral: false,
            term_exit: 143,
            record_calls: false,
            console: Console::default(),
            context: Context::default(),
            configure: Vec::new(),
            remove: Vec::new(),
            launches: Vec::new(),
            then: Then::default(),
            max_jobs: None,
            play: None,
        }
    }
}

impl Scenario {
    /// Reads `<root>/sim.json`; a missing file is the default scenario.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a scenario (`InvalidData`).
    pub fn load(root: &Path) -> io::Result<Scenario> {
        let text = match std::fs::read(root.join("sim.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Scenario::default()),
            other => other?,
        };
        let scenario: Scenario = serde_json::from_slice(&text)?;
        for job in scenario.launches.iter().flat_map(|launch| launch.steps.iter()).filter_map(Step::as_job) {
            scenario.context.with(&job.context)?;
        }
        Ok(scenario)
    }

    /// The launch with this number (from 0); past the end it is the last one again ([`Then::Repeat`]) or an idle one.
    pub fn launch(&self, number: usize) -> Launch {
        let last = match self.then {
            Then::Repeat => self.launches.last(),
            Then::Idle => None,
        };
        self.launches.get(number).or(last).cloned().unwrap_or_default()
    }
}

/// What follows the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Idle until signalled; launches beyond the list connect and idle.
    #[default]
    Idle,
    /// The steps of the last launch start again, also for launches beyond the list.
    Repeat,
}

/// How text reaches the pipes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// At most so many bytes per `write(2)`, cutting characters in half; 0: as .NET writes, 256 characters at a time.
    pub chunk: usize,
    /// Pause between two such writes.
    pub gap_ms: u64,
    /// With `ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT`: glue another record's header before every bare line (runner-facts §7).
    pub splice: bool,
}

/// One start of the listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launch {
    /// How creating the session goes.
    pub session: Session,
    /// From the banner to the session's answer.
    pub connect_ms: u64,
    /// How long deleting the session takes on the way out.
    pub shutdown_ms: u64,
    /// What happens, one after the other, once it listens.
    pub steps: Vec<Step>,
}

impl Default for Launch {
    fn default() -> Self {
        Launch { session: Session::Ok, connect_ms: 300, shutdown_ms: 100, steps: Vec::new() }
    }
}

/// How creating the session goes (runner-facts §1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Session {
    /// It is created.
    #[default]
    Ok,
    /// Another session exists: one more try every 30 s, exit 5 after 210 s.
    Conflict {
        /// The other session ends after so long; absent: never.
        #[serde(default)]
        clears_after_ms: Option<u64>,
    },
    /// The registration was deleted (`OAuth` `invalid_client`): exit 1.
    Deleted,
    /// The server does not know the runner: exit 1.
    NotFoundOnServer,
    /// The version is refused at the first poll: exit 1, or 7 if `ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE` is true.
    Deprecated,
    /// The clock is off: one more try every 30 s, exit 1 after 1800 s.
    ClockSkew,
    /// Any other refusal: exit 1.
    Failed {
        /// The server's text.
        message: String,
    },
    /// The server cannot be reached: retried every 30 s.
    Unreachable {
        /// The transport's text, without a full stop.
        message: String,
        /// It can be reached after so long; absent: never.
        #[serde(default)]
        recovers_after_ms: Option<u64>,
    },
}

/// How a `configure` call goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configure {
    /// How long it takes.
    pub ms: u64,
    /// How it ends.
    pub outcome: ConfigureOutcome,
}

/// How a `configure` call ends (runner-facts §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigureOutcome {
    /// Registered; exit 0.
    #[default]
    Ok,
    /// The registration token is refused with 404; exit 1.
    BadToken,
    /// The server cannot be reached; exit 1.
    Unreachable,
    /// The name is taken, unless `--replace` is given; exit 1.
    DuplicateName,
    /// The runner group does not exist; exit 1.
    NoGroup,
}

/// How a `remove` call goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Remove {
    /// How long it takes.
    pub ms: u64,
    /// The server refuses; exit 1.
    pub fails: bool,
}

/// The fields of a [`Context`] that differ for one job.
pub type ContextChange = Map<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn load(scenario: &Value) -> io::Result<Scenario> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("sim.json"), scenario.to_string()).unwrap();
        Scenario::load(dir.path())
    }

    #[test]
    fn nothing_is_a_runner_that_idles() {
        assert_eq!(load(&json!({})).unwrap(), Scenario::default());
        assert_eq!(Scenario::load(Path::new("/nonexistent")).unwrap(), Scenario::default());
    }

    #[test]
    fn a_scenario_survives_being_written_and_read() {
        let steps = json!([{ "idle_ms": 5 }, { "job": { "name": "x", "during": [{ "signal": 9 }] } }, { "update": {} },
            { "deleted_on_server": {} }]);
        let session = json!({ "conflict": { "clears_after_ms": 5 } });
        let scenario = load(&json!({ "launches": [{ "session": session, "steps": steps }] })).unwrap();
        assert_eq!(load(&serde_json::to_value(&scenario).unwrap()).unwrap(), scenario);
    }

    #[test]
    fn a_misspelt_field_is_an_error_also_in_a_job_s_context() {
        assert!(load(&json!({ "speeed": 2 })).is_err());
        let job = |context| json!({ "launches": [{ "steps": [{ "job": { "context": context } }] }] });
        assert!(load(&job(json!({ "event": {}, "ref": "refs/tags/v1" }))).is_ok());
        assert!(load(&job(json!({ "evnt": {} }))).is_err());
        assert!(load(&job(json!({ "run_id": "text" }))).is_err());
    }

    #[test]
    fn launches_past_the_end_idle_or_repeat() {
        let launch = Launch { connect_ms: 7, ..Launch::default() };
        let mut scenario = Scenario { launches: vec![launch.clone()], ..Scenario::default() };
        assert_eq!((scenario.launch(0), scenario.launch(1)), (launch.clone(), Launch::default()));
        scenario.then = Then::Repeat;
        assert_eq!(scenario.launch(5), launch);
    }
}
