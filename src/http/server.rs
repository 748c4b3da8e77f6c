//! Bind early, serve late: each step is a type, and no client can keep another from being served.
//!
//! Every connection has a deadline for its request's head. At the cap the one that has kept silent longest makes room, so a crowd
//! of slow clients cannot stop a scrape.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tower::ServiceExt;

/// Most connections at once, per door.
pub const MAX_CONNECTIONS: usize = 256;
/// A request's head must be complete within this; long enough to keep a scraper's connection between two scrapes.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A request head may be this large before hyper gives up on it.
const HEAD_BUFFER: usize = 80 * 1024;
/// Connections the kernel keeps until they are accepted; beyond, a scrape would wait a second for its next try.
const BACKLOG: u32 = 1024;
/// After a failed accept (no descriptors left): do not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A TCP door that is bound and not yet served.
pub struct Bound {
    listener: TcpListener,
}

impl Bound {
    /// Binds. The port is ours from here on, whatever happens to the runner.
    ///
    /// # Errors
    /// If the address is taken or not ours.
    pub fn tcp(address: SocketAddr) -> io::Result<Bound> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port whose connections are still closing is free; one that is listened on is not.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Bound { listener: socket.listen(BACKLOG)? })
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
            let (stream, _) = listener.accept().await?;
            // Small answers leave at once; a refusal costs nothing but time.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        };
        serve(accept, router, stop).await;
    }
}

/// The unix door for our own health check, in a directory only we may enter.
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Binds `dir/http.sock`, replacing what a killed predecessor left.
    ///
    /// # Errors
    /// If the directory cannot be made or the socket not be bound.
    pub fn open(dir: &Path) -> io::Result<Door> {
        let path = socket_path(dir);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The directory may be open to the runner's user for the sake of its hooks.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        Ok(Door { listener, path })
    }

    /// Serves like [`Bound::serve`]; removes the socket at the end.
    pub async fn serve(self, router: Router, stop: watch::Receiver<bool>) {
        let listener = &self.listener;
        let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
        serve(accept, router, stop).await;
        // A new supervisor replaces it anyway.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Where the health check finds us.
pub fn socket_path(dir: &Path) -> PathBuf {
    dir.join("http.sock")
}

async fn serve<A, F, S>(accept: A, router: Router, mut stop: watch::Receiver<bool>)
where
    A: Fn() -> F,
    F: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut guests = Guests::default();
    loop {
        let stream = tokio::select! {
            accepted = accept() => accepted,
            Some(_) = guests.tasks.join_next_with_id() => { guests.tidy(); continue }
            _ = stop.changed() => break,
        };
        match stream {
            Ok(stream) => guests.welcome(stream, router.clone(), stop.clone()),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    while guests.tasks.join_next().await.is_some() {}
}

/// The connections of one door.
#[derive(Default)]
struct Guests {
    tasks: JoinSet<()>,
    seats: HashMap<u64, Seat>,
    clock: Arc<AtomicU64>,
}

struct Seat {
    task: AbortHandle,
    /// The tick of its last answered request, or of its arrival.
    last: Arc<AtomicU64>,
    /// A request is being answered.
    served: Arc<AtomicBool>,
}

impl Guests {
    fn welcome<S>(&mut self, stream: S, router: Router, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if self.seats.len() >= MAX_CONNECTIONS && !self.make_room() {
            return;
        }
        let arrival = self.clock.fetch_add(1, Ordering::Relaxed);
        let last = Arc::new(AtomicU64::new(arrival));
        let served = Arc::new(AtomicBool::new(false));
        let (clock, mark, busy) = (Arc::clone(&self.clock), Arc::clone(&last), Arc::clone(&served));
        let service = router
            .map_request(|request: hyper::Request<hyper::body::Incoming>| request.map(axum::body::Body::new));
        let service = tower::service_fn(move |request| {
            busy.store(true, Ordering::Relaxed);
            let (clock, mark, busy) = (Arc::clone(&clock), Arc::clone(&mark), Arc::clone(&busy));
            let answer = service.clone().oneshot(request);
            async move {
                let answer = answer.await;
                mark.store(clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                busy.store(false, Ordering::Relaxed);
                answer
            }
        });
        let task = self.tasks.spawn(converse(stream, TowerToHyperService::new(service), stop));
        self.seats.insert(arrival, Seat { task, last, served });
    }

    fn tidy(&mut self) {
        self.seats.retain(|_, seat| !seat.task.is_finished());
    }

    /// Ends the connection that has been silent longest and is not being answered; `false` if there is none.
    fn make_room(&mut self) -> bool {
        self.tidy();
        if self.seats.len() < MAX_CONNECTIONS {
            return true;
        }
        let silent = self.seats.iter().filter(|(_, seat)| !seat.served.load(Ordering::Relaxed));
        let longest = silent.min_by_key(|(_, seat)| seat.last.load(Ordering::Relaxed)).map(|(id, _)| *id);
        let left = longest.and_then(|id| self.seats.remove(&id));
        left.inspect(|seat| seat.task.abort()).is_some()
    }
}

async fn converse<S, V>(stream: S, service: V, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: hyper::service::HttpService<hyper::body::Incoming, ResBody = axum::body::Body>,
    V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BUFFER)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What a client does wrong is its own affair.
        _ = connection.as_mut() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
