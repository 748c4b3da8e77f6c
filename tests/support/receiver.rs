//! A place that things are posted to: it keeps every request as it came, and answers as it is told, with TLS or without.
//!
//! Include it with `#[path = "support/receiver.rs"] mod receiver;`. It runs on a thread of its own, so that tests may block.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real sockets and clocks")]

#[path = "serve_until.rs"]
#[allow(clippy::duplicate_mod, reason = "a test may have two fakes")]
mod serve_until;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serve_until::serve_until;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub host: String,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body, unpacked if it says that it is packed.
    pub fn content(&self) -> Vec<u8> {
        match self.header("content-encoding") {
            None => self.body.clone(),
            Some("gzip") => {
                let mut out = Vec::new();
                io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&self.body[..]), &mut out).unwrap();
                out
            }
            Some(other) => panic!("an encoding nobody asked for: {other}"),
        }
    }
}

/// What is answered once.
#[derive(Clone, Debug)]
pub enum Says {
    /// This status with these headers and this body.
    Status(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// The connection is closed.
    Reset,
}

impl Says {
    pub fn status(status: u16) -> Says {
        Says::Status(status, Vec::new(), Vec::new())
    }
}

#[derive(Default)]
struct State {
    got: Vec<Got>,
    script: VecDeque<Says>,
}

/// A running receiver. It ends when dropped.
pub struct Receiver {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Answers 200 to everything until told otherwise.
    pub fn start() -> Receiver {
        Receiver::listen("127.0.0.1:0", None)
    }

    pub fn start_tls(tls: Arc<rustls::ServerConfig>) -> Receiver {
        Receiver::listen("127.0.0.1:0", Some(tls))
    }

    /// At this address.
    pub fn listen(at: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Receiver {
        let listener = std::net::TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let answer = move |request| answer(request, Arc::clone(&shared));
        let thread = std::thread::spawn(move || serve_until(listener, tls.as_ref(), stopped, answer));
        Receiver { addr, state, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The next requests are answered so, one after the other; then 200 again.
    pub fn script(&self, says: impl IntoIterator<Item = Says>) {
        self.state.lock().unwrap().script.extend(says);
    }

    /// Every request so far.
    pub fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    /// The request of this number, from 0 on, waited for.
    pub fn nth(&self, number: usize) -> Got {
        let begun = Instant::now();
        loop {
            if let Some(got) = self.got().get(number) {
                return got.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "only {} came", self.got().len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the receiver panicked");
        }
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let authority = parts.uri.authority().map(ToString::to_string);
    let got = Got {
        method: parts.method.to_string(),
        host: parts.headers.get("host").map(text).or(authority).unwrap_or_default(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers,
        body,
    };
    let says = {
        let mut state = state.lock().unwrap();
        state.got.push(got);
        state.script.pop_front()
    };
    match says.unwrap_or_else(|| Says::status(200)) {
        Says::Status(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(body.into()).unwrap())
        }
        Says::Hang => std::future::pending().await,
        Says::Reset => Err(io::Error::other("as told")),
    }
}
