//! Rows of finished jobs leave the runner before the runner does: each is taken once, whatever happens on the way.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "../support/ns.rs"]
mod ns;
#[path = "../support/supervised.rs"]
mod supervised;

mod collected;
mod collector;
mod engines;
mod ledger;
mod push;
mod receiver;
