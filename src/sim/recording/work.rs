//! What a recorded Worker came to, and the end of its trace.

use super::trace::{Record, is_log, printed};
use super::{Event, Recording, Target, What};

/// What a Worker came to, as far as the recording tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its own last word; none if it was killed before.
    pub result: Option<&'static str>,
    /// The service was told.
    pub reported: bool,
}

impl Work {
    /// The process's exit code; 1 as an unhandled exception has it.
    pub fn exit_code(self) -> i32 {
        match (self.result, self.reported) {
            (Some("Succeeded"), true) => 100,
            (Some("Failed"), true) => 102,
            (Some(_), true) => 103,
            (Some(_), false) => 1,
            (None, _) => 137,
        }
    }
}

/// The trace of the Worker that was started at `started`, without the job message: that one is made by who plays it.
pub fn worker(recording: &Recording, launch: &[Event], started: f64) -> Vec<Record> {
    let after = launch.iter().filter(|event| event.at >= started);
    let opened = after.clone().find(|e| matches!(&e.what, What::Created(path) if is_log(path, "Worker")));
    let ended = after.clone().find(|event| event.what == What::WorkerExited).map(|event| event.at);
    let (Some(opened), Some(ended)) = (opened.map(|event| event.at), ended) else { return Vec::new() };
    let work = work(recording, launch, ended);
    let mut records =
        vec![Record { at: opened, text: format!("INFO Worker] Version: {}", recording.runner) }];
    let mut add = |at: f64, text: &str| records.push(Record { at, text: text.to_owned() });
    add(opened, "INFO Worker] Message received.");
    let Some(result) = work.result else { return records };
    let closing = (ended - 0.8).max(opened);
    add(closing, &format!("INFO JobRunner] Job result after all job steps finish: {result}"));
    add(closing, "INFO JobRunner] Completing the job execution context.");
    let raised = if work.reported { (ended - 0.02).max(closing) } else { closing };
    let told = is_cancelled(launch, started, ended);
    if let Some(at) = told {
        records.insert(2, Record { at, text: "INFO Worker] Cancellation/Shutdown message received.".into() });
    }
    let mut add = |text: &str| records.push(Record { at: raised, text: text.to_owned() });
    add("INFO JobRunner] Raising job completed against run service");
    if !work.reported {
        add("ERR  JobRunner] Catch exception while attempting to complete job 1");
        add("ERR  Worker] System.AggregateException: One or more errors occurred.");
    } else if told.is_none() {
        // One that was told to cancel is silent once it has reported.
        add("INFO Worker] Job completed.");
    }
    records.sort_by(|a, b| a.at.total_cmp(&b.at));
    records
}

/// When the Worker was told to cancel, if it was: by GitHub, by the end of its listener, or by that of its lock.
fn is_cancelled(launch: &[Event], started: f64, ended: f64) -> Option<f64> {
    let tells = |event: &&Event| match &event.what {
        What::Signalled { to, .. } => matches!(to, Target::Listener | Target::Group),
        What::Service { thing, .. } => matches!(thing.as_str(), "cancel" | "runner_deleted"),
        What::Wrote { .. } => printed(event).any(|(_, line)| line.ends_with("with result: Abandoned")),
        _ => false,
    };
    let within = |at: f64| at >= started && at < ended + 1.0;
    launch.iter().filter(|event| within(event.at)).find(tells).map(|event| event.at.min(ended - 0.5))
}

/// What the Worker that ended at `ended` had come to.
pub fn work(recording: &Recording, launch: &[Event], ended: f64) -> Work {
    let started = launch.iter().rfind(|e| e.what == What::WorkerStarted && e.at <= ended);
    let since = started.map_or(0.0, |event| event.at);
    let within = |event: &&Event| event.at >= since && event.at <= ended;
    let told = launch.iter().filter(within).find_map(|event| match &event.what {
        What::Service { thing, says } if thing.ends_with(":completed") => word(says),
        _ => None,
    });
    let is_kill = |event: &Event| matches!(&event.what, What::Signalled { signal, to: Target::Worker } if signal == "SIGKILL");
    let killed = launch.iter().filter(within).any(is_kill) || recording.scenario == "cancel-short-timeout";
    match (told, killed) {
        (_, true) => Work { result: None, reported: false },
        (Some(result), false) => Work { result: Some(result), reported: true },
        (None, false) => Work { result: Some("Succeeded"), reported: false },
    }
}

fn word(says: &str) -> Option<&'static str> {
    Some(match says {
        "succeeded" => "Succeeded",
        "failed" => "Failed",
        "canceled" => "Canceled",
        _ => return None,
    })
}
