//! Registration through the API instead of `config.sh`: just-in-time configuration. A just-in-time configuration is a
//! registration made by the API alone: its runner exists from the answer on, or before it.

use super::{Access, Registrar, TOKEN_LIMIT, for_good, from_api};
use crate::config::Secret;
use crate::domain::registration::{RegistrationFault, Trace};
use crate::github::{ApiError, Client, ErrorKind, JitConfig, NewRunner};
use tokio::time::Instant;

const DEFAULT_GROUP: u64 = 1;

/// Why there is no configuration.
enum NotMade {
    /// GitHub's answer.
    Call(ApiError),
    /// Somebody who lives has our name.
    Taken(RegistrationFault),
}

impl From<ApiError> for NotMade {
    fn from(error: ApiError) -> NotMade {
        NotMade::Call(error)
    }
}

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
        let before = self.identity.get();
        self.identity.set(Trace::Named).await;
        let made = self.make(client, &runner, &before, deadline).await;
        let trace = match &made {
            Ok(made) => Trace::Made { id: made.runner.id, name: runner.name.clone() },
            // The answer was lost, not the runner.
            Err(NotMade::Call(error)) if self.wish.replace && from_api(error).retry => Trace::Named,
            Err(NotMade::Call(_) | NotMade::Taken(_)) => Trace::None,
        };
        self.identity.set(trace).await;
        match made {
            Ok(made) => Ok(made.encoded),
            Err(NotMade::Call(error)) => Err(from_api(&error)),
            Err(NotMade::Taken(fault)) => Err(fault),
        }
    }

    /// Takes the place of a runner of the same name, as `config.sh --replace` does: one whose container was killed, or one
    /// that an attempt has made whose answer was lost. `before` is who was ours until now.
    async fn make(
        &self,
        client: &Client,
        runner: &NewRunner,
        before: &Trace,
        deadline: Instant,
    ) -> Result<JitConfig, NotMade> {
        match client.jit_config(runner, deadline).await {
            Err(error) if error.kind == ErrorKind::Conflict && self.wish.replace => {
                if let Some(other) = client.find_runner(&runner.name, deadline).await? {
                    other.namesake().may_be_replaced(before, &runner.name).map_err(NotMade::Taken)?;
                    client.delete_runner(other.id, deadline).await?;
                }
                Ok(client.jit_config(runner, deadline).await?)
            }
            outcome => Ok(outcome?),
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
