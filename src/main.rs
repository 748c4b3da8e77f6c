//! The role switch.
fn main() {}
