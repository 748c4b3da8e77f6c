//! A real Prometheus and promtool, seen from outside only.
//!
//! Include it beside `ns` and `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

use super::ns::{self, Tree};
use super::wire;
use nix::sys::signal::Signal;
use runner_init::sys::cgroup::Cgroup;
use runner_init::sys::container::Container;
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `promtool check metrics` has nothing to say.
#[track_caller]
pub fn promtool(text: &str, when: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{when}: {said}");
}

/// A port nobody is handed by chance: below those the kernel gives to whoever asks for any.
pub fn fixed_port(from: u16) -> u16 {
    let own = u16::try_from(std::process::id() % 4000).expect("below 4000");
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (from + own..from + 4000 + own).find(free).expect("a free port")
}

/// A real Prometheus.
pub struct Prometheus {
    process: Tree,
    address: String,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes one target every second. `rules` are the recording rules of one group, evaluated every second; none if empty.
    pub fn scraping(target: &str, rules: &str) -> Prometheus {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['*.rules']\nscrape_configs:\n  - job_name: runner\n    static_configs: [{{targets: ['{target}']}}]\n"
        );
        let mut group = String::new();
        if !rules.is_empty() {
            let head = ["groups:", "- name: test", "  rules:"].map(str::to_owned).into_iter();
            let rules = rules.lines().map(|line| format!("    {line}"));
            group = head.chain(rules).collect::<Vec<_>>().join("\n");
        }
        Prometheus::start(&config, &[("test.rules", &group)], None, &[])
    }

    /// With this configuration, these files beside it, this data or none yet, and these further flags.
    pub fn start(config: &str, files: &[(&str, &str)], data: Option<&Path>, flags: &[&str]) -> Prometheus {
        Prometheus::run("prometheus", config, files, data, flags)
    }

    /// This program, which may be another than the installed one.
    pub fn run(
        program: &str,
        config: &str,
        files: &[(&str, &str)],
        data: Option<&Path>,
        flags: &[&str],
    ) -> Prometheus {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files.iter().chain(&[("prometheus.yml", config)]) {
            std::fs::write(dir.path().join(name), text).expect("is written");
        }
        let address = format!("127.0.0.1:{}", fixed_port(24_000));
        let own = dir.path().join("data");
        let flag = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let mut command = Command::new(program);
        command.arg(flag("config.file", &dir.path().join("prometheus.yml")));
        command.arg(flag("storage.tsdb.path", data.unwrap_or(&own))).args(flags);
        command.args([&format!("--web.listen-address={address}"), "--log.level=warn"]).stdin(Stdio::null());
        Prometheus { process: Tree::spawn(&mut command), address, _dir: dir }
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as it wants to be ended.
    pub fn stop(self) {
        ns::send(self.process.pid(), Signal::SIGTERM);
        let output = self.process.finish(Duration::from_secs(60));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Processor time it has used, in steps of 10 ms.
    pub fn cpu(&self) -> Duration {
        let text = ns::read(Path::new(&format!("/proc/{}/stat", self.process.pid())));
        let mut words = text.rsplit(')').next().expect("a name").split_ascii_whitespace().skip(11);
        let mut ticks = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        Duration::from_millis(10 * (ticks() + ticks()))
    }

    /// The answer to `GET path`; `None` while nobody listens, or nobody is ready.
    pub fn get(&self, path: &str) -> Option<wire::Reply> {
        // It listens before it is ready.
        wire::get(&self.address, path, "").ok().filter(|reply| reply.status != 503)
    }

    /// The answer to an instant query, at `time` or now; `None` while nobody listens.
    pub fn query(&self, expression: &str, time: Option<f64>) -> Option<Vec<Value>> {
        let time = time.map(|t| format!("&time={t:.3}")).unwrap_or_default();
        let reply = self.get(&format!("/api/v1/query?query={}{time}", encoded(expression)))?;
        assert_eq!(reply.status, 200, "{expression}: {}", reply.text());
        reply.json()["data"]["result"].as_array().cloned()
    }

    /// The one value of an expression.
    pub fn value(&self, expression: &str, time: f64) -> f64 {
        let result = self.query(expression, Some(time)).expect("it listens");
        assert_eq!(result.len(), 1, "{expression}: {result:?}");
        result[0]["value"][1].as_str().expect("a text").parse().expect("a number")
    }

    /// Every raw sample of one series: time and value.
    pub fn samples(&self, series: &str) -> Vec<(f64, f64)> {
        let result = self.query(&format!("{series}[1h]"), None).unwrap_or_default();
        let [series] = &result[..] else { return Vec::new() };
        let sample = |pair: &Value| Some((pair[0].as_f64()?, pair[1].as_str()?.parse().ok()?));
        series["values"]
            .as_array()
            .expect("samples")
            .iter()
            .map(|pair| sample(pair).expect("a sample"))
            .collect()
    }
}

/// A text as it stands in a query string.
pub fn encoded(text: &str) -> String {
    let byte = |out: String, byte| format!("{out}%{byte:02x}");
    text.bytes().fold(String::new(), byte)
}

/// Families of which this machine tells nothing to a process in a namespace of its own, or to one that we start as it is.
pub fn unreadable(in_namespace: bool) -> Vec<&'static str> {
    let container = Container::find(Path::new("/"));
    let is_told = in_namespace || container.cgroup;
    let group = Cgroup::find(Path::new("/"));
    let used = if is_told { group.clone() } else { Cgroup::default() };
    let sources = [
        ("github_runner_container_memory_bytes", used.memory().is_some()),
        ("github_runner_job_peak_memory_bytes", used.memory().is_some()),
        ("github_runner_container_cpu_seconds_total", used.cpu_time().is_some()),
        ("github_runner_zombie_processes", in_namespace || container.processes),
        ("github_runner_oom_kills_total", group.oom_kills().is_some()),
        ("github_runner_pressure_seconds_total", used.pressure().iter().any(Option::is_some)),
    ];
    sources.into_iter().filter(|(_, readable)| !readable).map(|(name, _)| name).collect()
}
