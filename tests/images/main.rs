//! The images as they are built and run on a real engine; what their files declare is checked without one.
//!
//! `tests/images/build` makes the images. Without an engine or without them the tests skip loudly, and fail if `CI=true`.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

mod declared;
mod docker;
mod inventory;
mod jobs;
mod layout;
mod refusals;
mod running;
mod source;
