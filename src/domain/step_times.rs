//! How long steps took, under few names: the two that every job has, and at most sixteen that an operator asked for.

use super::dora::Matcher;
use super::steps::{JobSteps, Step, StepKind};
use super::text::sanitize;
use std::time::Duration;

/// Names of steps beside the two; what comes later is [`OTHER`].
pub const NAMES: usize = 16;
/// Characters of one.
const NAME: usize = 64;
/// GitHub's name of the first step of every job.
pub const SET_UP: &str = "Set up job";
/// What actions do after the workflow's steps, in one.
pub const POST: &str = "Post steps";
/// A step that was asked for, when there are [`NAMES`] others.
pub const OTHER: &str = "other";
/// Upper bounds of their histogram, seconds: few, since each is a series of each name.
pub const BOUNDS: [f64; 3] = [10.0, 60.0, 300.0];

/// The names that have come up so far.
#[derive(Clone, Debug, Default)]
pub struct StepTimes {
    wanted: Option<Matcher>,
    known: Vec<String>,
}

impl StepTimes {
    /// Steps in whose name this is found are told too: by what its first group has found, or by the whole name.
    pub fn of_names(wanted: Option<Matcher>) -> StepTimes {
        StepTimes { wanted, known: Vec::new() }
    }

    /// What a job's steps took, each under its name. What did not run, or was cut off, took no time that says anything.
    pub fn of(&mut self, steps: &JobSteps) -> Vec<(String, Duration)> {
        let ran: Vec<&Step> = steps.steps.iter().filter(|step| step.has_run()).collect();
        let of = |kind| ran.iter().filter(move |step| step.kind == kind).map(|step| step.duration());
        let mut times: Vec<(String, Duration)> =
            of(StepKind::SetUp).map(|took| (SET_UP.to_owned(), took)).collect();
        if of(StepKind::Post).next().is_some() {
            times.push((POST.to_owned(), of(StepKind::Post).sum()));
        }
        let asked = ran.iter().filter(|step| step.kind != StepKind::SetUp);
        times.extend(asked.filter_map(|step| Some((self.name(&step.name)?, step.duration()))));
        times
    }

    /// The name a step is told by; `None` if it was not asked for.
    fn name(&mut self, step: &str) -> Option<String> {
        let name = sanitize(self.wanted.as_ref()?.found(step)?.trim(), NAME);
        if self.known.contains(&name) {
            return Some(name);
        }
        // A name of ours is not a job's to take.
        if self.known.len() == NAMES || name.is_empty() || [SET_UP, POST].contains(&name.as_str()) {
            return Some(OTHER.to_owned());
        }
        self.known.push(name.clone());
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::steps::StepResult;
    use chrono::{DateTime, TimeDelta};

    fn step(name: &str, kind: StepKind, seconds: i64, result: Option<StepResult>) -> Step {
        let started = DateTime::UNIX_EPOCH;
        let ended = started + TimeDelta::seconds(seconds);
        Step { number: 1, name: name.to_owned(), kind, result, started, ended }
    }

    fn times(wanted: &str, steps: Vec<Step>) -> Vec<(String, u64)> {
        let mut times = StepTimes::of_names(Matcher::new(wanted));
        times
            .of(&JobSteps { steps, more: 0 })
            .into_iter()
            .map(|(name, took)| (name, took.as_secs()))
            .collect()
    }

    const DONE: Option<StepResult> = Some(StepResult::Success);

    #[test]
    fn every_job_has_its_set_up_and_its_post_steps_in_one() {
        let steps = vec![
            step("Set up job", StepKind::SetUp, 2, DONE),
            step("Build", StepKind::Main, 60, DONE),
            step("Post Cache", StepKind::Post, 3, DONE),
            step("Post Run actions/checkout@v4", StepKind::Post, 4, Some(StepResult::Failure)),
            step("Complete job", StepKind::CleanUp, 1, DONE),
        ];
        assert_eq!(times("", steps), [(SET_UP.to_owned(), 2), (POST.to_owned(), 7)]);
        assert_eq!(times("", Vec::new()), [], "nothing is known of them");
    }

    #[test]
    fn who_asks_for_a_step_has_it_by_name_or_by_the_part_that_was_asked_for() {
        let steps = || {
            vec![
                step("Build", StepKind::Main, 60, DONE),
                step("Test (linux, 3)", StepKind::Main, 20, Some(StepResult::Failure)),
                step("Test (linux, 4)", StepKind::Main, 30, DONE),
                step("Test (mac)", StepKind::Main, 0, Some(StepResult::Skipped)),
                step("Test (cut off)", StepKind::Main, 9, None),
            ]
        };
        let want = |rows: &[(&str, u64)]| {
            rows.iter().map(|(name, took)| ((*name).to_owned(), *took)).collect::<Vec<_>>()
        };
        assert_eq!(times("^(Build|Test)", steps()), want(&[("Build", 60), ("Test", 20), ("Test", 30)]));
        assert_eq!(times("^Test", steps()), want(&[("Test (linux, 3)", 20), ("Test (linux, 4)", 30)]));
        assert_eq!(times("Deploy", steps()), []);
    }

    #[test]
    fn a_job_makes_no_more_names_than_there_may_be_and_none_of_ours() {
        let mut steps: Vec<Step> = (0..40).map(|n| step(&format!("s{n}"), StepKind::Main, 1, DONE)).collect();
        steps.extend([SET_UP, POST, "s3"].map(|name| step(name, StepKind::Main, 1, DONE)));
        let told = times(".", steps);
        let named = |wanted: &str| told.iter().filter(|(name, _)| name == wanted).count();
        assert_eq!((told.len(), named("s3"), named("s15"), named("s16")), (43, 2, 1, 0));
        assert_eq!((named(OTHER), named(SET_UP), named(POST)), (40 - NAMES + 2, 0, 0));
        let long = times(".", vec![step(&"n".repeat(256), StepKind::Main, 1, DONE)]);
        assert_eq!(long[0].0.chars().count(), NAME + 1, "it is cut in sight");
    }
}
