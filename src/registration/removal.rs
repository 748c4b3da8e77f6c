//! Deregistration. Leaving: by the API, so that no token is handed out once jobs have run; what cannot be proven ours
//! is left behind and said.

use super::ours::Unproven;
use super::{Access, Registrar};
use crate::config::Secret;
use crate::domain::event::Exit;
use crate::domain::registration::{Removal, Trace};
use crate::github::{self, ApiError, Client, Runner};
use crate::sys::config_script;
use crate::sys::runner_file::RunnerFile;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A removal answers so much before its limit: whoever waits for it knows no more than that it is late.
const MARGIN: Duration = Duration::from_millis(200);
/// How long GitHub may need for a request whose sender is gone.
const UNDER_WAY: Duration = Duration::from_secs(1);

impl Registrar {
    /// Removes the registration, inside `limit`: by its id, or with the registration token that is all we were given.
    pub(crate) async fn remove(&self, limit: Duration) -> Removal {
        let deadline = Instant::now() + limit.saturating_sub(MARGIN);
        match &self.access {
            Access::Api(client) => self.remove_by_api(client, deadline).await,
            Access::Token(token) => self.remove_by_script(token, deadline).await,
        }
    }

    async fn remove_by_api(&self, client: &Client, deadline: Instant) -> Removal {
        let local = self.local().await;
        let is_known = local.is_some();
        let file = local.flatten();
        if let Some(file) = file.as_ref().filter(|file| self.is_here(file)) {
            self.recognise(client, file, deadline).await;
        }
        let ours = match self.identity.get() {
            Trace::None if !is_known => return Removal::LeftBehind(self.hangs().says),
            Trace::None => return file.map_or(Removal::NeverMade, |file| self.unproven(&file)),
            Trace::Named => match self.find_late(client, deadline).await {
                // A name that may not be taken may be somebody else's.
                Ok(Some(_)) if !self.wish.replace => {
                    return Removal::LeftBehind(format!(
                        "runner {} is registered, by us or by somebody else: the registration was cut off, and \
                         without RUNNER_REPLACE_EXISTING a runner is not removed by its name",
                        self.wish.name
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
                    let _ = self.forget().await;
                    self.identity.set(Trace::None).await;
                    return Removal::NeverMade;
                }
                Ok(Some(runner)) => Ok(runner),
                Err(error) => Err(Unproven::Unasked(error)),
            },
            Trace::Enrolled | Trace::Made { .. } => self.ours(client, deadline).await,
        };
        let removal = match ours {
            Ok(runner) => match client.delete_runner(runner.id, deadline).await {
                Ok(github::Deletion::Deleted) => Removal::Deleted,
                Ok(github::Deletion::WasGone) => Removal::NothingLeft,
                Err(error) => Removal::LeftBehind(self.left(&error)),
            },
            Err(Unproven::Gone) => Removal::NothingLeft,
            Err(why @ (Unproven::Nobody | Unproven::Foreign(_) | Unproven::Unasked(_))) => {
                Removal::LeftBehind(self.left(&why))
            }
        };
        if let Removal::Deleted | Removal::NothingLeft = removal {
            // The server has forgotten it; so must the next start.
            let _ = self.forget().await;
            self.identity.set(Trace::None).await;
        }
        removal
    }

    /// The runner of our name. A request that was under way when its sender was killed may take effect after we look.
    async fn find_late(&self, client: &Client, deadline: Instant) -> Result<Option<Runner>, ApiError> {
        let found = client.find_runner(&self.wish.name, deadline).await?;
        if found.is_none() && deadline.saturating_duration_since(Instant::now()) > 2 * UNDER_WAY {
            tokio::time::sleep(UNDER_WAY).await;
            return client.find_runner(&self.wish.name, deadline).await;
        }
        Ok(found)
    }

    /// `config.sh remove` with the token, which may be too old for it.
    async fn remove_by_script(&self, token: &Secret, deadline: Instant) -> Removal {
        let name = &self.wish.name;
        let Some(local) = self.local().await else { return Removal::LeftBehind(self.hangs().says) };
        let Some(file) = local else {
            return match self.identity.get() {
                Trace::None => Removal::NeverMade,
                Trace::Named => Removal::LeftBehind(format!(
                    "runner {name} may be registered: config.sh did not say, and a registration token cannot look"
                )),
                Trace::Enrolled | Trace::Made { .. } => {
                    Removal::LeftBehind(self.left(&".runner is gone, and a registration token cannot look"))
                }
            };
        };
        if !self.is_here(&file) {
            return self.unproven(&file);
        }
        if !self.ground.is_sound().await {
            let why = "config.sh or bin is not what it was before the jobs, and is not given the registration token";
            return Removal::LeftBehind(self.left(&why));
        }
        let script = self.script(vec!["remove".to_owned()], token);
        let says = match timeout_at(deadline, config_script::run(&script, &self.outlets)).await {
            Ok(Ok(outcome)) if outcome.exit == Exit::Code(0) => {
                self.identity.set(Trace::None).await;
                return Removal::Removed;
            }
            Ok(Ok(outcome)) => format!("config.sh remove ended with code {}", outcome.exit.shell_code()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "config.sh remove did not end in time".to_owned(),
        };
        Removal::LeftBehind(self.left(&says))
    }

    /// It says that it is registered where we are.
    fn is_here(&self, file: &RunnerFile) -> bool {
        file.url.is_empty() || self.target.same_as(&self.host, &file.url)
    }

    /// There its id may be that of somebody else's runner.
    fn unproven(&self, file: &RunnerFile) -> Removal {
        let name = &file.name;
        Removal::LeftBehind(if self.is_here(file) {
            format!(
                "the runner {name} of .runner is not proven to be ours: GitHub does not know {} by that id; remove it \
                 at GitHub if it is",
                self.wish.name
            )
        } else {
            format!("runner {name} is registered for another target")
        })
    }

    fn left(&self, why: &dyn std::fmt::Display) -> String {
        let name = match self.identity.get() {
            Trace::Made { name, .. } => name,
            Trace::None | Trace::Named | Trace::Enrolled => self.wish.name.clone(),
        };
        format!(
            "runner {name} stays registered: {why}; GitHub removes it when it has been offline for 14 days (ephemeral: 1 day)"
        )
    }
}
