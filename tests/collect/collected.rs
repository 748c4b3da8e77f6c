//! A collector under test: the real binary, and the network between it and its runners, which can be cut.
#![allow(dead_code, unreachable_pub, reason = "one file of a test that uses all of it")]

use crate::supervised::{Answer, request};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Collector {
    process: Child,
    dir: Arc<TempDir>,
    env: Vec<(String, String)>,
    pub address: String,
}

impl Collector {
    pub fn start(env: &[(&str, &str)]) -> Collector {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Collector::begin(Arc::new(TempDir::new().expect("a directory")), env)
    }

    fn begin(dir: Arc<TempDir>, env: Vec<(String, String)>) -> Collector {
        let log = dir.path().join("stderr");
        let stderr = std::fs::File::options().create(true).append(true).open(&log).expect("ours");
        let before = std::fs::metadata(&log).expect("there").len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner-init"));
        command.arg("collect").env_clear().env("RUNNER_STATE_DIR", dir.path().join("state"));
        command
            .env("RUNNER_RUN_DIR", dir.path().join("run"))
            .env("METRICS_BIND", "127.0.0.1")
            .env("METRICS_PORT", "0");
        command.envs(env.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let process = command.spawn().expect("it starts");
        let mut collector = Collector { process, dir, env, address: String::new() };
        let begun = Instant::now();
        while collector.address.is_empty() {
            let text = collector.log();
            let own = text.get(usize::try_from(before).expect("small")..).unwrap_or_default();
            let found =
                own.split("event=serving address=").nth(1).and_then(|rest| rest.split_whitespace().next());
            collector.address = found.map(str::to_owned).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "it does not serve:\n{text}");
            assert!(collector.process.try_wait().expect("ours").is_none(), "it has ended:\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
        collector
    }

    /// KILL, and the next one over what it left.
    pub fn kill_and_start(self) -> Collector {
        let (dir, env) = (Arc::clone(&self.dir), self.env.clone());
        drop(self);
        Collector::begin(dir, env)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// TERM, and its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it lives");
        self.process.wait().expect("ours").code()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    pub fn get_with(&self, path: &str, head: &str) -> Answer {
        let text = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{head}\r\n");
        request(&self.address, &text).expect("an answer")
    }

    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }

    pub fn post(&self, head: &str, body: &str) -> Answer {
        let text = format!(
            "POST /api/v1/rows HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n{body}",
            body.len()
        );
        request(&self.address, &text).expect("an answer")
    }

    /// The value of a series as it is written, labels and all.
    pub fn value(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics").body;
        let line =
            page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
    }

    /// Jobs by result, of all label sets.
    pub fn results(&self) -> std::collections::BTreeMap<String, u64> {
        let page = self.get("/metrics").body;
        let mut sums = std::collections::BTreeMap::new();
        for line in page.lines().filter(|line| line.starts_with("github_runner_jobs_total{")) {
            let status =
                line.split("status=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a status");
            let count: u64 = line.rsplit(' ').next().expect("a value").parse().expect("a count");
            *sums.entry(status.to_owned()).or_default() += count;
        }
        sums.retain(|_, count| *count > 0);
        sums
    }

    pub fn until(&self, what: &str, mut done: impl FnMut(&Collector) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What lies between runners and collector.
#[derive(Clone)]
pub struct Network {
    pub address: String,
    to: Arc<Mutex<String>>,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Network {
    pub fn to(address: &str) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let network = Network {
            address: listener.local_addr().expect("bound").to_string(),
            to: Arc::new(Mutex::new(address.to_owned())),
            is_cut: Arc::default(),
            open: Arc::default(),
        };
        let own = network.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.connect(&stream);
            }
        });
        network
    }

    pub fn lead_to(&self, address: &str) {
        address.clone_into(&mut self.to.lock().expect("no panic"));
    }

    /// Every connection breaks, and none can be made.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    fn connect(&self, near: &TcpStream) {
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let to = self.to.lock().expect("no panic").clone();
        let Ok(far) = TcpStream::connect(to) else { return };
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        let mut open = self.open.lock().expect("no panic");
        open.extend([clone(near), clone(&far)]);
        drop(open);
        for (mut from, mut to) in [(clone(near), clone(&far)), (far, clone(near))] {
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}

/// The files below a directory.
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
