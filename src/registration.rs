//! The registration's life on GitHub: each errand takes a deadline, cleans up after itself, and ends with one answer.

mod ground;
mod job_lists;
mod just_in_time;
mod local;
mod ours;
mod removal;
mod script;

pub(crate) use ground::Ground;
pub(crate) use job_lists::JobListCache;
pub(crate) use local::LocalRegistration;
pub(crate) use ours::{KnownRunner, Memory};
pub(crate) use script::ConfigScript;

use crate::config::Secret;
use crate::domain::configure::{Registration, fault};
use crate::domain::event::Exit;
use crate::domain::queue::{Listed, Question, QueueFault, Queued, conclusion, queue_time};
use crate::domain::registration::{Registered, RegistrationFault, Removal, RunnerStatus, Trace};
use crate::github::{ApiError, Client, ErrorKind};
use crate::sys::runner_file::RunnerFile;
use std::time::Duration;
use tokio::time::Instant;

/// For the token that registering begins with; `config.sh` has a limit of its own.
const TOKEN_LIMIT: Duration = Duration::from_secs(60);
/// For the labels while a job drains, for a look at our own standing or at the jobs of a run.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// A removal answers so much before its limit: whoever waits for it knows no more than that it is late.
const MARGIN: Duration = Duration::from_millis(200);

/// What lets us register.
pub(crate) enum Access {
    /// A PAT or an App: fresh tokens whenever they are needed.
    Api(Box<Client>),
    /// A registration token that somebody else fetched; an hour later it is worth nothing.
    Token(Secret),
}

/// Knows how this runner is registered and removed.
pub(crate) struct Registrar {
    /// What registers and removes with a token.
    pub script: ConfigScript,
    /// How the runner is to be registered.
    pub wish: Registration,
    /// Ask GitHub for a just-in-time configuration instead of running `config.sh`.
    pub just_in_time: bool,
    /// As whom.
    pub access: Access,
    /// Who we are there.
    pub identity: KnownRunner,
    /// What jobs may have changed.
    pub ground: Ground,
    /// The jobs that were listed last.
    pub seen: JobListCache,
}

/// How registering ended.
pub(crate) struct Enrolled {
    /// Known to the server, or why not.
    pub result: Result<Registered, RegistrationFault>,
    /// What the listener must be given, if there was no `config.sh`.
    pub jit: Option<Secret>,
}

impl Registrar {
    /// Registers, or finds a registration that can be kept; `anew` if the server has dropped the one that is here.
    pub(crate) async fn register(&self, anew: bool) -> Enrolled {
        match self.enrol(anew).await {
            Ok((registered, jit)) => Enrolled { result: Ok(registered), jit },
            Err(fault) => Enrolled { result: Err(fault), jit: None },
        }
    }

    async fn enrol(&self, anew: bool) -> Result<(Registered, Option<Secret>), RegistrationFault> {
        self.ground.survey().await;
        let local = &self.identity.local;
        if anew {
            let says =
                |e| format!("cannot delete the void registration in {}: {e}", local.dir.path().display());
            local.forget().await?.map_err(|e| for_good(says(e)))?;
        } else if let Some(file) = local.read().await? {
            self.may_keep(&file)?;
            return Ok((self.keep(&file).await, None));
        } else {
            local.clear().await?.map_err(|e| {
                for_good(format!(
                    "{} is no registration and cannot be deleted: {e}",
                    local.path(".runner").display()
                ))
            })?;
        }
        if self.just_in_time || self.must_be_just_in_time().await? {
            let Access::Api(client) = &self.access else {
                return Err(for_good("a just-in-time configuration needs a PAT or an App".to_owned()));
            };
            let jit = just_in_time::register(client, &self.identity, &self.wish).await?;
            return Ok((Registered::New, Some(jit)));
        }
        self.may_take_the_name().await?;
        let token = self.registration_token().await?;
        self.configure(&token).await?;
        Ok((Registered::New, None))
    }

    /// `config.sh --replace` takes the place of whoever has our name, so GitHub is asked first who that is.
    async fn may_take_the_name(&self) -> Result<(), RegistrationFault> {
        let Access::Api(client) = &self.access else { return Ok(()) };
        if !self.wish.replace {
            return Ok(());
        }
        let found = client.find_runner(&self.wish.name, Instant::now() + TOKEN_LIMIT).await;
        match found.map_err(|error| from_api(&error))? {
            Some(other) => other.namesake().may_be_replaced(&self.identity.get(), &self.wish.name),
            None => Ok(()),
        }
    }

    /// A registration token registers any runner for an hour: a `config.sh` that a job may have changed, or may look at from
    /// beside, is given none. What the API makes instead is worth no more than the one runner that jobs have anyway; it
    /// takes one job. Without the API only a fresh container is left.
    async fn must_be_just_in_time(&self) -> Result<bool, RegistrationFault> {
        let is_safe = !self.ground.has_worked() && self.ground.is_sound().await;
        match &self.access {
            Access::Api(_) => Ok(!is_safe),
            Access::Token(_) if is_safe => Ok(false),
            Access::Token(_) => Err(for_good(format!(
                "jobs have run in this container, and config.sh or bin in {} may be theirs: it is not given the registration \
                 token; register in a new container, or with a PAT or an App",
                self.identity.local.dir.path().display()
            ))),
        }
    }

    /// A registration for something else must not be used, and not be thrown away either.
    fn may_keep(&self, file: &RunnerFile) -> Result<(), RegistrationFault> {
        if self.identity.is_for(&file.url) {
            return Ok(());
        }
        Err(for_good(format!(
            "{} holds a registration for another target than {}: remove it there with config.sh remove, or use another RUNNER_DIR",
            self.identity.local.path(".runner").display(),
            self.identity.target
        )))
    }

    /// A drain before the last stop has taken the labels away; they go back to a runner that is proven to be ours.
    async fn keep(&self, file: &RunnerFile) -> Registered {
        let Access::Api(client) = &self.access else { return Registered::Kept };
        let deadline = Instant::now() + LOOK_LIMIT;
        self.identity.recognise(client, file, deadline).await;
        let Ok(id) = self.identity.proven(client, deadline).await else { return Registered::KeptUnproven };
        let labels = self.wish.custom_labels();
        if !labels.is_empty() {
            // Only matters if they were taken; the runner is registered either way, and the call is counted.
            let _ = client.set_custom_labels(id, &labels, deadline).await;
        }
        Registered::Kept
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
        self.identity.set(Trace::Named).await;
        let outcome = self.script.run(self.wish.arguments(), token).await;
        self.identity.set(Trace::None).await;
        match outcome {
            Ok(outcome) if outcome.exit == Exit::Code(0) => {
                self.identity.set(Trace::Enrolled).await;
                if let Access::Api(client) = &self.access {
                    // Else it is asked when it is needed; the call is counted.
                    let _ = self.identity.at_github(client, Instant::now() + LOOK_LIMIT).await;
                }
                Ok(())
            }
            Ok(outcome) => {
                let lines = outcome.lines.iter().map(String::as_str);
                let fault = fault(outcome.exit.shell_code(), lines);
                // Whoever has our name otherwise is somebody else.
                if fault.retry && self.wish.replace {
                    self.identity.set(Trace::Named).await;
                }
                Err(fault)
            }
            Err(error) => Err(for_good(format!(
                "cannot run {}: {error}",
                self.identity.local.path("config.sh").display()
            ))),
        }
    }

    /// Removes the registration, inside `limit`: by its id, or with the registration token that is all we were given.
    pub(crate) async fn remove(&self, limit: Duration) -> Removal {
        let deadline = Instant::now() + limit.saturating_sub(MARGIN);
        match &self.access {
            Access::Api(client) => removal::by_api(&self.identity, client, self.wish.replace, deadline).await,
            Access::Token(token) => {
                removal::by_script(&self.identity, &self.script, &self.ground, token, deadline).await
            }
        }
    }

    /// Whether GitHub can be asked anything at all.
    pub(crate) fn can_ask(&self) -> bool {
        matches!(self.access, Access::Api(_))
    }

    /// Asks GitHub what it thinks of this runner; `None` if it could not be asked.
    pub(crate) async fn runner_status(&self) -> Option<RunnerStatus> {
        let Access::Api(client) = &self.access else { return None };
        self.identity.status(client).await
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
        let id = self.identity.proven(client, deadline).await.map_err(|why| why.to_string())?;
        client.remove_custom_labels(id, deadline).await.map(drop).map_err(|e| e.to_string())
    }

    /// How long the job that we began then had waited, and which of GitHub's it is.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) async fn queue_time(&self, question: &Question) -> Result<Queued, QueueFault> {
        queue_time(&self.jobs(question).await?, &self.identity.listed(), question.started_at)
    }

    /// How the job that we began then ended, as GitHub has it; `None` if it cannot be asked, or does not say.
    pub(crate) async fn conclusion(&self, question: &Question) -> Option<&'static str> {
        conclusion(&self.jobs(question).await.ok()?, &self.identity.listed(), question.started_at)
    }

    async fn jobs(&self, question: &Question) -> Result<Vec<Listed>, QueueFault> {
        let Access::Api(client) = &self.access else { return Err(QueueFault::Unavailable) };
        self.seen.jobs(client, question).await
    }
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
