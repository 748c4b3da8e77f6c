//! Hands: they touch the operating system and decide nothing.

pub mod ancestry;
pub mod below;
pub mod cgroup;
pub mod child;
pub mod config_script;
pub mod diag;
pub mod disk;
pub mod engine;
pub mod hooks;
pub mod identity;
pub mod journal;
pub mod last_word;
pub mod one_shot;
pub mod oom;
pub mod outlet;
pub mod ownership;
pub mod prepare;
pub mod processes;
pub mod run_dir;
pub mod runner_file;
pub mod scribe;
pub mod signals;
pub mod sweep;
pub mod trace;
pub mod update;
pub mod worker;
