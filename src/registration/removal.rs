//! Deregistration. Leaving: by the API, so that no token is handed out once jobs have run; what cannot be proven ours
//! is left behind and said.

use super::ground::Ground;
use super::ours::{KnownRunner, Unproven};
use super::script::ConfigScript;
use crate::config::Secret;
use crate::domain::event::Exit;
use crate::domain::registration::{Removal, Trace};
use crate::github::{self, ApiError, Client, Runner};
use crate::sys::runner_file::RunnerFile;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long GitHub may need for a request whose sender is gone.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// By its id, which GitHub confirms, before `deadline`; `by_name` if a runner that may be ours may be.
pub(super) async fn by_api(ours: &KnownRunner, client: &Client, by_name: bool, deadline: Instant) -> Removal {
    let local = ours.local.read().await;
    if let Ok(Some(file)) = &local
        && is_here(ours, file)
    {
        ours.recognise(client, file, deadline).await;
    }
    let found = match ours.get() {
        Trace::None => {
            return match local {
                Ok(Some(file)) => unproven(ours, &file),
                Ok(None) => Removal::NeverMade,
                Err(hangs) => Removal::LeftBehind(hangs.says),
            };
        }
        Trace::Named => match find_late(ours, client, deadline).await {
            // A name that may not be taken may be somebody else's.
            Ok(Some(_)) if !by_name => {
                return Removal::LeftBehind(format!(
                    "runner {} is registered, by us or by somebody else: the registration was cut off, and \
                     without RUNNER_REPLACE_EXISTING a runner is not removed by its name",
                    ours.name
                ));
            }
            Ok(Some(other)) if other.namesake().has_lived() => {
                return Removal::LeftBehind(format!(
                    "runner {} (id {}) is somebody else's: it is online or runs a job, and our registration was cut off \
                     before it was known",
                    other.name, other.id
                ));
            }
            // It was cut off before it had any effect: whom GitHub does not know was never there.
            Ok(None) => {
                let _ = ours.local.forget().await;
                ours.set(Trace::None).await;
                return Removal::NeverMade;
            }
            Ok(Some(runner)) => Ok(runner),
            Err(error) => Err(Unproven::Unasked(error)),
        },
        Trace::Enrolled | Trace::Made { .. } => ours.at_github(client, deadline).await,
    };
    let removal = match found {
        Ok(runner) => match client.delete_runner(runner.id, deadline).await {
            Ok(github::Deletion::Deleted) => Removal::Deleted,
            Ok(github::Deletion::WasGone) => Removal::NothingLeft,
            Err(error) => Removal::LeftBehind(left(ours, &error)),
        },
        Err(Unproven::Gone) => Removal::NothingLeft,
        Err(why @ (Unproven::Nobody | Unproven::Foreign(_) | Unproven::Unasked(_))) => {
            Removal::LeftBehind(left(ours, &why))
        }
    };
    if let Removal::Deleted | Removal::NothingLeft = removal {
        // The server has forgotten it; so must the next start.
        let _ = ours.local.forget().await;
        ours.set(Trace::None).await;
    }
    removal
}

/// The runner of our name. A request that was under way when its sender was killed may take effect after we look.
async fn find_late(
    ours: &KnownRunner,
    client: &Client,
    deadline: Instant,
) -> Result<Option<Runner>, ApiError> {
    let found = client.find_runner(&ours.name, deadline).await?;
    if found.is_none() && deadline.saturating_duration_since(Instant::now()) > 2 * UNDER_WAY {
        tokio::time::sleep(UNDER_WAY).await;
        return client.find_runner(&ours.name, deadline).await;
    }
    Ok(found)
}

/// `config.sh remove` with the token, which may be too old for it.
pub(super) async fn by_script(
    ours: &KnownRunner,
    script: &ConfigScript,
    ground: &Ground,
    token: &Secret,
    deadline: Instant,
) -> Removal {
    let name = &ours.name;
    let file = match (ours.local.read().await, ours.get()) {
        (Ok(Some(file)), _) => file,
        (Err(hangs), _) => return Removal::LeftBehind(hangs.says),
        (Ok(None), Trace::None) => return Removal::NeverMade,
        (Ok(None), Trace::Named) => {
            return Removal::LeftBehind(format!(
                "runner {name} may be registered: config.sh did not say, and a registration token cannot look"
            ));
        }
        (Ok(None), Trace::Enrolled | Trace::Made { .. }) => {
            let why = ".runner is gone, and a registration token cannot look";
            return Removal::LeftBehind(left(ours, &why));
        }
    };
    if !is_here(ours, &file) {
        return unproven(ours, &file);
    }
    if !ground.is_sound().await {
        let why =
            "config.sh or bin is not what it was before the jobs, and is not given the registration token";
        return Removal::LeftBehind(left(ours, &why));
    }
    let run = script.run(vec!["remove".to_owned()], token);
    let says = match timeout_at(deadline, run).await {
        Ok(Ok(outcome)) if outcome.exit == Exit::Code(0) => {
            ours.set(Trace::None).await;
            return Removal::Removed;
        }
        Ok(Ok(outcome)) => format!("config.sh remove ended with code {}", outcome.exit.shell_code()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "config.sh remove did not end in time".to_owned(),
    };
    Removal::LeftBehind(left(ours, &says))
}

/// It says that it is registered where we are.
fn is_here(ours: &KnownRunner, file: &RunnerFile) -> bool {
    file.url.is_empty() || ours.is_for(&file.url)
}

/// There its id may be that of somebody else's runner.
fn unproven(ours: &KnownRunner, file: &RunnerFile) -> Removal {
    let name = &file.name;
    Removal::LeftBehind(if is_here(ours, file) {
        format!(
            "the runner {name} of .runner is not proven to be ours: GitHub does not know {} by that id; remove it \
             at GitHub if it is",
            ours.name
        )
    } else {
        format!("runner {name} is registered for another target")
    })
}

fn left(ours: &KnownRunner, why: &dyn std::fmt::Display) -> String {
    let name = ours.listed().name;
    format!(
        "runner {name} stays registered: {why}; GitHub removes it when it has been offline for 14 days (ephemeral: 1 day)"
    )
}
