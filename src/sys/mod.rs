//! Hands: they touch the operating system and decide nothing.

pub mod child;
pub mod config_script;
pub mod journal;
pub mod outlet;
pub mod run_dir;
pub mod runner_file;
pub mod scribe;
pub mod signals;
pub mod update;
pub mod worker;
