//! Evidence of the job's worker, from places a job's name cannot write to: the process table and `_diag`.

use crate::domain::event::Worker;
use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::SystemTime;

/// Looks for a `Runner.Worker` of this listener: alive now, or gone after having opened its log since `started`.
pub fn evidence(listener: u32, runner_dir: &Path, started: DateTime<Utc>) -> Worker {
    match (has_live_worker(listener), has_log_since(runner_dir, started)) {
        (Some(true), _) => Worker::Alive,
        (Some(false), Some(true)) => Worker::Gone,
        (Some(false), Some(false)) => Worker::NotSeen,
        (None, _) | (_, None) => Worker::Unknown,
    }
}

fn has_live_worker(listener: u32) -> Option<bool> {
    let listener = i32::try_from(listener).ok()?;
    let is_worker = |stat: &procfs::process::Stat| {
        // The kernel keeps 15 bytes of a name; a zombie has ended.
        stat.ppid == listener && stat.comm == "Runner.Worker" && !matches!(stat.state, 'Z' | 'X')
    };
    let mut processes = procfs::process::all_processes().ok()?;
    Some(processes.any(|p| p.and_then(|p| p.stat()).is_ok_and(|stat| is_worker(&stat))))
}

fn has_log_since(runner_dir: &Path, started: DateTime<Utc>) -> Option<bool> {
    let started = SystemTime::from(started);
    let entries = std::fs::read_dir(runner_dir.join("_diag")).ok()?;
    Some(entries.flatten().any(|entry| {
        entry.file_name().as_encoded_bytes().starts_with(b"Worker_")
            && entry.metadata().and_then(|m| m.modified()).is_ok_and(|at| at >= started)
    }))
}
