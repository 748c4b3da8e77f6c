//! The engine's API, as little as a sweep needs: two lists and two removals, each bounded in time and size.

use super::EngineAddress;
use crate::child_setup::Ids;
use crate::domain::engine::{self, Found, Kind, Mark, Verdict};
use crate::sys::http_request::{self, HttpRequest, HttpResponse};
use crate::sys::runner_user;
use chrono::{DateTime, Utc};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout_at};

/// For a list.
const ONE_ANSWER: Duration = Duration::from_secs(2);
/// A list of this many bytes is not of one job's containers.
const MOST: usize = 1 << 20;
/// Between two attempts to remove something.
const PAUSE: Duration = Duration::from_millis(50);

/// An engine, and with whose rights it is spoken to: what the runner's user may not, its jobs have not done.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) place: EngineAddress,
    pub(super) user: Option<Ids>,
    pub(super) clock: fn() -> DateTime<Utc>,
}

/// Why there is no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EngineFault {
    /// There is no engine, so nothing is on it.
    NoEngine,
    /// There is, and this is wrong.
    Unusable(String),
}

/// What became of something that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RemovalResult {
    Removed,
    /// Somebody else had removed it.
    Gone,
    Stays(String),
}

impl Engine {
    /// What these jobs have left.
    pub(super) async fn look(&self, marks: &[Mark], limit: Instant) -> Result<Vec<Found>, EngineFault> {
        let mut ours: Vec<Found> = Vec::new();
        for mark in marks {
            for label in &mark.labels {
                for kind in Kind::ALL {
                    let found = self.list(kind, label, mark, limit).await?;
                    let is_new = |found: &Found| ours.iter().all(|known| known.id != found.id);
                    let new: Vec<Found> = found.into_iter().filter(is_new).collect();
                    ours.extend(new);
                }
            }
        }
        Ok(ours)
    }

    async fn list(
        &self,
        kind: Kind,
        label: &str,
        mark: &Mark,
        limit: Instant,
    ) -> Result<Vec<Found>, EngineFault> {
        let path = match kind {
            Kind::Container => "/containers/json?all=1&filters=",
            Kind::Network => "/networks?filters=",
        };
        // {"label":["LABEL"]}
        let path = format!("{path}%7B%22label%22%3A%5B%22{label}%22%5D%7D");
        let limit = limit.min(Instant::now() + ONE_ANSWER);
        let answer = match timeout_at(limit, self.ask("GET", &path)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(EngineFault::NoEngine),
            Ok(Err(error)) => return Err(EngineFault::Unusable(error.to_string())),
            Err(_) => {
                return Err(EngineFault::Unusable(format!("no answer within {} s", ONE_ANSWER.as_secs())));
            }
        };
        let body = answer
            .body
            .ok_or_else(|| EngineFault::Unusable("its answer is too long or broken".to_owned()))?;
        if answer.status != 200 {
            return Err(EngineFault::Unusable(engine::refusal(answer.status, &body)));
        }
        let ours = (self.clock)();
        let ahead = engine::ahead(answer.date.unwrap_or(ours), ours);
        let found = engine::listing(kind, &body).map_err(EngineFault::Unusable)?;
        Ok(found.into_iter().filter(|found| engine::verdict(found, mark, ahead) == Verdict::Ours).collect())
    }

    /// Removes it by force, a container with its anonymous volumes; again and again until it is gone, or `limit`.
    pub(super) async fn remove(&self, found: &Found, limit: Instant) -> RemovalResult {
        let path = match found.kind {
            Kind::Container => format!("/containers/{}?force=1&v=1", found.id),
            Kind::Network => format!("/networks/{}", found.id),
        };
        let mut says = None;
        loop {
            let refused = match timeout_at(limit, self.ask("DELETE", &path)).await {
                Ok(Ok(HttpResponse { status: 200..=204, .. })) => return RemovalResult::Removed,
                Ok(Ok(HttpResponse { status: 404, .. })) if says.is_none() => return RemovalResult::Gone,
                Ok(Ok(HttpResponse { status: 404, .. })) => return RemovalResult::Removed,
                Ok(Ok(answer)) => engine::refusal(answer.status, &answer.body.unwrap_or_default()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    return RemovalResult::Stays(says.unwrap_or_else(|| "no answer in time".to_owned()));
                }
            };
            if Instant::now() + PAUSE >= limit {
                return RemovalResult::Stays(refused);
            }
            says = Some(refused);
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, method: &str, path: &str) -> io::Result<HttpResponse> {
        let question = HttpRequest { method, path, host: "docker", token: None, most: MOST };
        let answer = match &self.place {
            EngineAddress::Socket(socket) => http_request::send(self.connect(socket)?, question).await,
            EngineAddress::Tcp(address) => {
                http_request::send(TcpStream::connect(address).await?, question).await
            }
        };
        answer.map_err(|silence| {
            let place = match &self.place {
                EngineAddress::Socket(path) => path.display().to_string(),
                EngineAddress::Tcp(address) => address.clone(),
            };
            io::Error::other(format!("no answer from {place}: {silence}"))
        })
    }

    /// With the rights of the runner's user, and without waiting for a place in the queue.
    fn connect(&self, path: &Path) -> io::Result<UnixStream> {
        let open = || -> io::Result<StdUnixStream> {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
            connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
            Ok(socket.into())
        };
        let opened = match &self.user {
            Some(user) => runner_user::run_as_ids(user, open).and_then(std::convert::identity),
            None => open(),
        };
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot connect to {}: {error}", path.display()))
        };
        UnixStream::from_std(opened.map_err(named)?)
    }
}
