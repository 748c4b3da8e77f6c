//! Log lines for Docker, certificates and the listener's exit. What the system around the runner did: log lines, most
//! of whose metrics are moved elsewhere.

use crate::domain::event::Exit;
use crate::domain::failure::Cause;
use crate::domain::ladder::Rung;
use crate::domain::odd_file::OddFile;
use crate::domain::registration::RegistrationFault;
use crate::domain::restart::RestartReason;
use crate::telemetry::catalog as c;
use metrics::counter;
use std::time::Duration;
use tracing::{error, info, warn};

pub(super) fn docker_awaited(at_most: Duration) {
    let says = "Waiting for docker to be ready.";
    info!(event = "docker_awaited", says, at_most_seconds = at_most.as_secs());
}

pub(super) fn docker_wait_ended(trouble: Option<&str>) {
    match trouble {
        None => info!(event = "docker_ready", says = "Docker is ready."),
        Some(says) => warn!(event = "docker_not_ready", says),
    }
}

pub(super) fn certificates_updated(trouble: Option<&str>) {
    match trouble {
        None => info!(event = "certificates_updated"),
        Some(says) => warn!(event = "certificates_not_updated", says),
    }
}

pub(super) fn restart(reason: RestartReason, after: Duration, failures: u32) {
    let (reason, seconds) = (reason.as_str(), after.as_secs());
    warn!(event = "restart_scheduled", reason, seconds, failures);
}

pub(super) fn registration_failed(fault: &RegistrationFault) {
    error!(event = "registration_failed", will_retry = fault.retry, says = fault.says);
}

pub(super) fn listener_exited(exit: Exit, cause: Cause) {
    // The others say what the exit says.
    let cause = matches!(cause, Cause::Oom | Cause::DiskFull | Cause::Stopped).then(|| cause.to_string());
    match exit {
        Exit::Code(code) => info!(event = "listener_exited", code, cause),
        Exit::Signal(signal) => warn!(event = "listener_died", signal, cause),
    }
}

pub(super) fn stop_hurried(at_most: Duration) {
    info!(event = "stop_hurried", kill_after_seconds = at_most.as_secs());
}

pub(super) fn odd_file(odd: &OddFile) {
    counter!(c::ODD_FILES.name).increment(1);
    warn!(event = "odd_file", path = odd.path, says = %odd.oddity);
}

pub(super) fn no_job_came(waited: Duration, put_off: Option<&str>) {
    match put_off {
        None => info!(event = "no_job_came", waited_seconds = waited.as_secs()),
        Some(says) => warn!(event = "removal_put_off", says),
    }
}

pub(super) fn drain_started(at_most: Option<Duration>, job: &str) {
    let seconds = at_most.map(|d| d.as_secs());
    info!(event = "drain_started", waiting_for = job, at_most_seconds = seconds);
}

pub(super) fn below_signalled(rung: Rung, processes: u64) {
    info!(event = "below_signalled", signal = rung.as_str(), processes);
}
