//! A supervisor under test: the real binary as PID 1 of its own namespace, over a simulated runner, seen from outside only.
//!
//! Include it beside `ns`: `#[path = "support/ns.rs"] mod ns;` and `#[path = "support/supervised.rs"] mod supervised;`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

use super::ns;
use runner_sim as sim;
use serde_json::json;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far beyond anything that is right.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What a registration leaves in the runner's directory.
const REGISTRATION: [&str; 3] = [".runner", ".credentials", ".credentials_rsaparams"];
const BIN: &str = env!("CARGO_BIN_EXE_runner-init");

/// How it is started.
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct Plan {
    scenario: serde_json::Value,
    env: Vec<(String, String)>,
    dir: Option<Arc<TempDir>>,
    namespace: bool,
    configured: bool,
    config_sh: Option<String>,
    listener: Option<String>,
    again: bool,
    programs_of_root: bool,
    user: Option<u32>,
    runner_user: Option<u32>,
    wrapper: Vec<String>,
    init: Vec<String>,
    reads_stdout: bool,
}

/// A scenario and the defaults of the tests: a port of its own, a short update interval, a long stop grace.
pub fn plan(scenario: serde_json::Value) -> Plan {
    Plan {
        scenario,
        env: Vec::new(),
        dir: None,
        namespace: true,
        configured: true,
        config_sh: None,
        listener: None,
        again: false,
        programs_of_root: false,
        user: None,
        runner_user: None,
        wrapper: Vec::new(),
        init: Vec::new(),
        reads_stdout: true,
    }
}

/// What container engines leave root of its capabilities; above all, it may not trace.
pub const OF_AN_ENGINE: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,\
    +net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// The set-ups of the trust boundary: a supervisor of the jobs' own user, a root with `RUNNER_USER`, and root for all.
pub const SET_UPS: [fn(Plan) -> Plan; 3] = [
    |plan| plan.owned_by(4321),
    |plan| plan.with_runner_user(4321),
    |plan| plan.with_capabilities(OF_AN_ENGINE),
];

/// [`plan`] for a runner that connects at once and plays these steps.
pub fn runner(steps: &[serde_json::Value]) -> Plan {
    launches(&[steps])
}

/// [`plan`] for a runner whose launches each connect at once and play their steps.
pub fn launches(launches: &[&[serde_json::Value]]) -> Plan {
    let launch = |steps| json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": steps });
    plan(json!({ "launches": launches.iter().map(launch).collect::<Vec<_>>() }))
}

/// A job of one step that takes so long.
pub fn job(name: &str, ms: u64) -> serde_json::Value {
    json!({ "job": { "name": name, "ms": ms } })
}

impl Plan {
    pub fn env(mut self, name: &str, value: &str) -> Plan {
        self.env.push((name.into(), value.into()));
        self
    }

    /// In the directory of an earlier run: its job log and its runner's state go on.
    pub fn in_dir_of(mut self, earlier: &Supervised) -> Plan {
        self.dir = Some(Arc::clone(&earlier.dir));
        self
    }

    /// With these files in its state directory: what another version, or another machine, has left there.
    pub fn with_state(mut self, files: &[PathBuf]) -> Plan {
        let dir = TempDir::new().expect("a temporary directory");
        let state = dir.path().join("state");
        std::fs::create_dir(&state).expect("ours");
        for file in files {
            std::fs::copy(file, state.join(file.file_name().expect("a file"))).expect("ours");
        }
        self.dir = Some(Arc::new(dir));
        self
    }

    /// The same container once more, as it was left: nothing is installed anew.
    pub fn again(mut self, earlier: &Supervised) -> Plan {
        self.again = true;
        self.in_dir_of(earlier)
    }

    /// With programs that belong to root, in a directory in which everybody may make files: as every image has it.
    pub fn with_programs_of_root(mut self) -> Plan {
        self.programs_of_root = true;
        self
    }

    /// As root with these capabilities, as its jobs are.
    pub fn with_capabilities(self, capabilities: &str) -> Plan {
        self.through(&["setpriv", "--bounding-set", capabilities, "--inh-caps", capabilities, "--"])
    }

    /// Not as PID 1: the supervisor alone.
    pub fn without_namespace(mut self) -> Plan {
        self.namespace = false;
        self
    }

    /// Over a runner that is not configured.
    pub fn unconfigured(mut self) -> Plan {
        self.configured = false;
        self
    }

    /// Over this script instead of the simulated listener, which is in `bin/simulated` then.
    pub fn listening(mut self, script: String) -> Plan {
        self.listener = Some(script);
        self
    }

    /// Registers with this `config.sh`, starting from no registration, or from that of the earlier run.
    pub fn registering(mut self, config_sh: String) -> Plan {
        self.config_sh = Some(config_sh);
        self
    }

    /// Run by an unprivileged user: everything belongs to it but the program, which it cannot read.
    pub fn owned_by(mut self, uid: u32) -> Plan {
        self.user = Some(uid);
        self
    }

    /// As root, with `RUNNER_USER` set to this uid and gid, to which the runner's directory belongs.
    pub fn with_runner_user(mut self, uid: u32) -> Plan {
        self.runner_user = Some(uid);
        self.env("RUNNER_USER", &format!("{uid}:{uid}"))
    }

    /// Started by this command, which executes what follows its words.
    pub fn through(mut self, words: &[&str]) -> Plan {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With another init before it, of its own user.
    pub fn under(mut self, words: &[&str]) -> Plan {
        self.init = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Started by a shell that has run this script.
    pub fn after(self, script: &str) -> Plan {
        self.through(&["sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"])
    }

    /// With nobody reading its stdout before [`Supervised::read_stdout`].
    pub fn with_stdout_unread(mut self) -> Plan {
        self.reads_stdout = false;
        self
    }

    /// Makes the runner's directory; the program to start.
    fn install(&mut self, dir: &Path) -> PathBuf {
        let exe = match self.user.or(self.runner_user) {
            // Where the tests were built may be closed to others.
            Some(_) => dir.join("runner-init"),
            None => PathBuf::from(BIN),
        };
        if self.again {
            return exe;
        }
        if exe != Path::new(BIN) {
            std::fs::copy(BIN, &exe).expect("a copy of the program");
        }
        let scenario = serde_json::from_value(self.scenario.take()).expect("a scenario");
        // The runner is another program, which may be read.
        let simulated = if self.user.is_some() { dir.join("simulated") } else { exe.clone() };
        if simulated != exe {
            std::fs::copy(BIN, &simulated).expect("a copy of the program");
        }
        let root = dir.join("runner");
        let before = REGISTRATION.map(|name| (root.join(name), std::fs::read(root.join(name)).ok()));
        sim::install(&root, &simulated, &scenario).expect("a simulated runner");
        if let Some(script) = &self.config_sh {
            for (path, content) in before {
                let done = match content {
                    Some(content) => std::fs::write(path, content),
                    None => std::fs::remove_file(path),
                };
                done.expect("the directory is ours");
            }
            std::fs::write(root.join("config.sh"), script).expect("the mode stays");
        }
        if let Some(script) = &self.listener {
            let listener = root.join("bin/Runner.Listener");
            let simulated = root.join("bin/simulated");
            let done = std::fs::create_dir_all(&simulated)
                .and_then(|()| std::fs::rename(&listener, simulated.join("Runner.Listener")))
                .and_then(|()| std::fs::write(&listener, script));
            done.expect("ours");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&listener, mode).expect("ours");
        }
        if !self.configured {
            std::fs::remove_file(root.join(".runner")).expect("it was there");
        }
        if let Some(uid) = self.user {
            give(dir, uid);
            // As every image has it.
            std::os::unix::fs::chown(&exe, Some(0), Some(0)).expect("root may");
            std::fs::set_permissions(&exe, std::os::unix::fs::PermissionsExt::from_mode(0o711))
                .expect("ours");
        }
        if let Some(uid) = self.runner_user {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(dir, open).expect("ours");
            give(&root, uid);
        }
        if self.programs_of_root {
            give_programs_to_root(dir, &root);
        }
        exe
    }

    /// Starts it and waits for its port, or for its refusal to start.
    pub fn start(self) -> Supervised {
        let mut supervised = self.start_unseen();
        supervised.find_address();
        supervised
    }

    /// Starts it and waits for nothing: not even for its program to be executed.
    pub fn start_unseen(mut self) -> Supervised {
        let dir = self.dir.take().unwrap_or_else(|| Arc::new(TempDir::new().expect("a temporary directory")));
        let exe = self.install(dir.path()).into_os_string();
        let root = dir.path().join("runner");
        let user = self.user.map(|uid| uid.to_string());
        let words = self.init.iter().map(OsString::from).chain([exe]);
        let argv: Vec<OsString> = match &user {
            Some(id) => ["setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--"]
                .map(OsString::from)
                .into_iter()
                .chain(words)
                .collect(),
            None => words.collect(),
        };
        let argv: Vec<OsString> = self.wrapper.iter().map(OsString::from).chain(argv).collect();
        let mut command =
            if self.namespace { ns::in_pid_namespace(&argv) } else { std::process::Command::new(BIN) };
        command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH"));
        command.env("RUNNER_SKIP_REGISTRATION", self.config_sh.is_none().to_string());
        command.env("RUNNER_NAME", "test-runner");
        command.env("RUNNER_DIR", &root).env("RUNNER_WORK_DIR", root.join("_work"));
        command
            .env("RUNNER_STATE_DIR", dir.path().join("state"))
            .env("RUNNER_RUN_DIR", dir.path().join("run"));
        command.env("METRICS_BIND", "127.0.0.1").env("METRICS_PORT", "0").env("METRICS_UPDATE_INTERVAL", "1");
        command.env("RUNNER_ALLOW_RUNASROOT", "1").env("RUNNER_STOP_GRACE", "120s").envs(self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the supervisor starts");
        let pipe = process.stdout.take().expect("piped");
        let stderr = Reader::of(process.stderr.take().expect("piped"));
        let (address, namespace) = (String::new(), self.namespace);
        let stdout = Reader::default();
        let mut supervised =
            Supervised { process, dir, unread: Some(pipe), stdout, stderr, address, namespace };
        if self.reads_stdout {
            supervised.read_stdout();
        }
        supervised
    }
}

pub struct Supervised {
    process: Child,
    dir: Arc<TempDir>,
    unread: Option<ChildStdout>,
    stdout: Reader,
    stderr: Reader,
    address: String,
    namespace: bool,
}

/// One answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Supervised {
    fn find_address(&mut self) {
        let mut found = None;
        self.until("it serves, or runs without a port, or has refused to start", |s| {
            let ended = s.process.try_wait().expect("our child").is_some();
            let log = s.log();
            let address = log.split("event=serving address=").nth(1);
            found = address.and_then(|t| t.split_whitespace().next().map(str::to_owned));
            found.is_some() || ended || log.contains("event=listener_started")
        });
        self.address = found.unwrap_or_default();
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What it has said on stderr so far, the runner's stderr included.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.stderr.bytes()).into_owned()
    }

    /// What it has said on stderr so far, byte for byte.
    pub fn err(&self) -> Vec<u8> {
        self.stderr.bytes()
    }

    /// What the runner has said on stdout so far.
    pub fn out(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// Begins to read what nobody has read.
    pub fn read_stdout(&mut self) {
        self.stdout = Reader::of(self.unread.take().expect("not read before"));
    }

    /// `GET path`; panics if nobody answers.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("an answer")
    }

    pub fn try_get(&self, path: &str) -> std::io::Result<Answer> {
        request(&self.address, &format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
    }

    /// The value of one series, as written: `name{label="value"}` with labels besides `runner_name` and `runner_type`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics").body;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let wanted: Vec<&str> = labels.trim_end_matches('}').split(',').filter(|l| !l.is_empty()).collect();
        let fits = |line: &&str| {
            let head = line.split(['{', ' ']).next();
            head == Some(name) && wanted.iter().all(|label| line.contains(label))
        };
        page.lines().find(fits).and_then(|line| line.rsplit(' ').next()?.parse().ok())
    }

    /// The state the state set shows.
    pub fn state(&self) -> String {
        let page = self.get("/metrics").body;
        let line = page
            .lines()
            .find(|l| l.starts_with("github_runner_state{") && l.ends_with(" 1"))
            .unwrap_or_default();
        line.split("state=\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("none").to_owned()
    }

    /// The job log as a table. A row that only says more of the same part of its job takes the place of the one before; one
    /// that is being written now has no end yet and is left out.
    pub fn table(&self) -> Vec<Row> {
        let mut text = std::fs::read(self.path("state/jobs.log")).unwrap_or_default();
        text.truncate(memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1));
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
        let mut rows: Vec<Row> = Vec::new();
        for record in reader.byte_records() {
            let row = Row::of(&record.expect("a row"));
            if rows.last().is_some_and(|last| row.amends(last)) {
                rows.pop();
            }
            rows.push(row);
        }
        rows
    }

    /// How the finished jobs ended, oldest first.
    pub fn results(&self) -> Vec<String> {
        self.table().into_iter().map(|row| row.status).filter(|status| status != "running").collect()
    }

    /// The job log's rows without the header, each as its line stands there.
    pub fn rows(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("state/jobs.log")).unwrap_or_default();
        text.lines().skip(1).map(str::to_owned).collect()
    }

    /// PID of our PID 1 as seen from here; without a namespace, of the supervisor.
    pub fn pid(&self) -> i32 {
        self.try_pid().expect("it lives")
    }

    /// The same; `None` before it is forked and once it is gone.
    pub fn try_pid(&self) -> Option<i32> {
        let outer = self.process.id().cast_signed();
        if self.namespace { ns::children(outer).first().copied() } else { Some(outer) }
    }

    /// PID of the supervisor, the child of our PID 1.
    pub fn supervisor(&self) -> i32 {
        *ns::children(self.pid()).first().expect("it lives")
    }

    /// Every process in the namespace below PID 1.
    pub fn all_processes(&self) -> Vec<i32> {
        ns::descendants(self.pid())
    }

    /// Waits for a process of this command name.
    pub fn until_process(&mut self, comm: &str) -> i32 {
        let mut found = None;
        self.until(&format!("there is a {comm}"), |s| {
            found = s.processes(comm).first().copied();
            found.is_some()
        });
        found.expect("just seen")
    }

    /// Processes in the namespace whose command name is `comm`, as seen from here.
    pub fn processes(&self, comm: &str) -> Vec<i32> {
        let all = ns::descendants(self.process.id().cast_signed());
        all.into_iter()
            .filter(|pid| ns::read(format!("/proc/{pid}/comm").as_ref()).trim_end() == comm)
            .collect()
    }

    /// Sends a signal to PID 1 (or the supervisor).
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).expect("it lives");
    }

    /// Polls until `done`; panics with the log if it never is.
    pub fn until(&mut self, what: &str, done: impl FnMut(&mut Supervised) -> bool) {
        self.until_within(PATIENCE, what, done);
    }

    pub fn until_within(
        &mut self,
        patience: Duration,
        what: &str,
        mut done: impl FnMut(&mut Supervised) -> bool,
    ) {
        let deadline = Instant::now() + patience;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn until_state(&mut self, state: &str) {
        self.until(&format!("its state is {state}"), |s| s.state() == state);
    }

    pub fn until_log(&mut self, text: &str) {
        self.until(&format!("it says {text}"), |s| s.log().contains(text));
    }

    /// Its exit code as a container engine would see it, if it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.process.try_wait().expect("our child");
        status.map(|s| s.code().unwrap_or_else(|| 128 + s.signal().unwrap_or_default()))
    }

    /// Waits for its end; the exit code as a container engine would see it.
    pub fn exit_code(&mut self) -> i32 {
        let mut code = None;
        self.until("it ends", |s| {
            code = s.ended();
            code.is_some()
        });
        if self.namespace {
            // All who could hold its output are gone, so what it said is complete at once.
            self.until("its output ends", |s| s.stdout.ended() && s.stderr.ended());
        }
        code.expect("it has ended")
    }

    /// TERM, and its end.
    pub fn stop(&mut self) -> i32 {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.exit_code()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // The namespace dies with its PID 1, and that with unshare (--kill-child), unless it has changed its user on the way.
        if self.namespace
            && matches!(self.process.try_wait(), Ok(None))
            && let Some(init) = self.try_pid()
        {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends `text` as it is and reads to the end.
pub fn request(address: &str, text: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Everything that a file below `dir` holds.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("readable"));
    let read = |entry: std::fs::DirEntry| match entry.file_type().expect("a file type") {
        kind if kind.is_dir() => files(&entry.path()),
        kind if kind.is_file() => {
            vec![(entry.path().display().to_string(), std::fs::read(entry.path()).expect("readable"))]
        }
        _ => Vec::new(),
    };
    entries.flat_map(read).collect()
}

/// One row of the job log, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub job_id: String,
    pub status: String,
    pub duration: String,
    pub name: String,
    pub started: String,
    /// Why, if there is anything to say.
    pub cause: String,
    /// What GitHub shows.
    pub conclusion: String,
}

impl Row {
    fn of(record: &csv::ByteRecord) -> Row {
        let field = |at| record.get(at).map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default();
        let (job_id, status, duration) = (field(1), field(2), field(3));
        let (cause, conclusion) = (field(16), field(17));
        Row { job_id, status, duration, name: field(5), started: field(13), cause, conclusion }
    }

    fn amends(&self, other: &Row) -> bool {
        let is_open = |row: &Row| row.status == "running";
        !self.started.is_empty() && self.started == other.started && is_open(self) == is_open(other)
    }
}

/// Collects a pipe in the background.
#[derive(Default)]
struct Reader {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn of(mut pipe: impl Read + Send + 'static) -> Reader {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut chunk = vec![0; 65536];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                sink.lock().expect("no panic").extend_from_slice(&chunk[..count]);
            }
        });
        Reader { bytes, thread: Some(thread) }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("reader lives").clone()
    }

    fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Everything in `dir`, and `dir`, to this user.
fn give_programs_to_root(dir: &Path, root: &Path) {
    let to_root = |path: &Path| std::os::unix::fs::chown(path, Some(0), Some(0)).expect("root may");
    give(&root.join("bin"), 0);
    // What the programs are links to.
    to_root(&root.join("config.sh"));
    to_root(&dir.join("simulated"));
    for dir in [dir, root] {
        to_root(dir);
        std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("ours");
    }
}

fn give(dir: &Path, uid: u32) {
    std::os::unix::fs::lchown(dir, Some(uid), Some(uid)).expect("root may");
    for entry in std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if entry.file_type().expect("a type").is_dir() {
            give(&path, uid);
        } else {
            std::os::unix::fs::lchown(&path, Some(uid), Some(uid)).expect("root may");
        }
    }
}
