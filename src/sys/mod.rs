//! Hands: they touch the operating system and decide nothing.
