//! The simulated runner behaves as the checklist of the runner's observable behaviour says, point by point.
//!
//! It is driven directly, without a supervisor. Nothing sleeps for luck: every wait is for a condition, with a deadline.
#![allow(clippy::disallowed_methods, reason = "a test starts processes, waits for them and reads the clock")]
#![allow(clippy::unwrap_used, reason = "a test may panic, helpers too")]

mod adversarial;
mod harness;
mod listener;
mod player;
mod registration;
mod stop;
mod worker;
