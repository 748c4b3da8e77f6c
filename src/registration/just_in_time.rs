//! Registration through the API instead of `config.sh`: just-in-time configuration. A just-in-time configuration is a
//! registration made by the API alone: its runner exists from the answer on, or before it.

use super::{Access, Registrar, TOKEN_LIMIT, for_good, from_api};
use crate::config::Secret;
use crate::domain::registration::{RegistrationFault, Trace};
use crate::github::{ApiError, Client, ErrorKind, JitConfig, NewRunner};
use tokio::time::Instant;

const DEFAULT_GROUP: u64 = 1;

impl Registrar {
    /// A runner made by the API, and what the listener takes to be it.
    pub(super) async fn jit(&self) -> Result<Secret, RegistrationFault> {
        let Access::Api(client) = &self.access else {
            return Err(for_good("a just-in-time configuration needs a PAT or an App".to_owned()));
        };
        let deadline = Instant::now() + TOKEN_LIMIT;
        let group = match self.wish.group.as_str() {
            "" => None,
            name => client.runner_group(name, deadline).await.map_err(|error| from_api(&error))?,
        };
        let runner = NewRunner {
            name: self.wish.name.clone(),
            labels: [self.default_labels(), self.labels()].concat(),
            group: group.unwrap_or(DEFAULT_GROUP),
            work_dir: self.wish.work_dir.clone(),
        };
        self.identity.set(Trace::Named).await;
        let made = self.make(client, &runner, deadline).await;
        let trace = match &made {
            Ok(made) => Trace::Made { id: made.runner.id, name: runner.name.clone() },
            // The answer was lost, not the runner.
            Err(error) if self.wish.replace && from_api(error).retry => Trace::Named,
            Err(_) => Trace::None,
        };
        self.identity.set(trace).await;
        Ok(made.map_err(|error| from_api(&error))?.encoded)
    }

    /// Takes the place of a runner of the same name, as `config.sh --replace` does: one whose container was killed, or one
    /// that an attempt has made whose answer was lost. GitHub does not delete one that runs a job.
    async fn make(
        &self,
        client: &Client,
        runner: &NewRunner,
        deadline: Instant,
    ) -> Result<JitConfig, ApiError> {
        match client.jit_config(runner, deadline).await {
            Err(error) if error.kind == ErrorKind::Conflict && self.wish.replace => {
                if let Some(other) = client.find_runner(&runner.name, deadline).await? {
                    client.delete_runner(other.id, deadline).await?;
                }
                client.jit_config(runner, deadline).await
            }
            outcome => outcome,
        }
    }

    /// What `config.sh` would add; a just-in-time runner has only the labels it is given.
    fn default_labels(&self) -> Vec<String> {
        if self.wish.no_default_labels {
            return Vec::new();
        }
        let architecture = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
        ["self-hosted", "Linux", architecture].map(str::to_owned).to_vec()
    }
}
