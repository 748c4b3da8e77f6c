//! Who this runner is: what every series, the API and the page say of it. It is the same for a whole life.

use chrono::{DateTime, Utc};

/// The runner and the build that supervises it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `RUNNER_NAME`.
    pub runner_name: String,
    /// `RUNNER_TYPE`.
    pub runner_type: String,
    /// Version of runner-init.
    pub init_version: &'static str,
    /// `x86_64`, `aarch64`.
    pub arch: &'static str,
    /// Whether it takes one job only.
    pub ephemeral: bool,
    /// When the supervisor started.
    pub started_at: DateTime<Utc>,
}

#[cfg(test)]
impl Identity {
    /// Somebody, for a test to whom it is of no matter who.
    pub(crate) fn somebody() -> Identity {
        Identity {
            runner_name: "runner-7".into(),
            runner_type: "standard".into(),
            init_version: "2.3.0",
            arch: "x86_64",
            ephemeral: false,
            started_at: DateTime::UNIX_EPOCH,
        }
    }
}
