//! The stop budget: whatever the grace, the phases of a stop add up to no more than it.
//!
//! An orchestrator sends TERM, waits its grace period and sends KILL. Everything between has to fit: drain, stopping,
//! deregistration, wrap-up, sweep, in this order. The ends are fixed first, the drain takes what is left.

use std::time::Duration;

/// The listener cancels a job in up to 30 s (`actions/runner`: `Constants.cs`, `ExitOnUnloadTimeout`), plus 5 s to exit.
const STOPPING: Duration = Duration::from_secs(35);
/// One removal token and one removal, with a retry each.
const DEREGISTRATION: Duration = Duration::from_secs(10);
/// The least that one removal without a retry needs.
const DEREGISTRATION_SHORT: Duration = Duration::from_secs(3);
/// The endpoint's last answers and the flush of the job log.
const WRAP_UP: Duration = Duration::from_secs(1);
/// TERM to every process that is left, and their time to obey.
const SWEEP: Duration = Duration::from_secs(2);

/// How long each phase of a stop may take. The sum never exceeds the grace it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How long a running job may go on after the stop was asked.
    pub drain: Duration,
    /// From SIGINT to the listener until its group is killed.
    pub stopping: Duration,
    /// For removing the registration; zero when nothing is to be removed.
    pub deregistration: Duration,
    /// For the endpoint's last answers and the flush of the job log.
    pub wrap_up: Duration,
    /// For PID 1 to end and reap whatever is left.
    pub sweep: Duration,
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
    /// Sweep and wrap-up come first, then deregistration (if the runner `deregisters`) and stopping at their wanted
    /// length; the rest is the drain, or `drain_override` if that is given. A short grace takes the drain away, then
    /// shortens deregistration to 3 s, then stopping, and only below that the rest.
    ///
    /// # Errors
    /// If `drain_override` is longer than what is left for the drain.
    pub fn from_grace(
        grace: Duration,
        deregisters: bool,
        drain_override: Option<Duration>,
    ) -> Result<Budget, BudgetFault> {
        let mut left = grace;
        let wrap_up = take(&mut left, WRAP_UP);
        let sweep = take(&mut left, SWEEP);
        let shortest = if deregisters { take(&mut left, DEREGISTRATION_SHORT) } else { Duration::ZERO };
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
        Ok(Budget { drain, stopping, deregistration, wrap_up, sweep })
    }

    /// The shortest grace that leaves `drain` for a running job and its wanted length to every other phase.
    pub fn needed_grace(drain: Duration, deregisters: bool) -> Duration {
        drain.saturating_add(STOPPING + wanted_deregistration(deregisters) + WRAP_UP + SWEEP)
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

    fn seconds(grace: u64, deregisters: bool) -> [u64; 5] {
        let b = Budget::from_grace(Duration::from_secs(grace), deregisters, None).unwrap();
        [b.drain, b.stopping, b.deregistration, b.wrap_up, b.sweep].map(|d| d.as_secs())
    }

    #[test]
    fn a_grace_is_divided_row_by_row() {
        // grace, deregisters → drain, stopping, deregistration, wrap-up, sweep
        for (grace, deregisters, expected) in [
            (0, true, [0, 0, 0, 0, 0]),
            (1, true, [0, 0, 0, 1, 0]),
            (2, true, [0, 0, 0, 1, 1]),
            (3, true, [0, 0, 0, 1, 2]),
            (5, true, [0, 0, 2, 1, 2]),
            (10, true, [0, 4, 3, 1, 2]),
            (10, false, [0, 7, 0, 1, 2]),
            (30, true, [0, 24, 3, 1, 2]),
            (38, false, [0, 35, 0, 1, 2]),
            (41, true, [0, 35, 3, 1, 2]),
            (45, true, [0, 35, 7, 1, 2]),
            (48, true, [0, 35, 10, 1, 2]),
            (98, false, [60, 35, 0, 1, 2]),
            (3600, true, [3552, 35, 10, 1, 2]),
        ] {
            assert_eq!(seconds(grace, deregisters), expected, "grace {grace} s, deregisters {deregisters}");
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
        fn without_an_override_nothing_of_the_grace_is_lost(millis: u32, deregisters: bool) {
            let grace = Duration::from_millis(u64::from(millis));
            prop_assert_eq!(Budget::from_grace(grace, deregisters, None).unwrap().total(), grace);
        }

        #[test]
        fn what_a_fault_names_fits_exactly(grace: u32, more in 1_u32.., deregisters: bool) {
            let grace = Duration::from_millis(u64::from(grace));
            let natural = Budget::from_grace(grace, deregisters, None).unwrap().drain;
            let asked = natural + Duration::from_millis(u64::from(more));
            let fault = Budget::from_grace(grace, deregisters, Some(asked)).unwrap_err();
            prop_assert!(Budget::from_grace(grace, deregisters, Some(fault.largest_drain)).is_ok());
            let enough = Budget::from_grace(fault.smallest_grace, deregisters, Some(asked)).unwrap();
            prop_assert_eq!(enough.total(), fault.smallest_grace);
            let short = fault.smallest_grace.saturating_sub(Duration::from_nanos(1));
            prop_assert!(Budget::from_grace(short, deregisters, Some(asked)).is_err());
        }
    }
}
