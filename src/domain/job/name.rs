//! A name with newlines is told twice, at the job's start and at its end, in the same words: what is repeated is the name.
//!
//! So the end of such a name is found without knowing where the name ended the first time: after `Job FIRST LINE`, sentences
//! that repeat what followed `Running job: FIRST LINE` are the name, and the first other line with a result behind it is its
//! last line. Only the order and a mark of each sentence are kept. A name with more than [`MOST`] lines that are sentences of the
//! runner's is told apart by its first [`MOST`] only.

use crate::domain::event::{GhostCause, RunnerEvent, TaskResult, UpdateStep};
use crate::domain::parse::{Reading, split_result};
use std::hash::{DefaultHasher, Hash, Hasher};

const MOST: usize = 256;

/// What was said since the job's start, and how much of it has been said again since its completion began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    first: Vec<u64>,
    again: Option<usize>,
}

/// What a sentence is in the telling of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A line of the name, said again.
    Name,
    /// The last line of the name, and the result.
    End(TaskResult),
    /// Nothing the name has said, or its first telling.
    Other,
}

impl Told {
    /// The completion has begun: from now on the name is told again.
    pub(super) fn begin_again(&mut self) {
        self.again.get_or_insert(0);
    }

    /// Takes the next sentence.
    pub(super) fn hear(&mut self, reading: &Reading) -> Part {
        let mark = mark(reading);
        match self.again {
            None if self.first.len() < MOST => {
                self.first.push(mark);
                Part::Other
            }
            None => Part::Other,
            Some(at) if self.first.get(at) == Some(&mark) => {
                self.again = Some(at + 1);
                Part::Name
            }
            Some(_) => result_behind(&reading.event).map_or(Part::Other, Part::End),
        }
    }
}

/// Names are printed on stdout; what only stderr says is no part of one, unless it came in the trace.
pub(super) fn can_be_in_a_name(reading: &Reading) -> bool {
    reading.traced
        || match &reading.event {
            RunnerEvent::ConnectionError { .. }
            | RunnerEvent::SessionConflict
            | RunnerEvent::SessionConflictGaveUp
            | RunnerEvent::ClockSkew
            | RunnerEvent::VersionDeprecated
            | RunnerEvent::Fatal { .. } => false,
            RunnerEvent::Ghost(cause) => *cause == GhostCause::RegistrationNotFound,
            RunnerEvent::Update(step) => !matches!(step, UpdateStep::Failed(_)),
            RunnerEvent::Version(_)
            | RunnerEvent::Listening
            | RunnerEvent::JobStarted { .. }
            | RunnerEvent::JobCompleted { .. }
            | RunnerEvent::CompletionHead { .. }
            | RunnerEvent::CompletionTail { .. }
            | RunnerEvent::Reconnected
            | RunnerEvent::Exiting
            | RunnerEvent::ConfigRemoved => true,
        }
}

/// The two voices of the runner say the same thing.
fn mark(reading: &Reading) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&reading.event, &reading.stamp).hash(&mut hasher);
    hasher.finish()
}

/// The result at the end of the line; a line that begins like a job's start can be the last line of a name too.
fn result_behind(event: &RunnerEvent) -> Option<TaskResult> {
    match event {
        RunnerEvent::JobCompleted { result, .. } | RunnerEvent::CompletionTail { result, .. } => {
            Some(*result)
        }
        RunnerEvent::JobStarted { name } => split_result(name).map(|(_, result)| result),
        RunnerEvent::Version(_)
        | RunnerEvent::Listening
        | RunnerEvent::CompletionHead { .. }
        | RunnerEvent::Reconnected
        | RunnerEvent::ConnectionError { .. }
        | RunnerEvent::Exiting
        | RunnerEvent::SessionConflict
        | RunnerEvent::SessionConflictGaveUp
        | RunnerEvent::Ghost(_)
        | RunnerEvent::ConfigRemoved
        | RunnerEvent::Update(_)
        | RunnerEvent::ClockSkew
        | RunnerEvent::VersionDeprecated
        | RunnerEvent::Fatal { .. } => None,
    }
}
