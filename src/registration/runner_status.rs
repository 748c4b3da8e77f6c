//! The runner's status and labels at GitHub. How GitHub sees this runner, and what it may give it: looked at and
//! changed while the runner runs.

use super::{Access, LOOK_LIMIT, Registrar};
use crate::domain::registration::RunnerStatus;
use crate::registration::ours::Unproven;
use tokio::time::Instant;

impl Registrar {
    /// Asks GitHub what it thinks of this runner; `None` if it could not be asked.
    pub(crate) async fn runner_status(&self) -> Option<RunnerStatus> {
        let Access::Api(client) = &self.access else { return None };
        match self.ours(client, Instant::now() + LOOK_LIMIT).await {
            Ok(runner) if runner.status == "online" => Some(RunnerStatus::Online),
            Ok(_) => Some(RunnerStatus::Offline),
            Err(Unproven::Gone) => Some(RunnerStatus::Unknown),
            Err(Unproven::Nobody | Unproven::Foreign(_) | Unproven::Unasked(_)) => None,
        }
    }

    /// Takes the custom labels away, so that GitHub hands no further job to a runner that drains.
    ///
    /// # Errors
    /// Why not; one line.
    pub(crate) async fn unlabel(&self) -> Result<(), String> {
        let Access::Api(client) = &self.access else {
            return Err("a registration token cannot change labels".to_owned());
        };
        let deadline = Instant::now() + LOOK_LIMIT;
        let id = self.proven(client, deadline).await.map_err(|why| why.to_string())?;
        client.remove_custom_labels(id, deadline).await.map(drop).map_err(|e| e.to_string())
    }
}
