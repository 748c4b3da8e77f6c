//! What a fleet is asked to do: jobs by the rhythm of a working week, of three sizes, some of them deployments.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "days in milliseconds")]

use fastrand::Rng;
use runner_init::domain::record::JobStatus;

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// The scrape interval.
pub const TICK: i64 = 15 * SECOND;

/// One of the images.
pub struct Kind {
    pub name: &'static str,
    /// Seconds: half of the jobs take less, at a pace of 1.
    median: f64,
    /// The spread of the logarithm.
    sigma: f64,
    /// Cores in use while a job runs, and memory at its height in bytes.
    pub cores: f64,
    pub memory: f64,
}

pub const KINDS: [Kind; 3] = [
    Kind { name: "standard", median: 190.0, sigma: 0.9, cores: 1.3, memory: 1.6e9 },
    Kind { name: "chrome", median: 420.0, sigma: 0.6, cores: 2.1, memory: 3.1e9 },
    Kind { name: "chrome-go", median: 270.0, sigma: 1.0, cores: 2.8, memory: 2.4e9 },
];

/// A job that waits for a runner.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub created: i64,
    pub deployment: bool,
}

/// What will have become of a job once it is over.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    pub takes: i64,
    pub status: JobStatus,
}

/// The whole load of the fleet. It is Thursday afternoon, half past three, when the week ends.
pub struct Load {
    pub end: i64,
    /// So many times as fast as in life.
    pub pace: f64,
}

impl Load {
    /// Jobs of this kind that arrive in one tick, for so many runners.
    pub fn arrivals(&self, now: i64, kind: &Kind, runners: usize, rng: &mut Rng) -> usize {
        let mean = kind.median / self.pace * (kind.sigma * kind.sigma / 2.0).exp();
        let expected = self.rhythm(now) * 0.75 * runners as f64 * TICK as f64 / 1000.0 / mean;
        // Thinned as often as there are runners: nearly Poisson.
        (0..runners).filter(|_| rng.f64() < expected / runners as f64).count()
    }

    /// 0 to 1: nights and weekends are quiet, noon has a dip.
    fn rhythm(&self, now: i64) -> f64 {
        let local = now - self.end + 3 * DAY + 15 * HOUR + HOUR / 2;
        let (day, hour) = (local.div_euclid(DAY).rem_euclid(7), local.rem_euclid(DAY) as f64 / HOUR as f64);
        let bell = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
        let working = (bell(10.5, 2.2) + bell(15.2, 2.6)).min(1.0);
        // Monday is 0.
        if day >= 5 { 0.04 + 0.12 * working } else { 0.06 + 0.94 * working }
    }

    /// A trunk that was broken for two hours on the last morning but one.
    fn is_broken(&self, now: i64) -> bool {
        (self.end - 30 * HOUR..self.end - 28 * HOUR).contains(&now)
    }

    pub fn is_deployment(&self, now: i64, rng: &mut Rng) -> bool {
        rng.f64() < 0.09 * self.rhythm(now)
    }

    pub fn fate(&self, now: i64, kind: &Kind, deployment: bool, rng: &mut Rng) -> Fate {
        let weights = match (deployment, self.is_broken(now)) {
            (_, true) => [50, 96, 99],
            (true, false) => [80, 96, 100],
            (false, false) => [87, 94, 98],
        };
        let dice = rng.u32(0..100);
        let outcome = weights.iter().position(|below| dice < *below).unwrap_or(weights.len());
        let status = JobStatus::ALL[outcome];
        let share = match status {
            JobStatus::Success => 1.0,
            JobStatus::Failed => 0.7,
            JobStatus::Cancelled => 0.4,
            JobStatus::Skipped | JobStatus::Abandoned => 0.02,
        };
        let seconds = (log_normal(rng, kind.median / self.pace, kind.sigma) * share).clamp(2.0, 6.0 * 3600.0);
        Fate { takes: (seconds * 1000.0) as i64, status }
    }
}

/// Half of them are below `median`.
pub fn log_normal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    let normal = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
    median * (sigma * normal).exp()
}
