//! A runner directory and a listener in it, with every line it writes and when it came.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner_sim::{self as sim, Scenario};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A configured runner directory.
pub(crate) struct Root {
    dir: TempDir,
}

impl Root {
    pub(crate) fn new(scenario: Value) -> Root {
        let scenario: Scenario = serde_json::from_value(scenario).expect("the test's scenario is valid");
        let dir = tempfile::tempdir().unwrap();
        sim::install(dir.path(), env!("CARGO_BIN_EXE_runner-init").as_ref(), &scenario).unwrap();
        Root { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The text of all files in `dir` whose name starts with `prefix`, in order.
    pub(crate) fn texts(&self, dir: &str, prefix: &str) -> String {
        let names = names(&self.path(dir)).into_iter().filter(|name| name.starts_with(prefix));
        names.map(|name| self.text(&format!("{dir}/{name}"))).collect()
    }

    /// A command in this root with a small environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.path(program));
        command.current_dir(self.dir.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("LANG", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// Starts `bin/Runner.Listener run`.
    pub(crate) fn run(&self) -> Listener {
        self.run_with(&[], &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Listener {
        let mut command = self.command("bin/Runner.Listener");
        command.arg("run").args(args).envs(env.iter().copied());
        Listener::start(command)
    }

    /// Runs a command to its end: exit code, stdout, stderr.
    pub(crate) fn call(&self, args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = self.command(args[0]);
        let output = command.args(&args[1..]).envs(env.iter().copied()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }
}

/// The names in a directory, sorted; none if it is not there.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A line, and whether it came through stderr.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) stderr: bool,
    pub(crate) text: String,
}

/// A started listener; killed with its process group when dropped.
pub(crate) struct Listener {
    child: Child,
    incoming: Receiver<Line>,
    pub(crate) lines: Vec<Line>,
    /// Indices of the lines that `until` has not passed yet.
    ahead: Vec<usize>,
}

impl Listener {
    pub(crate) fn start(mut command: Command) -> Listener {
        use std::os::unix::process::CommandExt;
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, incoming) = channel();
        read(child.stdout.take().unwrap(), false, sender.clone());
        read(child.stderr.take().unwrap(), true, sender);
        Listener { child, incoming, lines: Vec::new(), ahead: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    /// The next line that contains `part`, skipping earlier ones of the same pipe: the two pipes have no order.
    pub(crate) fn until(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.ahead.iter().copied().find(|index| self.lines[*index].text.contains(part));
            if let Some(found) = found {
                let Line { stderr, text } = self.lines[found].clone();
                self.ahead.retain(|index| *index > found || self.lines[*index].stderr != stderr);
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left) {
                Ok(line) => self.keep(line),
                Err(why) => panic!("no line with {part:?} ({why}) in {:#?}", self.lines),
            }
        }
    }

    fn keep(&mut self, line: Line) {
        self.ahead.push(self.lines.len());
        self.lines.push(line);
    }

    /// Waits for the exit, then for the end of both pipes or, if somebody holds them, for silence.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        let status = wait(&mut self.child);
        while let Ok(line) = self.incoming.recv_timeout(Duration::from_millis(300)) {
            self.keep(line);
        }
        status
    }

    /// The exit code, which must come.
    pub(crate) fn code(&mut self) -> i32 {
        let status = self.exit();
        status.code().unwrap_or_else(|| panic!("{status} in {:#?}", self.lines))
    }

    /// Stdout so far, every digit a 9, joined by `\n`.
    pub(crate) fn shape(&self) -> String {
        let lines = self.lines.iter().filter(|line| !line.stderr);
        lines.map(|line| shape(&line.text)).collect::<Vec<_>>().join("\n")
    }

    /// Stderr so far, as it is.
    pub(crate) fn stderr(&self) -> Vec<&str> {
        self.lines.iter().filter(|line| line.stderr).map(|line| line.text.as_str()).collect()
    }

    /// How many lines contain `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.lines.iter().filter(|line| line.text.contains(part)).count()
    }

    /// The pid of the Worker, once it is there.
    pub(crate) fn worker(&self) -> u32 {
        let mut found = None;
        poll("a Worker", || {
            found = children(self.pid()).into_iter().find(|pid| comm(*pid) == "Runner.Worker");
            found.is_some()
        });
        found.unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The group is the listener's own; it may be empty.
        _ = kill(Pid::from_raw(-i32::try_from(self.pid()).unwrap()), Signal::SIGKILL);
        _ = self.child.wait();
    }
}

fn read(pipe: impl Read + Send + 'static, stderr: bool, sender: Sender<Line>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send(Line { stderr, text }).is_err() {
                return;
            }
        }
    });
}

/// Every digit becomes a 9, so that times can be compared.
pub(crate) fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect()
}

/// Waits until something is so.
pub(crate) fn poll(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a child.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let mut status = None;
    poll("an exit", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Everything below a process, nearest first.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let near = children(pid);
    let far: Vec<u32> = near.iter().flat_map(|child| descendants(*child)).collect();
    near.into_iter().chain(far).collect()
}

/// When a process was started, in clock ticks (10 ms) since boot.
pub(crate) fn started(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap()
}

pub(crate) fn comm(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Whether a process is there and not a zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z') && !rest.starts_with('X'))
}
