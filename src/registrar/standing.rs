//! How GitHub sees this runner, and what it may give it: looked at and changed while the runner runs.

use super::{Access, LOOK_LIMIT, Registrar};
use crate::domain::registration::Standing;
use crate::sys::runner_file;
use tokio::time::Instant;

impl Registrar {
    /// Asks GitHub what it thinks of this runner; `None` if it could not be asked.
    pub async fn standing(&self) -> Option<Standing> {
        let id = runner_file::read(&self.dir)?.id?;
        let Access::Api(client) = &self.access else { return None };
        match client.runner(id, Instant::now() + LOOK_LIMIT).await {
            Ok(Some(runner)) if runner.status == "online" => Some(Standing::Online),
            Ok(Some(_)) => Some(Standing::Offline),
            Ok(None) => Some(Standing::Unknown),
            Err(_counted) => None,
        }
    }

    /// Takes the custom labels away, so that GitHub hands no further job to a runner that drains.
    ///
    /// # Errors
    /// Why not; one line.
    pub async fn unlabel(&self) -> Result<(), String> {
        let id = runner_file::read(&self.dir).and_then(|file| file.id);
        match (&self.access, id) {
            (Access::Api(client), Some(id)) => {
                let deadline = Instant::now() + LOOK_LIMIT;
                client.remove_custom_labels(id, deadline).await.map(drop).map_err(|e| e.to_string())
            }
            (Access::Api(_), None) => Err("the runner's id is not known".to_owned()),
            (Access::Token(_), _) => Err("a registration token cannot change labels".to_owned()),
        }
    }
}
