//! Whether a job is a deployment is a matter of two patterns and what is known of the job; where that is too little, nobody
//! knows.

use super::{branch, lead_time};
use crate::domain::record::{JobRecord, RowStatus};
use regex_lite::{Regex, RegexBuilder};
use std::fmt;

/// Longest pattern, in characters.
pub const LONGEST_PATTERN: usize = 512;
/// Bytes a pattern may compile to: what one character of a name costs grows with it.
const MOST_MEMORY: usize = 64 * 1024;

/// A regular expression that is looked for anywhere in a text, in time linear in that text. Two are equal if they are
/// spelt the same.
#[derive(Clone)]
pub struct Matcher(Regex);

impl Matcher {
    /// `None` if it is none, empty, longer than [`LONGEST_PATTERN`], or too large once its repetitions are written out.
    /// Classes and `(?i)` know ASCII only.
    pub fn new(pattern: &str) -> Option<Matcher> {
        let fits = (1..=LONGEST_PATTERN).contains(&pattern.chars().count());
        let built = || RegexBuilder::new(pattern).size_limit(MOST_MEMORY).build().ok();
        fits.then(built).flatten().map(Matcher)
    }

    fn finds(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Matcher {}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// Which jobs are deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRule {
    /// Looked for in `workflow/job name`.
    pub job: Matcher,
    /// Looked for in the branch, or in the whole ref where it is no branch (`refs/tags/v1`); `None` is any.
    pub branch: Option<Matcher>,
}

impl DeploymentRule {
    /// Whether the job is a deployment. `None` where that hangs on a workflow or a branch that is not known. The checks of
    /// a pull request (`refs/pull/…`) deploy no branch and never are one.
    pub fn judge(&self, row: &JobRecord) -> Option<bool> {
        if row.git_ref.starts_with("refs/pull/") {
            return Some(false);
        }
        if !self.job.finds(&format!("{}/{}", row.workflow, row.job_name)) {
            return (!row.workflow.is_empty()).then_some(false);
        }
        match &self.branch {
            None => Some(true),
            Some(wanted) => branch(&row.git_ref).map(|branch| wanted.finds(branch)),
        }
    }

    /// Writes into a final row what follows from the others of its facts: `deployment` and `lead_time`.
    pub fn mark(&self, row: &mut JobRecord) {
        if let RowStatus::Finished(_) = row.status {
            row.deployment = self.judge(row);
            row.lead_time = lead_time(row);
        }
    }
}
