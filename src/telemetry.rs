//! Saying what happened: the catalogue names every metric, `emit` is the only one to move them, the exporter shows them.

pub mod catalog;
mod cicd;
pub mod collector_log;
pub mod emit;
pub mod exporter;
pub mod fleet;
pub mod log;
mod reading;
pub mod reference;
