//! Small models, written from the documents, beside the real thing: whatever happens in whatever order, both say the same.
//!
//! `world` is a listener with its workers that runs by docs/RUNNER.md and drives the lifecycle as the supervisor does, at the
//! moments it asks for. What may follow is judged by docs/STOPPING.md and docs/JOBS.md.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]

mod day;
mod jobs;
mod lifecycle;
mod rows;
mod world;
