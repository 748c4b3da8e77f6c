//! What a start finds, told before there is a registry: each becomes one log line, and moves no metric.

use std::path::PathBuf;
use std::time::Duration;

/// A finding. Texts in it may be untrusted; the log escapes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartNotice {
    /// The configuration is not as somebody may think it is.
    Configuration {
        /// Which variable.
        variable: String,
        /// In which way.
        says: String,
    },
    /// Who the runner is.
    RunnerUser {
        /// The name.
        name: String,
        /// The user's number.
        uid: u32,
        /// The group's number.
        gid: u32,
        /// All groups.
        groups: Vec<u32>,
    },
    /// The runner does not get the group of a docker socket.
    DockerNotGranted {
        /// Which socket.
        socket: PathBuf,
        /// Why, and what to do.
        says: &'static str,
    },
    /// Jobs in containers will fail, though an engine's socket is there.
    ContainerJobsFail {
        /// What was seen.
        why: String,
        /// What to do.
        says: &'static str,
    },
    /// Jobs can put programs where they are found before those that are meant.
    PathOfJobs {
        /// The directory.
        dir: PathBuf,
        /// What to do.
        says: &'static str,
    },
    /// Updates are switched on, and the runner's user was given what they replace.
    ProgramsGiven {
        /// Where.
        dir: PathBuf,
        /// What that means.
        says: &'static str,
    },
    /// Updates are switched on, and the programs are not the runner's.
    UpdatesCannotBeInstalled {
        /// What to do.
        says: &'static str,
        /// Who cannot write what.
        why: String,
    },
    /// Browsers of jobs will crash.
    LittleSharedMemory {
        /// Where.
        path: &'static str,
        /// How much there is.
        bytes: u64,
        /// What to do.
        says: &'static str,
    },
    /// Another supervisor has the job log, and is given time to leave.
    JobLogInUse {
        /// The job log.
        path: PathBuf,
        /// How long, in seconds.
        at_most: u64,
        /// Which variable says so.
        variable: &'static str,
    },
    /// The directory of the jobs' logs could not be made; the worker makes it too.
    PagesNotMade {
        /// What the system said.
        error: String,
    },
    /// The jobs' logs cannot be followed: nothing is known of caches.
    JobLogsNotFollowed {
        /// What the system said.
        error: String,
    },
    /// A hook of the user's own stays as it is.
    JobHookLeftAlone {
        /// Its variable.
        variable: &'static str,
        /// Why.
        says: String,
    },
    /// Jobs cannot tell anything.
    NoJobHooks {
        /// What went wrong.
        error: String,
        /// And why, if that is known.
        cause: Option<String>,
        /// What may mend it.
        variable: &'static str,
    },
    /// The port is not served.
    NotServing {
        /// What was set.
        because: &'static str,
    },
    /// The port is served.
    Serving {
        /// Where.
        address: String,
    },
    /// Metrics are pushed.
    PushingMetrics {
        /// The host, and the port if one is named.
        to: String,
        /// From one time to the next.
        every: Duration,
    },
    /// The trace of each job is sent.
    SendingTraces {
        /// The host, and the port if one is named.
        to: String,
    },
    /// Our own health check has no socket.
    NoHealthSocket {
        /// Where it should be.
        dir: String,
        /// What the system said.
        error: String,
        /// What may mend it.
        variable: &'static str,
    },
}
