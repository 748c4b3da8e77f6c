//! The only clock of the simulation: it is read here and nowhere else, and every duration is scaled here.

use chrono::{DateTime, Utc};
use std::time::{Duration, Instant};

/// The monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated runner is a process of its own, with its own clock"
)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// The wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated runner is a process of its own, with its own clock"
)]
pub(crate) fn utc() -> DateTime<Utc> {
    Utc::now()
}

/// Now in .NET's `u` format: `2026-08-17 13:15:44Z`.
pub(crate) fn stamp() -> String {
    utc().format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Now in .NET's `O` format, with seven decimals: `2026-08-17T13:15:44.1234567Z`.
pub(crate) fn round_trip() -> String {
    let now = utc();
    format!("{}.{:07}Z", now.format("%Y-%m-%dT%H:%M:%S"), now.timestamp_subsec_nanos() / 100 % 10_000_000)
}

/// A random GUID, as .NET prints it.
pub(crate) fn guid() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    text.trim().to_owned()
}

/// How fast the simulation runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(f64);

impl Pace {
    /// `speed` divides every duration; anything that is not a positive number counts as 1.
    pub(crate) fn new(speed: f64) -> Pace {
        Pace(if speed.is_finite() && speed > 0.0 { speed } else { 1.0 })
    }

    /// So many milliseconds of the real runner, in real time.
    pub(crate) fn ms(self, ms: u64) -> Duration {
        Duration::from_millis(ms).div_f64(self.0)
    }

    /// So many seconds of a recording, in real time; what was before its start is at its start.
    pub(crate) fn seconds(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds.max(0.0)).div_f64(self.0)
    }

    /// Sleeps for so many milliseconds of the real runner.
    pub(crate) fn sleep(self, ms: u64) {
        std::thread::sleep(self.ms(ms));
    }

    /// When so many milliseconds of the real runner from now will be.
    pub(crate) fn deadline(self, ms: u64) -> Instant {
        instant() + self.ms(ms)
    }
}
