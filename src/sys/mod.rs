//! Hands: they touch the operating system and decide nothing.

pub mod child;
pub mod journal;
pub mod outlet;
pub mod run_dir;
pub mod scribe;
pub mod signals;
pub mod update;
pub mod worker;
