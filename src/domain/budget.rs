//! The stop budget: whatever the grace, the phases of a stop add up to no more than it.
//!
//! An orchestrator sends TERM, waits its grace period and sends KILL. Everything between has to fit: drain, stopping,
//! deregistration, wrap-up, sweep, in this order, and a little for signals to travel and processes to get a processor. The
//! ends are fixed first, the drain takes what is left. Where the grace is short, each phase has its share of it: nothing is
//! taken away whole. What is not used of a phase goes to the removal of the registration.

use super::ladder::Ladder;
use std::time::Duration;

/// The ladder below the Worker ends after 9.5 s, the report takes a second or two; a session that cannot be deleted 30 s.
const STOPPING: Duration = Duration::from_millis(34_500);
/// One look at whose the runner is and one removal, with a retry each.
const DEREGISTRATION: Duration = Duration::from_secs(10);
/// The least that one removal without a retry needs.
const DEREGISTRATION_SHORT: Duration = Duration::from_secs(3);
/// The endpoint's last answers and the flush of the job log: at most, and as a share of the grace.
const WRAP_UP: (Duration, u32) = (Duration::from_secs(1), 20);
/// TERM to every process that is left, and their time to obey.
const SWEEP: (Duration, u32) = (Duration::from_secs(2), 10);
/// Belongs to nobody: from the orchestrator's clock to ours and back.
const RESERVE: (Duration, u32) = (Duration::from_millis(500), 20);

/// How long each phase of a stop may take. The sum never exceeds the grace it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How long a running job may go on after the stop was asked.
    pub drain: Duration,
    /// From SIGINT to the listener until its exit, killed or not, is known.
    pub stopping: Duration,
    /// For removing the registration; zero when nothing is to be removed. A job's report comes before it.
    pub deregistration: Duration,
    /// For the endpoint's last answers and the flush of the job log.
    pub wrap_up: Duration,
    /// For PID 1 to end and reap whatever is left.
    pub sweep: Duration,
    /// So long after the ask, whatever was not used before, the removal ends.
    pub removal_ends: Duration,
}

/// The drain that was asked for does not fit into the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the drain does not fit: the grace leaves at most {largest_drain:?}, the drain needs a grace of {smallest_grace:?}"
)]
pub struct BudgetFault {
    /// The longest drain this grace has room for.
    pub largest_drain: Duration,
    /// The shortest grace that has room for this drain.
    pub smallest_grace: Duration,
}

impl Budget {
    /// Divides `grace`, the time between the orchestrator's TERM and its KILL.
    ///
    /// Sweep, wrap-up and reserve come first, then deregistration (if the runner `deregisters`) and stopping at their wanted
    /// length; the rest is the drain, or `drain_override` if that is given. A short grace takes the drain away, then shortens
    /// deregistration to 3 s, and below that every phase in proportion.
    ///
    /// # Errors
    /// If `drain_override` is longer than what is left for the drain.
    pub fn from_grace(
        grace: Duration,
        deregisters: bool,
        drain_override: Option<Duration>,
    ) -> Result<Budget, BudgetFault> {
        let (wrap_up, sweep) = (share(grace, WRAP_UP), Budget::sweep_of(grace));
        let removal_ends = grace.saturating_sub(wrap_up + sweep + share(grace, RESERVE));
        let mut left = removal_ends;
        let shortest = if deregisters { DEREGISTRATION_SHORT.min(left * 3 / 10) } else { Duration::ZERO };
        let shortest = take(&mut left, shortest);
        let stopping = take(&mut left, STOPPING);
        let more = wanted_deregistration(deregisters).saturating_sub(shortest);
        let deregistration = shortest + take(&mut left, more);
        let drain = match drain_override {
            Some(drain) if drain > left => {
                let smallest_grace = Budget::needed_grace(drain, deregisters);
                return Err(BudgetFault { largest_drain: left, smallest_grace });
            }
            Some(drain) => drain,
            None => left,
        };
        Ok(Budget { drain, stopping, deregistration, wrap_up, sweep, removal_ends })
    }

    /// PID 1's part of a grace, which it works out by itself.
    pub fn sweep_of(grace: Duration) -> Duration {
        share(grace, SWEEP)
    }

    /// The shortest grace that leaves `drain` for a running job and its wanted length to every other phase.
    pub fn needed_grace(drain: Duration, deregisters: bool) -> Duration {
        drain.saturating_add(STOPPING + wanted_deregistration(deregisters) + WRAP_UP.0 + SWEEP.0 + RESERVE.0)
    }

    /// What is done within the time for stopping.
    pub fn ladder(&self) -> Ladder {
        Ladder::within(self.stopping, self.deregistration)
    }

    /// For a self-update under way when a stop is asked for.
    pub fn update(&self) -> Duration {
        self.drain + self.stopping
    }

    /// All phases together.
    pub fn total(&self) -> Duration {
        [self.stopping, self.deregistration, self.wrap_up, self.sweep]
            .into_iter()
            .fold(self.drain, Duration::saturating_add)
    }
}

fn wanted_deregistration(deregisters: bool) -> Duration {
    if deregisters { DEREGISTRATION } else { Duration::ZERO }
}

/// The part of `grace` that this has, and no more than it wants.
fn share(grace: Duration, (wanted, part): (Duration, u32)) -> Duration {
    wanted.min(grace / part)
}

/// Takes up to `wanted` out of `left`.
fn take(left: &mut Duration, wanted: Duration) -> Duration {
    let taken = wanted.min(*left);
    *left -= taken;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_grace_is_divided_row_by_row() {
        // grace, deregisters → drain, stopping, deregistration, wrap-up, sweep, in milliseconds; the rest is the reserve
        for (grace, deregisters, expected) in [
            (0, true, [0, 0, 0, 0, 0]),
            (1, true, [0, 560, 240, 50, 100]),
            (3, true, [0, 1680, 720, 150, 300]),
            (5, false, [0, 4000, 0, 250, 500]),
            (5, true, [0, 2800, 1200, 250, 500]),
            (10, false, [0, 8000, 0, 500, 1000]),
            (10, true, [0, 5600, 2400, 500, 1000]),
            (20, true, [0, 13_500, 3000, 1000, 2000]),
            (30, false, [0, 26_500, 0, 1000, 2000]),
            (30, true, [0, 23_500, 3000, 1000, 2000]),
            (38, false, [0, 34_500, 0, 1000, 2000]),
            (41, true, [0, 34_500, 3000, 1000, 2000]),
            (45, true, [0, 34_500, 7000, 1000, 2000]),
            (48, true, [0, 34_500, 10_000, 1000, 2000]),
            (60, true, [12_000, 34_500, 10_000, 1000, 2000]),
            (98, false, [60_000, 34_500, 0, 1000, 2000]),
            (3600, true, [3_552_000, 34_500, 10_000, 1000, 2000]),
        ] {
            let b = Budget::from_grace(Duration::from_secs(grace), deregisters, None).unwrap();
            let found = [b.drain, b.stopping, b.deregistration, b.wrap_up, b.sweep].map(|d| d.as_millis());
            assert_eq!(found, expected, "grace {grace} s, deregisters {deregisters}");
            let update = b.update().as_millis();
            assert_eq!(update, expected[0] + expected[1], "all that is there before the removal");
        }
    }

    #[test]
    fn a_drain_that_does_not_fit_names_what_would() {
        let drain = Some(Duration::from_secs(60));
        let fault = Budget::from_grace(Duration::from_secs(50), true, drain).unwrap_err();
        assert_eq!(fault.largest_drain, Duration::from_secs(2));
        assert_eq!(fault.smallest_grace, Duration::from_secs(108));
        assert_eq!(
            fault.to_string(),
            "the drain does not fit: the grace leaves at most 2s, the drain needs a grace of 108s"
        );
    }

    proptest! {
        #[test]
        fn the_sum_never_exceeds_the_grace(nanos: u64, deregisters: bool, drain: Option<u32>) {
            let grace = Duration::from_nanos(nanos);
            let drain = drain.map(|d| Duration::from_millis(u64::from(d)));
            if let Ok(budget) = Budget::from_grace(grace, deregisters, drain) {
                prop_assert!(budget.total() <= grace);
                prop_assert_eq!(drain.unwrap_or(budget.drain), budget.drain);
            }
        }

        #[test]
        fn without_an_override_only_the_reserve_is_left(millis: u32, deregisters: bool) {
            let grace = Duration::from_millis(u64::from(millis));
            let budget = Budget::from_grace(grace, deregisters, None).unwrap();
            prop_assert_eq!(budget.total() + share(grace, RESERVE), grace);
            prop_assert_eq!(budget.removal_ends, budget.drain + budget.stopping + budget.deregistration);
        }

        #[test]
        fn what_a_fault_names_fits_exactly(grace: u32, more in 1_u32.., deregisters: bool) {
            let grace = Duration::from_millis(u64::from(grace));
            let natural = Budget::from_grace(grace, deregisters, None).unwrap().drain;
            let asked = natural + Duration::from_millis(u64::from(more));
            let fault = Budget::from_grace(grace, deregisters, Some(asked)).unwrap_err();
            prop_assert!(Budget::from_grace(grace, deregisters, Some(fault.largest_drain)).is_ok());
            let enough = Budget::from_grace(fault.smallest_grace, deregisters, Some(asked)).unwrap();
            prop_assert_eq!(enough.total() + RESERVE.0, fault.smallest_grace);
            let short = fault.smallest_grace.saturating_sub(Duration::from_nanos(1));
            prop_assert!(Budget::from_grace(short, deregisters, Some(asked)).is_err());
        }
    }
}
