//! Multi-line job names, recognised so that none of their lines is taken for an event. A name with newlines is told
//! twice, at the job's start and at its end, in the same words: what is repeated is the name.
//!
//! So the end of such a name is found without knowing where the name ended the first time: after `Job FIRST LINE`, sentences
//! that repeat what followed `Running job: FIRST LINE` are the name, and the first other line with a result behind it is its
//! last line. Only a mark of each sentence is kept. Of a name with more than [`MOST`] lines that are sentences of the runner's,
//! the first [`MOST`] are known.
//!
//! With the runner's trace on stdout each telling comes twice, once in each voice, and the first line of either can be lost; so
//! the two are kept apart.

use crate::domain::event::{GhostCause, RunnerEvent, TaskResult, UpdateStep};
use crate::domain::parse::{ParsedLine, split_result};
use std::hash::{DefaultHasher, Hash, Hasher};

const MOST: usize = 256;

/// What was said as the job started, and what of it has not been said again since its completion began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenLines {
    voices: [Vec<u64>; 2],
    left: Option<[Vec<u64>; 2]>,
}

/// What a sentence is in the telling of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A line of the name, said again.
    Name,
    /// The last line of the name, and the result.
    End(TaskResult),
    /// Nothing the name has said.
    Other,
}

impl SeenLines {
    /// A sentence of the first telling.
    pub(super) fn keep(&mut self, reading: &ParsedLine) {
        let voice = &mut self.voices[usize::from(reading.traced)];
        if voice.len() < MOST {
            voice.push(mark(reading));
        }
    }

    /// The completion has begun: from now on the name is told again.
    pub(super) fn begin_again(&mut self) {
        self.left.get_or_insert_with(|| self.voices.clone());
    }

    /// What the next sentence is.
    pub(super) fn hear(&mut self, reading: &ParsedLine) -> Part {
        let Some(left) = &mut self.left else { return Part::Other };
        let (voice, mark) = (&mut left[usize::from(reading.traced)], mark(reading));
        if let Some(at) = voice.iter().position(|told| *told == mark) {
            voice.remove(at);
            return Part::Name;
        }
        result_behind(&reading.event).map_or(Part::Other, Part::End)
    }

    /// Some voice has said this, be it often.
    pub(super) fn has(&self, reading: &ParsedLine) -> bool {
        let mark = mark(reading);
        self.voices.iter().flatten().any(|told| *told == mark)
    }
}

/// Names are printed on stdout; what only stderr says is no part of one, unless it came in the trace.
pub(super) fn can_be_in_a_name(reading: &ParsedLine) -> bool {
    reading.traced
        || match &reading.event {
            RunnerEvent::ConnectionError { .. }
            | RunnerEvent::SessionConflict
            | RunnerEvent::SessionConflictGaveUp
            | RunnerEvent::ClockSkew
            | RunnerEvent::VersionDeprecated
            | RunnerEvent::PollRefused
            | RunnerEvent::Fatal { .. } => false,
            RunnerEvent::Ghost(cause) => *cause == GhostCause::RegistrationNotFound,
            RunnerEvent::Update(step) => !matches!(step, UpdateStep::Failed(_)),
            RunnerEvent::Version(_)
            | RunnerEvent::Listening
            | RunnerEvent::JobStarted { .. }
            | RunnerEvent::JobCompleted { .. }
            | RunnerEvent::CompletionHead { .. }
            | RunnerEvent::CompletionTail { .. }
            | RunnerEvent::NameLine(_)
            | RunnerEvent::Reconnected
            | RunnerEvent::Exiting
            | RunnerEvent::ConfigRemoved => true,
        }
}

/// The two voices of the runner say the same thing.
fn mark(reading: &ParsedLine) -> u64 {
    let mut hasher = DefaultHasher::new();
    let event = if let RunnerEvent::NameLine(event) = &reading.event { event } else { &reading.event };
    (event, &reading.stamp).hash(&mut hasher);
    hasher.finish()
}

/// The result at the end of the line; a line that begins like a job's start can be the last line of a name too.
fn result_behind(event: &RunnerEvent) -> Option<TaskResult> {
    match event {
        RunnerEvent::JobCompleted { result, .. } | RunnerEvent::CompletionTail { result, .. } => {
            Some(*result)
        }
        RunnerEvent::NameLine(event) => result_behind(event),
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
        | RunnerEvent::PollRefused
        | RunnerEvent::Fatal { .. } => None,
    }
}
