//! The registration's life on GitHub: each errand takes a deadline, cleans up after itself, and ends with one answer.

mod ground;
mod just_in_time;
mod ours;
mod queue_time;
mod removal;
mod runner_status;

pub(crate) use ground::Ground;
pub(crate) use ours::{KnownRunner, Memory};
pub(crate) use queue_time::JobListCache;

use crate::config::Secret;
use crate::domain::configure::{Registration, TOKEN, fault};
use crate::domain::event::Exit;
use crate::domain::registration::{Registered, RegistrationFault, Trace};
use crate::domain::target::{Host, Target};
use crate::github::{ApiError, Client, ErrorKind};
use crate::sys::child::Launch;
use crate::sys::config_script;
use crate::sys::disk_thread::DiskThread;
use crate::sys::door::Dir;
use crate::sys::runner_file::{self, RunnerFile};
use crate::sys::stdio::OutputWriter;
use std::ffi::OsString;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// For the token that registering begins with; `config.sh` has a limit of its own.
const TOKEN_LIMIT: Duration = Duration::from_secs(60);
/// For the labels while a job drains, for a look at our own standing or at the jobs of a run.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// What lets us register.
pub(crate) enum Access {
    /// A PAT or an App: fresh tokens whenever they are needed.
    Api(Box<Client>),
    /// A registration token that somebody else fetched; an hour later it is worth nothing.
    Token(Secret),
}

/// Knows how this runner is registered and removed.
pub(crate) struct Registrar {
    /// The runner's directory.
    pub dir: Dir,
    /// Reads and writes there.
    pub disk: DiskThread,
    /// `config.sh`, without arguments and token.
    pub script: Launch,
    /// Where its output goes.
    pub outlets: [OutputWriter; 2],
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
        if anew {
            let says =
                |e| format!("cannot delete the void registration in {}: {e}", self.dir.path().display());
            self.forget().await.ok_or_else(|| self.hangs())?.map_err(|e| for_good(says(e)))?;
        } else if let Some(file) = self.local().await.ok_or_else(|| self.hangs())? {
            self.may_keep(&file)?;
            return Ok((self.keep(&file).await, None));
        } else {
            self.clear_the_place().await.ok_or_else(|| self.hangs())?.map_err(|e| {
                for_good(format!(
                    "{} is no registration and cannot be deleted: {e}",
                    self.dir.path().join(".runner").display()
                ))
            })?;
        }
        if self.just_in_time || self.must_be_just_in_time().await? {
            return Ok((Registered::New, Some(self.jit().await?)));
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

    /// What `.runner` says; `None` if the disk did not answer in time.
    async fn local(&self) -> Option<Option<RunnerFile>> {
        let dir = self.dir.clone();
        self.disk.ask(move || runner_file::read(&dir)).take().await
    }

    /// Deletes the registration's files here; `None` if the disk did not answer in time.
    async fn forget(&self) -> Option<io::Result<()>> {
        let dir = self.dir.clone();
        self.disk.ask(move || runner_file::forget(&dir)).take().await
    }

    /// What stands in the place of a registration and is none: `config.sh` would wait for it, or take it for one.
    async fn clear_the_place(&self) -> Option<io::Result<()>> {
        let dir = self.dir.clone();
        let clear = move || if runner_file::is_configured(&dir) { runner_file::forget(&dir) } else { Ok(()) };
        self.disk.ask(clear).take().await
    }

    fn hangs(&self) -> RegistrationFault {
        let says = format!("{} could not be read in time: its file system hangs", self.dir.path().display());
        RegistrationFault { retry: true, says }
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
                self.dir.path().display()
            ))),
        }
    }

    /// A registration for something else must not be used, and not be thrown away either.
    fn may_keep(&self, file: &RunnerFile) -> Result<(), RegistrationFault> {
        if self.target.same_as(&self.host, &file.url) {
            return Ok(());
        }
        Err(for_good(format!(
            "{} holds a registration for another target than {}: remove it there with config.sh remove, or use another RUNNER_DIR",
            self.dir.path().join(".runner").display(),
            self.target
        )))
    }

    /// A drain before the last stop has taken the labels away; they go back to a runner that is proven to be ours.
    async fn keep(&self, file: &RunnerFile) -> Registered {
        let Access::Api(client) = &self.access else { return Registered::Kept };
        let deadline = Instant::now() + LOOK_LIMIT;
        self.recognise(client, file, deadline).await;
        let Ok(id) = self.proven(client, deadline).await else { return Registered::KeptUnproven };
        let labels = self.labels();
        if !labels.is_empty() {
            // Only matters if they were taken; the runner is registered either way, and the call is counted.
            let _ = client.set_custom_labels(id, &labels, deadline).await;
        }
        Registered::Kept
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
        self.identity.set(Trace::Named).await;
        let outcome = config_script::run(&self.script(self.wish.arguments(), token), &self.outlets).await;
        self.identity.set(Trace::None).await;
        match outcome {
            Ok(outcome) if outcome.exit == Exit::Code(0) => {
                self.identity.set(Trace::Enrolled).await;
                if let Access::Api(client) = &self.access {
                    // Else it is asked when it is needed; the call is counted.
                    let _ = self.ours(client, Instant::now() + LOOK_LIMIT).await;
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
            Err(error) => {
                Err(for_good(format!("cannot run {}: {error}", self.dir.path().join("config.sh").display())))
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
