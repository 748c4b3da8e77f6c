//! What a job used of the container: nothing is known of one whose end nobody saw.

use std::time::Duration;

/// What a job used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time the container used while the job ran.
    pub cpu_time: Option<Duration>,
    /// Most memory the container used while the job ran, bytes.
    pub peak_memory: Option<u64>,
}
