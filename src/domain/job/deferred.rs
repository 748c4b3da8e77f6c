//! Deferred lines: starts and ends of jobs that contradicted the worker's state. What was said and not believed is kept
//! until it is proven, and believed then as if at the time it was said.

use super::open::same_name;
use crate::domain::event::{Now, RunnerEvent, TaskResult};
use crate::domain::parse::ParsedLine;
use std::collections::VecDeque;
use std::time::Duration;

/// More than this many lines in a row are not read late, so the last ones are kept; a name can have more.
const MOST: usize = 16;

/// A job's start or end that was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DeferredLine {
    /// `TS: Running job: NAME`
    Started { name: String, stamp: Option<String>, at: Now },
    /// `TS: Job NAME completed with result: RESULT`
    Completed { name: String, result: TaskResult, at: Now },
}

/// `DeferredLines` since the open job's start, in the order they were made; and whether one is the listener's own, since names had
/// been told by then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DeferredLines(VecDeque<(DeferredLine, bool)>);

impl DeferredLines {
    /// Keeps the reading if it claims a change; `late`: it cannot be a line of the name.
    pub(super) fn keep(&mut self, reading: &ParsedLine, late: bool, at: Now) {
        let claim = if let RunnerEvent::JobStarted { name } = &reading.event {
            DeferredLine::Started { name: name.clone(), stamp: reading.stamp.clone(), at }
        } else if let RunnerEvent::JobCompleted { name, result } = &reading.event {
            DeferredLine::Completed { name: name.clone(), result: *result, at }
        } else {
            return;
        };
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((claim, late));
    }

    /// The claims, if the last start among them is this job's: then its completion proves them all.
    pub(super) fn leading_to(&mut self, name: &str) -> Option<Vec<DeferredLine>> {
        let last = self.0.iter().rev().find_map(|(claim, _)| claim.started())?;
        same_name(last, name).then(|| self.take())
    }

    /// The open job is over: what the listener said of it and of what came after. The end of that job is the first, if it was
    /// told at all; no other job can have ended before one has begun.
    pub(super) fn after(&mut self, name: &str) -> DeferredLines {
        let is_next = |(claim, late): &(DeferredLine, bool)| {
            *late
                && match claim {
                    DeferredLine::Started { .. } => true,
                    DeferredLine::Completed { name: said, .. } => same_name(name, said),
                }
        };
        let first = self.0.iter().position(is_next).unwrap_or(self.0.len());
        DeferredLines(self.0.split_off(first))
    }

    /// The first of them.
    pub(super) fn next(&mut self) -> Option<DeferredLine> {
        self.0.pop_front().map(|(claim, _)| claim)
    }

    /// As if it had not been taken.
    pub(super) fn put_back(&mut self, claim: DeferredLine) {
        self.0.push_front((claim, true));
    }

    /// Nothing is claimed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the end of the job of that name was told by the listener itself.
    pub(super) fn since(&self) -> Option<Duration> {
        self.0.iter().find_map(|(claim, late)| match claim {
            DeferredLine::Completed { at, .. } if *late => Some(at.up),
            DeferredLine::Completed { .. } | DeferredLine::Started { .. } => None,
        })
    }

    pub(super) fn take(&mut self) -> Vec<DeferredLine> {
        self.0.drain(..).map(|(claim, _)| claim).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// They cannot be told from lines of the open job's name.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl DeferredLine {
    fn started(&self) -> Option<&str> {
        match self {
            DeferredLine::Started { name, .. } => Some(name),
            DeferredLine::Completed { .. } => None,
        }
    }
}
