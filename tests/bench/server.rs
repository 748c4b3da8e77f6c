//! Things that serve `/metrics`, started alike: as PID 1 of a PID namespace, on a port of their own.

use super::{Plan, load, ns, process, sim};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything that is right takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Predecessor,
    NodeExporter,
}

/// All of them.
pub(crate) const KINDS: [Kind; 3] = [Kind::Ours, Kind::Predecessor, Kind::NodeExporter];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Ours => "runner-init",
            Kind::Predecessor => "shell stand-in",
            Kind::NodeExporter => "node_exporter",
        }
    }

    /// Why it cannot be started here.
    pub(crate) fn missing(self) -> Option<String> {
        let tools: &[&str] = match self {
            Kind::Ours => &["namespace"],
            Kind::Predecessor => &["namespace", "bash", "nc"],
            Kind::NodeExporter => &["namespace", "prometheus-node-exporter"],
        };
        ns::missing(tools).map(|why| format!("{}: {why}", self.name()))
    }
}

/// How ours, or a peer, is to be started.
pub(crate) struct Setup {
    scenario: serde_json::Value,
    env: Vec<(String, String)>,
    dir: Arc<TempDir>,
}

/// An idle runner, an empty job log.
pub(crate) fn setup() -> Setup {
    let idle = json!({"launches": [{"connect_ms": 0}]});
    let dir = TempDir::new().expect("a temporary directory");
    Setup { scenario: idle, env: Vec::new(), dir: Arc::new(dir) }
}

impl Setup {
    /// What the simulated runner plays.
    pub(crate) fn scenario(mut self, scenario: serde_json::Value) -> Setup {
        self.scenario = scenario;
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The job log, of all that have one.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("jobs.log")
    }

    /// Starts it, and waits for its first 200.
    pub(crate) fn start(self, kind: Kind, plan: &Plan) -> Server {
        let root = self.dir.path().join("runner");
        let scenario = serde_json::from_value(self.scenario).expect("a scenario");
        let this = std::env::current_exe().expect("this program");
        sim::install(&root, &this, &scenario).expect("a simulated runner");
        let port = free_port();
        let mut command = ns::in_pid_namespace(&argv(kind, plan, port));
        command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH"));
        command.env("METRICS_PORT", port.to_string()).env("METRICS_BIND", "127.0.0.1");
        command.env("RUNNER_SKIP_REGISTRATION", "true").env("RUNNER_NAME", "bench-runner");
        command.env("RUNNER_DIR", &root).env("RUNNER_WORK_DIR", root.join("_work"));
        command.env("RUNNER_STATE_DIR", self.dir.path()).env("JOBS_LOG", self.dir.path().join("jobs.log"));
        command.env("RUNNER_RUN_DIR", self.dir.path().join("run"));
        command.env("RUNNER_ALLOW_RUNASROOT", "1");
        command.env("METRICS_FILE", self.dir.path().join("metrics.prom")).envs(self.env);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let child = command.spawn().expect("starts");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Server { kind, child, dir: self.dir, address, first_200: Duration::ZERO };
        while !load::once(address) {
            assert!(began.elapsed() < PATIENCE, "{} does not serve", kind.name());
            assert!(server.child.try_wait().expect("ours").is_none(), "{} has ended", kind.name());
            std::thread::sleep(Duration::from_micros(200));
        }
        server.first_200 = began.elapsed();
        server
    }
}

fn argv(kind: Kind, plan: &Plan, port: u16) -> Vec<String> {
    match kind {
        Kind::Ours => vec![plan.binary.display().to_string()],
        Kind::Predecessor => vec!["bash".into(), script("entrypoint.sh")],
        Kind::NodeExporter => {
            let program = ns::program("prometheus-node-exporter").expect("was looked for");
            vec![program.display().to_string(), format!("--web.listen-address=127.0.0.1:{port}")]
        }
    }
}

/// A file of the predecessor's stand-in.
pub(crate) fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/predecessor").join(name).display().to_string()
}

/// Free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Something that serves; killed when dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    dir: Arc<TempDir>,
    pub(crate) address: SocketAddr,
    /// From exec (of `unshare`) to the first 200.
    pub(crate) first_200: Duration,
}

impl Server {
    /// Its processes, PID 1 of its namespace first; of ours without the simulated runner's.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let all = ns::descendants(self.child.id().cast_signed());
        if self.kind == Kind::Ours { all.into_iter().take(2).collect() } else { all }
    }

    pub(crate) fn sum(&self, of: fn(i32) -> u64) -> u64 {
        self.pids().into_iter().map(of).sum()
    }

    /// Nanoseconds of all its processes, those it has waited for included.
    pub(crate) fn cpu_ns(&self) -> u64 {
        let ended = if self.kind == Kind::Predecessor { self.sum(process::children_cpu_ns) } else { 0 };
        self.sum(process::cpu_ns) + ended
    }

    /// Ends it; what follows finds its files.
    pub(crate) fn end(self) -> Setup {
        Setup { dir: Arc::clone(&self.dir), ..setup() }
    }

    /// The value of a series that begins so; 0 if there is none.
    pub(crate) fn metric(&self, begins: &[&str]) -> f64 {
        let page = load::page(self.address);
        let line =
            page.lines().find(|line| begins.iter().all(|part| line.contains(part)) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Keeps all its threads on processor 0.
    pub(crate) fn pin(&self) {
        self.pids().into_iter().for_each(|pid| pin(pid, 0));
    }
}

/// Keeps a process with all its threads on one processor; without `taskset` everything runs everywhere.
pub(crate) fn pin(pid: i32, processor: usize) {
    allow(pid, &processor.to_string());
}

/// Lets it run everywhere again.
pub(crate) fn unpin(pid: i32) {
    let last = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    allow(pid, last.trim());
}

fn allow(pid: i32, processors: &str) {
    let mut command = Command::new("taskset");
    command.args(["-a", "-c", "-p", processors, &pid.to_string()]);
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

impl Drop for Server {
    fn drop(&mut self) {
        // The namespace dies with its PID 1, and unshare ends when all of it is dead.
        match self.pids().first() {
            Some(init) => drop(kill(Pid::from_raw(*init), Signal::SIGKILL)),
            None => drop(self.child.kill()),
        }
        let _ = self.child.wait();
    }
}

/// Looks until `holds`; far longer than [`ns::SOON`], since a benchmark waits for much work.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
