//! What registering takes: who we are, how the runner is to appear, as whom it runs. Checked, never guessed.

use super::resolve::Resolved;
use super::secret::Secret;
use super::vars;
use std::fmt;
use std::time::Duration;

/// What proves to GitHub who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A personal access token.
    Pat(Secret),
    /// A GitHub App.
    App {
        /// Its numeric id or its client id: the issuer of its tokens.
        id: String,
        /// Its RSA private key: the base64 inside the PEM.
        key: Secret,
        /// The installation; `None` leaves it to be found by `login`.
        installation: Option<u64>,
        /// The account it is installed for; `None` is the target's owner.
        login: Option<String>,
    },
    /// A registration token somebody else has asked for: valid for one hour.
    RegistrationToken(Secret),
    /// A just-in-time configuration: there is nothing left to register.
    Jit(Secret),
}

impl Credential {
    /// Whether the API can be asked with it, as often and as late as need be.
    pub fn can_ask(&self) -> bool {
        match self {
            Credential::Pat(_) | Credential::App { .. } => true,
            Credential::RegistrationToken(_) | Credential::Jit(_) => false,
        }
    }

    /// Whether it can remove a registration. A registration token can within its hour: `actions-runner-controller`
    /// stops its runners with `config.sh remove --token $RUNNER_TOKEN`.
    pub fn can_remove(&self) -> bool {
        match self {
            Credential::Pat(_) | Credential::App { .. } | Credential::RegistrationToken(_) => true,
            Credential::Jit(_) => false,
        }
    }
}

impl fmt::Display for Credential {
    /// Its kind, never itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Pat(_) => f.write_str("a personal access token"),
            Credential::App { id, .. } => write!(f, "GitHub App {id}"),
            Credential::RegistrationToken(_) => f.write_str("a registration token"),
            Credential::Jit(_) => f.write_str("a just-in-time configuration"),
        }
    }
}

/// Whether what this credential has registered is removed when the runner leaves.
pub(super) fn removes(credential: Option<&Credential>, skip: bool, keep: bool) -> bool {
    credential.is_some_and(Credential::can_remove) && !skip && !keep
}

/// As whom the runner runs, when we are root.
/// `USER` or `USER:GROUP`, names or numbers: whether they exist is for the system to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs(pub(super) String);

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the runner is registered, looked after and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own that may be on or off")]
pub struct Registration {
    /// Run what `RUNNER_DIR` is configured for already: register and remove nothing.
    pub skip: bool,
    /// Ask GitHub for a just-in-time configuration instead of running `config.sh`; only with a credential that can ask.
    pub jit: bool,
    /// Custom labels: no two equal to GitHub, none empty, none with a comma.
    pub labels: Vec<String>,
    /// Runner group; `None` is the default one, always so for a repository.
    pub group: Option<String>,
    /// Takes the place of a runner of the same name.
    pub replace: bool,
    /// No `self-hosted`, no operating system, no architecture among the labels; only with labels of its own.
    pub no_default_labels: bool,
    /// The runner does not update itself.
    pub disable_update: bool,
    /// The registration stays when the runner leaves.
    pub keep: bool,
    /// Time between two questions to GitHub about our own status; `None` asks never.
    pub status_check: Option<Duration>,
}

impl Registration {
    /// Takes its fields out of what was read; `None` only where there is a fault. `can_ask` is whether there are a credential and a target to ask
    /// GitHub about, without which `jit` and `status_check` are nothing.
    pub(super) fn of(resolved: &Resolved, can_ask: bool) -> Option<Registration> {
        let status_check: Duration = resolved.get(&vars::RUNNER_STATUS_CHECK_INTERVAL)?;
        Some(Registration {
            skip: resolved.get(&vars::RUNNER_SKIP_REGISTRATION)?,
            jit: resolved.get(&vars::RUNNER_JIT)? && can_ask,
            labels: resolved.get(&vars::RUNNER_LABELS).unwrap_or_default(),
            group: resolved.get(&vars::RUNNER_GROUP),
            replace: resolved.get(&vars::RUNNER_REPLACE_EXISTING)?,
            no_default_labels: resolved.get(&vars::NO_DEFAULT_LABELS)?,
            disable_update: resolved.get(&vars::DISABLE_AUTO_UPDATE)?,
            keep: resolved.get(&vars::DISABLE_AUTOMATIC_DEREGISTRATION)?,
            status_check: Some(status_check).filter(|interval| can_ask && !interval.is_zero()),
        })
    }
}
