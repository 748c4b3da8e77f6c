//! A value as `check` shows it: a spelling its own parser accepts, or no secret.

use super::flavour::Flavour;
use super::parsers::show_duration;
use super::registration::RunAs;
use super::secret::Secret;
use crate::domain::dora::{Matcher, StreamRule};
use crate::domain::target::Host;
use std::any::Any;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What the value of a variable can be.
pub trait Shown: Any + Clone + PartialEq {
    /// It must not be shown.
    const REDACTED: bool = false;
    /// The words it is one of, if they are few.
    const WORDS: &'static [&'static str] = &[];

    /// As its variable could be set to it.
    fn shown(&self) -> String;
}

macro_rules! as_displayed {
    ($($type:ty),+) => {$(
        impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

as_displayed!(bool, u16, u64, usize, String, IpAddr, Host, Matcher, StreamRule, Flavour, RunAs);

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        show_duration(*self)
    }
}

impl Shown for Vec<String> {
    fn shown(&self) -> String {
        self.join(",")
    }
}

impl Shown for Vec<f64> {
    fn shown(&self) -> String {
        self.iter().map(f64::to_string).collect::<Vec<_>>().join(",")
    }
}

/// A limit; none is `unlimited`.
impl Shown for Option<u32> {
    fn shown(&self) -> String {
        self.map_or("unlimited".into(), |limit| limit.to_string())
    }
}

impl Shown for Secret {
    const REDACTED: bool = true;

    fn shown(&self) -> String {
        "(set, redacted)".into()
    }
}
