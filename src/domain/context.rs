//! What a job's hooks and steps report of it: one datagram of JSON, every field of which is of its shape or unknown.
//!
//! All of it is a job's word: it may enrich the job whose processes send it, never make or end one.

mod commit;
mod shape;

pub use commit::{commit_time, tells_commit_time};

use crate::domain::words::words;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shape::{is_decimal, is_key, is_repository, is_sha, is_text, is_tracking_id, is_word, text};
use std::str::FromStr;

/// The variable that names the socket, absolute; for the runner and its jobs.
pub const SOCKET_VARIABLE: &str = "RUNNER_INIT_SOCKET";
/// The answer to a report that was taken, which more may follow on lines of its own; the answer to another is why not.
pub const ACCEPTED: &str = "ok";
/// No answer is longer, in bytes.
pub const ANSWER_LIMIT: usize = 8 * 1024;
/// No datagram is longer, in bytes.
pub const DATAGRAM_LIMIT: usize = 16 * 1024;
/// No text in it is longer, in bytes; twice that if all of it must be escaped.
const TEXT_LIMIT: usize = 1024;
const VERSION: u8 = 1;

/// Which of the runner's two job hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// First step of the job.
    Started,
    /// Last step of the job.
    Completed,
}

words! {
    /// The word of the command line and of file names.
    Moment {
        Started = "started",
        Completed = "completed",
    }
}

impl Moment {
    /// The variable that names the hook's script to the runner (`JobExtension.cs`).
    pub fn variable(self) -> &'static str {
        match self {
            Moment::Started => "ACTIONS_RUNNER_HOOK_JOB_STARTED",
            Moment::Completed => "ACTIONS_RUNNER_HOOK_JOB_COMPLETED",
        }
    }
}

/// A word is none of the few that are known; `Display` says which these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct UnknownWord(&'static str);

impl FromStr for Moment {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Moment, UnknownWord> {
        let found = Moment::ALL.into_iter().find(|moment| moment.as_str() == word);
        found.ok_or(UnknownWord("started or completed"))
    }
}

/// What a cache had of what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheResult {
    /// All.
    Hit,
    /// Something older or less.
    Partial,
    /// Nothing.
    Miss,
}

words! {
    /// The label value and the word of the command line.
    CacheResult {
        Hit = "hit",
        Partial = "partial",
        Miss = "miss",
    }
}

impl FromStr for CacheResult {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<CacheResult, UnknownWord> {
        let found = CacheResult::ALL.into_iter().find(|result| result.as_str() == word);
        found.ok_or(UnknownWord("hit, partial or miss"))
    }
}

/// Where a job comes from, as GitHub's `github` context says it (runner-facts §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// `owner/name`.
    #[serde(with = "text")]
    pub repository: Option<String>,
    /// The workflow's name; any text without control characters.
    #[serde(with = "text")]
    pub workflow: Option<String>,
    /// The job's key in the workflow file.
    #[serde(with = "text")]
    pub job_key: Option<String>,
    /// Decimal.
    #[serde(with = "text")]
    pub run_id: Option<String>,
    /// Decimal.
    #[serde(with = "text")]
    pub run_attempt: Option<String>,
    /// Decimal.
    #[serde(with = "text")]
    pub run_number: Option<String>,
    /// What triggered the run, such as `push`.
    #[serde(with = "text")]
    pub event: Option<String>,
    /// Full ref; any text without control characters.
    #[serde(with = "text")]
    pub git_ref: Option<String>,
    /// Commit, 40 or 64 hexadecimal digits.
    #[serde(with = "text")]
    pub sha: Option<String>,
    /// Who triggered the run; any text without control characters.
    #[serde(with = "text")]
    pub actor: Option<String>,
    /// When the commit was made, as its committer says.
    pub commit_at: Option<DateTime<Utc>>,
    /// The runner's own id of the job, `github_<guid>`: another one in each job.
    #[serde(with = "text")]
    pub tracking_id: Option<String>,
}

impl Context {
    /// The job log's id of the job, `RUNID_JOBKEY`; unique with the attempt. `None` if either part is unknown.
    pub fn job_id(&self) -> Option<String> {
        let (run_id, job_key) = (self.run_id.as_ref()?, self.job_key.as_ref()?);
        Some(format!("{run_id}_{job_key}"))
    }

    /// This context with every field that is not of its shape unknown. Its datagram is within the limit.
    #[must_use]
    pub fn shaped(mut self, now: DateTime<Utc>) -> Context {
        type Shape = fn(&str) -> bool;
        let shapes: [(&mut Option<String>, Shape); 11] = [
            (&mut self.repository, is_repository),
            (&mut self.workflow, is_text),
            (&mut self.job_key, is_key),
            (&mut self.run_id, is_decimal),
            (&mut self.run_attempt, is_decimal),
            (&mut self.run_number, is_decimal),
            (&mut self.event, is_word),
            (&mut self.git_ref, is_text),
            (&mut self.sha, is_sha),
            (&mut self.actor, is_text),
            (&mut self.tracking_id, is_tracking_id),
        ];
        for (field, is_shape) in shapes {
            // An empty text says nothing either.
            *field = field.take().filter(|text| !text.is_empty() && is_shape(text));
        }
        self.commit_at = self.commit_at.filter(|at| commit::is_plausible(*at, now));
        self
    }
}

/// One datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Report {
    /// The job has begun.
    Started(Context),
    /// The job is about to end.
    Completed(Context),
    /// A step used a cache.
    Cache {
        /// Which, see [`is_cache_kind`]; not yet one of those that are counted.
        kind: String,
        /// What it had.
        result: CacheResult,
    },
}

/// Why a datagram is of no use. The first three are its own fault, the others come of what is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportFault {
    /// Longer than [`DATAGRAM_LIMIT`].
    Oversized,
    /// Not what our own client writes.
    Malformed,
    /// Sent by a user that is neither the runner's nor ours, or by no process of the open job.
    Foreign,
    /// No job is open that it could belong to, or its sender is gone, so that nobody can tell whose it was.
    Late,
    /// The open job has such a report already.
    Duplicate,
    /// A cache that is not one of the types (`CACHE_TYPES`).
    UnknownType,
}

words! {
    /// The label value.
    ReportFault {
        Oversized = "oversized",
        Malformed = "malformed",
        Foreign = "foreign",
        Late = "late",
        Duplicate = "duplicate",
        UnknownType = "unknown_type",
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Datagram<R> {
    v: u8,
    report: R,
}

impl Report {
    /// Reads what [`Report::encode`] has written, or somebody who imitates it. `now` bounds the times in it.
    ///
    /// # Errors
    /// [`ReportFault::Oversized`] and [`ReportFault::Malformed`]. A field of a wrong shape is no error, it is unknown.
    pub fn parse(datagram: &[u8], now: DateTime<Utc>) -> Result<Report, ReportFault> {
        if datagram.len() > DATAGRAM_LIMIT {
            return Err(ReportFault::Oversized);
        }
        let read: Datagram<Report> = serde_json::from_slice(datagram).map_err(|_| ReportFault::Malformed)?;
        match read.report {
            _ if read.v != VERSION => Err(ReportFault::Malformed),
            Report::Started(context) => Ok(Report::Started(context.shaped(now))),
            Report::Completed(context) => Ok(Report::Completed(context.shaped(now))),
            Report::Cache { kind, .. } if !is_cache_kind(&kind) => Err(ReportFault::Malformed),
            cache @ Report::Cache { .. } => Ok(cache),
        }
    }

    /// The datagram: `{"v":1,"report":{"started":{…}}}`. Within the limit if its context was [`Context::shaped`].
    ///
    /// # Panics
    /// Never: texts and times can always be written.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&Datagram { v: VERSION, report: self }).expect("plain data is JSON")
    }
}

/// Whether this may name a kind of cache: lower case letters, digits, `-` and `_`, from 1 to 64 of them.
pub fn is_cache_kind(text: &str) -> bool {
    is_word(text)
}

#[cfg(test)]
mod tests;
