//! When the rows of finished jobs are sent elsewhere: a table of what is under way and what has happened, which forgets no row.
//!
//! The rows wait in the job log, so nothing is held here but how many may go at once and how long to wait after a failure. What
//! was not taken is sent again, for ever: whoever receives it knows a row that comes twice by its `event_id`.

mod payload;

pub use payload::{Announcement, Encoder, Format};

use chrono::{DateTime, Utc};
use std::time::Duration;

/// Rows of one request, at most.
pub const BATCH: usize = 500;
/// After the first failure of a streak; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(60);
/// The same while somebody waits for us to be gone.
const HURRIED: Duration = Duration::from_millis(500);

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing, and nothing is known to be unsent.
    Resting,
    /// The job log is being read.
    Reading,
    /// A request is under way.
    Sending,
    /// After a failure, until then.
    Pausing(Duration),
    /// All that could be done is done.
    Over,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A row is in the log, or may be.
    Row,
    /// So many rows that were not taken yet were read, at most as many as were asked for.
    Read(usize),
    /// The log, or our place in it, could not be read or written.
    Unreadable,
    /// The receiver has all of them.
    Taken,
    /// It wants fewer at once.
    TooLarge,
    /// It did not take them, or did not answer.
    Refused,
    /// The deadline is there.
    Deadline,
    /// The runner leaves: what is unsent now is the last.
    Leave,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing new.
    Wait,
    /// Read so many unsent rows.
    Read(usize),
    /// Send what was read; it may be nothing but a sign of life.
    Send,
    /// Nothing is left to do.
    End,
}

/// How far the delivery of rows is.
#[derive(Clone, Debug)]
pub struct Delivery {
    phase: Phase,
    /// Failures since the last success.
    failures: u32,
    batch: usize,
    /// A row came while we were not looking.
    is_stale: bool,
    leaves: bool,
    /// How often to say that we live, if the receiver wants to know.
    every: Option<Duration>,
    /// When we are to say it next; `None` once it was said for the last time.
    say_at: Option<Duration>,
}

impl Delivery {
    /// Nothing is known yet; the receiver is told that we live this often.
    pub fn new(every: Option<Duration>) -> Delivery {
        let say_at = every.map(|_| Duration::ZERO);
        Delivery {
            phase: Phase::Resting,
            failures: 0,
            batch: BATCH,
            is_stale: false,
            leaves: false,
            every,
            say_at,
        }
    }

    /// When to say [`Input::Deadline`].
    pub fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Resting => self.say_at,
            Phase::Pausing(until) => Some(until),
            Phase::Reading | Phase::Sending | Phase::Over => None,
        }
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the runner leaves.
    pub fn leaves(&self) -> bool {
        self.leaves
    }

    /// The table. `jitter` is in 0..1, `now` the time since the start.
    pub fn handle(&mut self, input: Input, now: Duration, jitter: f64) -> Step {
        use Input::{Deadline, Leave, Read, Refused, Row, Taken, TooLarge, Unreadable};
        match (self.phase, input) {
            (Phase::Resting, Row | Deadline) => self.read(),
            (Phase::Pausing(_), Deadline) => self.read(),
            (Phase::Resting | Phase::Pausing(_), Leave) => {
                self.leave(now);
                self.read()
            }
            (Phase::Pausing(_) | Phase::Reading | Phase::Sending, Row) => {
                self.is_stale = true;
                Step::Wait
            }
            (Phase::Reading | Phase::Sending, Leave) => {
                self.leave(now);
                self.is_stale = true;
                Step::Wait
            }
            (Phase::Reading, Read(0)) => self.nothing_unsent(now),
            (Phase::Reading, Read(_)) => self.send(),
            (Phase::Sending, Taken) => {
                self.failures = 0;
                self.batch = (self.batch * 2).min(BATCH);
                self.say_at = self.every.filter(|_| !self.leaves).map(|every| now + every);
                self.read()
            }
            (Phase::Sending, TooLarge) if self.batch > 1 => {
                self.batch /= 2;
                self.read()
            }
            (Phase::Sending, TooLarge | Refused) | (Phase::Reading | Phase::Sending, Unreadable) => {
                self.failures = self.failures.saturating_add(1);
                self.phase = Phase::Pausing(now + self.pause(jitter));
                Step::Wait
            }
            // An answer that nobody waits for any more.
            (Phase::Resting | Phase::Pausing(_), Read(_) | Unreadable | Taken | TooLarge | Refused)
            | (Phase::Reading, Taken | TooLarge | Refused | Deadline)
            | (Phase::Sending, Read(_) | Deadline) => Step::Wait,
            (Phase::Over, _) => Step::End,
        }
    }

    fn leave(&mut self, now: Duration) {
        self.leaves = true;
        // Who was told that we live is told that we leave.
        self.say_at = self.every.map(|_| now);
    }

    fn read(&mut self) -> Step {
        self.phase = Phase::Reading;
        self.is_stale = false;
        Step::Read(self.batch)
    }

    fn send(&mut self) -> Step {
        self.phase = Phase::Sending;
        Step::Send
    }

    fn nothing_unsent(&mut self, now: Duration) -> Step {
        let is_due = self.say_at.is_some_and(|at| at <= now);
        match (self.is_stale, is_due, self.leaves) {
            (true, _, _) => self.read(),
            (false, true, _) => self.send(),
            (false, false, true) => {
                self.phase = Phase::Over;
                Step::End
            }
            (false, false, false) => {
                self.failures = 0;
                self.phase = Phase::Resting;
                Step::Wait
            }
        }
    }

    /// Half of it for certain, the other half by chance: a fleet that lost its receiver comes back one by one.
    fn pause(&self, jitter: f64) -> Duration {
        if self.leaves {
            return HURRIED;
        }
        let doubled = 2_u32.checked_pow(self.failures - 1).map_or(LONGEST, |n| FIRST.saturating_mul(n));
        let half = doubled.min(LONGEST) / 2;
        half + half.mul_f64(jitter.clamp(0.0, 1.0))
    }
}

/// What is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryNews {
    /// How long the oldest row that was not taken has been finished; `None`: every row was taken.
    Unsent(Option<DateTime<Utc>>),
    /// So many rows were taken.
    Sent {
        /// How many.
        rows: u64,
        /// Attempts that had failed just before.
        failures: u32,
    },
    /// An attempt has failed.
    Failed {
        /// Why, fit to print.
        says: String,
        /// Attempts that have failed since the last success, this one included.
        failures: u32,
    },
    /// The time was over: what is unsent waits in the job log.
    CutShort,
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// Plays inputs, one a second from second 1 on; the steps.
    fn play(delivery: &mut Delivery, inputs: &[Input]) -> Vec<Step> {
        inputs.iter().zip(1..).map(|(input, at)| delivery.handle(*input, S(at), 0.0)).collect()
    }

    #[test]
    fn rows_are_read_sent_and_read_again_until_there_is_none() {
        use Input::{Read, Row, Taken};
        let mut delivery = Delivery::new(None);
        let steps = play(&mut delivery, &[Row, Read(500), Taken, Read(3), Row, Taken, Read(0)]);
        let read = Step::Read(BATCH);
        assert_eq!(steps, [read, Step::Send, read, Step::Send, Step::Wait, read, Step::Wait]);
        assert_eq!((delivery.phase, delivery.deadline()), (Phase::Resting, None));
        assert_eq!(play(&mut delivery, &[Row, Row, Read(0), Read(0)]), [read, Step::Wait, read, Step::Wait]);
    }

    #[test]
    fn a_failure_waits_twice_as_long_each_time_and_a_row_does_not_shorten_that() {
        use Input::{Deadline, Read, Refused, Row, Taken};
        let mut delivery = Delivery::new(None);
        for (wait, failures) in
            [(500, 1), (1000, 2), (2000, 3), (4000, 4), (8000, 5), (16_000, 6), (30_000, 7), (30_000, 8)]
        {
            let begin = if failures == 1 { Row } else { Deadline };
            delivery.handle(begin, S(0), 0.0);
            delivery.handle(Read(1), S(0), 0.0);
            assert_eq!(delivery.handle(Refused, S(0), 0.0), Step::Wait);
            assert_eq!(delivery.deadline(), Some(Duration::from_millis(wait)), "after {failures}");
            assert_eq!(delivery.handle(Row, S(0), 0.0), Step::Wait);
            assert_eq!(delivery.failures(), failures);
        }
        delivery.handle(Deadline, S(60), 0.0);
        delivery.handle(Read(1), S(60), 0.0);
        delivery.handle(Taken, S(61), 0.0);
        assert_eq!(delivery.failures(), 0);
    }

    #[test]
    fn what_is_too_large_is_sent_in_halves_down_to_one() {
        use Input::{Read, Row, Taken, TooLarge};
        let mut delivery = Delivery::new(None);
        let mut step = delivery.handle(Row, S(0), 0.0);
        for batch in [500, 250, 125, 62, 31, 15, 7, 3, 1] {
            assert_eq!(step, Step::Read(batch));
            delivery.handle(Read(batch), S(0), 0.0);
            step = delivery.handle(TooLarge, S(0), 0.0);
        }
        assert_eq!((step, delivery.failures()), (Step::Wait, 1), "one row that is too large is a failure");
        delivery.handle(Input::Deadline, S(9), 0.0);
        delivery.handle(Read(1), S(9), 0.0);
        assert_eq!(delivery.handle(Taken, S(9), 0.0), Step::Read(2));
    }

    #[test]
    fn it_is_said_that_we_live_and_that_we_leave() {
        use Input::{Deadline, Leave, Read, Taken};
        let mut delivery = Delivery::new(Some(S(300)));
        assert_eq!(delivery.deadline(), Some(S(0)));
        assert_eq!(
            play(&mut delivery, &[Deadline, Read(0), Taken, Read(0)]),
            [Step::Read(BATCH), Step::Send, Step::Read(BATCH), Step::Wait]
        );
        assert_eq!(delivery.deadline(), Some(S(303)));
        assert_eq!(
            play(&mut delivery, &[Leave, Read(0), Taken, Read(0), Leave]),
            [Step::Read(BATCH), Step::Send, Step::Read(BATCH), Step::End, Step::End]
        );
    }

    #[test]
    fn who_leaves_sends_what_is_left_and_hurries() {
        use Input::{Deadline, Leave, Read, Refused, Row, Taken};
        let mut delivery = Delivery::new(None);
        assert_eq!(play(&mut delivery, &[Row, Read(1), Refused, Leave]).last(), Some(&Step::Read(BATCH)));
        delivery.handle(Read(1), S(10), 0.0);
        delivery.handle(Refused, S(10), 0.0);
        assert_eq!(delivery.deadline(), Some(S(10) + HURRIED));
        let steps = play(&mut delivery, &[Deadline, Read(1), Taken, Read(0)]);
        assert_eq!(steps, [Step::Read(BATCH), Step::Send, Step::Read(BATCH), Step::End]);
        let mut sending = Delivery::new(None);
        let steps = play(&mut sending, &[Row, Read(1), Leave, Taken, Read(0), Read(0)]);
        assert_eq!(steps[2..], [Step::Wait, Step::Read(BATCH), Step::End, Step::End]);
    }
}
