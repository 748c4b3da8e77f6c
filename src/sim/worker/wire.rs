//! What the listener tells its Worker: one JSON object per line through an inherited pipe.

use crate::scenario::{Context, Job};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// Everything a Worker needs to know of its job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) job: Job,
    pub(crate) context: Context,
    pub(crate) job_id: String,
    pub(crate) plan_id: String,
    pub(crate) request_id: u64,
    pub(crate) runner_name: String,
    pub(crate) work_folder: String,
    pub(crate) speed: f64,
}

/// A message to the Worker (`MessageType` of the runner).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    NewJobRequest(Box<Assignment>),
    CancelRequest,
    RunnerShutdown,
    /// Not the runner's: be a Worker that is only there, with a step below it, until it is told to leave.
    StandIn,
    /// The stand-in's next step begins; this one may take signals as nothing.
    Step {
        stubborn: bool,
    },
    /// The stand-in's step is killed.
    EndStep,
    /// The stand-in leaves with this code.
    Leave(i32),
}

/// Opens the pipe with this inherited descriptor number, for writing or for reading, and keeps it from the Worker's own children.
///
/// # Errors
/// If there is no such descriptor.
pub(crate) fn open(descriptor: &str, write: bool) -> io::Result<File> {
    let number: i32 = descriptor.parse().map_err(io::Error::other)?;
    // A second opening of the same pipe, which Rust closes on exec; the inherited one goes.
    let pipe = File::options().read(!write).write(write).open(format!("/proc/self/fd/{number}"))?;
    nix::unistd::close(number)?;
    Ok(pipe)
}

/// The messages of a pipe, until it is closed. A closed pipe is no message: the job goes on without a listener.
pub(crate) fn messages(pipe: File) -> impl Iterator<Item = Message> {
    BufReader::new(pipe).lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok())
}
