//! When to export: at even intervals, sooner again after a failure that may pass, never two at once; a failure is said once.

use super::answer::ExportOutcome;
use super::streak::{ExportNews, Streak};
use std::time::Duration;

/// The first export shows that the way is right: nobody should wait a whole interval for it.
const FIRST: Duration = Duration::from_secs(5);
/// Times are since the supervisor started.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: Duration,
    /// The next one; `None` while one is under way.
    due: Option<Duration>,
    began: Duration,
    streak: Streak,
}

impl Schedule {
    /// From now on.
    pub fn new(interval: Duration, now: Duration) -> Schedule {
        let due = Some(now + interval.min(FIRST));
        Schedule { interval, due, began: now, streak: Streak::default() }
    }

    /// When the next export is due; `None` while one is under way.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.due
    }

    /// One is under way.
    pub fn begun(&mut self, now: Duration) {
        self.due = None;
        self.began = now;
    }

    /// It has ended; it is tried again no later than the next one would be due. `jitter` as in [`Streak::ended`].
    pub fn ended(&mut self, outcome: ExportOutcome, now: Duration, jitter: f64) -> ExportNews {
        let regular = (self.began + self.interval).max(now);
        let (news, retry) = self.streak.ended(outcome, jitter);
        self.due = Some(retry.map_or(regular, |retry| {
            let asked = retry.asked.map_or(now, |after| now.saturating_add(after));
            (now + retry.pause).min(regular).max(asked)
        }));
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn taken() -> ExportOutcome {
        ExportOutcome::Taken { says: None }
    }

    fn later(after: Option<u64>) -> ExportOutcome {
        ExportOutcome::Later { says: "status 503".into(), after: after.map(at) }
    }

    /// Begins when due, and ends so many seconds later; the news and when the next is due.
    fn play(schedule: &mut Schedule, lasts: u64, outcome: ExportOutcome) -> (ExportNews, Duration) {
        let due = schedule.next_deadline().expect("none is under way");
        schedule.begun(due);
        assert_eq!(schedule.next_deadline(), None, "never two at once");
        let news = schedule.ended(outcome, due + at(lasts), 0.0);
        (news, schedule.next_deadline().expect("there is a next one"))
    }

    #[test]
    fn the_first_is_soon_and_the_others_are_even() {
        let mut schedule = Schedule::new(at(60), at(1));
        assert_eq!(schedule.next_deadline(), Some(at(6)));
        let sent = ExportNews::Sent { again: false, says: None };
        assert_eq!(play(&mut schedule, 3, taken()), (sent.clone(), at(66)));
        assert_eq!(play(&mut schedule, 59, taken()), (sent.clone(), at(126)));
        assert_eq!(play(&mut schedule, 90, taken()), (sent, at(216)), "late, and at once");
        assert_eq!(Schedule::new(at(2), at(0)).next_deadline(), Some(at(2)));
    }

    #[test]
    fn a_failure_that_may_pass_is_tried_again_and_said_once() {
        let mut schedule = Schedule::new(at(60), at(0));
        let failed = |says: Option<&str>| ExportNews::Failed { says: says.map(str::to_owned) };
        assert_eq!(play(&mut schedule, 0, later(None)), (failed(Some("status 503")), at(10)));
        assert_eq!(play(&mut schedule, 0, later(None)), (failed(None), at(20)));
        assert_eq!(play(&mut schedule, 0, later(None)), (failed(None), at(40)));
        assert_eq!(play(&mut schedule, 0, later(None)), (failed(None), at(80)));
        assert_eq!(
            play(&mut schedule, 0, later(None)),
            (failed(None), at(140)),
            "no longer than the interval"
        );
        assert_eq!(play(&mut schedule, 1, taken()), (ExportNews::Sent { again: true, says: None }, at(200)));
        assert_eq!(play(&mut schedule, 0, later(None)), (failed(Some("status 503")), at(205)));
    }

    #[test]
    fn who_asks_for_a_pause_has_it() {
        let mut schedule = Schedule::new(at(60), at(0));
        assert_eq!(play(&mut schedule, 1, later(Some(9))).1, at(15));
        assert_eq!(play(&mut schedule, 0, later(Some(3600))).1, at(3615));
    }

    #[test]
    fn what_is_refused_is_not_tried_again_before_its_time() {
        let mut schedule = Schedule::new(at(60), at(0));
        let refused = || ExportOutcome::Refused { says: "status 401".into() };
        let said = ExportNews::Failed { says: Some("status 401".into()) };
        assert_eq!(play(&mut schedule, 0, refused()), (said, at(65)));
        assert_eq!(play(&mut schedule, 0, refused()), (ExportNews::Failed { says: None }, at(125)));
    }

    #[test]
    fn what_is_rejected_is_counted_each_time_and_told_once() {
        let mut schedule = Schedule::new(at(60), at(0));
        let part = |says: &str| ExportOutcome::TakenInPart { rejected: 2, says: says.into() };
        let rejected = |says: Option<&str>| ExportNews::Rejected { points: 2, says: says.map(str::to_owned) };
        assert_eq!(play(&mut schedule, 0, part("too old")), (rejected(Some("too old")), at(65)));
        assert_eq!(play(&mut schedule, 0, part("too old")), (rejected(None), at(125)));
        assert_eq!(play(&mut schedule, 0, part("too new")).0, rejected(Some("too new")));
    }
}
