//! What was said and not believed is kept until it is proven, and believed then as if at the time it was said.

use super::open::same_name;
use crate::domain::event::{Now, RunnerEvent, TaskResult};
use crate::domain::parse::Reading;

/// More than this many lines in a row are not read late; a name can have more.
const MOST: usize = 16;

/// A job's start or end that was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// `TS: Running job: NAME`
    Started { name: String, stamp: Option<String>, at: Now },
    /// `TS: Job NAME completed with result: RESULT`
    Completed { name: String, result: TaskResult, at: Now },
}

/// Claims since the open job's start, in the order they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Keeps the reading if it claims a change.
    pub(super) fn keep(&mut self, reading: &Reading, at: Now) {
        if self.0.len() == MOST {
            return;
        }
        if let RunnerEvent::JobStarted { name } = &reading.event {
            self.0.push(Claim::Started { name: name.clone(), stamp: reading.stamp.clone(), at });
        } else if let RunnerEvent::JobCompleted { name, result } = &reading.event {
            self.0.push(Claim::Completed { name: name.clone(), result: *result, at });
        }
    }

    /// The claims, if the last start among them is this job's: then its completion proves them all.
    pub(super) fn leading_to(&mut self, name: &str) -> Option<Vec<Claim>> {
        let last = self.0.iter().rev().find_map(Claim::started)?;
        same_name(last, name).then(|| std::mem::take(&mut self.0))
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

impl Claim {
    fn started(&self) -> Option<&str> {
        match self {
            Claim::Started { name, .. } => Some(name),
            Claim::Completed { .. } => None,
        }
    }
}
