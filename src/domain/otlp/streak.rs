//! What came of one export after another: a failure is said once, and so is its end; after one that may pass the pause grows.

use super::answer::ExportOutcome;
use std::time::Duration;

/// The first pause after a failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(5);

/// What came of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportNews {
    /// The other side has it.
    Sent {
        /// After failures.
        again: bool,
        /// What it had to say, if that is new.
        says: Option<String>,
    },
    /// It has rejected some.
    Rejected {
        /// How many points.
        points: u64,
        /// Why, if that is new.
        says: Option<String>,
    },
    /// It has nothing.
    Failed {
        /// Why, if the last one did not fail.
        says: Option<String>,
    },
}

/// The same may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The pause that this many failures in a row are worth.
    pub pause: Duration,
    /// What the other side has asked for.
    pub asked: Option<Duration>,
}

/// The exports to one receiver, as far as the next one needs them.
#[derive(Clone, Debug, Default)]
pub struct Streak {
    failures: u32,
    said: Option<String>,
}

impl Streak {
    /// One has ended: what is to be told of it, and whether it may be tried again. `jitter` is 0 to 1, so that a fleet does not come
    /// back in step.
    pub fn ended(&mut self, outcome: ExportOutcome, jitter: f64) -> (ExportNews, Option<Retry>) {
        let before = self.failures;
        self.failures = match outcome {
            ExportOutcome::Taken { .. } | ExportOutcome::TakenInPart { .. } => 0,
            ExportOutcome::Later { .. } | ExportOutcome::Refused { .. } => before.saturating_add(1),
        };
        let failed = |says| ExportNews::Failed { says: (before == 0).then_some(says) };
        match outcome {
            ExportOutcome::Taken { says } => {
                let says = says.and_then(|says| self.unsaid(says));
                (ExportNews::Sent { again: before > 0, says }, None)
            }
            ExportOutcome::TakenInPart { rejected, says } => {
                (ExportNews::Rejected { points: rejected, says: self.unsaid(says) }, None)
            }
            ExportOutcome::Later { says, after } => {
                let pause = PAUSE.saturating_mul(1 << before.min(16));
                let pause = pause.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 2.0);
                (failed(says), Some(Retry { pause, asked: after }))
            }
            ExportOutcome::Refused { says } => (failed(says), None),
        }
    }

    /// What the other side says, unless it was the last thing it said.
    fn unsaid(&mut self, says: String) -> Option<String> {
        let is_new = self.said.as_ref() != Some(&says);
        is_new.then(|| self.said.insert(says).clone())
    }
}
