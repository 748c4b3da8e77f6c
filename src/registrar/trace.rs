//! What the server may know and the disk does not: it is looked for and removed, or we say that we cannot look.

use super::{Access, Registrar, left, removed};
use crate::domain::registration::Removal;
use crate::github::{ApiError, Client};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// How long GitHub may need for a request whose sender is gone.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// A runner that the server may know, though nothing on the disk says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// There is none.
    #[default]
    None,
    /// A registration was cut off, or has failed at nobody knows what point: it would have our name.
    Named,
    /// GitHub has made it for a just-in-time configuration that the listener has yet to unpack.
    Made(u64),
}

impl Registrar {
    pub(super) fn leave_trace(&self, trace: Trace) {
        *self.trace.lock().unwrap_or_else(PoisonError::into_inner) = trace;
    }

    /// What the server may know and the disk does not.
    pub(super) async fn remove_unfinished(&self, deadline: Instant) -> Removal {
        let trace = *self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &self.wish.name;
        let Access::Api(client) = &self.access else {
            return match trace {
                Trace::None | Trace::Made(_) => Removal::NothingLeft,
                Trace::Named => Removal::LeftBehind(format!(
                    "runner {name} may be registered: config.sh did not say, and a registration token cannot look"
                )),
            };
        };
        let id = match trace {
            Trace::None => return Removal::NothingLeft,
            Trace::Made(id) => Ok(Some(id)),
            Trace::Named => self.find_late(client, deadline).await,
        };
        let removal = match id {
            Ok(None) => return Removal::NothingLeft,
            // A name that may not be taken may be somebody else's.
            Ok(Some(_)) if trace == Trace::Named && !self.wish.replace => {
                return Removal::LeftBehind(format!(
                    "runner {name} is registered, by us or by somebody else: the registration was cut off, and \
                     without RUNNER_REPLACE_EXISTING a runner is not removed by its name"
                ));
            }
            Ok(Some(id)) => client.delete_runner(id, deadline).await,
            Err(error) => Err(error),
        };
        removal.map_or_else(|error| Removal::LeftBehind(left(name, &error.to_string())), removed)
    }

    /// The id of the runner of our name. A request that was under way when its sender was killed may take effect after we look.
    async fn find_late(&self, client: &Client, deadline: Instant) -> Result<Option<u64>, ApiError> {
        let mut found = client.find_runner(&self.wish.name, deadline).await?;
        if found.is_none() && deadline.saturating_duration_since(Instant::now()) > 2 * UNDER_WAY {
            tokio::time::sleep(UNDER_WAY).await;
            found = client.find_runner(&self.wish.name, deadline).await?;
        }
        Ok(found.map(|runner| runner.id))
    }
}
