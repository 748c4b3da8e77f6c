//! The handle of the HTTP side: what is published there, its asks for a sign of life, and how it is closed.

use super::clock::utc_now;
use super::startup::Tcp;
use crate::config::{Config, Environment, Lookup as _, vars};
use crate::domain::identity::Identity;
use crate::domain::start_notice::StartNotice;
use crate::domain::status::Status;
use crate::http::freshness::Freshness;
use crate::http::middleware::Names;
use crate::http::{self, Scrapes, View, page, server};
use crate::sys::run_dir;
use crate::telemetry::emit::tell_start;
use crate::telemetry::exporter::Exporter;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Whoever asks for a sign of life.
pub(super) type Pulse = oneshot::Sender<()>;

/// The supervisor's ends.
pub(super) struct HttpHandle {
    status: watch::Sender<Arc<Status>>,
    pulse: mpsc::Receiver<Pulse>,
    scrapes: Arc<Scrapes>,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
}

impl HttpHandle {
    /// Serves on the bound port, and on the socket of our own health check.
    pub(super) fn open(
        config: &Config,
        tcp: Tcp,
        exporter: Exporter,
        shown: Arc<Status>,
        identity: Arc<Identity>,
        freshness: Arc<Freshness>,
    ) -> HttpHandle {
        let (status, seen) = watch::channel(shown);
        let (pulse_in, pulse) = mpsc::channel(8);
        let (stop, stopped) = watch::channel(false);
        let scrapes = Arc::new(Scrapes::default());
        let view = View {
            status: seen,
            exporter,
            pulse: pulse_in,
            clock: utc_now,
            identity,
            site: Arc::new(page::Site {
                bounds: config.metrics.buckets.clone(),
                server_url: config.target.is_some().then(|| config.host.url()),
            }),
            scrapes: Arc::clone(&scrapes),
            freshness,
        };
        let mut servers = JoinSet::new();
        match tcp {
            Tcp::Off => tell_start(&StartNotice::NotServing { because: "METRICS_ENABLED=false" }),
            Tcp::Bound(bound) => {
                if let Ok(address) = bound.address() {
                    tell_start(&StartNotice::Serving { address: address.to_string() });
                }
                let token = config.metrics.auth_token.clone();
                let names = token.is_none().then(|| Names::new(Environment.hostname()));
                let router = http::router(view.clone(), token, names);
                servers.spawn(bound.serve(router, stopped.clone()));
            }
        }
        // The health check's own door is guarded by its directory, not by the token.
        let candidates = run_dir::candidates(config.run_dir.as_deref());
        match run_dir::create(&candidates).and_then(|dir| server::UnixServer::open(&dir)) {
            Ok(door) => drop(servers.spawn(door.serve(http::router(view, None, None), stopped))),
            Err(error) => {
                let dir = candidates.last().map(|dir| dir.display().to_string()).unwrap_or_default();
                let (error, variable) = (error.to_string(), vars::RUNNER_RUN_DIR.name);
                tell_start(&StartNotice::NoHealthSocket { dir, error, variable });
            }
        }
        HttpHandle { status, pulse, scrapes, stop, servers }
    }

    /// Shows this from now on; it again, if it is anything new.
    pub(super) fn publish(&mut self, status: Status) -> Option<Arc<Status>> {
        let is_news = |shown: &mut Arc<Status>| {
            let is_news = **shown != status;
            if is_news {
                *shown = Arc::new(status);
            }
            is_news
        };
        self.status.send_if_modified(is_news).then(|| Arc::clone(&self.status.borrow()))
    }

    /// The next who wants to know whether the loop turns. Cancel-safe.
    pub(super) async fn next(&mut self) -> Pulse {
        match self.pulse.recv().await {
            Some(pulse) => pulse,
            None => std::future::pending().await,
        }
    }

    pub(super) fn handle(pulse: Pulse) {
        // Nobody waits for the answer any more: then it was not needed.
        let _ = pulse.send(());
    }

    /// Waits for this; the loop is alive meanwhile.
    pub(super) async fn alive_while<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return done,
                pulse = self.next() => HttpHandle::handle(pulse),
            }
        }
    }

    /// Stays for one more scrape, until then at most. Cancel-safe.
    pub(super) async fn linger(&mut self, until: Instant) {
        let scrapes = Arc::clone(&self.scrapes);
        let mut next_scrape = std::pin::pin!(scrapes.next());
        loop {
            tokio::select! {
                () = &mut next_scrape => return,
                () = sleep_until(until) => return,
                // Still alive: nobody may take the wait for a hang.
                pulse = self.next() => HttpHandle::handle(pulse),
            }
        }
    }

    /// Answers what is under way, then closes the doors; not beyond `limit`.
    pub(super) async fn close(&mut self, limit: Instant) {
        self.stop.send_replace(true);
        let all = async { while self.servers.join_next().await.is_some() {} };
        // Whoever is slower than that is cut off by our exit.
        let _ = tokio::time::timeout_at(limit, all).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::State;
    use std::time::Duration;

    fn status(state: State) -> Status {
        Status::of(state, chrono::DateTime::UNIX_EPOCH)
    }

    fn handle() -> (HttpHandle, watch::Receiver<Arc<Status>>, mpsc::Sender<Pulse>) {
        let (status, seen) = watch::channel(Arc::new(status(State::Idle)));
        let (asks, pulse) = mpsc::channel(8);
        let (stop, _) = watch::channel(false);
        (HttpHandle { status, pulse, scrapes: Arc::default(), stop, servers: JoinSet::new() }, seen, asks)
    }

    #[test]
    fn only_what_is_new_is_published() {
        let (mut http, mut seen, _asks) = handle();
        seen.mark_unchanged();
        assert_eq!(http.publish(status(State::Idle)), None);
        assert!(!seen.has_changed().expect("it is open"));
        let shown = http.publish(status(State::Busy)).expect("news");
        assert_eq!((shown.state, seen.borrow().state), (State::Busy, State::Busy));
    }

    #[tokio::test]
    async fn who_lingers_is_alive_and_goes_with_its_time() {
        let (mut http, _seen, asks) = handle();
        let (pulse, mut alive) = oneshot::channel();
        asks.try_send(pulse).expect("there is room");
        let until = Instant::now() + Duration::from_millis(20);
        http.linger(until).await;
        assert!(Instant::now() >= until);
        assert_eq!(alive.try_recv(), Ok(()));
    }
}
