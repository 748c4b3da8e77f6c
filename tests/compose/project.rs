//! One compose project of its own name, network and volumes, taken down whatever happens.

use crate::docker::{command, docker, repository, succeeded};
use crate::image::{self, readable};
use crate::ns::wait_until;
use crate::wire;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Containers on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// A project: files of `compose/`, variables, and what the test puts on top.
pub(crate) struct Project {
    name: String,
    files: Vec<PathBuf>,
    env: Vec<(String, String)>,
    pub(crate) dir: TempDir,
}

impl Project {
    /// Of these files; the runner registers with a token, so that nobody but `config.sh` is spoken to, and every published port
    /// is a free one.
    pub(crate) fn new(files: &[&str]) -> Project {
        Project::of(files.iter().map(|file| repository("compose").join(format!("{file}.yml"))).collect())
    }

    /// The same of files that lie elsewhere.
    pub(crate) fn of(files: Vec<PathBuf>) -> Project {
        let dir = TempDir::new().unwrap();
        let name = format!(
            "composetest-{}-{}",
            std::process::id(),
            crc32fast::hash(dir.path().as_os_str().as_encoded_bytes())
        );
        let image = image::standard();
        let env = [
            ("RUNNER_NETWORK", name.as_str()),
            ("STANDARD_IMAGE", &image),
            ("CHROME_IMAGE", &image),
            ("CHROME_GO_IMAGE", &image),
            ("STANDARD_PORT", "0"),
            ("CHROME_PORT", "0"),
            ("CHROME_GO_PORT", "0"),
            ("RUNNER_TOKEN", "AREGISTRATIONTOKEN"),
            ("GITHUB_REPOSITORY", "owner/repository"),
            ("METRICS_UPDATE_INTERVAL", "1"),
            ("LIMIT_MEMORY", "512m"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Project { name, files, env, dir }
    }

    /// With this variable; an empty one is not set.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Project {
        self.env.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.env.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same project by other files: what is put on top of them stays.
    pub(crate) fn by(mut self, before: &Path, now: PathBuf) -> Project {
        let file = self.files.iter_mut().find(|file| *file == before).expect("one of its files");
        *file = now;
        self
    }

    /// With this on top of service `standard`.
    pub(crate) fn with(self, service: &Value) -> Project {
        self.over("standard", service)
    }

    /// With this on top of the service of that name.
    pub(crate) fn over(mut self, name: &str, service: &Value) -> Project {
        // JSON is YAML.
        let text = json!({ "services": { name: service } }).to_string();
        let file = readable(&self.dir, &format!("top{}.yml", self.files.len()), &text);
        self.files.push(file);
        self
    }

    /// The runner plays these steps instead.
    pub(crate) fn playing(self, steps: &Value) -> Project {
        let text = serde_json::to_string(&image::scenario(steps)).unwrap();
        let file = readable(&self.dir, "sim.json", &text);
        let mount = format!("{}:/actions-runner/sim.json:ro", file.display());
        self.with(&json!({ "volumes": [mount] }))
    }

    /// The project's, and the network's.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// In the network of another.
    pub(crate) fn beside(self, other: &Project) -> Project {
        self.env("RUNNER_NETWORK", &other.name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(["compose", "--project-name", &self.name]);
        self.files.iter().for_each(|file| _ = command.arg("-f").arg(file));
        command.args(arguments).envs(self.env.iter().cloned());
        command
    }

    #[track_caller]
    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        succeeded(&mut self.command(arguments), &arguments.join(" "))
    }

    /// Starts it; only the service that is named, if any is.
    #[track_caller]
    pub(crate) fn up(self, arguments: &[&str]) -> Project {
        self.compose(&[&["up", "--detach", "--quiet-pull"], arguments].concat());
        self
    }

    /// Its containers' ids, those that have ended too.
    #[track_caller]
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        self.compose(&["ps", "--all", "--quiet", service]).lines().map(str::to_owned).collect()
    }

    /// The only one's.
    #[track_caller]
    pub(crate) fn container(&self, service: &str) -> Container {
        let [id] = &self.containers(service)[..] else { panic!("one container of {service} was expected") };
        Container(id.clone())
    }

    pub(crate) fn all(&self, service: &str) -> Vec<Container> {
        self.containers(service).into_iter().map(Container).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.command(&["logs", "--no-color"]).output().expect("docker starts");
            eprintln!("{}", String::from_utf8_lossy(&said.stdout));
        }
        let down = ["down", "--volumes", "--remove-orphans", "--timeout", "0"];
        let _ = self.command(&down).output();
    }
}

/// A container, by its id.
pub(crate) struct Container(pub(crate) String);

impl Container {
    /// `docker inspect`, whole.
    pub(crate) fn inspect(&self) -> Value {
        let text = docker(&["inspect", &self.0]);
        serde_json::from_str::<Value>(&text).unwrap()[0].take()
    }

    pub(crate) fn exit_code(&self) -> i64 {
        self.inspect()["State"]["ExitCode"].as_i64().unwrap()
    }

    /// What it said on both streams.
    pub(crate) fn said(&self) -> String {
        let out = command().args(["logs", &self.0]).output().unwrap();
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    }

    /// What a program in it printed.
    #[track_caller]
    pub(crate) fn exec(&self, arguments: &[&str]) -> String {
        docker(&[&["exec", &self.0], arguments].concat())
    }

    /// Where its metrics are published.
    pub(crate) fn address(&self) -> Option<String> {
        self.published("9091/tcp")
    }

    /// Where this port of it is published.
    pub(crate) fn published(&self, port: &str) -> Option<String> {
        let ports = &self.inspect()["NetworkSettings"]["Ports"][port][0];
        Some(format!("{}:{}", ports["HostIp"].as_str()?, ports["HostPort"].as_str()?))
    }

    /// The page, or nothing while there is none.
    pub(crate) fn metrics(&self) -> String {
        let page = self.address().and_then(|address| wire::get(&address, "/metrics", "").ok());
        page.filter(|page| page.status == 200).map(|page| page.text()).unwrap_or_default()
    }

    /// Waits for a line of the page that begins with the name, holds the label and ends with the value.
    #[track_caller]
    pub(crate) fn until_metric(&self, name: &str, label: &str, value: &str) {
        let holds = |line: &str| {
            line.starts_with(name) && line.contains(label) && line.ends_with(&format!(" {value}"))
        };
        wait_until(LONG, &format!("{name}{{{label}}} {value}"), || self.metrics().lines().any(holds));
    }

    /// Waits for its first success.
    #[track_caller]
    pub(crate) fn until_job_done(&self) {
        self.until_metric("github_runner_jobs_total", "status=\"success\"", "1");
    }

    #[track_caller]
    pub(crate) fn until_status(&self, status: &str) {
        wait_until(LONG, status, || self.inspect()["State"]["Status"] == status);
    }
}
