//! A GitHub that keeps the rules and takes orders: runners, tokens and permissions as on the real one, faults on demand,
//! a clock that can be set, and a log of every request.
//!
//! Include it with `#[path = "support/github.rs"] mod github;`. It runs on a thread of its own, so that tests may block.
//! A runner's `config.sh` double registers through [`Fake::register`] or `POST /sim/register`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "github_api.rs"]
pub mod api;
#[path = "github_proxy.rs"]
pub mod proxy;
#[path = "github_serve.rs"]
pub mod serve;

use api::{Access, State};
use chrono::{DateTime, TimeDelta, Utc};
use runner_init::config::Secret;
use runner_init::github::{App, AppKey, Endpoint};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Which GitHub it looks like: that decides where its API begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// github.com: `https://api.github.com`
    Dotcom,
    /// A tenant: `https://api.octo.ghe.com`
    Tenant,
    /// Enterprise Server: `https://ghes.example.com/api/v3`
    Server,
}

impl Shape {
    pub const ALL: [Shape; 3] = [Shape::Dotcom, Shape::Tenant, Shape::Server];

    /// What a user would put into `GITHUB_HOST`.
    pub fn host(self) -> &'static str {
        match self {
            Shape::Dotcom => "github.com",
            Shape::Tenant => "octo.ghe.com",
            Shape::Server => "ghes.example.com",
        }
    }

    /// The `Host` header of a request to the API.
    pub fn api_host(self) -> &'static str {
        match self {
            Shape::Dotcom => "api.github.com",
            Shape::Tenant => "api.octo.ghe.com",
            Shape::Server => "ghes.example.com",
        }
    }

    /// What every path of the API begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Shape::Dotcom | Shape::Tenant => "",
            Shape::Server => "/api/v3",
        }
    }
}

/// What it does instead of answering.
#[derive(Clone, Debug)]
pub enum Play {
    /// The ordinary answer.
    Ok,
    /// This status, `{"message": …}` and these headers.
    Status(u16, String, Vec<(&'static str, String)>),
    /// This status with a body that is no JSON.
    Raw(u16, &'static str, &'static str),
    /// Takes the request and never answers.
    Hang,
    /// Headers at once, then a byte every 20 ms, for ever.
    Drip,
    /// Closes the connection instead of answering.
    Reset,
    /// Closes it in the middle of the body.
    Cut,
    /// 2 MiB of blanks.
    Flood,
    /// The ordinary answer with the request's credential in an error message: 403.
    Echo,
}

impl Play {
    pub fn status(status: u16, message: &str) -> Play {
        Play::Status(status, message.into(), Vec::new())
    }

    pub fn limited(status: u16, headers: &[(&'static str, &str)]) -> Play {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Play::Status(status, "API rate limit exceeded".into(), headers)
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub host: String,
    /// With the API's prefix.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
    /// What was answered; 0 if nothing was.
    pub status: u16,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `METHOD path?query`
    pub fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query)
    }
}

/// A runner it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeRunner {
    pub id: u64,
    pub name: String,
    /// Custom labels only; the read-only three come with every answer.
    pub labels: Vec<String>,
    pub busy: bool,
    pub online: bool,
    pub ephemeral: bool,
}

/// A running fake. It ends when dropped.
pub struct Fake {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Plain HTTP on a free port of the loopback, for a target given as `/repos/o/r`, `/orgs/o` or `/enterprises/e`.
    pub fn start(shape: Shape, target: &str) -> Fake {
        Fake::launch(shape, target, None)
    }

    /// The same behind TLS.
    pub fn start_tls(shape: Shape, target: &str, tls: Arc<rustls::ServerConfig>) -> Fake {
        Fake::launch(shape, target, Some(tls))
    }

    fn launch(shape: Shape, target: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Fake {
        let state = Arc::new(Mutex::new(State::new(shape, target)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || serve::run(listener, &shared, tls.as_ref(), stopped));
        Fake { addr, state, stop: Some(stop), thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What goes into `GITHUB_API_URL` to reach it.
    pub fn api_url(&self) -> String {
        format!("http://{}{}", self.addr, self.state().shape.prefix())
    }

    /// A bearer token it knows, and what it may do.
    pub fn grant(&self, token: &str, access: Access) {
        self.state().bearers.insert(token.into(), access);
    }

    /// An App it knows, installed for its target (and the login `acme`) under `installation`.
    pub fn install_app(&self, id: &str, installation: u64) {
        self.state().app = Some((id.into(), installation));
    }

    /// What it does with the next requests to this endpoint, in order; then it answers as it should.
    pub fn script(&self, endpoint: Endpoint, plays: impl IntoIterator<Item = Play>) {
        let mut state = self.state();
        let queue = state.scripts.entry(endpoint).or_default();
        queue.extend(plays);
    }

    /// Forgets what is left of every script.
    pub fn clear_scripts(&self) {
        self.state().scripts.clear();
    }

    /// Its clock: tokens are issued and expire by it, and answers carry it as `Date`.
    pub fn now(&self) -> DateTime<Utc> {
        self.state().now()
    }

    /// Moves its clock.
    pub fn advance(&self, by: TimeDelta) {
        let mut state = self.state();
        state.ahead += by;
    }

    /// Every request so far; forgets them.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().log)
    }

    /// What clients did wrong: missing headers, paths that are not the API's. A test ends by asserting that it is empty.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    pub fn runners(&self) -> Vec<FakeRunner> {
        self.state().runners.clone()
    }

    /// Puts a runner there, online and idle.
    pub fn add_runner(&self, name: &str, labels: &[&str]) -> u64 {
        self.state().add_runner(name, labels.iter().map(|label| (*label).to_owned()).collect(), false)
    }

    /// Puts a runner there that nobody listens for: its registration was cut off, or its container is gone.
    pub fn add_leftover(&self, name: &str, labels: &[&str]) -> u64 {
        let id = self.add_runner(name, labels);
        self.change(id, |runner| runner.online = false);
        id
    }

    /// It has noticed that nobody listens for any of its runners.
    pub fn notice_that_all_are_gone(&self) {
        for runner in &mut self.state().runners {
            (runner.online, runner.busy) = (false, false);
        }
    }

    /// Changes the runner of this id, if it is there.
    pub fn change(&self, id: u64, change: impl FnOnce(&mut FakeRunner)) {
        if let Some(runner) = self.state().runners.iter_mut().find(|runner| runner.id == id) {
            change(runner);
        }
    }

    /// Makes it an old server, which does not know the filter by name.
    pub fn ignore_name_filter(&self) {
        self.state().ignores_name = true;
    }

    /// Every installation token given out so far stops being good.
    pub fn revoke_installation_tokens(&self) {
        self.state().revoke_installation_tokens();
    }

    pub fn clear_runners(&self) {
        self.state().runners.clear();
    }

    /// The jobs of every run: what `…/jobs` lists.
    pub fn set_jobs(&self, jobs: Vec<Value>) {
        self.state().jobs = jobs;
    }

    /// A registration token as somebody else would have fetched it.
    pub fn registration_token(&self) -> String {
        self.state().new_token("R")
    }

    /// A just-in-time configuration as somebody else would have asked for it: its runner is there from now on.
    pub fn jit_config(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "labels": ["gpu"], "runner_group_id": 1 });
        let (_, _, answer) = self.state().jit(Some(&body));
        answer.unwrap()["encoded_jit_config"].as_str().unwrap().to_owned()
    }

    /// Every credential it knows or has given out.
    pub fn secrets(&self) -> Vec<String> {
        self.state().secrets()
    }

    /// What `config.sh` does: the id, or the status it is refused with.
    ///
    /// # Errors
    /// 404 for a token that is unknown or older than an hour, 409 for a name that is taken and may not be replaced.
    pub fn register(&self, name: &str, labels: &[&str], token: &str) -> Result<u64, u16> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.state().register(name, labels, token, false, true)
    }

    /// What `config.sh remove` does.
    ///
    /// # Errors
    /// 404 for a wrong token or an unknown runner, 422 for a busy one.
    pub fn remove(&self, token: &str, name: &str) -> Result<(), u16> {
        self.state().remove(token, name)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the fake GitHub panicked");
        }
    }
}

/// The key of the App in tests: it opens nothing.
pub const APP_KEY: &str = include_str!("keys/app.pkcs1.pem");

/// What the configuration makes of a PEM.
pub fn bare(pem: &str) -> Secret {
    Secret::new(pem.lines().filter(|line| !line.starts_with("-----")).collect())
}

/// An App with that key, as a client has it.
pub fn app(id: &str) -> App {
    let key = AppKey::new(&bare(APP_KEY)).unwrap();
    App { id: id.into(), key, installation: None, login: None }
}
