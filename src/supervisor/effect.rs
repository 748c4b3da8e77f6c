//! What a component wants of the others, as values: the loop does it, so that no component knows another.

use super::listener::LastSight;
use crate::config::Secret;
use crate::domain::event::WorkerState;
use crate::domain::job::jobs::{JobNumber, QueueAnswer};
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::domain::parse::ParsedLine;
use crate::domain::queue::Question;
use crate::telemetry::emit::Sample;
use chrono::{DateTime, Utc};

/// One such wish.
#[derive(Debug)]
pub(super) enum Effect {
    /// Into the lifecycle.
    Input(Input),
    /// The listener is to be started.
    Spawn,
    /// The listener said something.
    Line(ParsedLine),
    /// Into the lifecycle with the evidence of the moment, if it has a subject.
    LineAsSeen(ParsedLine, bool),
    /// Workers are to be looked for, and what was seen to be judged.
    Look,
    /// What was seen of the lifecycle's subject is to be judged, unless it was just this.
    Judge(Option<(DateTime<Utc>, WorkerState)>),
    /// The listener is gone.
    Gone(LastSight),
    /// And was looked after for the last time.
    Exited(LastSight),
    /// To be shown.
    Sample(Box<Sample>),
    /// To be told.
    Notice(Notice),
    /// What the listener is given instead of a registration.
    Jit(Secret),
    /// A job is over: its worker's last word is to be read, and the disk looked at, if it has failed.
    Close {
        /// When it began.
        began: Option<DateTime<Utc>>,
        /// It has failed.
        failed: bool,
    },
    /// A job is closed: what it has left is to be swept. Not before, or what its worker says when it is told to end would be taken for
    /// how its job ended.
    Sweep,
    /// GitHub is to be asked how long a job had waited.
    AskQueueTime {
        /// Which job.
        job: JobNumber,
        /// About it.
        question: Question,
        /// The second and last time.
        again: bool,
    },
    /// GitHub is to be asked how a job has ended.
    AskConclusion {
        /// Which job.
        job: JobNumber,
        /// About it.
        question: Question,
    },
    /// GitHub's answer to how long a job had waited.
    QueueTime(QueueAnswer),
    /// GitHub's answer to how a job has ended.
    Concluded(JobNumber, &'static str),
}

impl Effect {
    /// The listener runs.
    pub(super) fn started(pid: u32) -> Effect {
        Effect::Input(Input::Started { pid })
    }

    /// It could not be started.
    pub(super) fn not_started(error: String) -> Effect {
        Effect::Input(Input::NotStarted { error })
    }
}

impl From<Input> for Effect {
    fn from(input: Input) -> Effect {
        Effect::Input(input)
    }
}

impl From<Notice> for Effect {
    fn from(notice: Notice) -> Effect {
        Effect::Notice(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_spawn_goes_into_the_lifecycle_and_a_notice_is_told() {
        let into_the_lifecycle = |effect| match effect {
            Effect::Input(input) => input,
            other => panic!("{other:?}"),
        };
        assert_eq!(into_the_lifecycle(Effect::started(7)), Input::Started { pid: 7 });
        let refused = || "no such file".to_owned();
        assert_eq!(
            into_the_lifecycle(Effect::not_started(refused())),
            Input::NotStarted { error: refused() }
        );
        assert_eq!(into_the_lifecycle(Input::Deadline.into()), Input::Deadline);
        let told = Effect::from(Notice::Ignored { signal: "SIGHUP" });
        assert!(matches!(told, Effect::Notice(Notice::Ignored { signal: "SIGHUP" })));
    }
}
