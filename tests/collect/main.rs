//! Rows of finished jobs leave the runner before the runner does: each is taken once, whatever happens on the way.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "../support/github.rs"]
mod github;
#[path = "../support/ns.rs"]
mod ns;
#[path = "../support/prom.rs"]
mod prom;
#[path = "../support/supervised.rs"]
mod supervised;
#[path = "../support/receiver.rs"]
mod tls;
#[path = "../support/wire.rs"]
mod wire;

mod collected;
mod collector;
mod engines;
mod ledger;
mod push;
mod receiver;
mod recorded;
