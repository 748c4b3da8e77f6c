//! Log lines of a start. They are written before there is a registry, and no metric goes with them.

use crate::domain::start_notice::StartNotice;
use tracing::{debug, info, warn};

/// Tells one finding.
pub fn tell_start(notice: &StartNotice) {
    match notice {
        StartNotice::Configuration { variable, says } => warn!(event = "configuration", variable, says),
        StartNotice::RunnerUser { name, uid, gid, groups } => {
            let groups = format!("{groups:?}");
            info!(event = "runner_user", name, uid, gid, groups);
        }
        StartNotice::DockerNotGranted { socket, says } => {
            warn!(event = "docker_not_granted", socket = %socket.display(), says);
        }
        StartNotice::ContainerJobsFail { why, says } => warn!(event = "container_jobs_fail", why, says),
        StartNotice::PathOfJobs { dir, says } => warn!(event = "path_of_jobs", dir = %dir.display(), says),
        StartNotice::ProgramsGiven { dir, says } => {
            info!(event = "programs_given", dir = %dir.display(), says);
        }
        StartNotice::UpdatesCannotBeInstalled { says, why } => {
            warn!(event = "updates_cannot_be_installed", says, why);
        }
        StartNotice::LittleSharedMemory { path, bytes, says } => {
            warn!(event = "little_shared_memory", path, bytes, says);
        }
        StartNotice::JobLogInUse { path, at_most, variable } => {
            let says = "another supervisor has it: waiting for it to leave, and then leaving ourselves";
            warn!(event = "job_log_in_use", path = %path.display(), at_most_seconds = at_most, variable, says);
        }
        StartNotice::PagesNotMade { error } => debug!(event = "pages_not_made", error),
        StartNotice::JobLogsNotFollowed { error } => warn!(event = "job_logs_not_followed", error),
        StartNotice::JobHookLeftAlone { variable, says } => {
            warn!(event = "job_hook_left_alone", variable, says);
        }
        StartNotice::NoJobHooks { error, cause, variable } => {
            warn!(event = "no_job_hooks", error, cause, variable);
        }
        StartNotice::NotServing { because } => info!(event = "not_serving", because),
        StartNotice::Serving { address } => info!(event = "serving", address),
        StartNotice::PushingMetrics { to, every } => {
            info!(event = "pushing_metrics", to, seconds = every.as_secs_f64());
        }
        StartNotice::SendingTraces { to } => info!(event = "sending_traces", to),
        StartNotice::NoHealthSocket { dir, error, variable } => {
            warn!(event = "no_health_socket", dir, error, variable);
        }
    }
}
