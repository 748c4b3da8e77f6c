//! The runner that is there: where, what it is called, and as whom it runs.

use super::registration::RunAs;
use super::resolve::Resolved;
use super::words::SweepScope;
use super::{Flavour, vars};
use std::path::PathBuf;
use std::time::Duration;

/// The runner itself.
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Where it is installed and configured.
    pub dir: PathBuf,
    /// Its name, 1 to 64 characters; a metric label.
    pub name: String,
    /// The image's flavour; a metric label.
    pub flavour: Flavour,
    /// Where jobs are checked out.
    pub work_dir: PathBuf,
    /// Whether it leaves after one job.
    pub ephemeral: bool,
    /// As whom it runs when we are root; `None` is as whom we do.
    pub user: Option<RunAs>,
    /// Whether it may run as root.
    pub allow_root: bool,
    /// How long to wait for the Docker daemon before the first start; zero does not.
    pub wait_for_docker: Duration,
    /// Whether the system's certificate store is brought up to date before the first start.
    pub update_ca_certs: bool,
    /// What of that which a job leaves behind is swept.
    pub sweep: SweepScope,
    /// How many MiB of the runner's own logs may stay; 0 is any number.
    pub diag_max_mb: usize,
    /// Whether each job has a summary on its run's page.
    pub job_summary: bool,
}

impl Runner {
    /// Takes its fields out of what was read; `None` only where there is a fault.
    pub(super) fn of(resolved: &Resolved) -> Option<Runner> {
        Some(Runner {
            dir: resolved.get(&vars::RUNNER_DIR)?,
            name: resolved.get(&vars::RUNNER_NAME)?,
            flavour: resolved.get(&vars::RUNNER_TYPE)?,
            work_dir: resolved.get(&vars::RUNNER_WORK_DIR)?,
            ephemeral: resolved.get(&vars::RUNNER_EPHEMERAL)?,
            user: resolved.get(&vars::RUNNER_USER),
            allow_root: resolved.get(&vars::RUNNER_ALLOW_RUNASROOT)?,
            wait_for_docker: resolved.get(&vars::RUNNER_WAIT_FOR_DOCKER_IN_SECONDS)?,
            update_ca_certs: resolved.get(&vars::RUNNER_UPDATE_CA_CERTS)?,
            sweep: resolved.get(&vars::RUNNER_SWEEP)?,
            diag_max_mb: resolved.get(&vars::RUNNER_DIAG_MAX_MB)?,
            job_summary: resolved.get(&vars::RUNNER_JOB_SUMMARY)?,
        })
    }
}
