//! Real processes in real PID namespaces: started, looked at through `/proc`, waited for, and never left behind.
//!
//! Include it with `#[path = "support/ns.rs"] mod ns;`. Begin each test with `require!`, which skips it loudly where
//! a tool or the permission is missing, and fails it there when `CI=true`: a check that did not run must not be green.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything that should happen at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// What `unshare` is called with for a PID namespace with its own `/proc`; without root in a user namespace too.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL", "--"]);
    command
}

/// A command that runs `argv` as PID 1 of a new PID namespace and ends with its exit code.
pub fn in_pid_namespace<S: AsRef<OsStr>>(argv: &[S]) -> Command {
    let mut command = unshare();
    command.args(argv);
    command
}

/// Why a test that needs these cannot run here: `namespace`, `root`, `engine`, `fuse`, or a program in `PATH`. `None` if it can.
pub fn missing(needs: &[&str]) -> Option<String> {
    needs.iter().find_map(|need| match *need {
        "namespace" => {
            let permitted = unshare().arg("true").output().is_ok_and(|out| out.status.success());
            (!permitted).then(|| "unshare may not make a PID namespace".to_owned())
        }
        "engine" => {
            let mut version = Command::new("docker");
            let answers = version.args(["version", "--format", "{{.Server.Version}}"]).output();
            (!answers.is_ok_and(|out| out.status.success())).then(|| "no Docker Engine answers".to_owned())
        }
        "fuse" => (!Path::new("/dev/fuse").exists()).then(|| "there is no /dev/fuse".to_owned()),
        "root" => (!geteuid().is_root()).then(|| "not root".to_owned()),
        tool => program(tool).is_none().then(|| format!("there is no {tool}")),
    })
}

/// Ends the test here, loudly, if something it needs is missing; fails it if `CI=true`.
#[macro_export]
macro_rules! require {
    ($($need:expr),+) => {
        if let Some(why) = ns::missing(&[$($need),+]) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
            eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
            return;
        }
    };
}

/// Where `name` is; the system's own before others in `PATH`, which may be slow wrappers.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = ["/usr/bin".into(), "/bin".into()].into_iter().chain(std::env::split_paths(&path));
    places.map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Looks every 2 ms until `holds`; panics after `within`, saying `what` did not happen.
#[track_caller]
pub fn wait_until(within: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The facts of `/proc/PID/stat` that tests ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `T`, `Z` ...
    pub state: char,
    pub parent: i32,
    pub group: i32,
}

/// `None` if there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold spaces and parentheses.
    let mut words = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = words.next()?.chars().next()?;
    Some(Stat { state, parent: words.next()?.parse().ok()?, group: words.next()?.parse().ok()? })
}

/// The children of `pid`, zombies included, oldest first.
pub fn children(pid: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The children of `pid` that have ended and that nobody has waited for.
pub fn zombies(pid: i32) -> usize {
    children(pid).into_iter().filter(|child| stat(*child).is_some_and(|stat| stat.state == 'Z')).count()
}

/// Everything below `pid`.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut next = 0;
    while next < found.len() {
        found.extend(children(found[next]));
        next += 1;
    }
    found
}

/// Number → target of the open descriptors of `pid`, in order.
pub fn descriptors(pid: i32) -> Vec<(i32, PathBuf)> {
    let mut found: Vec<(i32, PathBuf)> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process is there")
        .map(|entry| entry.expect("a descriptor"))
        .map(|entry| {
            let number = entry.file_name().to_string_lossy().parse().expect("a number");
            (number, std::fs::read_link(entry.path()).unwrap_or_default())
        })
        .collect();
    found.sort();
    found
}

/// Sends `signal`; a process that is gone is an error, like any other failure.
#[track_caller]
pub fn send(pid: i32, signal: Signal) {
    assert_eq!(kill(Pid::from_raw(pid), signal), Ok(()), "{signal} to {pid}");
}

/// A started process and everything below it; killed when dropped.
pub struct Tree {
    child: Child,
    stdout: Reader,
    stderr: Reader,
}

impl Tree {
    /// Starts `command` with its output read from the beginning; standard input stays as the command has it.
    pub fn spawn(command: &mut Command) -> Tree {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let stdout = Reader::new(child.stdout.take().expect("was piped"));
        let stderr = Reader::new(child.stderr.take().expect("was piped"));
        Tree { child, stdout, stderr }
    }

    /// The same, but with standard error as it is set on `command`.
    pub fn spawn_but_stderr(command: &mut Command) -> Tree {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let stdout = Reader::new(child.stdout.take().expect("was piped"));
        Tree { child, stdout, stderr: Reader::new(std::io::empty()) }
    }

    /// Starts `command` with all of its standard descriptors as they are set on it.
    pub fn spawn_silent(command: &mut Command) -> Tree {
        let child = command.spawn().expect("starts");
        Tree { child, stdout: Reader::new(std::io::empty()), stderr: Reader::new(std::io::empty()) }
    }

    /// The pid of what was started.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for this text on standard output.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(SOON, &format!("{text:?} on stdout"), || self.stdout().contains(text));
    }

    /// The exit status, if it has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("is ours to wait for")
    }

    /// Waits until it has ended and all of its output is read.
    #[track_caller]
    pub fn finish(mut self, within: Duration) -> Output {
        let mut status = None;
        wait_until(within, "the end of the process", || {
            status = self.try_wait();
            status.is_some()
        });
        wait_until(within, "the end of its output", || self.stdout.ended() && self.stderr.ended());
        let (stdout, stderr) = (self.stdout.bytes(), self.stderr.bytes());
        Output { status: status.expect("has ended"), stdout, stderr }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in descendants(self.pid()).into_iter().rev() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Collects a stream in the background.
struct Reader {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn new(mut stream: impl Read + Send + 'static) -> Reader {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                sink.lock().expect("no panic while locked").extend_from_slice(&buffer[..read]);
            }
        });
        Reader { bytes, thread }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("no panic while locked").clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// A terminal: the master's side, with what was printed to it.
pub struct Terminal {
    master: std::fs::File,
    output: Reader,
}

impl Terminal {
    /// A new terminal, and a command that runs `argv` as leader of a session it controls.
    pub fn new(argv: Command) -> (Terminal, Command) {
        let pty = nix::pty::openpty(None, None).expect("a terminal");
        let master = std::fs::File::from(pty.master);
        let slave = std::fs::File::from(pty.slave);
        let mut command = argv;
        let again = || slave.try_clone().expect("a descriptor");
        command.stdin(again()).stdout(again()).stderr(again());
        let output = Reader::new(master.try_clone().expect("a descriptor"));
        (Terminal { master, output }, command)
    }

    /// Types these characters.
    pub fn type_in(&self, keys: &str) {
        std::io::Write::write_all(&mut &self.master, keys.as_bytes()).expect("the terminal is open");
    }

    /// Everything printed to it, what was typed included.
    pub fn text(&self) -> String {
        self.output.text()
    }

    /// The foreground process group.
    pub fn foreground(&self) -> Result<i32, Errno> {
        nix::unistd::tcgetpgrp(&self.master).map(Pid::as_raw)
    }
}

/// Reads a file; empty while there is none.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
