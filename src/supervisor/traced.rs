//! The listener's own trace, heard beside the loop while its connection is in doubt: without it there are other ways to know.

use crate::domain::lifecycle::Input;
use crate::domain::polls::TraceWord;
use crate::sys::door::Dir;
use crate::sys::listener_trace::TraceTailer;
use tokio::sync::mpsc;

/// What follows the trace, if it is followed.
#[derive(Default)]
pub(super) struct Traced {
    follower: Option<(TraceTailer, mpsc::Receiver<TraceWord>)>,
}

impl Traced {
    pub(super) fn follow(&mut self, runner: &Dir) -> Option<Input> {
        match TraceTailer::start(runner.clone()) {
            Ok(follower) => self.follower = Some(follower),
            Err(error) => {
                tracing::debug!(event = "trace_not_followed", error = %error);
                return Some(Input::Traced(None));
            }
        }
        None
    }

    pub(super) fn leave(&mut self) {
        self.follower = None;
    }

    /// What the trace tells next; `None` once, when it cannot be followed any longer. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<TraceWord> {
        let Some((_, words)) = &mut self.follower else { return std::future::pending().await };
        let word = words.recv().await;
        if word.is_none() {
            self.follower = None;
        }
        word
    }
}
