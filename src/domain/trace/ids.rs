//! Ids are hashes of what GitHub says of a job, by the rule of the collector's `githubreceiver`: whoever knows the same, without a
//! word between them, computes the same. What that receiver has no rule for has an id of ours, which is as stable.

use crate::domain::record::JobRecord;
use ring::digest::{SHA256, digest};
use std::fmt;

/// Of a trace: of one attempt of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// What the ids of jobs and steps are made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdRule {
    /// The id of the check run: the receiver's rule since 0.151.
    #[default]
    CheckRun,
    /// Run, attempt and names: the receiver's rule before, and since then with its gate off.
    RunAttempt,
}

/// What the receiver's ids of one job are made from, if it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seed {
    CheckRun(u64),
    RunAttempt(String),
    Unknown,
}

/// All ids of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanIds {
    /// Of the attempt of its run.
    pub trace: TraceId,
    /// Of the span of the run, which somebody else tells; `None` if the run is not known.
    pub run: Option<SpanId>,
    seed: Seed,
    /// What is in no two jobs.
    own: String,
}

impl SpanIds {
    /// Of this job, which that runner had.
    pub fn of(row: &JobRecord, runner: &str, rule: IdRule) -> SpanIds {
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<u64>().ok());
        let run = number(&row.context.run_id).zip(number(&row.context.run_attempt));
        let began = row.started_at.map(|at| at.timestamp_millis()).unwrap_or_default();
        let own = format!("runner-init/{runner}/{began}");
        let Some((run, attempt)) = run else {
            return SpanIds { trace: TraceId(first(&own)), run: None, seed: Seed::Unknown, own };
        };
        let seed = match rule {
            IdRule::CheckRun => row.check_run_id.map_or(Seed::Unknown, Seed::CheckRun),
            IdRule::RunAttempt => row
                .job_name
                .as_ref()
                .map_or(Seed::Unknown, |name| Seed::RunAttempt(format!("{run}{attempt}{name}"))),
        };
        let trace = TraceId(first(&format!("{run}{attempt}t")));
        SpanIds { trace, run: Some(span(&format!("{run}{attempt}s"))), seed, own }
    }

    /// Of the job.
    pub fn job(&self) -> SpanId {
        match &self.seed {
            Seed::CheckRun(id) => span(&format!("{id}-j")),
            Seed::RunAttempt(seed) => span(seed),
            Seed::Unknown => self.own("job"),
        }
    }

    /// Of its wait, which is named so.
    pub fn queue(&self, name: &str) -> SpanId {
        match &self.seed {
            Seed::CheckRun(id) => span(&format!("{id}-q")),
            Seed::RunAttempt(seed) => span(&format!("{seed}{name}1")),
            Seed::Unknown => self.own("queue"),
        }
    }

    /// Of a step. The receiver gives all steps of one name one id, which only the first of them can have.
    pub fn step(&self, name: &str, number: u32, is_first_of_name: bool) -> SpanId {
        match &self.seed {
            Seed::CheckRun(id) if is_first_of_name => span(&format!("{id}-{name}-s")),
            Seed::RunAttempt(seed) => span(&format!("{seed}{name}{number}")),
            Seed::CheckRun(_) | Seed::Unknown => self.own(&format!("step/{number}")),
        }
    }

    /// Of the time that the runner had it, which no receiver knows of: it is known from the job's first moment.
    pub fn execution(&self) -> SpanId {
        self.own("execution")
    }

    /// Of the span that is the parent of what a job traces itself: the job's, if its id is known while it runs. Else it is one
    /// of ours, or, where no span of ours `is_told`, the run's.
    pub fn parent(&self, is_told: bool) -> SpanId {
        match (&self.seed, self.run) {
            (Seed::CheckRun(_) | Seed::RunAttempt(_), _) => self.job(),
            (Seed::Unknown, Some(run)) if !is_told => run,
            (Seed::Unknown, _) => self.execution(),
        }
    }

    fn own(&self, part: &str) -> SpanId {
        span(&format!("{}/{part}", self.own))
    }
}

fn span(text: &str) -> SpanId {
    let digest = first(text);
    SpanId(std::array::from_fn(|at| digest[8 + at]))
}

/// The first half of the digest.
fn first(text: &str) -> [u8; 16] {
    let digest = digest(&SHA256, text.as_bytes());
    std::array::from_fn(|at| digest.as_ref()[at])
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
