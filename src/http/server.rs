//! The HTTP servers: TCP and unix socket, with their connections. Bind early, serve late: each step is a type, and no
//! client can keep another from being served.
//!
//! Every connection has a deadline for its request's head and for the reading of its answers, and is good for so many requests. Where
//! all seats are taken, or those of one address, somebody makes room; so it is where the system has no descriptor left.

use super::eviction::{self, OpenConnection, Peer};
use super::read_timeout::{READ_WITHIN, ReadTimeout};
use crate::sys::remove::remove;
use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;
use tokio::task::{self, AbortHandle, JoinSet};
use tokio::time::Instant;
use tower::ServiceExt;

/// Most connections at once, per server.
pub const MAX_CONNECTIONS: usize = 256;
/// Most connections at once from one address: half of all, so that nobody alone fills the room.
pub const MAX_OF_ONE: usize = 128;
/// Most requests on one connection; the last answer says that it closes. Of a hundred answers not even one waits for a connection
/// to be made anew.
pub const MAX_REQUESTS: u64 = 1000;
/// A request's head must be complete within this; long enough to keep a scraper's connection between two scrapes.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A request head may be this large before hyper gives up on it.
const HEAD_BUFFER: usize = 80 * 1024;
/// Connections the kernel keeps until they are accepted; beyond, a scrape would wait a second for its next try.
const BACKLOG: u32 = 1024;
/// What the kernel takes of unread answers, in bytes; it doubles this. Some pages: beyond that a client has to read.
const SEND_BUFFER: u32 = 64 * 1024;
/// So many are let in before those who are in are heard.
const AT_ONCE: u32 = 16;
/// After a failed accept when nobody can make room: do not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// No descriptor is left, to us or to the system: `ENFILE`, `EMFILE`.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];

/// From where a request came, if over TCP.
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub Option<IpAddr>);

/// A TCP server that is bound and not yet served.
pub struct TcpServer {
    listener: TcpListener,
}

impl TcpServer {
    /// Binds. The port is ours from here on, whatever happens to the runner.
    ///
    /// # Errors
    /// If the address is taken or not ours.
    pub fn tcp(address: SocketAddr) -> io::Result<TcpServer> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port whose connections are still closing is free; one that is listened on is not.
        socket.set_reuseaddr(true)?;
        // Each connection inherits it; without it there is more memory and work in every client that does not read.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        socket.bind(address)?;
        Ok(TcpServer { listener: socket.listen(BACKLOG)? })
    }

    /// Where; the port is the real one if 0 was asked for.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` changes, then lets requests that are under way end.
    pub async fn serve(self, router: Router, stop: watch::Receiver<bool>) {
        let listener = self.listener;
        let accept = || async {
            let (stream, address) = listener.accept().await?;
            // Small answers leave at once; a refusal costs nothing but time.
            let _ = stream.set_nodelay(true);
            Ok((stream, Peer::of(address.ip()), Some(address.ip())))
        };
        serve(accept, router, stop, MAX_OF_ONE).await;
    }
}

/// The unix socket for our own health check, in a directory only we may enter.
pub struct UnixServer {
    listener: UnixListener,
    path: PathBuf,
}

impl UnixServer {
    /// Binds `dir/http.sock`, replacing what a killed predecessor left.
    ///
    /// # Errors
    /// If the directory cannot be made or the socket not be bound.
    pub fn open(dir: &Path) -> io::Result<UnixServer> {
        let path = socket_path(dir);
        remove(&path)?;
        let listener = UnixListener::bind(&path)?;
        // The directory may be open to the runner's user for the sake of its hooks.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        Ok(UnixServer { listener, path })
    }

    /// Serves like [`TcpServer::serve`]; removes the socket at the end.
    pub async fn serve(self, router: Router, stop: watch::Receiver<bool>) {
        let listener = &self.listener;
        let accept = || async { listener.accept().await.map(|(stream, _)| (stream, Peer::LOCAL, None)) };
        serve(accept, router, stop, MAX_CONNECTIONS).await;
        // A new supervisor replaces it anyway.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Where the health check finds us.
pub fn socket_path(dir: &Path) -> PathBuf {
    dir.join("http.sock")
}

async fn serve<A, F, S>(accept: A, router: Router, mut stop: watch::Receiver<bool>, of_one: usize)
where
    A: Fn() -> F,
    F: Future<Output = io::Result<(S, Peer, Option<IpAddr>)>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connections = Connections { of_one, ..Connections::default() };
    let mut let_in: u32 = 0;
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            Some(ended) = connections.tasks.join_next_with_id() => {
                connections.open.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
                continue;
            }
            _ = stop.changed() => break,
        };
        match accepted {
            Ok((stream, peer, address)) => {
                connections.admit(stream, peer, Caller(address), router.clone(), stop.clone());
            }
            Err(error) => {
                let is_short = error.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code));
                if is_short && connections.evict(None) {
                    task::yield_now().await;
                } else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Who has come is heard before others may take its seat, and who has gone gives its descriptor back.
        let_in = let_in.wrapping_add(1);
        if let_in.is_multiple_of(AT_ONCE) {
            task::yield_now().await;
        }
    }
    while connections.tasks.join_next().await.is_some() {}
}

/// The connections of one server.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<task::Id, Connection>,
    of_one: usize,
    clock: Arc<AtomicU64>,
}

struct Connection {
    task: AbortHandle,
    peer: Peer,
    arrived: Instant,
    activity: Arc<Activity>,
}

/// What its own task knows of a connection.
#[derive(Default)]
struct Activity {
    /// The tick of its last answered request, or of its arrival.
    last: AtomicU64,
    /// Requests so far.
    asked: AtomicU64,
    /// A request is being answered.
    is_answered: AtomicBool,
    is_blocked: Arc<AtomicBool>,
}

impl Connections {
    fn admit<S>(&mut self, stream: S, peer: Peer, caller: Caller, router: Router, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let only = (self.open.values().filter(|connection| connection.peer == peer).count() >= self.of_one)
            .then_some(peer);
        if (only.is_some() || self.open.len() >= MAX_CONNECTIONS) && !self.evict(only) {
            return;
        }
        let activity = Arc::new(Activity::default());
        activity.last.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let stream = ReadTimeout::new(stream, READ_WITHIN, Arc::clone(&activity.is_blocked));
        let (clock, mark) = (Arc::clone(&self.clock), Arc::clone(&activity));
        // Not by a layer, which would make every route anew for each connection.
        let service = router.map_request(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(caller);
            request
        });
        let service = tower::service_fn(move |request| {
            mark.is_answered.store(true, Ordering::Relaxed);
            let asked = mark.asked.fetch_add(1, Ordering::Relaxed) + 1;
            let (clock, mark) = (Arc::clone(&clock), Arc::clone(&mark));
            let answer = service.clone().oneshot(request);
            async move {
                if asked > 1 {
                    // Whoever sends many requests ahead gets one answer in its turn, as everybody does.
                    task::yield_now().await;
                }
                let mut answer = answer.await;
                if let (true, Ok(answer)) = (asked >= MAX_REQUESTS, &mut answer) {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                mark.last.store(clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                mark.is_answered.store(false, Ordering::Relaxed);
                answer
            }
        });
        let task = self.tasks.spawn(serve_connection(stream, TowerToHyperService::new(service), stop));
        self.open.insert(task.id(), Connection { task, peer, arrived: Instant::now(), activity });
    }

    /// Ends one connection, of this peer if one is named; `false` if there is none that may be ended.
    fn evict(&mut self, only: Option<Peer>) -> bool {
        let now = Instant::now();
        let (ids, seated): (Vec<task::Id>, Vec<OpenConnection>) =
            self.open.iter().map(|(id, connection)| (*id, connection.candidate(now))).unzip();
        let leaves = eviction::to_evict(&seated, only).and_then(|index| self.open.remove(&ids[index]));
        leaves.inspect(|connection| connection.task.abort()).is_some()
    }
}

impl Connection {
    fn candidate(&self, now: Instant) -> OpenConnection {
        OpenConnection {
            peer: self.peer,
            age: now.duration_since(self.arrived),
            has_asked: self.activity.asked.load(Ordering::Relaxed) > 0,
            is_answered: self.activity.is_answered.load(Ordering::Relaxed),
            is_blocked: self.activity.is_blocked.load(Ordering::Relaxed),
            last: self.activity.last.load(Ordering::Relaxed),
        }
    }
}

async fn serve_connection<S, V>(stream: S, service: V, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: hyper::service::HttpService<hyper::body::Incoming, ResBody = axum::body::Body>,
    V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BUFFER)
        // Nothing is read while an answer is made: it would take a new buffer for each request. Who is gone shows in the writing.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What a client does wrong is its own affair.
        _ = connection.as_mut() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
