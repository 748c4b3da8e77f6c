//! Whether a job is a deployment is a matter of two patterns and what is known of the job; where that is too little, nobody
//! knows. What of its name tells one service's deployments from another's is a third.

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

    /// What the first of its groups that took part has found, all of `text` if it has no groups; `None` if it finds nothing.
    pub fn found<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.has_group() { self.part(text) } else { self.finds(text).then_some(text) }
    }

    /// Whether a part of what is found can be taken out of it.
    fn has_group(&self) -> bool {
        self.0.captures_len() > 1
    }

    /// What the first of its groups that took part has found.
    fn part<'a>(&self, text: &'a str) -> Option<&'a str> {
        let found = self.0.captures(text)?;
        let part = (1..found.len()).find_map(|group| found.get(group));
        part.map(|part| part.as_str())
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
    /// Whether the job is a deployment. `None` where that hangs on a workflow or a branch that is not known. What checks a
    /// change that is only proposed deploys no branch and never is one.
    pub fn judge(&self, row: &JobRecord) -> Option<bool> {
        if is_check(row) {
            return Some(false);
        }
        let workflow = row.context.workflow.as_deref();
        let name = row.job_name.as_deref().unwrap_or_default();
        if !self.job.finds(&format!("{}/{name}", workflow.unwrap_or_default())) {
            return workflow.map(|_| false);
        }
        match &self.branch {
            None => Some(true),
            Some(wanted) => branch(row.context.git_ref.as_deref()?).map(|branch| wanted.finds(branch)),
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

/// Whether the job checks a change that is not on its branch yet: a pull request, or a batch of the merge queue. A run of
/// `pull_request` whose pull request was merged has the branch it went to as its ref, and may deploy it.
fn is_check(row: &JobRecord) -> bool {
    const REFS: [&str; 2] = ["refs/pull/", "refs/heads/gh-readonly-queue/"];
    const EVENTS: [&str; 2] = ["pull_request_target", "merge_group"];
    row.context.git_ref.as_ref().is_some_and(|git_ref| REFS.iter().any(|refs| git_ref.starts_with(refs)))
        || row.context.event.as_ref().is_some_and(|event| EVENTS.contains(&event.as_str()))
}

/// What of a job's name tells its stream from those of the same workflow and branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StreamRule {
    /// Nothing: what a workflow deploys is one thing.
    #[default]
    Workflow,
    /// All of it.
    Job,
    /// What the first group of a pattern that took part has found; nothing where it finds none.
    Part(Matcher),
}

impl StreamRule {
    /// The word for [`StreamRule::Job`].
    const JOB: &str = "job";

    /// Reads `job` or a pattern with a group. `None` if it is neither.
    pub fn new(text: &str) -> Option<StreamRule> {
        if text.eq_ignore_ascii_case(StreamRule::JOB) {
            return Some(StreamRule::Job);
        }
        Matcher::new(text).filter(Matcher::has_group).map(StreamRule::Part)
    }

    /// What this job's name adds to its stream.
    pub(super) fn part<'a>(&self, job_name: &'a str) -> &'a str {
        match self {
            StreamRule::Workflow => "",
            StreamRule::Job => job_name,
            StreamRule::Part(pattern) => pattern.part(job_name).unwrap_or_default(),
        }
    }
}

impl fmt::Display for StreamRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamRule::Workflow => Ok(()),
            StreamRule::Job => f.write_str(StreamRule::JOB),
            StreamRule::Part(pattern) => write!(f, "{pattern}"),
        }
    }
}
