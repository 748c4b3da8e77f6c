//! The compose files say what they promise, and keep it on a real engine; other people's images gain the same by the lines of
//! `docs/OTHER_IMAGES.md`.
//!
//! `files` and `monitoring` need `docker compose` and no engine; `engine`, `container_jobs`, `stack`, `swarm`, `guide`, `others` and `upgrade` need both, and build images of their own, called
//! `composetest/…`, out of this machine's own `bash` and C library (`stack` and `guide`: `busybox` and Debian's Prometheus and Alertmanager):
//! nothing is downloaded. What is missing is said loudly, and
//! fails with `CI=true`.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "../support/ns.rs"]
mod ns;
#[path = "../support/wire.rs"]
mod wire;

mod container_jobs;
mod docker;
mod engine;
mod files;
mod guide;
mod image;
mod looks;
mod monitoring;
mod others;
mod podman;
mod project;
mod servers;
mod stack;
mod swarm;
mod upgrade;
