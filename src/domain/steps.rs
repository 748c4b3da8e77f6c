//! The steps of a job as GitHub lists them: what each is called, how it ended, from when to when.

pub mod pages;
mod turns;
mod worker_log;

pub use turns::steps_of;
pub use worker_log::WorkerLog;

use super::record::JobRecord;
use super::text::is_seen;
use super::words::words;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Steps of one job that are kept; further ones are counted.
pub const MAX_STEPS: usize = 512;
/// Characters of a name that are kept.
pub const MAX_NAME: usize = 256;
/// Jobs whose steps are kept, as many as are shown.
pub const MAX_JOBS: usize = 200;

/// Bytes that they may take, however many steps they have.
const MAX_SIZE: usize = 2 << 20;

/// What a step is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// `Set up job`.
    SetUp,
    /// `Set up runner` and `Complete runner`: the runner's own hooks.
    Hook,
    /// Before the workflow's steps: an action's `pre`, the job's containers.
    Pre,
    /// A step of the workflow.
    Main,
    /// After them: an action's `post`, the containers' end.
    Post,
    /// `Complete job`.
    CleanUp,
}

words! {
    /// Its name in what is written.
    StepKind {
        SetUp = "set_up",
        Hook = "hook",
        Pre = "pre",
        Main = "main",
        Post = "post",
        CleanUp = "clean_up",
    }
}

/// GitHub's conclusion of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// It succeeded, or failed where that was allowed.
    Success,
    /// It failed, or took longer than it may.
    Failure,
    /// The job was cancelled while it ran.
    Cancelled,
    /// Its condition did not hold.
    Skipped,
}

words! {
    /// GitHub's word.
    StepResult {
        Success = "success",
        Failure = "failure",
        Cancelled = "cancelled",
        Skipped = "skipped",
    }
}

/// One step of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// GitHub's number; unique in a job, with gaps where GitHub has them.
    pub number: u32,
    /// One line of at most [`MAX_NAME`] characters, nothing of it unseen: untrusted text.
    pub name: String,
    /// What it is there for.
    pub kind: StepKind,
    /// How it ended; `None` if nobody knows: its worker died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<StepResult>,
    /// When it began, to the millisecond.
    #[serde(rename = "started_at")]
    pub started: DateTime<Utc>,
    /// When it ended, to the millisecond; never before it began.
    #[serde(rename = "completed_at")]
    pub ended: DateTime<Utc>,
}

impl Step {
    /// How long it took.
    pub fn duration(&self) -> Duration {
        (self.ended - self.started).to_std().unwrap_or_default()
    }

    /// It has begun, and its end is known.
    pub fn has_run(&self) -> bool {
        matches!(self.result, Some(StepResult::Success | StepResult::Failure | StepResult::Cancelled))
    }
}

/// A step's name as it may be shown: its first line, without what is not seen, at most [`MAX_NAME`] characters.
pub fn clean_name(text: &str) -> String {
    let line = text.trim_start().split(['\r', '\n']).next().unwrap_or_default();
    let mut name = String::new();
    let mut before = ' ';
    for c in line.chars().filter(|c| *c != '\t') {
        if is_seen(c, before) {
            name.push(c);
        }
        before = c;
    }
    let end = name.char_indices().nth(MAX_NAME).map_or(name.len(), |(at, _)| at);
    name.truncate(end);
    name.trim_end().to_owned()
}

/// The steps of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSteps {
    /// In the order of their numbers; at most [`MAX_STEPS`].
    pub steps: Vec<Step>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl JobSteps {
    /// Puts steps in order: by number, each number once, times to the millisecond, no end before its beginning.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> JobSteps {
        let mut steps: Vec<Step> = steps.into_iter().map(in_order).collect();
        steps.sort_by_key(|step| step.number);
        steps.dedup_by_key(|step| step.number);
        let more = u32::try_from(steps.len().saturating_sub(MAX_STEPS)).unwrap_or(u32::MAX);
        steps.truncate(MAX_STEPS);
        JobSteps { steps, more }
    }
}

fn in_order(mut step: Step) -> Step {
    step.name = clean_name(&step.name);
    step.started = step.started.trunc_subsecs(3);
    step.ended = step.ended.trunc_subsecs(3).max(step.started);
    step
}

/// Whose steps they are: rows of one job have one `started_at`, whatever becomes of its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepsRow {
    /// When the job began, as in its row, to the millisecond.
    pub started_at: DateTime<Utc>,
    /// The row's `job_id`.
    pub job_id: String,
    /// The row's `run_attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_attempt: Option<String>,
    /// GitHub's id of its check run, if it was known by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_run_id: Option<u64>,
    /// Its steps; none if nobody knows them.
    #[serde(flatten)]
    pub steps: Arc<JobSteps>,
}

impl StepsRow {
    /// About the bytes that it takes.
    fn size(&self) -> usize {
        self.steps.steps.iter().map(|step| size_of::<Step>() + step.name.len()).sum::<usize>() + 256
    }

    /// The steps of the job of this row; `None` if nobody knows when it began.
    pub fn of(job: &JobRecord, steps: JobSteps) -> Option<StepsRow> {
        Some(StepsRow {
            started_at: job.started_at?.trunc_subsecs(3),
            job_id: job.job_id.clone(),
            run_attempt: job.context.run_attempt.clone(),
            check_run_id: job.check_run_id,
            steps: Arc::new(steps),
        })
    }
}

/// The steps of the last jobs, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownSteps(VecDeque<StepsRow>);

impl KnownSteps {
    /// One more job's; what is said of a job later counts. Nothing, if nothing is known.
    pub fn push(&mut self, row: StepsRow) {
        if row.steps.steps.is_empty() {
            return;
        }
        self.0.retain(|known| known.started_at != row.started_at);
        self.0.push_back(row);
        let mut size: usize = self.0.iter().map(StepsRow::size).sum();
        while self.0.len() > MAX_JOBS || (size > MAX_SIZE && self.0.len() > 1) {
            size -= self.0.pop_front().map_or(0, |row| row.size());
        }
    }

    /// The steps of the job of this row, if they are known.
    pub fn of(&self, job: &JobRecord) -> Option<&Arc<JobSteps>> {
        let began = job.started_at?.trunc_subsecs(3);
        self.0.iter().rev().find(|row| row.started_at == began).map(|row| &row.steps)
    }

    /// These, and behind them what came later.
    #[must_use]
    pub fn then(mut self, later: &KnownSteps) -> KnownSteps {
        later.rows().cloned().for_each(|row| self.push(row));
        self
    }

    /// Oldest first.
    pub fn rows(&self) -> impl Iterator<Item = &StepsRow> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).expect("a time")
    }

    fn step(number: u32, name: &str) -> Step {
        let (kind, result) = (StepKind::Main, Some(StepResult::Success));
        Step { number, name: name.to_owned(), kind, result, started: at(1000), ended: at(2000) }
    }

    fn job(began: Option<DateTime<Utc>>) -> JobRecord {
        JobRecord { started_at: began, job_id: "7_build".to_owned(), ..JobRecord::blank() }
    }

    #[test]
    fn a_name_is_one_short_line_of_what_is_seen() {
        for (text, name) in [
            ("Run make", "Run make"),
            ("  \n\tRun make\nRun evil", "Run make"),
            ("a\rb", "a"),
            ("\x1b[31mred\u{202e}\0", "[31mred"),
            ("née 🧑\u{200d}🔧 ", "née 🧑\u{200d}🔧"),
            ("", ""),
        ] {
            assert_eq!(clean_name(text), name, "{text:?}");
        }
        assert_eq!(clean_name(&"ä".repeat(10_000)), "ä".repeat(MAX_NAME));
    }

    #[test]
    fn steps_are_in_order_each_number_once_and_bounded() {
        let backwards = Step { ended: at(500), ..step(3, "x") };
        let steps = JobSteps::new([backwards, step(1, "a"), step(3, "again"), step(2, "b")]);
        let told: Vec<_> = steps.steps.iter().map(|step| (step.number, step.name.as_str())).collect();
        assert_eq!(told, [(1, "a"), (2, "b"), (3, "x")]);
        assert_eq!((steps.steps[2].ended, steps.steps[2].duration()), (at(1000), Duration::ZERO));
        let many = JobSteps::new((1..=600).map(|number| step(number, "s")));
        assert_eq!((many.steps.len(), many.more), (MAX_STEPS, 88));
    }

    #[test]
    fn they_are_found_by_when_their_job_began_and_the_oldest_go() {
        let mut known = KnownSteps::default();
        let row = |began, name| {
            StepsRow::of(&job(Some(at(began))), JobSteps::new([step(1, name)])).expect("it began")
        };
        known.push(row(1, "first"));
        known.push(row(1, "corrected"));
        assert_eq!(known.of(&job(Some(at(1)))).map(|steps| steps.steps[0].name.as_str()), Some("corrected"));
        assert_eq!(known.of(&job(Some(at(2)))), None);
        assert_eq!(known.of(&job(None)), None);
        assert_eq!(StepsRow::of(&job(None), JobSteps::default()), None);
        known.push(StepsRow::of(&job(Some(at(2))), JobSteps::default()).expect("it began"));
        assert_eq!(known.of(&job(Some(at(2)))), None, "nothing is known of it");
        (0..300).for_each(|began| known.push(row(1000 + began, "later")));
        assert_eq!(known.rows().count(), MAX_JOBS);
        let long = JobSteps::new((1..=512).map(|number| step(number, &"ä".repeat(300))));
        (0..300).for_each(|began| {
            known.push(StepsRow::of(&job(Some(at(2000 + began))), long.clone()).expect("it began"));
        });
        assert!((3..10).contains(&known.rows().count()), "{}", known.rows().count());
        assert_eq!(known.of(&job(Some(at(1)))), None);
    }

    #[test]
    fn words_are_those_that_are_written() {
        for kind in StepKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.as_str());
        }
        for result in StepResult::ALL {
            assert_eq!(serde_json::to_value(result).expect("a word"), result.as_str());
        }
        let row = StepsRow::of(&job(Some(at(1))), JobSteps::new([step(1, "a")])).expect("it began");
        let text = serde_json::to_string(&row).expect("it can be written");
        assert_eq!(serde_json::from_str::<StepsRow>(&text).expect("it can be read"), row);
    }
}
