//! Hands: they touch the operating system and decide nothing.

pub mod journal;
