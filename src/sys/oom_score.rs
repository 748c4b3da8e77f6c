//! The `oom_score_adj` of the runner's steps. The runner's steps are to be killed for memory before the listener is,
//! whatever score the container was given.
//!
//! The runner writes 500 for every step and leaves its Worker alone (`ProcessInvoker.cs`, `PIPELINE_JOB_OOMSCOREADJ`).
//! In a Kubernetes pod that may burst the container begins with up to 999: there 500 would be less than the listener
//! has, which needs a privilege to write, and nothing to gain.

use crate::hardening;
use std::ffi::OsString;

/// The variable with which the runner is told.
const STEPS: &str = "PIPELINE_JOB_OOMSCOREADJ";
/// What the runner would write for a step.
const DEFAULT: i32 = 500;
const HIGHEST: i32 = 1000;

/// Tells the runner in `environment` what score its steps get, unless somebody has, or its own default is right.
pub fn set_for_steps(environment: &mut Vec<(OsString, OsString)>) {
    let told = environment.iter().any(|(name, _)| name == STEPS);
    if let Some(score) = hardening::inherited().score().and_then(step_score).filter(|_| !told) {
        environment.push((STEPS.into(), score.to_string().into()));
    }
}

/// A step's score over a listener with `base`; `None` if the runner's own default will do.
fn step_score(base: i32) -> Option<i32> {
    (base > 0).then(|| (base + DEFAULT).min(HIGHEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_always_above_the_listener_where_it_can_be() {
        let rows = [
            (-998, None),
            (0, None),
            (1, Some(501)),
            (300, Some(800)),
            (939, Some(1000)),
            (1000, Some(1000)),
        ];
        for (base, score) in rows {
            assert_eq!(step_score(base), score, "{base}");
        }
    }
}
