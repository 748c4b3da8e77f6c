//! Traces on their way: one at a time, the oldest first, each a few times; a failure is said once, and what is given up is counted.

use crate::domain::otlp::{ExportNews, ExportOutcome, Streak};
use std::collections::VecDeque;
use std::time::Duration;

/// Traces that wait at once.
const MOST: usize = 64;
/// How often one is tried.
const TRIES: u32 = 5;
/// The longest pause after a failure.
const LONGEST: Duration = Duration::from_secs(60);
/// No receiver may ask for more.
const MOST_ASKED: Duration = Duration::from_secs(600);

/// What has become of traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceNews {
    /// What came of a request, if one has ended.
    pub export: Option<ExportNews>,
    /// Traces that are not tried again.
    pub dropped: u64,
}

/// Times are since the supervisor started.
#[derive(Debug, Default)]
pub struct TraceOutbox {
    waiting: VecDeque<Vec<u8>>,
    under_way: bool,
    /// Of the first of them.
    tries: u32,
    not_before: Duration,
    streak: Streak,
}

impl TraceOutbox {
    /// One more request; how many were given up for it.
    pub fn push(&mut self, body: Vec<u8>) -> u64 {
        self.waiting.push_back(body);
        if self.waiting.len() <= MOST {
            return 0;
        }
        // The first one may be under way.
        self.waiting.remove(usize::from(self.under_way));
        self.tries = if self.under_way { self.tries } else { 0 };
        1
    }

    /// When to begin; `None` if there is nothing to send, or something is under way.
    pub fn next_deadline(&self) -> Option<Duration> {
        (!self.under_way && !self.waiting.is_empty()).then_some(self.not_before)
    }

    /// One is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The first one, which is under way from now on.
    pub fn begin(&mut self) -> Option<Vec<u8>> {
        let first = self.waiting.front().cloned();
        self.under_way = first.is_some();
        first
    }

    /// It has ended. `jitter` as in [`Streak::ended`].
    pub fn ended(&mut self, outcome: ExportOutcome, now: Duration, jitter: f64) -> TraceNews {
        self.under_way = false;
        let (export, retry) = self.streak.ended(outcome, jitter);
        if let Some(retry) = retry {
            self.tries += 1;
            self.not_before =
                now + retry.pause.min(LONGEST).max(retry.asked.unwrap_or_default().min(MOST_ASKED));
            if self.tries < TRIES {
                return TraceNews { export: Some(export), dropped: 0 };
            }
        }
        self.waiting.pop_front();
        self.tries = 0;
        let dropped = u64::from(matches!(export, ExportNews::Failed { .. }));
        TraceNews { export: Some(export), dropped }
    }

    /// There is no time for what still waits: how many that are.
    pub fn give_up(&mut self) -> u64 {
        self.under_way = false;
        std::mem::take(&mut self.waiting).len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn later() -> ExportOutcome {
        ExportOutcome::Later { says: "status 503".into(), after: None }
    }

    fn failed(says: Option<&str>, dropped: u64) -> TraceNews {
        TraceNews { export: Some(ExportNews::Failed { says: says.map(str::to_owned) }), dropped }
    }

    fn sent(again: bool) -> TraceNews {
        TraceNews { export: Some(ExportNews::Sent { again, says: None }), dropped: 0 }
    }

    #[test]
    fn one_at_a_time_and_in_their_order() {
        let mut outbox = TraceOutbox::default();
        assert_eq!((outbox.next_deadline(), outbox.begin()), (None, None));
        assert_eq!((outbox.push(vec![1]), outbox.push(vec![2])), (0, 0));
        for (body, left) in [(1, true), (2, false)] {
            assert_eq!(outbox.next_deadline(), Some(at(0)));
            assert_eq!(outbox.begin(), Some(vec![body]));
            assert_eq!(outbox.next_deadline(), None, "never two at once");
            assert_eq!(outbox.ended(ExportOutcome::Taken { says: None }, at(1), 0.0), sent(false));
            assert_eq!(outbox.next_deadline().is_some(), left);
        }
    }

    #[test]
    fn a_failure_that_may_pass_is_said_once_and_the_trace_given_up_in_the_end() {
        let mut outbox = TraceOutbox::default();
        outbox.push(vec![1]);
        outbox.push(vec![2]);
        let mut now = at(0);
        for (pause, says, dropped) in
            [(5, Some("status 503"), 0), (10, None, 0), (20, None, 0), (40, None, 0), (60, None, 1)]
        {
            assert_eq!(outbox.begin(), Some(vec![1]));
            assert_eq!(outbox.ended(later(), now, 0.0), failed(says, dropped));
            assert_eq!(outbox.next_deadline(), Some(now + at(pause)));
            now += at(pause);
        }
        assert_eq!(outbox.begin(), Some(vec![2]));
        assert_eq!(outbox.ended(ExportOutcome::Taken { says: None }, now, 0.0), sent(true));
    }

    #[test]
    fn who_asks_for_a_pause_has_it_within_reason_and_what_is_refused_is_not_tried_again() {
        let mut outbox = TraceOutbox::default();
        outbox.push(vec![1]);
        for (now, asked, due) in [(0, 30, 30), (30, 1_000_000, 630)] {
            outbox.begin();
            let after = Some(at(asked));
            outbox.ended(ExportOutcome::Later { says: "x".into(), after }, at(now), 0.0);
            assert_eq!(outbox.next_deadline(), Some(at(due)));
        }
        outbox.begin();
        let refused = ExportOutcome::Refused { says: "status 400".into() };
        assert_eq!(outbox.ended(refused, at(700), 0.0), failed(None, 1));
        assert_eq!((outbox.next_deadline(), outbox.give_up()), (None, 0));
    }

    #[test]
    fn too_many_are_not_kept_and_the_one_under_way_is() {
        let mut outbox = TraceOutbox::default();
        outbox.push(vec![0]);
        outbox.begin();
        let dropped: u64 = (1..=64).map(|n| outbox.push(vec![n])).sum();
        assert_eq!(dropped, 1);
        outbox.ended(ExportOutcome::Taken { says: None }, at(0), 0.0);
        assert_eq!((outbox.begin(), outbox.give_up()), (Some(vec![2]), 63));
    }
}
