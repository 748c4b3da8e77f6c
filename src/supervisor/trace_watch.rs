//! The listener's own trace, heard beside the loop while its connection is in doubt: without it there are other ways to know.

use super::effect::Effect;
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::domain::polls::TraceWord;
use crate::sys::door::Dir;
use crate::sys::listener_trace::TraceTailer;
use tokio::sync::mpsc;

/// What follows the trace, if it is followed.
#[derive(Default)]
pub(super) struct TraceWatch {
    follower: Option<(TraceTailer, mpsc::Receiver<TraceWord>)>,
}

impl TraceWatch {
    /// Begins to follow it; where that cannot be, the lifecycle hears so.
    pub(super) fn follow(&mut self, runner: &Dir) -> Vec<Effect> {
        match TraceTailer::start(runner.clone()) {
            Ok(follower) => self.follower = Some(follower),
            Err(error) => {
                let notice = Notice::TraceNotFollowed { error: error.to_string() };
                return vec![notice.into(), Input::Traced(None).into()];
            }
        }
        Vec::new()
    }

    pub(super) fn leave(&mut self) {
        self.follower = None;
    }

    /// What the trace tells next; `None` once, when it cannot be followed any longer. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<TraceWord> {
        let Some((_, words)) = &mut self.follower else { return std::future::pending().await };
        words.recv().await
    }

    pub(super) fn handle(&mut self, word: Option<TraceWord>) -> Vec<Effect> {
        if word.is_none() {
            self.follower = None;
        }
        vec![Input::Traced(word).into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_trace_that_ends_is_told_once_and_not_followed_any_longer() {
        let mut watch = TraceWatch::default();
        let dir = tempfile::tempdir().expect("a directory");
        assert!(watch.follow(&Dir::open(dir.path()).expect("ours")).is_empty());
        assert!(watch.follower.is_some());
        let ended = |effects: &[Effect]| matches!(effects, [Effect::Input(Input::Traced(None))]);
        assert!(ended(&watch.handle(None)));
        assert!(watch.follower.is_none());
    }
}
