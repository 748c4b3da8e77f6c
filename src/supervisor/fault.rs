//! Why the supervisor could not begin: each fault names what to change, and the exit code that belongs to it.

use crate::config::vars;
use crate::exit_code::ExitCode;
use crate::github::{KeyFault, ProxyFault, SetupError};
use crate::sys::journal::OpenError;
use crate::sys::ownership::Unwritable;
use crate::sys::runner_user::RunnerUserFault;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the supervisor could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Rows cannot be sent where they are to be sent.
    #[error("{}", vars::JOB_EVENTS_URL.name)]
    JobEvents(#[source] SetupError),
    /// The port is taken, or the address not ours.
    #[error("cannot listen on {address} (METRICS_BIND, METRICS_PORT)")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No runner there.
    #[error("{}: expected an unpacked runner in {}, but {missing} is not there", vars::RUNNER_DIR.name, .dir.display())]
    NoRunner {
        /// The directory.
        dir: PathBuf,
        /// The missing file.
        missing: &'static str,
    },
    /// Its file system does not answer.
    #[error("{}: expected a directory that can be read, but {} does not answer: its file system hangs", vars::RUNNER_DIR.name, .dir.display())]
    Hangs {
        /// The directory.
        dir: PathBuf,
    },
    /// Registration was skipped but the runner is not configured.
    #[error("{}: expected a configured runner in {}, but it holds no .runner: run config.sh there, or mount its files",
        vars::RUNNER_DIR.name, .dir.display())]
    NotConfigured {
        /// The directory.
        dir: PathBuf,
    },
    /// The runner cannot be who it is to be.
    #[error("{}", vars::RUNNER_USER.name)]
    User(#[source] RunnerUserFault),
    /// Every job would be root, and nobody has said that it may.
    #[error(
        "{}: expected true, since the runner and every job would run as root here: set {}, or allow it",
        vars::RUNNER_ALLOW_RUNASROOT.name,
        vars::RUNNER_USER.name
    )]
    Root,
    /// An ephemeral runner's one job has been here.
    #[error("{}: expected a fresh container, but an earlier job has left {}: start a new one for each job, a restart is not one",
        vars::RUNNER_EPHEMERAL.name, .trace.display())]
    Used {
        /// What it has left.
        trace: PathBuf,
    },
    /// Others live here, whom a sweep of everybody would end.
    #[error(
        "{}: expected true or false, since all is for a PID namespace of our own: no other init, no shell in front of us, \
         nobody else's processes",
        vars::RUNNER_SWEEP.name
    )]
    NotAlone,
    /// The runner could not write where it must.
    #[error("{variable}")]
    Unwritable {
        /// Which variable names the directory, or the one above it.
        variable: &'static str,
        /// Who cannot write what, and what to do.
        source: Unwritable,
    },
    /// Another supervisor writes the job log.
    #[error("{}", vars::JOBS_LOG.name)]
    JobLog(#[source] OpenError),
    /// The operating system refused something we cannot do without.
    #[error("the operating system refused {what}")]
    Os {
        /// What for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The App's private key cannot be used.
    #[error("{}", vars::APP_PRIVATE_KEY.name)]
    AppKey(#[source] KeyFault),
    /// A proxy variable cannot be used.
    #[error("the proxy")]
    Proxy(#[source] ProxyFault),
    /// GitHub's API cannot be spoken to from here.
    #[error("GitHub's API")]
    Api(#[source] SetupError),
    /// Where metrics are to be pushed cannot be spoken to from here.
    #[error("{}", vars::OTEL_EXPORTER_OTLP_ENDPOINT.name)]
    Otlp(#[source] SetupError),
    /// A defect of ours.
    #[error("cannot set up the metrics registry")]
    Registry(#[source] metrics_exporter_prometheus::BuildError),
}

impl StartError {
    /// The documented exit code.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            StartError::NoRunner { .. } | StartError::NotConfigured { .. } | StartError::JobLog(_) => {
                ExitCode::Usage
            }
            StartError::User(_)
            | StartError::Root
            | StartError::NotAlone
            | StartError::Used { .. }
            | StartError::Unwritable { .. } => ExitCode::Usage,
            StartError::AppKey(_)
            | StartError::Proxy(_)
            | StartError::Api(_)
            | StartError::Otlp(_)
            | StartError::JobEvents(_) => ExitCode::Usage,
            StartError::Registry(_) => ExitCode::Internal,
            StartError::Bind { .. } | StartError::Hangs { .. } | StartError::Os { .. } => ExitCode::Os,
        }
    }
}
