//! The whole way from the bytes on the listener's pipes to the rows of the job log, without a process and without waiting.
//!
//! `UPDATE_GOLDEN=1` rewrites the golden files of `tests/corpus`.
#![allow(clippy::disallowed_methods, reason = "a test reads its own switch from the environment")]

#[path = "parser/corpus.rs"]
mod corpus;
#[path = "parser/names.rs"]
mod names;
#[path = "parser/stage.rs"]
mod stage;
