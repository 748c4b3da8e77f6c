//! Job hooks from outside: what arrives for each event, what is refused, and that a job never fails, waits or looks up anything for us.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/ns.rs"]
mod ns;

use chrono::{DateTime, Utc};
use nix::sys::signal::{Signal, raise};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use runner_init::domain::context::{CacheResult, Moment, Report, ReportFault};
use runner_init::http::server::UnixServer;
use runner_init::sys::door::Dir;
use runner_init::sys::hooks::{Received, Shims, Socket, make_dir};
use runner_init::sys::run_dir;
use runner_sim as sim;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, IoSlice, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BIN: &str = env!("CARGO_BIN_EXE_runner-init");
const VARIABLES: [&str; 2] = ["ACTIONS_RUNNER_HOOK_JOB_STARTED", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED"];
const SOCKET: &str = "RUNNER_INIT_SOCKET";
/// The runner's user and group where there is one.
const RUNNER: u32 = 1001;
const STRANGER: u32 = 4242;

fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A directory with a runner, hooks and a socket; the program under a plain path.
struct Place {
    dir: TempDir,
    env: Vec<(OsString, OsString)>,
    /// Jobs have a summary.
    summary: bool,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::Builder::new().prefix("hooks").tempdir().unwrap();
        symlink(BIN, dir.path().join("runner-init")).unwrap();
        let path = ("PATH".into(), std::env::var_os("PATH").unwrap());
        Place { dir, env: vec![path], summary: false }
    }

    /// One that every user may enter, and start the program in.
    fn for_everybody() -> Place {
        let place = Place::new();
        fs::remove_file(place.path("runner-init")).unwrap();
        // Where the tests were built may be closed to others.
        write_elsewhere(&["cp", BIN, place.path("runner-init").to_str().unwrap()]);
        fs::set_permissions(place.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A script of the user's, as a hook of the runner's.
    fn own(&mut self, variable: &str, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, script).unwrap();
        self.env.push((variable.into(), path.clone().into()));
        path
    }

    /// Puts our hooks before the user's own; gives the script for the start of a job.
    fn install(&mut self) -> PathBuf {
        let hooks = make_dir(self.dir.path(), true).unwrap();
        let (exe, runner) = (self.path("runner-init"), self.path("runner"));
        std::fs::create_dir_all(&runner).unwrap();
        let shims = Shims::install(
            &hooks,
            &exe,
            &Dir::open(&runner).unwrap(),
            &self.env,
            &self.path("hooks/report.sock"),
            self.summary,
        )
        .unwrap();
        assert_eq!(shims.kept(), []);
        self.env.extend(shims.environment());
        hooks.join("job-started.sh")
    }

    /// A socket that nobody checks.
    fn listen(&self) -> UnixDatagram {
        let socket = UnixDatagram::bind(self.path("hooks/report.sock")).unwrap();
        socket.set_read_timeout(Some(ns::SOON)).unwrap();
        socket
    }

    /// The real receiver, and what it runs on.
    fn receive(&self, runner: Option<u32>) -> Receiver {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hooks = make_dir(self.dir.path(), runner.is_some()).unwrap();
        let guard = runtime.enter();
        let socket = Socket::bind(&hooks, runner.map(|id| (id, id)), now).unwrap();
        drop(guard);
        Receiver { socket, runtime }
    }

    fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env_clear().envs(self.env.iter().cloned()).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    /// Our program, with the socket in its environment.
    fn ours(&self, args: &[&str]) -> Output {
        let exe = self.path("runner-init");
        let words: Vec<&str> = [exe.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
        self.command(&words).env(SOCKET, self.path("hooks/report.sock")).output().unwrap()
    }

    /// The same as another user, by the words given to `setpriv`.
    fn ours_as(&self, uid: u32, more: &[&str], args: &[&str]) -> Output {
        let (id, exe) = (uid.to_string(), self.path("runner-init"));
        let mut words = vec!["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"];
        words.extend(more);
        words.extend(["--", exe.to_str().unwrap()]);
        words.extend(args);
        self.command(&words).env(SOCKET, self.path("hooks/report.sock")).output().unwrap()
    }

    /// Lets the simulated runner take this job; what its listener has said.
    fn run_job(&self, job: &Value) -> String {
        let root = self.path("runner");
        let scenario = json!({ "speed": 20, "launches": [{ "steps": [{ "job": job }] }] });
        sim::install(&root, BIN.as_ref(), &serde_json::from_value(scenario).unwrap()).unwrap();
        let listener = root.join("bin/Runner.Listener");
        let mut command = self.command(&[listener.to_str().unwrap(), "run", "--once"]);
        let output = command.current_dir(root).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Writes a program in a process of its own: another test's child would have our open file, and the program be busy.
fn write_elsewhere(argv: &[&str]) {
    let status = Command::new(argv[0]).args(&argv[1..]).status().unwrap();
    assert!(status.success(), "{argv:?}");
}

fn executable(path: &Path, script: &str) {
    let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
    write_elsewhere(&["sh", "-c", write, "sh", path.to_str().unwrap(), script]);
}

struct Receiver {
    socket: Socket,
    runtime: tokio::runtime::Runtime,
}

impl Receiver {
    fn receive(&self) -> Received {
        let next = async { tokio::time::timeout(ns::SOON, self.socket.recv()).await };
        self.runtime.block_on(next).expect("a datagram in time").expect("a socket")
    }

    fn next(&self) -> Result<Report, ReportFault> {
        self.receive().report
    }

    /// Nothing has come: what was sent before would have been there at once.
    fn has_nothing(&self) -> bool {
        let next = async { tokio::time::timeout(Duration::ZERO, self.socket.recv()).await };
        self.runtime.block_on(next).is_err()
    }
}

fn datagram(socket: &UnixDatagram) -> String {
    let mut bytes = vec![0; 65536];
    let count = socket.recv(&mut bytes).expect("a datagram in time");
    String::from_utf8(bytes[..count].to_vec()).unwrap()
}

#[track_caller]
fn assert_silent(output: &Output) {
    let Output { status, stdout, stderr } = output;
    assert_eq!((status.code(), stdout.as_slice(), stderr.as_slice()), (Some(0), &b""[..], &b""[..]));
}

/// Exit code 0, and one line of reason.
#[track_caller]
fn assert_not_recorded(output: &Output, why: &str) {
    let says = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), says.lines().count()), (Some(0), 1), "{says}");
    assert!(says.starts_with("runner-init cache: not recorded: ") && says.contains(why), "{says}");
}

#[test]
fn the_context_of_every_event_arrives_as_the_job_starts_and_ends() {
    let main = ("refs/heads/main", "\"2025-01-02T02:04:05Z\"");
    let events = [
        ("push", main),
        ("pull_request", ("refs/pull/42/merge", "null")),
        ("workflow_dispatch", (main.0, "null")),
        ("schedule", (main.0, "null")),
        ("workflow_run", main),
    ];
    for (event, (git_ref, commit_at)) in events {
        let mut place = Place::new();
        // With a hook of the user's at the end, ours is there too.
        place.own(VARIABLES[1], "own.sh", "");
        place.install();
        let socket = place.listen();
        let context = json!({ "event_name": event, "event_time": "2025-01-02T03:04:05+01:00", "run_attempt": 3,
            "workflow": "Build \"all\"", "actor": "dependabot[bot]" });
        let step = json!({ "run": "printf %s \"$RUNNER_TRACKING_ID\" > \"$RUNNER_WORKSPACE/id\"" });
        let said = place.run_job(&json!({ "name": "x", "context": context, "steps": [step] }));
        assert!(said.contains("completed with result: Succeeded"), "{said}");
        let id = place.text("runner/_work/widgets/id");
        assert!(id.starts_with("github_"), "{id:?}");
        for moment in Moment::ALL {
            let expected = format!(
                "{{\"v\":1,\"report\":{{\"{}\":{{\"repository\":\"octo-org/widgets\",\"workflow\":\"Build \\\"all\\\"\",\
                 \"job_key\":\"build\",\"run_id\":\"17203344551\",\"run_attempt\":\"3\",\"run_number\":\"812\",\
                 \"event\":\"{event}\",\"git_ref\":\"{git_ref}\",\"sha\":\"258d6c857f3b2a1c9e8d7f6a5b4c3d2e1f0a9b8c\",\
                 \"actor\":\"dependabot[bot]\",\"commit_at\":{commit_at},\"tracking_id\":\"{id}\"}}}}}}",
                moment.as_str()
            );
            let got = datagram(&socket);
            assert_eq!(got, expected);
            assert!(Report::parse(got.as_bytes(), now()).is_ok());
        }
    }
}

#[test]
fn a_cache_event_arrives_and_one_that_cannot_is_told_and_costs_no_step() {
    let place = Place::new();
    let receiver = place.receive(None);
    for result in CacheResult::ALL {
        assert_silent(&place.ours(&["cache", result.as_str(), "--type", "npm"]));
        assert_eq!(receiver.next(), Ok(Report::Cache { kind: "npm".into(), result }));
    }
    assert_not_recorded(&place.ours(&["cache", "hit", "--type", "a b"]), "a type is lower case letters");
    assert!(receiver.has_nothing());
    assert_eq!(place.ours(&["cache", "hot", "--type", "npm"]).status.code(), Some(64));
}

#[test]
fn who_has_reported_stays_until_it_has_been_looked_at_and_hears_what_became_of_it() {
    let place = Place::new();
    let receiver = place.receive(None);
    for outcome in [Ok(None), Ok(Some("more".to_owned())), Err(ReportFault::Foreign)] {
        std::thread::scope(|scope| {
            let client = scope.spawn(|| place.ours(&["cache", "hit", "--type", "npm"]));
            let report = receiver.receive();
            let pid = report.pid.expect("the kernel's word");
            let line = fs::read(format!("/proc/{pid}/cmdline")).expect("it is still there");
            assert!(line.ends_with(b"cache\0hit\0--type\0npm\0"), "{line:?}");
            receiver.socket.answer(&report, outcome.clone());
            let output = client.join().unwrap();
            match outcome {
                Ok(_) => assert_silent(&output),
                Err(_) => assert_not_recorded(&output, "foreign"),
            }
        });
    }
}

#[test]
fn a_summary_goes_to_the_runner_s_file_and_its_line_to_the_log_or_nowhere_and_nothing_fails() {
    let mut place = Place::new();
    place.summary = true;
    place.install();
    let socket = place.listen();
    let shim = place.path("hooks/job-completed.sh");
    fs::write(place.path("summary"), "before\n").unwrap();
    fs::create_dir(place.path("directory")).unwrap();
    nix::unistd::mkfifo(&place.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let bash = ns::program("bash").expect("bash");
    let answered = |file: &str, answer: &str| {
        let mut command = place.command(&[bash.to_str().unwrap(), "-e", shim.to_str().unwrap()]);
        command.env("GITHUB_STEP_SUMMARY", place.path(file));
        std::thread::scope(|scope| {
            let hook = scope.spawn(move || command.output().unwrap());
            let (_, back) = socket.recv_from(&mut [0; 4096]).expect("a datagram in time");
            socket.send_to_addr(answer.as_bytes(), &back).unwrap();
            hook.join().unwrap()
        })
    };
    let long = "x".repeat(4095) + "\n";
    let said = answered("summary", &format!("ok\n::notice::nearly all\n{long}"));
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(0), b"::notice::nearly all\n".as_slice()));
    assert_eq!(place.text("summary"), format!("before\n{long}"), "the whole of the longest");
    for (file, answer) in [
        ("summary", "ok"),
        ("summary", "foreign"),
        ("summary", "foreign\nx\ny"),
        ("missing", "ok\n\nmore\n"),
        ("directory", "ok\n\nmore\n"),
        ("pipe", "ok\n\nmore\n"),
        ("", "ok\n\nmore\n"),
    ] {
        assert_silent(&answered(file, answer));
    }
    assert_eq!(place.text("summary"), format!("before\n{long}"));
    assert!(!place.path("missing").exists(), "it is the runner's to make");
}

#[test]
fn a_supervisor_that_is_slow_costs_a_job_a_fifth_of_a_second_and_its_summary() {
    let mut place = Place::new();
    place.summary = true;
    place.install();
    // It takes the report and never answers.
    let _socket = place.listen();
    let file = place.path("summary");
    fs::write(&file, "").unwrap();
    let exe = place.path("runner-init");
    let mut waits = (0..100).map(|_| {
        let mut command = place.command(&[exe.to_str().unwrap(), "hook", "completed"]);
        command.env(SOCKET, place.path("hooks/report.sock")).env("GITHUB_STEP_SUMMARY", &file);
        let began = Instant::now();
        assert_silent(&command.output().unwrap());
        began.elapsed()
    });
    // A busy machine may add to any of them, not to all.
    let bound = Duration::from_millis(200)..Duration::from_millis(400);
    assert!(waits.any(|waited| bound.contains(&waited)), "never within {bound:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}

#[test]
fn nobody_else_can_answer_who_has_reported() {
    let place = Place::new();
    make_dir(place.dir.path(), true).unwrap();
    let socket = place.listen();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| place.ours(&["cache", "hit", "--type", "npm"]));
        let (_, back) = socket.recv_from(&mut [0; 1000]).expect("a datagram in time");
        let other = UnixDatagram::unbound().unwrap();
        let refused = other.send_to_addr(b"foreign", &back).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        // Nor is it ever answered; it ends all the same.
        assert_silent(&client.join().unwrap());
    });
}

#[test]
fn nobody_there_is_nobody_s_fault() {
    let mut place = Place::new();
    let shim = place.install();
    // No socket, a file in its place, a directory, a path that is too long, a socket that nobody holds any more.
    drop(place.listen());
    fs::write(place.path("file"), "").unwrap();
    let long = format!("/{}", "x".repeat(300));
    for socket in ["", "hooks/report.sock", "file", "hooks", "missing", &long] {
        let socket = if socket.is_empty() { OsString::new() } else { place.path(socket).into() };
        let exe = place.path("runner-init");
        let exe = exe.to_str().unwrap();
        for moment in Moment::ALL {
            let output =
                place.command(&[exe, "hook", moment.as_str()]).env(SOCKET, &socket).output().unwrap();
            assert_silent(&output);
        }
        let output = place.command(&[exe, "cache", "hit", "--type", "npm"]).env(SOCKET, &socket).output();
        assert_not_recorded(&output.unwrap(), "");
    }
    let bash = ns::program("bash").expect("bash");
    assert_silent(&place.command(&[bash.to_str().unwrap(), "-e", shim.to_str().unwrap()]).output().unwrap());
    // Not even we are there.
    fs::remove_file(place.path("runner-init")).unwrap();
    assert_silent(&place.command(&[bash.to_str().unwrap(), "-e", shim.to_str().unwrap()]).output().unwrap());
}

/// Binds the socket and stops; started only by the next test.
#[test]
#[ignore = "another test starts it"]
fn stopped_receiver() {
    let path = std::env::var_os("STOPPED_RECEIVER").expect("where to listen");
    let _socket = UnixDatagram::bind(path).unwrap();
    raise(Signal::SIGSTOP).unwrap();
}

#[test]
fn a_stopped_receiver_with_a_full_queue_holds_nobody() {
    let mut place = Place::new();
    let shim = place.install();
    let path = place.path("hooks/report.sock");
    let mut receiver = Command::new(std::env::current_exe().unwrap());
    receiver.args(["--exact", "stopped_receiver", "--ignored", "--test-threads=1"]);
    let receiver = ns::Tree::spawn(receiver.env("STOPPED_RECEIVER", &path).stdin(Stdio::null()));
    ns::wait_until(ns::SOON, "the receiver stops", || {
        ns::stat(receiver.pid()).is_some_and(|stat| stat.state == 'T') && path.exists()
    });
    let flood = UnixDatagram::unbound().unwrap();
    flood.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(error) = flood.send_to(b"x", &path) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);

    assert_silent(&place.ours(&["hook", "started"]));
    assert_not_recorded(&place.ours(&["cache", "miss", "--type", "npm"]), "unavailable");
    let bash = ns::program("bash").expect("bash");
    assert_silent(&place.command(&[bash.to_str().unwrap(), "-e", shim.to_str().unwrap()]).output().unwrap());
    assert!(ns::stat(receiver.pid()).is_some_and(|stat| stat.state == 'T'), "it was stopped all the while");
}

#[test]
fn what_is_oversized_malformed_or_more_than_a_message_is_refused() {
    let place = Place::new();
    let receiver = place.receive(None);
    let path = receiver.socket.path().to_owned();
    let sender = UnixDatagram::unbound().unwrap();
    let good = Report::Cache { kind: "npm".into(), result: CacheResult::Hit };
    let spaces = |count: usize| [good.encode(), vec![b' '; count - good.encode().len()]].concat();
    for (bytes, expected) in [
        (good.encode(), Ok(good.clone())),
        (spaces(16384), Ok(good.clone())),
        (spaces(16385), Err(ReportFault::Oversized)),
        (spaces(100_000), Err(ReportFault::Oversized)),
        (Vec::new(), Err(ReportFault::Malformed)),
        (b"\xff\0{".to_vec(), Err(ReportFault::Malformed)),
        (b"{\"v\":2,\"report\":null}".to_vec(), Err(ReportFault::Malformed)),
        (good.encode(), Ok(good.clone())),
    ] {
        sender.send_to(&bytes, &path).unwrap();
        assert_eq!(receiver.next(), expected, "{} bytes", bytes.len());
    }

    // A descriptor that comes along is not kept.
    let (mut ours, theirs) = std::io::pipe().unwrap();
    let raw = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None).unwrap();
    let (fds, bytes) = ([theirs.as_raw_fd()], good.encode());
    let rights = [ControlMessage::ScmRights(&fds)];
    let to = UnixAddr::new(&path).unwrap();
    sendmsg(raw.as_raw_fd(), &[IoSlice::new(&bytes)], &rights, MsgFlags::empty(), Some(&to)).unwrap();
    drop(theirs);
    assert_eq!(receiver.next(), Err(ReportFault::Malformed));
    assert_eq!(ours.read(&mut [0]).unwrap(), 0, "nobody holds the other end");
}

#[test]
fn only_the_runner_s_user_is_heard() {
    require!("root", "setpriv");
    let mut place = Place::for_everybody();
    let shim = place.install();
    let receiver = place.receive(Some(RUNNER));
    let hit = ["cache", "hit", "--type", "npm"];
    let report = || Ok(Report::Cache { kind: "npm".into(), result: CacheResult::Hit });

    assert_silent(&place.ours_as(RUNNER, &[], &hit));
    assert_eq!(receiver.next(), report());
    assert_silent(&place.ours(&hit));
    assert_eq!(receiver.next(), report(), "we may ask ourselves");
    assert_not_recorded(&place.ours_as(STRANGER, &[], &hit), "denied");
    assert!(receiver.has_nothing());
    let anywhere = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"];
    assert_silent(&place.ours_as(STRANGER, &anywhere, &hit));
    assert_eq!(receiver.next(), Err(ReportFault::Foreign));

    // The runner can read its hooks, and change nothing.
    let as_runner = |script: &str| {
        let (id, bash) = (RUNNER.to_string(), ns::program("bash").unwrap());
        let argv =
            ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--", bash.to_str().unwrap()];
        place.command(&argv).args(["-ec", script]).output().unwrap().status.code()
    };
    let shim = shim.to_str().unwrap();
    assert_eq!(as_runner(&format!("exec bash -e {shim}")), Some(0));
    assert!(matches!(receiver.next(), Ok(Report::Started(_))));
    for forbidden in [format!("> {shim}"), format!("rm -f {shim}"), "> hooks/x".into(), "ls hooks".into()] {
        assert_ne!(as_runner(&format!("{forbidden} 2>/dev/null")), Some(0), "{forbidden}");
    }
}

#[test]
fn what_stands_in_the_run_directory_is_as_open_as_it_must_be() {
    let mode = |path: &Path| path.symlink_metadata().unwrap().mode() & 0o7777;
    let place = Place::new();
    let run = run_dir::create(&[place.path("run")]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let hooks = make_dir(&run, false).unwrap();
    let socket = Socket::bind(&hooks, None, now).unwrap();
    assert_eq!([mode(&run), mode(&hooks), mode(socket.path())], [0o700, 0o700, 0o600]);
    make_dir(&run, true).unwrap();
    assert_eq!([mode(&run), mode(&hooks)], [0o711, 0o711]);
    let _door = UnixServer::open(&run).unwrap();
    assert_eq!(mode(&run.join("http.sock")), 0o600, "an open directory, a closed door");
    // A second one takes the first one's place.
    Socket::bind(&hooks, None, now).unwrap();
    // Somebody else's.
    fs::remove_dir_all(&hooks).unwrap();
    symlink("/tmp", &hooks).unwrap();
    make_dir(&run, true).unwrap_err();
}

#[test]
fn the_user_s_own_hook_decides() {
    for (variable, exit, result) in [
        (VARIABLES[0], 0, "Succeeded"),
        (VARIABLES[0], 3, "Failed"),
        (VARIABLES[1], 0, "Succeeded"),
        (VARIABLES[1], 3, "Failed"),
    ] {
        let mut place = Place::new();
        let ran = place.path("ran");
        place.own(variable, "own.sh", &format!("echo ran >> {}\nexit {exit}\n", ran.display()));
        let shim = place.install();
        let socket = place.listen();
        let said = place.run_job(&json!({ "name": "x", "steps": [{ "run": "true" }] }));
        assert!(said.contains(&format!("completed with result: {result}")), "{variable} {exit}: {said}");
        assert_eq!(place.text("ran"), "ran\n");
        let told = if variable == VARIABLES[0] { &Moment::ALL[..1] } else { &Moment::ALL };
        for moment in told {
            assert!(datagram(&socket).contains(&format!("\"{}\":{{", moment.as_str())));
        }
        assert!(shim.exists());
    }
}

/// What a hook sees: its arguments, directory, input, options and variables.
const LOOK: &str = "echo \"$0 $# $-\"\npwd\ncat\nenv | sort\necho to-stderr >&2\nfalse\necho not-reached\n";

#[test]
fn the_user_s_own_hook_sees_what_it_would_see_without_us() {
    for shell in ["bash", "sh"] {
        let shell = ns::program(shell).expect("a shell");
        let mut place = Place::new();
        place.env.push(("GITHUB_JOB".into(), "build".into()));
        place.env.push(("EMPTY".into(), "".into()));
        let own = place.own(VARIABLES[0], "own.sh", LOOK);
        let run = |place: &Place, script: &Path| {
            let mut command = place.command(&[shell.to_str().unwrap(), "-e", script.to_str().unwrap()]);
            fs::write(place.path("input"), "to stdin\n").unwrap();
            let input = fs::File::open(place.path("input")).unwrap();
            command.current_dir("/").stdin(input).output().unwrap()
        };
        let without = run(&place, &own);
        let shim = place.install();
        let with = run(&place, &shim);
        // The socket is ours; `_` is the shell's last word.
        let seen = |output: &Output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let lines = text
                .lines()
                .filter(|line| !line.starts_with("RUNNER_INIT_SOCKET=") && !line.starts_with("_="));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(seen(&with), seen(&without));
        assert!(seen(&with).iter().any(|line| line == "to stdin"));
        assert_eq!((with.status.code(), &with.stderr), (Some(1), &without.stderr));
    }
}

#[test]
fn other_hooks_are_run_by_the_program_the_runner_would_take() {
    let program = |path: &Path, name: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        executable(path, &format!("#!/bin/sh\necho \"{name}|$*\"\nexit 5\n"));
    };
    for (own, with, expected) in [
        ("own.ps1", "tools/pwsh", "pwsh|-command . 'OWN'\n"),
        ("own.ps1", "tools/powershell", "powershell|-command . 'OWN'\n"),
        ("own.js", "runner/externals/node20/bin/node", "node|OWN\n"),
        ("own.js", "runner/externals/node24/bin/node", "node|OWN\n"),
        ("own.js", "runner/externals/node16/bin/node", "node|OWN\n"),
    ] {
        let mut place = Place::new();
        let with = place.path(with);
        program(&with, with.file_name().unwrap().to_str().unwrap());
        place.env = vec![("PATH".into(), place.path("tools").into())];
        let path = place.own(VARIABLES[0], own, "");
        let (shim, bash) = (place.install(), ns::program("bash").unwrap());
        let argv = [bash.to_str().unwrap(), "-e", shim.to_str().unwrap()];
        let output = place.command(&argv).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said,
            expected.replace("OWN", path.to_str().unwrap()),
            "{output:?}",
            output = output.stderr
        );
        assert_eq!(output.status.code(), Some(5));
    }
}

#[test]
fn a_javascript_hook_has_the_node_that_the_runner_has_when_it_runs() {
    let mut place = Place::new();
    let nodes = ["node16", "node20", "node24", "node24_alpine"];
    let path = |place: &Place, node: &str| place.path(&format!("runner/externals/{node}/bin/node"));
    for node in nodes {
        fs::create_dir_all(path(&place, node).parent().unwrap()).unwrap();
        executable(&path(&place, node), &format!("#!/bin/sh\necho {node}\n"));
    }
    place.own(VARIABLES[0], "own.js", "");
    let (shim, shells) = (place.install(), ["bash", "sh"].map(|shell| ns::program(shell).unwrap()));
    let runs = || {
        let said = shells.each_ref().map(|shell| {
            let argv = [shell.to_str().unwrap(), "-e", shim.to_str().unwrap()];
            String::from_utf8(place.command(&argv).output().unwrap().stdout).unwrap()
        });
        assert_eq!(said[0], said[1], "whatever the shell");
        said[0].trim_end().to_owned()
    };
    // The one that the runner itself takes for hooks; then, as after an update, the newest.
    for node in ["node20", "node24", "node16"] {
        assert_eq!(runs(), node);
        fs::remove_dir_all(place.path(&format!("runner/externals/{node}"))).unwrap();
    }
}

#[test]
fn a_job_that_removes_its_workspace_does_not_fail_for_us() {
    let job = json!({ "name": "x", "steps": [{ "run": "rm -rf \"$GITHUB_WORKSPACE\"" }] });
    let mut place = Place::new();
    place.install();
    let socket = place.listen();
    let said = place.run_job(&job);
    assert!(said.contains("completed with result: Succeeded"), "{said}");
    assert!(datagram(&socket).contains("\"started\""));
    // Where the user has a hook there, the runner cannot start it: so it is without us.
    let mut place = Place::new();
    place.own(VARIABLES[1], "own.sh", "exit 0\n");
    assert!(place.run_job(&job).contains("completed with result: Failed"));
}

#[test]
fn nothing_is_looked_up_in_a_path_that_the_job_has_written() {
    let mut place = Place::new();
    let traps = place.path("traps");
    fs::create_dir(&traps).unwrap();
    for name in
        ["bash", "sh", "test", "[", "true", "env", "exec", "export", "unset", ":", "runner-init", "hook"]
    {
        executable(&traps.join(name), &format!("#!/bin/sh\n: > {}\n", place.path("sprung").display()));
    }
    place.own(VARIABLES[0], "own.sh", "exit 7\n");
    place.env[0].1 = traps.into();
    let shim = place.install();
    let socket = place.listen();
    let bash = ns::program("bash").unwrap();
    let run = |args: &[&str]| {
        let argv: Vec<&str> = [bash.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
        place.command(&argv).output().unwrap().status.code()
    };
    assert_eq!(run(&["-e", shim.to_str().unwrap()]), Some(7), "the user's own hook has run");
    assert!(datagram(&socket).contains("\"started\""));
    assert!(!place.path("sprung").exists());
    assert_eq!(run(&["-c", "runner-init hook started"]), Some(0));
    assert!(place.path("sprung").exists(), "the traps work");
}
