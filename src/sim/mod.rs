//! The simulated runner.
