//! What a job leaves on the Docker Engine is removed over its API, on a thread of its own: whatever the engine does, nobody waits.
//!
//! The thread is told when a job begins and ends. It remembers in a file beside the job log what may have to be removed, so
//! that a supervisor that is killed leaves the task to the next one, which may have another registration.

mod calls;
mod memory;
#[cfg(test)]
mod tests;

use super::door::Dir;
use super::processes;
use crate::child_setup::Ids;
use crate::domain::engine::{EngineNews, Found, Kind, Mark};
use calls::{Engine, EngineFault, RemovalResult};
use chrono::{DateTime, Utc};
use memory::Memory;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long one sweep may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a network may be held by containers that are on their way out.
const NETWORK_LIMIT: Duration = Duration::from_secs(2);
/// Between two looks for a worker that still lives, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));
/// More than a job has containers; a sweep has an end.
const MOST: usize = 100;
/// Registrations whose leftovers are remembered.
const MOST_MARKS: usize = 8;

/// Where docker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    /// A path.
    Socket(PathBuf),
    /// `host:port`
    Tcp(String),
}

impl EngineAddress {
    /// What `DOCKER_HOST` says; without it where docker's client looks.
    ///
    /// # Errors
    /// If it is no address that can be connected to.
    pub fn of(host: Option<&str>) -> Result<EngineAddress, String> {
        match host.filter(|host| !host.is_empty()) {
            None => Ok(EngineAddress::Socket(super::runner_user::DOCKER_SOCKET.into())),
            Some(host) => match host.split_once("://") {
                Some(("unix", path)) => Ok(EngineAddress::Socket(path.into())),
                Some(("tcp" | "http" | "https", address)) => {
                    Ok(EngineAddress::Tcp(address.trim_end_matches('/').to_owned()))
                }
                Some(_) | None => Err("DOCKER_HOST names neither a unix socket nor a TCP address".to_owned()),
            },
        }
    }

    /// What its jobs' docker may open: what `DOCKER_HOST` says, if that is a path, and where its client looks without.
    pub fn sockets(environment: &[(OsString, OsString)]) -> Vec<PathBuf> {
        let host = environment.iter().rev().find(|(known, _)| known == "DOCKER_HOST");
        let told = EngineAddress::of(host.and_then(|(_, value)| value.to_str()));
        let mut sockets = vec![PathBuf::from(super::runner_user::DOCKER_SOCKET)];
        if let Ok(EngineAddress::Socket(path)) = told
            && path != sockets[0]
        {
            sockets.push(path);
        }
        sockets
    }

    /// Where the engine of a child with this environment can be spoken to.
    fn spoken(environment: &[(OsString, OsString)]) -> Result<EngineAddress, String> {
        let value = |name: &str| {
            let found = environment.iter().rev().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty())
        };
        let host = value("DOCKER_HOST");
        let place = EngineAddress::of(host)?;
        let has_tls =
            value("DOCKER_TLS_VERIFY").is_some() || host.is_some_and(|host| host.starts_with("https:"));
        match place {
            EngineAddress::Tcp(_) if has_tls => {
                Err("the engine is behind TLS, which is not spoken here".to_owned())
            }
            EngineAddress::Tcp(_) | EngineAddress::Socket(_) => Ok(place),
        }
    }

    /// Whether somebody could listen there.
    fn exists(&self) -> bool {
        match self {
            EngineAddress::Socket(path) => path.exists(),
            EngineAddress::Tcp(_) => true,
        }
    }
}

/// Where and for whom to sweep.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    place: Result<EngineAddress, String>,
    runner: Dir,
    user: Option<Ids>,
    memory: PathBuf,
    clock: fn() -> DateTime<Utc>,
}

/// What the thread says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Something has come of it.
    News(EngineNews),
    /// One end of a job has been dealt with, as far as can be.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EngineTask {
    Began(DateTime<Utc>),
    Ended { leaving: bool },
}

impl EnginePlan {
    /// For this runner, whose jobs are `user`'s and have this environment. The memory is a file of this path.
    pub fn new(
        environment: &[(OsString, OsString)],
        runner: Dir,
        user: Option<Ids>,
        memory: PathBuf,
        clock: fn() -> DateTime<Utc>,
    ) -> EnginePlan {
        EnginePlan { place: EngineAddress::spoken(environment), runner, user, memory, clock }
    }

    /// Whether jobs could have an engine, as far as can be told without asking it.
    pub fn has_engine(&self) -> bool {
        self.place.as_ref().is_ok_and(EngineAddress::exists) || self.place.is_err()
    }

    /// Whether a predecessor has left something to be swept.
    pub fn is_remembered(&self) -> bool {
        self.memory.exists()
    }
}

/// The supervisor's end.
#[derive(Debug)]
pub struct EngineThread {
    errands: UnboundedSender<EngineTask>,
}

impl EngineThread {
    /// Starts the thread, which says what it does.
    ///
    /// # Errors
    /// If the operating system refuses a thread or its loop.
    pub fn start(plan: EnginePlan, words: UnboundedSender<Word>) -> io::Result<EngineThread> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (errands, inbox) = unbounded_channel();
        let memory = Memory::open(plan.memory.clone(), plan.runner.odd());
        let mut desk = EngineLoop { plan, memory, words, due: None, owed: 0 };
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || runtime.block_on(desk.work(inbox)))?;
        Ok(EngineThread { errands })
    }

    /// A job has begun: what is made from now on is its.
    pub fn began(&self, at: DateTime<Utc>) {
        let _ = self.errands.send(EngineTask::Began(at));
    }

    /// The job has ended; a [`Word::Done`] comes. If we are `leaving`, its worker is not waited for.
    pub fn ended(&self, leaving: bool) {
        let _ = self.errands.send(EngineTask::Ended { leaving });
    }
}

/// A sweep that is to be made.
#[derive(Clone, Copy, Debug)]
struct PendingSweep {
    leaving: bool,
    /// Until the next attempt.
    pause: Duration,
}

/// The next errand, or that nobody has one any more; `None` if `pause` is over before.
async fn next(
    inbox: &mut UnboundedReceiver<EngineTask>,
    pause: Option<Duration>,
) -> Option<Option<EngineTask>> {
    match pause {
        Some(pause) => tokio::time::timeout(pause, inbox.recv()).await.ok(),
        None => Some(inbox.recv().await),
    }
}

struct EngineLoop {
    plan: EnginePlan,
    memory: Memory,
    words: UnboundedSender<Word>,
    due: Option<PendingSweep>,
    /// Ends of jobs that have not been answered.
    owed: usize,
}

impl EngineLoop {
    async fn work(&mut self, mut inbox: UnboundedReceiver<EngineTask>) {
        loop {
            let pause = self.due.map(|due| due.pause);
            let Some(errand) = next(&mut inbox, pause).await else {
                self.attempt().await;
                continue;
            };
            match errand {
                None => return,
                Some(EngineTask::Began(at)) => {
                    // What the last job left is swept with this one's, or by its worker.
                    self.settle();
                    self.began(at);
                }
                Some(EngineTask::Ended { leaving }) => {
                    self.owed += 1;
                    self.due = Some(PendingSweep { leaving, pause: Duration::ZERO });
                }
            }
        }
    }

    fn say(&self, word: Word) {
        // Nobody may want to know any more.
        let _ = self.words.send(word);
    }

    fn settle(&mut self) {
        self.due = None;
        (0..std::mem::take(&mut self.owed)).for_each(|_| self.say(Word::Done));
    }

    fn began(&mut self, began: DateTime<Utc>) {
        let Some(labels) = memory::labels(&self.plan.runner) else { return };
        let marks = &mut self.memory.marks;
        if self.plan.has_engine() && marks.iter().all(|mark| mark.labels != labels) {
            marks.truncate(MOST_MARKS - 1);
            marks.insert(0, Mark { labels, began });
            self.memory.write();
        }
    }

    async fn attempt(&mut self) {
        let Some(due) = self.due else { return };
        if self.sweep(due.leaving).await {
            self.settle();
        } else {
            let pause = (due.pause * 2).clamp(PAUSES.0, PAUSES.1);
            self.due = Some(PendingSweep { pause, ..due });
        }
    }

    /// Whether it has come to an end; `false` while the worker lives, whose containers these are.
    async fn sweep(&mut self, leaving: bool) -> bool {
        if self.memory.marks.is_empty() {
            return true;
        }
        let EnginePlan { place, user, clock, .. } = self.plan.clone();
        let engine = match place {
            Ok(place) => Engine { place, user, clock },
            Err(says) => {
                self.say(Word::News(EngineNews::Unusable { says }));
                return true;
            }
        };
        let limit = Instant::now() + LIMIT;
        let mut found = match engine.look(&self.memory.marks, limit).await {
            Ok(found) => found,
            Err(EngineFault::NoEngine) => return true,
            Err(EngineFault::Unusable(says)) => {
                self.say(Word::News(EngineNews::Unusable { says }));
                return true;
            }
        };
        // The list comes before the look: what a worker makes that begins after the look is not on the list.
        if !leaving && processes::has_worker_of(self.plan.runner.path()) {
            return false;
        }
        let is_whole = found.len() <= MOST;
        found.truncate(MOST);
        if self.remove(&engine, found, limit).await && is_whole {
            self.memory.marks.clear();
            self.memory.write();
        }
        true
    }

    /// Containers all at once, then the networks that they are in; whether nothing stays.
    async fn remove(&self, engine: &Engine, found: Vec<Found>, limit: Instant) -> bool {
        let (containers, networks): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|found| found.kind == Kind::Container);
        let mut is_clean = true;
        let mut under_way = JoinSet::new();
        for found in containers {
            let engine = engine.clone();
            under_way.spawn(async move {
                let fate = engine.remove(&found, limit).await;
                (found, fate)
            });
        }
        while let Some(Ok((found, fate))) = under_way.join_next().await {
            is_clean &= self.tell(found, fate);
        }
        let limit = limit.min(Instant::now() + NETWORK_LIMIT);
        for found in networks {
            let fate = engine.remove(&found, limit).await;
            is_clean &= self.tell(found, fate);
        }
        is_clean
    }

    /// Whether it is gone.
    fn tell(&self, Found { kind, name, id, .. }: Found, fate: RemovalResult) -> bool {
        let name = if name.is_empty() { id } else { name };
        match fate {
            RemovalResult::Removed => self.say(Word::News(EngineNews::Swept { kind, name })),
            RemovalResult::Gone => {}
            RemovalResult::Stays(says) => {
                self.say(Word::News(EngineNews::Left { kind, name, says }));
                return false;
            }
        }
        true
    }
}
