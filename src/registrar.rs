//! The registration's life on GitHub: each errand takes a deadline, cleans up after itself, and ends with one answer.

mod jobs;
mod just_in_time;
mod standing;
mod trace;

pub use jobs::Seen;
pub use trace::Trace;

use crate::config::Secret;
use crate::domain::configure::{Registration, TOKEN, fault};
use crate::domain::event::Exit;
use crate::domain::registration::{Registered, RegistrationFault, Removal};
use crate::domain::target::{Host, Target};
use crate::github::{self, ApiError, Client, ErrorKind};
use crate::sys::child::Launch;
use crate::sys::config_script;
use crate::sys::outlet::Outlet;
use crate::sys::runner_file::{self, RunnerFile};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// For the token that registering begins with; `config.sh` has a limit of its own.
const TOKEN_LIMIT: Duration = Duration::from_secs(60);
/// For the labels while a job drains, for a look at our own standing or at the jobs of a run.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// Of a removal's time, at most so much is kept for the API if `config.sh remove` hangs.
const FALLBACK: Duration = Duration::from_secs(3);
/// A removal answers so much before its limit: whoever waits for it knows no more than that it is late.
const MARGIN: Duration = Duration::from_millis(200);

/// What lets us register.
pub enum Access {
    /// A PAT or an App: fresh tokens whenever they are needed.
    Api(Box<Client>),
    /// A registration token that somebody else fetched; an hour later it is worth nothing.
    Token(Secret),
}

/// Knows how this runner is registered and removed.
pub struct Registrar {
    /// The runner's directory.
    pub dir: PathBuf,
    /// `config.sh`, without arguments and token.
    pub script: Launch,
    /// Where its output goes.
    pub outlets: [Outlet; 2],
    /// How the runner is to be registered.
    pub wish: Registration,
    /// Ask GitHub for a just-in-time configuration instead of running `config.sh`.
    pub just_in_time: bool,
    /// The host.
    pub host: Host,
    /// The target.
    pub target: Target,
    /// As whom.
    pub access: Access,
    /// What the server may know and `.runner` does not.
    pub trace: Mutex<Trace>,
    /// The jobs that were listed last.
    pub seen: Seen,
}

/// How registering ended.
pub struct Enrolled {
    /// Known to the server, or why not.
    pub result: Result<Registered, RegistrationFault>,
    /// What the listener must be given, if there was no `config.sh`.
    pub jit: Option<Secret>,
}

impl Registrar {
    /// Registers, or finds a registration that can be kept; `anew` if the server has dropped the one that is here.
    pub async fn register(&self, anew: bool) -> Enrolled {
        match self.enrol(anew).await {
            Ok((registered, jit)) => Enrolled { result: Ok(registered), jit },
            Err(fault) => Enrolled { result: Err(fault), jit: None },
        }
    }

    async fn enrol(&self, anew: bool) -> Result<(Registered, Option<Secret>), RegistrationFault> {
        if anew {
            let says = |e| format!("cannot delete the void registration in {}: {e}", self.dir.display());
            runner_file::forget(&self.dir).map_err(|e| for_good(says(e)))?;
        } else if let Some(file) = runner_file::read(&self.dir) {
            self.may_keep(&file)?;
            self.restore_labels(&file).await;
            return Ok((Registered::Kept, None));
        }
        if self.just_in_time {
            return Ok((Registered::New, Some(self.jit().await?)));
        }
        let token = self.registration_token().await?;
        self.configure(&token).await?;
        Ok((Registered::New, None))
    }

    /// A registration for something else must not be used, and not be thrown away either.
    fn may_keep(&self, file: &RunnerFile) -> Result<(), RegistrationFault> {
        if self.target.same_as(&self.host, &file.url) {
            return Ok(());
        }
        Err(for_good(format!(
            "{} holds a registration for another target than {}: remove it there with config.sh remove, or use another RUNNER_DIR",
            self.dir.join(".runner").display(),
            self.target
        )))
    }

    /// A drain before the last stop has taken them away.
    async fn restore_labels(&self, file: &RunnerFile) {
        let labels: Vec<String> = self.labels();
        if let (Access::Api(client), Some(id), false) = (&self.access, file.id, labels.is_empty()) {
            // Only matters if they were taken; the runner is registered either way, and the call is counted.
            let _ = client.set_custom_labels(id, &labels, Instant::now() + LOOK_LIMIT).await;
        }
    }

    fn labels(&self) -> Vec<String> {
        self.wish.labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect()
    }

    async fn registration_token(&self) -> Result<Secret, RegistrationFault> {
        match &self.access {
            Access::Token(token) => Ok(token.clone()),
            Access::Api(client) => {
                let token = client.registration_token(Instant::now() + TOKEN_LIMIT).await;
                token.map(|token| token.token).map_err(|error| from_api(&error))
            }
        }
    }

    async fn configure(&self, token: &Secret) -> Result<(), RegistrationFault> {
        self.leave_trace(Trace::Named);
        let outcome = config_script::run(&self.script(self.wish.arguments(), token), &self.outlets).await;
        self.leave_trace(Trace::None);
        match outcome {
            Ok(outcome) if outcome.exit == Exit::Code(0) => Ok(()),
            Ok(outcome) => {
                let lines = outcome.lines.iter().map(String::as_str);
                let fault = fault(outcome.exit.shell_code(), lines);
                // Whoever has our name otherwise is somebody else.
                if fault.retry && self.wish.replace {
                    self.leave_trace(Trace::Named);
                }
                Err(fault)
            }
            Err(error) => {
                Err(for_good(format!("cannot run {}: {error}", self.dir.join("config.sh").display())))
            }
        }
    }

    /// The token travels in the environment: argument lists are for everybody to read.
    fn script(&self, args: Vec<String>, token: &Secret) -> Launch {
        let mut launch = self.script.clone();
        launch.args = args.into_iter().map(OsString::from).collect();
        launch.env.push((TOKEN.into(), token.expose().into()));
        launch
    }

    /// Removes the registration: `config.sh remove` with a fresh token, else by its id; inside `limit`.
    pub async fn remove(&self, limit: Duration) -> Removal {
        let limit = limit.saturating_sub(MARGIN);
        let deadline = Instant::now() + limit;
        // A registration token has no other way, so none of its time is kept back.
        let kept =
            if matches!(self.access, Access::Api(_)) { FALLBACK.min(limit / 3) } else { Duration::ZERO };
        let script_deadline = deadline - kept;
        let Some(file) = runner_file::read(&self.dir) else {
            return self.remove_unfinished(deadline).await;
        };
        // There its id may be that of somebody else's runner.
        if !file.url.is_empty() && !self.target.same_as(&self.host, &file.url) {
            return Removal::LeftBehind(format!("runner {} is registered for another target", file.name));
        }
        let by_script = match timeout_at(script_deadline, self.remove_by_script(script_deadline)).await {
            Ok(Ok(())) => return Removal::Removed,
            Ok(Err(says)) => says,
            Err(_) => "config.sh remove did not end in time".to_owned(),
        };
        match (&self.access, file.id) {
            (Access::Api(client), Some(id)) => match client.delete_runner(id, deadline).await {
                Ok(removal) => {
                    // The server has forgotten it; so must the next start.
                    let _ = runner_file::forget(&self.dir);
                    removed(removal)
                }
                Err(error) => Removal::LeftBehind(left(&file.name, &error.to_string())),
            },
            (Access::Api(_) | Access::Token(_), _) => Removal::LeftBehind(left(&file.name, &by_script)),
        }
    }

    async fn remove_by_script(&self, deadline: Instant) -> Result<(), String> {
        let token = match &self.access {
            Access::Token(token) => token.clone(),
            Access::Api(client) => client.removal_token(deadline).await.map_err(|e| e.to_string())?.token,
        };
        let script = self.script(vec!["remove".to_owned()], &token);
        let outcome = config_script::run(&script, &self.outlets).await.map_err(|e| e.to_string())?;
        match outcome.exit {
            Exit::Code(0) => Ok(()),
            exit @ (Exit::Code(_) | Exit::Signal(_)) => {
                Err(format!("config.sh remove ended with code {}", exit.shell_code()))
            }
        }
    }
}

fn removed(removal: github::Removal) -> Removal {
    match removal {
        github::Removal::Deleted => Removal::Deleted,
        github::Removal::WasGone => Removal::NothingLeft,
    }
}

fn left(name: &str, why: &str) -> String {
    format!(
        "runner {name} stays registered: {why}; GitHub removes it when it has been offline for 14 days (ephemeral: 1 day)"
    )
}

fn for_good(says: String) -> RegistrationFault {
    RegistrationFault { retry: false, says }
}

fn from_api(error: &ApiError) -> RegistrationFault {
    let retry = match error.kind {
        ErrorKind::RateLimited { .. } | ErrorKind::Server(_) | ErrorKind::Network(_) => true,
        ErrorKind::Unexpected(_) | ErrorKind::Malformed => true,
        ErrorKind::Unauthorized { .. } | ErrorKind::Forbidden | ErrorKind::NotFound => false,
        ErrorKind::Conflict | ErrorKind::Unprocessable => false,
    };
    RegistrationFault { retry, says: error.to_string() }
}
