//! Containers of the images as a user starts them: by the `docker` program, seen from outside, never left behind.

use runner_sim as sim;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far beyond anything that is right.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The images, by what they are called and what their metrics call them.
pub(crate) const IMAGES: [&str; 3] = ["standard", "chrome", "chrome-go"];

/// As standard, but the runner's programs are its own, so that it can update itself.
pub(crate) const UPDATING: &str = "updating";

/// What `tests/images/build` has made, with this `REGISTRY`.
pub(crate) fn image(name: &str) -> String {
    let registry = std::env::var("REGISTRY").unwrap_or_else(|_| "localhost".to_owned());
    format!("{registry}/runner-init/{name}:{}", env!("CARGO_PKG_VERSION"))
}

/// Why nothing can be tested here; `None` if an engine answers and has the images.
pub(crate) fn missing() -> Option<String> {
    if std::env::var_os("DOCKER_HOST").is_none() && !Path::new("/var/run/docker.sock").exists() {
        return Some("there is no Docker Engine: DOCKER_HOST is not set, no /var/run/docker.sock".into());
    }
    let answers = |args: &[&str]| run(args).is_ok_and(|out| out.status.success());
    if !answers(&["version"]) {
        return Some("no Docker Engine answers".into());
    }
    let absent =
        IMAGES.into_iter().chain([UPDATING]).find(|name| !answers(&["image", "inspect", &image(name)]))?;
    Some(format!("there is no image {}: run tests/images/build", image(absent)))
}

/// Ends the test here, loudly, if there is no engine; fails it if `CI=true`.
#[macro_export]
macro_rules! require_engine {
    () => {
        if let Some(why) = $crate::docker::missing() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
            eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
            return;
        }
    };
}

fn run(args: &[&str]) -> std::io::Result<Output> {
    Command::new("docker").args(args).stdin(Stdio::null()).output()
}

/// Runs `docker ARGS`; its code, stdout and stderr.
pub(crate) fn attempt(args: &[&str]) -> (i32, String, String) {
    let out = run(args).expect("docker is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// Runs `docker ARGS`, which must succeed; its stdout.
#[track_caller]
pub(crate) fn docker(args: &[&str]) -> String {
    let (code, out, err) = attempt(args);
    assert_eq!(code, 0, "docker {args:?}:\n{out}{err}");
    out
}

/// Runs a shell script in the image, under our init; its stdout.
#[track_caller]
pub(crate) fn script(name: &str, text: &str) -> String {
    docker(&["run", "--rm", &image(name), "sh", "-euc", text])
}

/// A job of one step that runs this.
pub(crate) fn job(name: &str, run: &str) -> Value {
    json!({ "job": { "name": name, "steps": [{ "run": run }] } })
}

/// A runner whose launches each connect at once and play their steps.
pub(crate) fn launches(launches: &[&[Value]]) -> Value {
    let launch = |steps| json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": steps });
    json!({ "launches": launches.iter().map(launch).collect::<Vec<_>>() })
}

/// A container; it is removed when this is dropped.
pub(crate) struct Container(String);

impl Container {
    /// `docker create OPTIONS IMAGE` over a registered runner that plays this scenario.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "made where it is given")]
    pub(crate) fn create(name: &str, options: &[&str], scenario: Value) -> Container {
        let container =
            Container::unregistered(name, &[&["-e", "RUNNER_SKIP_REGISTRATION=true"], options].concat());
        container.install(&scenario, &[".runner", ".credentials", ".credentials_rsaparams", "sim.json"]);
        container
    }

    /// [`Container::unregistered`], with a runner that plays this scenario once it is registered.
    #[track_caller]
    pub(crate) fn to_register(name: &str, options: &[&str], scenario: &Value) -> Container {
        let container = Container::unregistered(name, options);
        container.install(scenario, &["sim.json"]);
        container
    }

    #[track_caller]
    fn install(&self, scenario: &Value, files: &[&str]) {
        let dir = tempfile::tempdir().expect("a directory");
        let scenario = serde_json::from_value(scenario.clone()).expect("a scenario");
        sim::install(dir.path(), Path::new("/nonexistent"), &scenario).expect("a runner's directory");
        self.put(dir.path(), files);
    }

    /// `docker create OPTIONS IMAGE`, not started, as the archive left its runner.
    #[track_caller]
    pub(crate) fn unregistered(name: &str, options: &[&str]) -> Container {
        let fixed =
            ["create", "--label", "runner-init-test", "-p", "127.0.0.1::9091", "-e", "RUNNER_NAME=test"];
        let id = docker(&[&fixed, options, &[&image(name)]].concat());
        Container(id.trim().to_owned())
    }

    /// `docker create OPTION IMAGE WORDS`, not started.
    #[track_caller]
    pub(crate) fn of(option: &str, name: &str, words: &[&str]) -> Container {
        let fixed = ["create", "--label", "runner-init-test", "-p", "127.0.0.1::9091", option, &image(name)];
        Container(docker(&[&fixed, words].concat()).trim().to_owned())
    }

    /// Puts these files of `dir` into the runner's directory, as the runner's user.
    fn put(&self, dir: &Path, files: &[&str]) {
        let mut tar = Command::new("tar");
        let tar = tar_output(
            tar.args(["--create", "--owner=1001", "--group=1001", "--directory"]).arg(dir).args(files),
        );
        let target = format!("{}:/actions-runner", self.0);
        let mut copy = Command::new("docker");
        let mut copy = copy.args(["cp", "-", &target]).stdin(Stdio::piped()).spawn().expect("docker");
        copy.stdin.take().expect("piped").write_all(&tar).expect("it reads");
        assert!(copy.wait().expect("our child").success());
    }

    pub(crate) fn id(&self) -> &str {
        &self.0
    }

    #[track_caller]
    pub(crate) fn start(&self) {
        docker(&["start", &self.0]);
    }

    #[track_caller]
    pub(crate) fn inspect(&self, format: &str) -> String {
        docker(&["inspect", "--format", format, &self.0]).trim().to_owned()
    }

    /// Everything it has said.
    pub(crate) fn log(&self) -> String {
        let (_, out, err) = attempt(&["logs", &self.0]);
        out + &err
    }

    /// `GET path` at its published port: status and body; `None` while nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let (code, ports, _) = attempt(&["port", &self.0, "9091/tcp"]);
        if code == 0 { request(ports.lines().next()?, path) } else { None }
    }

    /// The value of one series, its labels besides `runner_name` and `runner_type` as given.
    pub(crate) fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics")?;
        let fits = |line: &&str| line.split(['{', ' ']).next() == Some(name) && line.contains(labels);
        page.lines().find(fits)?.rsplit(' ').next()?.parse().ok()
    }

    /// Polls until `done`; panics with its log if it never is.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut done: impl FnMut(&Container) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    pub(crate) fn until_ready(&self) {
        self.until("it is ready", |c| c.get("/readyz").is_some_and(|(status, _)| status == 200));
    }

    #[track_caller]
    pub(crate) fn until_jobs(&self, status: &str, count: f64) {
        let label = format!("status=\"{status}\"");
        self.until(&format!("{count} jobs are {status}"), |c| {
            c.metric("github_runner_jobs_total", &label) == Some(count)
        });
    }

    /// Waits until so many jobs have ended, however.
    #[track_caller]
    pub(crate) fn until_done(&self, count: u32) {
        let text = "completed with result:";
        let deadline = Instant::now() + PATIENCE * 5;
        while self.log().matches(text).count() < count as usize {
            assert!(Instant::now() < deadline, "waited in vain for {count} jobs; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        let durations = "github_runner_job_duration_seconds_count";
        self.until("they are counted", |c| c.metric(durations, "").is_some_and(|n| n >= f64::from(count)));
    }

    /// State and name of its processes, zombies included, as the machine's `ps` has them, by name: pids wrap around. A health
    /// check comes and goes and is none of them.
    pub(crate) fn processes(&self) -> Vec<(String, String)> {
        let list = docker(&["top", &self.0, "-o", "pid,stat,comm,args"]);
        let row = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        };
        let lasting = list.lines().skip(1).filter(|line| !line.ends_with("runner-init health"));
        let mut rows: Vec<(String, String)> = lasting.filter_map(row).collect();
        rows.sort_by(|a, b| a.1.cmp(&b.1));
        rows
    }

    /// `docker stop`; how long it took, and the exit code.
    #[track_caller]
    pub(crate) fn stop(&self, grace: u32) -> (Duration, i32) {
        let begun = Instant::now();
        docker(&["stop", "--time", &grace.to_string(), &self.0]);
        (begun.elapsed(), self.inspect("{{.State.ExitCode}}").parse().expect("a number"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = run(&["rm", "--force", "--volumes", &self.0]);
    }
}

fn tar_output(command: &mut Command) -> Vec<u8> {
    let out = command.output().expect("tar is there");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn request(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
