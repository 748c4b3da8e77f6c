//! What GitHub answers, as far as it is used: unknown fields are ignored, secrets go straight into [`Secret`].

use crate::config::Secret;
use crate::domain::registration::Namesake;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

/// A token for `config.sh`: to register, or to remove. Valid for an hour.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RegistrationToken {
    /// The token.
    #[serde(deserialize_with = "secret")]
    pub token: Secret,
    /// When it stops being accepted.
    pub expires_at: DateTime<Utc>,
}

/// A runner as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Runner {
    /// Its id, the `agentId` of `.runner`.
    pub id: u64,
    /// Its name: unique in its target.
    pub name: String,
    /// `online` or `offline`, as GitHub believes.
    #[serde(default)]
    pub status: String,
    /// Whether GitHub believes that it runs a job.
    #[serde(default)]
    pub busy: bool,
    /// All its labels.
    #[serde(default)]
    pub labels: Vec<Label>,
}

impl Runner {
    /// As whoever wants its name sees it.
    pub fn namesake(&self) -> Namesake {
        Namesake { id: self.id, online: self.status == "online", busy: self.busy }
    }
}

/// Whether a label can be taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelKind {
    /// Ours.
    Custom,
    /// GitHub's own: `self-hosted`, the system, the architecture.
    ReadOnly,
    /// Not said, or a kind that came later.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A label of a runner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Label {
    /// Its text.
    pub name: String,
    /// Whether it is ours.
    #[serde(rename = "type", default)]
    pub kind: LabelKind,
}

/// A just-in-time configuration: a registered runner and all it needs to run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct JitConfig {
    /// The runner GitHub made.
    pub runner: Runner,
    /// What `Runner.Listener run --jitconfig` takes; credentials included.
    #[serde(rename = "encoded_jit_config", deserialize_with = "secret")]
    pub encoded: Secret,
}

/// A job of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WorkflowJob {
    /// GitHub's id of it.
    pub id: u64,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// `queued`, `in_progress`, `completed`, …
    #[serde(default)]
    pub status: String,
    /// The runner that has it, if any.
    #[serde(default)]
    pub runner_name: Option<String>,
    /// That runner's id.
    #[serde(default)]
    pub runner_id: Option<u64>,
    /// When it was queued.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    /// When a runner began it; before that GitHub may give the time of queueing.
    #[serde(default)]
    pub started_at: Option<DateTime<Utc>>,
    /// How it ended, if it has.
    #[serde(default)]
    pub conclusion: Option<String>,
}

/// A runner to be made together with its just-in-time configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRunner {
    /// Its name.
    pub name: String,
    /// All its labels: none is added by default.
    pub labels: Vec<String>,
    /// Its runner group; 1 is the default group, and a repository's only one.
    pub group: u64,
    /// Its work directory, absolute or below the runner's own.
    pub work_dir: String,
}

/// How a runner came to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It was deleted now.
    Deleted,
    /// It was not there: an ephemeral runner that had its job, one deleted by hand, or by an attempt whose answer was lost.
    WasGone,
}

/// The jobs of one attempt of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobList {
    /// Nothing has changed since the tag was given.
    Unchanged,
    /// All of them.
    Listed {
        /// In GitHub's order.
        jobs: Vec<WorkflowJob>,
        /// To ask again with, which then costs nothing of the rate limit; `None` for more than one page.
        etag: Option<String>,
    },
}

#[derive(Deserialize)]
pub(super) struct RunnerPage {
    pub(super) runners: Vec<Runner>,
}

#[derive(Deserialize)]
pub(super) struct LabelList {
    pub(super) labels: Vec<Label>,
}

#[derive(Deserialize)]
pub(super) struct JobPage {
    pub(super) jobs: Vec<WorkflowJob>,
}

#[derive(Deserialize)]
pub(super) struct GroupPage {
    pub(super) runner_groups: Vec<RunnerGroup>,
}

#[derive(Deserialize)]
pub(super) struct RunnerGroup {
    pub(super) id: u64,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
}

/// What GitHub says of an error; everything in it is untrusted.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) message: String,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text = String::deserialize(deserializer)?;
    let usable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    // Not the library's own message: it would repeat the value.
    usable.then(|| Secret::new(text)).ok_or_else(|| serde::de::Error::custom("an unusable token"))
}
