//! Our registration at GitHub: its id and name, proven or unconfirmed. Who we are at GitHub is what GitHub has told us;
//! it is kept in a file of ours, and before we act on an id GitHub says whose it is.
//!
//! `.runner` cannot tell it: any job can write there. It may only agree with what GitHub says of our name.

use super::LOOK_LIMIT;
use super::local::LocalRegistration;
use crate::domain::queue::Ours;
use crate::domain::registration::{Remembered, RunnerStatus, Trace};
use crate::domain::target::{Host, Target};
use crate::github::{ApiError, Client, Runner};
use crate::sys::remove::remove;
use crate::sys::runner_file::RunnerFile;
use crate::sys::state_file;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Where it is kept over restarts.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The file.
    pub file: PathBuf,
    /// The runner's user is ours, and so that file is theirs as well.
    pub jobs_can_write: bool,
}

/// The runner that is ours, as far as it is known.
#[derive(Debug)]
pub(crate) struct KnownRunner {
    /// The name it is to have.
    pub(super) name: String,
    /// What it is registered for.
    pub(super) target: Target,
    host: Host,
    /// What the runner's directory says.
    pub(super) local: LocalRegistration,
    memory: Memory,
    now: Mutex<Trace>,
}

impl KnownRunner {
    /// As a predecessor has left it.
    pub(crate) fn open(
        memory: Memory,
        local: LocalRegistration,
        host: Host,
        target: Target,
        name: String,
    ) -> KnownRunner {
        let left: Option<Remembered> = state_file::read(&memory.file, local.dir.odd());
        let heeded = |left: Remembered| left.heeded(&target.runner_url(&host), &name, memory.jobs_can_write);
        let now = Mutex::new(left.map(heeded).unwrap_or_default());
        KnownRunner { name, target, host, local, memory, now }
    }

    pub(super) fn get(&self) -> Trace {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Here and on disk. Where that cannot be written, only this life knows; the job log tells of it.
    pub(super) async fn set(&self, trace: Trace) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = trace.clone();
        let (file, url) = (self.memory.file.clone(), self.target.runner_url(&self.host));
        let write = move || match trace {
            Trace::None => remove(&file).map(drop),
            Trace::Named | Trace::Enrolled | Trace::Made { .. } => {
                state_file::write(&file, &Remembered { url, trace })
            }
        };
        let _ = self.local.disk.ask(write).take().await;
    }

    /// Whether a registration for this URL is one for our target.
    pub(super) fn is_for(&self, url: &str) -> bool {
        self.target.same_as(&self.host, url)
    }

    /// As a list of jobs names it.
    pub(super) fn listed(&self) -> Ours {
        match self.get() {
            Trace::Made { id, name } => Ours { id: Some(id), name },
            Trace::None | Trace::Named | Trace::Enrolled => Ours { id: None, name: self.name.clone() },
        }
    }

    /// It as GitHub has it now.
    pub(super) async fn at_github(&self, client: &Client, deadline: Instant) -> Result<Runner, Unproven> {
        match self.get() {
            Trace::None | Trace::Named => Err(Unproven::Nobody),
            Trace::Enrolled => self.find(client, deadline).await,
            Trace::Made { id, name } => match client.runner(id, deadline).await? {
                Some(runner) if runner.name == name => Ok(runner),
                Some(runner) => Err(Unproven::Foreign(format!(
                    "runner {id} is {} at GitHub, and ours is {name}: it is somebody else's",
                    runner.name
                ))),
                None => Err(Unproven::Gone),
            },
        }
    }

    /// The id of our runner, which GitHub has just confirmed.
    pub(super) async fn proven(&self, client: &Client, deadline: Instant) -> Result<u64, Unproven> {
        self.at_github(client, deadline).await.map(|runner| runner.id)
    }

    /// The runner of our name, which `config.sh` has registered, unless another has taken its place since; its id is remembered.
    async fn find(&self, client: &Client, deadline: Instant) -> Result<Runner, Unproven> {
        let found = client.find_runner(&self.name, deadline).await?.ok_or(Unproven::Gone)?;
        let registered = self.local.read().await.ok().flatten().and_then(|file| file.id);
        if let Some(id) = registered.filter(|id| *id != found.id) {
            return Err(Unproven::Foreign(format!(
                "{} is runner {} at GitHub, and .runner says {id}: it may be somebody else's",
                found.name, found.id
            )));
        }
        self.set(Trace::Made { id: found.id, name: found.name.clone() }).await;
        Ok(found)
    }

    /// A registration that we do not remember is ours if GitHub has a runner of our name, and `.runner` means that one.
    pub(super) async fn recognise(&self, client: &Client, file: &RunnerFile, deadline: Instant) {
        if let Trace::Enrolled = self.get() {
            return;
        }
        if let Err(Unproven::Nobody | Unproven::Gone) = self.at_github(client, deadline).await
            && let Ok(Some(runner)) = client.find_runner(&self.name, deadline).await
            && file.id == Some(runner.id)
        {
            self.set(Trace::Made { id: runner.id, name: runner.name }).await;
        }
    }

    /// What GitHub thinks of it; `None` if it could not be asked.
    pub(super) async fn status(&self, client: &Client) -> Option<RunnerStatus> {
        match self.at_github(client, Instant::now() + LOOK_LIMIT).await {
            Ok(runner) if runner.status == "online" => Some(RunnerStatus::Online),
            Ok(_) => Some(RunnerStatus::Offline),
            Err(Unproven::Gone) => Some(RunnerStatus::Unknown),
            Err(Unproven::Nobody | Unproven::Foreign(_) | Unproven::Unasked(_)) => None,
        }
    }
}

/// Why nothing is done to a runner.
#[derive(Debug)]
pub(super) enum Unproven {
    /// We do not know of any that is ours.
    Nobody,
    /// GitHub has none of that id, or of that name.
    Gone,
    /// What we took for ours has another name there.
    Foreign(String),
    /// GitHub could not be asked.
    Unasked(ApiError),
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unproven::Nobody => f.write_str("GitHub has not confirmed which runner is ours"),
            Unproven::Gone => f.write_str("GitHub has no such runner"),
            Unproven::Foreign(says) => f.write_str(says),
            Unproven::Unasked(error) => error.fmt(f),
        }
    }
}

impl From<ApiError> for Unproven {
    fn from(error: ApiError) -> Unproven {
        Unproven::Unasked(error)
    }
}
