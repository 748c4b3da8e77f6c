//! runner-init: PID 1 that supervises a GitHub Actions runner and tells the truth about its jobs.
//!
//! One binary, two roles. As pid 1 it is `init`: it forwards signals, reaps everything and leaves with its child's
//! code. Otherwise it is the supervisor (`supervisor`): one loop that turns what the runner says into a job log,
//! metrics and health. Imports point one way: `main → supervisor → {sys, http, telemetry} → domain`; `config → domain`.
//! `domain` is pure: values and times in, values out.

pub mod child_setup;
pub mod cli;
mod collect;
pub mod config;
#[cfg(feature = "demo")]
mod demo;
#[cfg(not(feature = "demo"))]
#[path = "demo/absent.rs"]
mod demo;
pub mod domain;
pub mod exit_code;
mod footprint;
pub mod github;
mod hardening;
mod hook;
pub mod http;
mod init;
#[cfg(all(panic = "abort", target_env = "musl"))]
mod no_unwinding;
mod registration;
mod run;
mod supervisor;
pub mod sys;
pub mod telemetry;
