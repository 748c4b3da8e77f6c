//! The ladder of a stop: what is left of a job is told INT, TERM and KILL so early that its Worker can still report the end.
//!
//! The listener's whole group hears INT at once, as from a terminal: the step ends, and steps that run always get their turn.
//! Whoever works on below the Worker then climbs these rungs; Worker and listener never do. The runner has a ladder of its own
//! (INT, TERM after 7.5 s, KILL after 10 s, then 5 s for whoever holds the step's output), but for the step's shell alone,
//! which waits for its children; and no orchestrator's ten seconds are enough for it.

use std::time::Duration;

/// The listener's exit is not the end of what it wrote: a grandchild may hold its pipe for so long.
pub const LAST_WORDS: Duration = Duration::from_millis(500);
/// From the KILL below the Worker to the listener's exit: 1.1 s on a quiet machine, 1.6 s on a busy one.
const REPORT: Duration = Duration::from_secs(2);
/// Steps that run always have so long: the runner itself gives them 7.5 s.
const INTERRUPT: Duration = Duration::from_secs(8);
/// From INT to TERM, and from TERM to KILL.
const GAPS: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(500)];
/// What comes into being below the Worker after the KILL is killed this soon.
const AGAIN: Duration = Duration::from_millis(250);
/// All that a second ask leaves to the listener.
const HURRY: Duration = Duration::from_secs(5);
/// For a listener that has told the end of its job to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the processes below the Worker are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

impl Rung {
    /// The signal's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Rung::Interrupt => "INT",
            Rung::Terminate => "TERM",
            Rung::Kill => "KILL",
        }
    }
}

/// When each rung is due, counted from the listener's SIGINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// INT below the Worker.
    pub interrupt: Duration,
    /// TERM below the Worker.
    pub terminate: Duration,
    /// KILL below the Worker, and from then on to whoever comes.
    pub kill: Duration,
    /// KILL to the listener's group while a job is open: GitHub removes no runner it takes for busy, so the report comes first.
    pub busy_end: Duration,
    /// KILL to the listener's group otherwise.
    pub idle_end: Duration,
}

impl Ladder {
    /// Fits into `stopping`, and into `deregistration` too as long as there is something to report.
    pub fn within(stopping: Duration, deregistration: Duration) -> Ladder {
        let after = REPORT + deregistration.max(LAST_WORDS);
        let latest = INTERRUPT + GAPS[0] + GAPS[1];
        let kill = (stopping + deregistration).saturating_sub(after).min(latest);
        // A short grace makes the gaps short, but leaves an order.
        let terminate = kill.saturating_sub(GAPS[1].min(kill / 4));
        let interrupt = terminate.saturating_sub(GAPS[0].min(kill / 4));
        Ladder {
            interrupt,
            terminate,
            kill,
            busy_end: (stopping + deregistration).saturating_sub(LAST_WORDS),
            idle_end: stopping.saturating_sub(LAST_WORDS),
        }
    }
}

/// A stop under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Climb {
    /// The rungs to come, in order, each with its moment.
    rungs: [Option<(Rung, Duration)>; 3],
    /// When the listener's group is killed.
    end: Duration,
    /// The same, once there is nothing to report.
    idle_end: Duration,
    /// Somebody has asked once more.
    hurried: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Tell this to what is below the Worker.
    Below(Rung),
    /// Kill the listener's group.
    End,
}

impl Climb {
    /// The listener's group has just been interrupted; with or without an open job.
    pub fn begin(ladder: Ladder, busy: bool, now: Duration) -> Climb {
        let rungs = [
            (Rung::Interrupt, ladder.interrupt),
            (Rung::Terminate, ladder.terminate),
            (Rung::Kill, ladder.kill),
        ];
        let idle_end = now + ladder.idle_end;
        Climb {
            rungs: rungs.map(|(rung, after)| Some((rung, now + after))),
            end: if busy { now + ladder.busy_end } else { idle_end },
            idle_end,
            hurried: false,
        }
    }

    /// When something is due.
    pub fn next(&self) -> Duration {
        self.rungs.iter().flatten().map(|(_, at)| *at).fold(self.end, Duration::min)
    }

    /// When the listener's group is killed.
    pub fn end(&self) -> Duration {
        self.end
    }

    /// What is due now, the first of it; the KILL is due again a little later.
    pub fn take(&mut self, now: Duration) -> Option<Due> {
        if now >= self.end {
            return Some(Due::End);
        }
        let place = self.rungs.iter_mut().find(|place| place.is_some())?;
        let (rung, _) = place.filter(|(_, at)| now >= *at)?;
        *place = (rung == Rung::Kill).then_some((Rung::Kill, now + AGAIN));
        Some(Due::Below(rung))
    }

    /// Asked once more: the rungs that are left are due from now on, and all is over soon. `false` the second time.
    pub fn hurry(&mut self, now: Duration) -> bool {
        let rungs =
            [(Rung::Interrupt, Duration::ZERO), (Rung::Terminate, GAPS[0]), (Rung::Kill, GAPS[0] + GAPS[1])];
        for (place, (rung, after)) in self.rungs.iter_mut().zip(rungs) {
            *place = place.map(|(_, at)| (rung, at.min(now + after)));
        }
        self.end = self.end.min(now + HURRY);
        !std::mem::replace(&mut self.hurried, true)
    }

    /// The end of the job was told: nothing is left to wait for but the listener's leave.
    pub fn told(&mut self, now: Duration) {
        self.rungs = [None; 3];
        self.end = self.end.min(self.idle_end.max(now + FAREWELL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Budget;
    use proptest::prelude::*;

    fn ladder(grace: u64, deregisters: bool) -> Ladder {
        Budget::from_grace(Duration::from_secs(grace), deregisters, None).unwrap().ladder()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn each_grace_has_its_ladder() {
        // grace, deregisters → INT, TERM, KILL below the Worker, KILL to the listener with a job and without, in milliseconds
        for (grace, deregisters, expected) in [
            (0, false, [0, 0, 0, 0, 0]),
            (1, false, [0, 0, 0, 300, 300]),
            (5, false, [750, 1125, 1500, 3500, 3500]),
            (5, true, [400, 600, 800, 3500, 2300]),
            (10, false, [4000, 5000, 5500, 7500, 7500]),
            (10, true, [2200, 3100, 3600, 7500, 5100]),
            (15, false, [8000, 9000, 9500, 11_750, 11_750]),
            (30, false, [8000, 9000, 9500, 26_000, 26_000]),
            (30, true, [8000, 9000, 9500, 26_000, 23_000]),
            (60, false, [8000, 9000, 9500, 34_000, 34_000]),
            (60, true, [8000, 9000, 9500, 44_000, 34_000]),
        ] {
            let l = ladder(grace, deregisters);
            let found = [l.interrupt, l.terminate, l.kill, l.busy_end, l.idle_end].map(|d| d.as_millis());
            assert_eq!(found, expected, "grace {grace} s, deregisters {deregisters}");
        }
    }

    proptest! {
        #[test]
        fn the_rungs_are_in_order_and_leave_time_to_report(millis in 4000_u64..4_000_000, deregisters: bool) {
            let budget = Budget::from_grace(ms(millis), deregisters, None).unwrap();
            let l = budget.ladder();
            prop_assert!(l.interrupt < l.terminate && l.terminate < l.kill);
            prop_assert!(l.kill + ms(1500) <= l.busy_end, "{l:?}");
            prop_assert!(l.idle_end <= l.busy_end);
            prop_assert!(budget.drain + l.busy_end + LAST_WORDS <= budget.removal_ends);
        }
    }

    /// What is due at each of these moments.
    fn climbed(climb: &mut Climb, moments: &[u64]) -> Vec<Option<Due>> {
        moments.iter().map(|at| climb.take(ms(*at))).collect()
    }

    #[test]
    fn the_rungs_are_climbed_one_by_one_and_the_last_one_again() {
        use Rung::{Interrupt, Kill, Terminate};
        let mut climb = Climb::begin(ladder(10, false), true, ms(1000));
        assert_eq!(climb.next(), ms(5000));
        let below = |rung| Some(Due::Below(rung));
        let found = climbed(&mut climb, &[4999, 5000, 5001, 6000, 6500, 6600, 6750, 8500]);
        let wanted =
            [None, below(Interrupt), None, below(Terminate), below(Kill), None, below(Kill), Some(Due::End)];
        assert_eq!(found, wanted);
        let mut late = Climb::begin(ladder(10, false), true, ms(0));
        assert_eq!(climbed(&mut late, &[7000; 4]), [below(Interrupt), below(Terminate), below(Kill), None]);
    }

    #[test]
    fn a_second_ask_shortens_the_same_ladder() {
        use Rung::{Interrupt, Kill, Terminate};
        let below = |rung| Some(Due::Below(rung));
        let mut climb = Climb::begin(ladder(60, true), true, ms(0));
        assert!(climb.hurry(ms(2000)));
        assert_eq!((climb.next(), climb.end()), (ms(2000), ms(7000)));
        let found = climbed(&mut climb, &[2000, 2999, 3000, 3499, 3500, 7000]);
        assert_eq!(found, [below(Interrupt), None, below(Terminate), None, below(Kill), Some(Due::End)]);
        assert!(!climb.hurry(ms(3000)), "the third ask is another thing");
        let mut half = Climb::begin(ladder(10, false), true, ms(0));
        assert_eq!(half.take(ms(4000)), below(Interrupt));
        half.hurry(ms(4200));
        assert_eq!(
            climbed(&mut half, &[4200, 5000, 5500]),
            [None, below(Terminate), below(Kill)],
            "never later"
        );
        assert_eq!(half.end(), ms(7500));
    }

    #[test]
    fn a_told_end_leaves_the_rest_of_the_grace_to_the_removal() {
        let mut climb = Climb::begin(ladder(10, true), true, ms(0));
        assert_eq!(climb.end(), ms(7500));
        climb.told(ms(1000));
        assert_eq!((climb.next(), climb.end()), (ms(5100), ms(5100)));
        let mut late = Climb::begin(ladder(10, true), true, ms(0));
        late.told(ms(5000));
        assert_eq!(late.end(), ms(6000), "it may still say good-bye");
    }
}
