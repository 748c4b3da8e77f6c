//! What jobs use, and what they leave behind.

use crate::domain::engine::EngineNews;
use crate::domain::record::JobRecord;
use crate::domain::sweep::Swept;
use crate::telemetry::catalog as c;
use metrics::{counter, gauge};
use std::time::Duration;
use tracing::{info, warn};

/// What the container uses, at one moment; `None` where that cannot be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resources {
    /// Memory in use, bytes.
    pub memory: Option<u64>,
    /// Most memory in use while the job that runs or ran last was running, bytes.
    pub job_peak: Option<u64>,
    /// CPU time since the cgroup was made.
    pub cpu: Option<Duration>,
    /// Time held up for want of CPU, memory and IO, since the cgroup was made.
    pub pressure: [Option<Duration>; 3],
    /// Free space for the jobs' work, bytes.
    pub free: Option<u64>,
    /// Processes that wait to be reaped.
    pub zombies: Option<u64>,
}

pub(super) fn sampled(resources: &Resources) {
    let Resources { memory, job_peak, cpu, pressure, free, zombies } = *resources;
    let numbers = [(&c::MEMORY, memory), (&c::JOB_PEAK, job_peak), (&c::FREE, free), (&c::ZOMBIES, zombies)];
    for (metric, value) in numbers {
        gauge!(metric.name).set(number(value));
    }
    gauge!(c::CPU.name).set(seconds(cpu));
    for (resource, held_up) in c::PRESSURES.into_iter().zip(pressure) {
        gauge!(c::PRESSURE.name, "resource" => resource).set(seconds(held_up));
    }
}

/// Known at once, not only at the next sample.
pub(super) fn job_finished(row: &JobRecord) {
    if row.usage.peak_memory.is_some() {
        gauge!(c::JOB_PEAK.name).set(number(row.usage.peak_memory));
    }
}

pub(super) fn swept(swept: Swept) {
    let Swept { processes, left, files } = swept;
    counter!(c::SWEPT_PROCESSES.name).increment(processes);
    counter!(c::SWEPT_FILES.name).increment(files);
    if left > 0 {
        warn!(event = "swept", processes, left, files);
    } else {
        info!(event = "swept", processes, files);
    }
}

pub(super) fn engine(news: &EngineNews) {
    match news {
        EngineNews::Swept { kind, name } => {
            counter!(c::SWEPT_ENGINE.name, "kind" => kind.as_str()).increment(1);
            info!(event = "engine_swept", kind = kind.as_str(), name);
        }
        EngineNews::Left { kind, name, says } => {
            warn!(event = "engine_left", kind = kind.as_str(), name, says);
        }
        EngineNews::Unusable { says } => warn!(event = "engine_unusable", says),
    }
}

/// NaN inside is absent outside.
fn number(value: Option<u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "to one part in 2^53")]
    value.map_or(f64::NAN, |value| value as f64)
}

fn seconds(value: Option<Duration>) -> f64 {
    value.map_or(f64::NAN, |value| value.as_secs_f64())
}
