//! The pure core: values and times go in, values come out; no clock, no file, no process, no environment.

pub mod budget;
pub mod cache;
pub mod configure;
pub mod context;
pub mod death;
pub mod dora;
pub mod dossier;
pub mod echo;
pub mod engine;
pub mod event;
pub mod job;
pub mod lifecycle;
pub mod line;
pub mod notice;
pub mod parse;
pub mod polls;
pub mod queue;
pub mod record;
pub mod registration;
pub mod restart;
pub mod retention;
pub mod status;
pub mod sweep;
pub mod target;
pub mod totals;
