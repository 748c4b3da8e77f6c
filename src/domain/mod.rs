//! The pure core: values and times go in, values come out; no clock, no file, no process, no environment.

pub mod budget;
pub mod event;
pub mod record;
pub mod totals;
