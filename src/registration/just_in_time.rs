//! Registration through the API instead of `config.sh`: just-in-time configuration. A just-in-time configuration is a
//! registration made by the API alone: its runner exists from the answer on, or before it.

use super::ours::KnownRunner;
use super::{TOKEN_LIMIT, from_api};
use crate::config::Secret;
use crate::domain::configure::Registration;
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

/// A runner made by the API, and what the listener takes to be it.
pub(super) async fn register(
    client: &Client,
    ours: &KnownRunner,
    wish: &Registration,
) -> Result<Secret, RegistrationFault> {
    let deadline = Instant::now() + TOKEN_LIMIT;
    let group = match wish.group.as_str() {
        "" => None,
        name => client.runner_group(name, deadline).await.map_err(|error| from_api(&error))?,
    };
    let runner = NewRunner {
        name: wish.name.clone(),
        labels: [default_labels(wish), wish.custom_labels()].concat(),
        group: group.unwrap_or(DEFAULT_GROUP),
        work_dir: wish.work_dir.clone(),
    };
    let before = ours.get();
    ours.set(Trace::Named).await;
    let made = make(client, &runner, wish.replace.then_some(&before), deadline).await;
    let trace = match &made {
        Ok(made) => Trace::Made { id: made.runner.id, name: runner.name.clone() },
        // The answer was lost, not the runner.
        Err(NotMade::Call(error)) if wish.replace && from_api(error).retry => Trace::Named,
        Err(NotMade::Call(_) | NotMade::Taken(_)) => Trace::None,
    };
    ours.set(trace).await;
    match made {
        Ok(made) => Ok(made.encoded),
        Err(NotMade::Call(error)) => Err(from_api(&error)),
        Err(NotMade::Taken(fault)) => Err(fault),
    }
}

/// Takes the place of a runner of the same name, as `config.sh --replace` does: one whose container was killed, or one
/// that an attempt has made whose answer was lost. `replaced` is who was ours until now, if a place may be taken at all.
async fn make(
    client: &Client,
    runner: &NewRunner,
    replaced: Option<&Trace>,
    deadline: Instant,
) -> Result<JitConfig, NotMade> {
    match (client.jit_config(runner, deadline).await, replaced) {
        (Err(error), Some(before)) if error.kind == ErrorKind::Conflict => {
            if let Some(other) = client.find_runner(&runner.name, deadline).await? {
                other.namesake().may_be_replaced(before, &runner.name).map_err(NotMade::Taken)?;
                client.delete_runner(other.id, deadline).await?;
            }
            Ok(client.jit_config(runner, deadline).await?)
        }
        (outcome, _) => Ok(outcome?),
    }
}

/// What `config.sh` would add; a just-in-time runner has only the labels it is given.
fn default_labels(wish: &Registration) -> Vec<String> {
    if wish.no_default_labels {
        return Vec::new();
    }
    let architecture = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
    ["self-hosted", "Linux", architecture].map(str::to_owned).to_vec()
}
