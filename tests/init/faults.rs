//! What held PID 1 up, made it deaf or had it blame somebody else: each once a fault of ours, or of another init.

use super::*;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fills the pipe to its last byte, without making it non-blocking for whoever shares our end.
fn fill(pipe: &PipeWriter) {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut own = fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path).unwrap();
    for size in [4096, 1] {
        while own.write(&[b'x'; 4096][..size]).is_ok() {}
    }
}

/// A pipe that nobody reads from and that takes nothing.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    (reader, writer)
}

#[test]
fn a_full_standard_error_holds_nobody() {
    require!("namespace");
    // What init has to say: a death by signal, an orphan reaped, one that outlives.
    let rows = [
        ("kill -9 $$", 137),
        ("(true &); sleep 0.05; exit 3", 3),
        ("(sleep 1000 &); exit 3", 3),
        ("exec sleep 1000", 143),
    ];
    for role in ROLES {
        for (script, code) in rows {
            let (_reader, writer) = full_pipe();
            let mut command = role.command(&["--", "sh", "-c", script]);
            let tree = Tree::spawn_but_stderr(command.stdin(Stdio::null()).stderr(writer));
            if code == 143 {
                let (init, _) = role.pids(&tree);
                send(init, Signal::SIGTERM);
            }
            assert_code(&tree.finish(SOON), code);
        }
    }
}

#[test]
fn with_a_full_standard_error_it_still_reaps_and_forwards() {
    require!("namespace");
    for role in ROLES {
        let (_reader, writer) = full_pipe();
        // Each orphan is something to say.
        let script = "i=0; while [ $i -lt 50 ]; do (true &); i=$((i+1)); done; echo done; exec sleep 1000";
        let mut command = role.command(&["-w", "--", "sh", "-c", script]);
        let tree = Tree::spawn_but_stderr(command.stdin(Stdio::null()).stderr(writer));
        tree.wait_for("done");
        let (init, _) = role.pids(&tree);
        wait_until(SOON, "no zombie", || children(init).len() == 1 && zombies(init) == 0);
        send(init, Signal::SIGTERM);
        assert_code(&tree.finish(SOON), 143);
    }
}

#[test]
fn what_is_said_arrives_once_the_reader_is_back() {
    // The line was given up on, not taken back.
    let (mut reader, writer) = full_pipe();
    let mut command =
        Role::Subreaper.command(&["-w", "--", "sh", "-c", "(true &); echo ready; exec sleep 1000"]);
    let tree = Tree::spawn_but_stderr(command.stdin(Stdio::null()).stderr(writer));
    drop(command);
    tree.wait_for("ready");
    let (init, child) = Role::Subreaper.pids(&tree);
    wait_until(SOON, "the orphan reaped", || children(init) == [child]);
    send(child, Signal::SIGSTOP);
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !said.contains("reaped orphan") {
        let read = reader.read(&mut buffer).unwrap();
        said.push_str(&text(&buffer[..read]));
    }
    send(child, Signal::SIGKILL);
    assert_code(&tree.finish(SOON), 137);
}

#[test]
fn a_stopped_terminal_holds_nobody() {
    require!("namespace", "setsid");
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let script = "until [ -e \"$0\" ]; do sleep 0.01; done; kill -9 $$";
    let (terminal, tree) = on_terminal(Role::Pid1, &[BIN, "--", "sh", "-c", script, &go.to_string_lossy()]);
    let _ = Role::Pid1.pids(&tree);
    terminal.type_in("\x13");
    fs::write(&go, "").unwrap();
    assert_code(&tree.finish(SOON), 137);
}

/// PID 1 with the supervisor and a simulated runner, whose output nobody reads any more.
fn stalled_demo(stalled: &Arc<AtomicBool>) -> (Tree, PipeReader, std::thread::JoinHandle<()>) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Role::Pid1.command(&["demo", "--speed", "100"]);
    command.env("METRICS_PORT", "0").env("RUNNER_STOP_GRACE", "10s").stdin(Stdio::null());
    let tree =
        Tree::spawn_silent(command.stdout(writer.try_clone().unwrap()).stderr(writer.try_clone().unwrap()));
    drop(command);
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("event=job_finished") {
        let read = reader.read(&mut buffer).expect("it goes on");
        assert_ne!(read, 0, "ended: {seen}");
        seen.push_str(&text(&buffer[..read]));
    }
    // The supervisor widens its pipe, and the consumer might have left room: it is kept full.
    let on = Arc::clone(stalled);
    let filler = std::thread::spawn(move || {
        while !on.load(Ordering::Relaxed) {
            fill(&writer);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    (tree, reader, filler)
}

#[test]
fn with_the_supervisor_a_reader_who_stands_still_delays_no_stop() {
    require!("namespace");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let done = Arc::new(AtomicBool::new(false));
        let (tree, _reader, filler) = stalled_demo(&done);
        let init = Role::Pid1.init(&tree);
        let supervisor = children(init)[0];
        // As the last orphan of a job, whose end is something to say.
        let code = if signal == Signal::SIGTERM {
            send(init, signal);
            0
        } else {
            send(supervisor, signal);
            137
        };
        assert_code(&tree.finish(Duration::from_secs(25)), code);
        assert_eq!(stat(init), None);
        done.store(true, Ordering::Relaxed);
        filler.join().unwrap();
    }
}

#[test]
fn a_stopped_child_is_continued_to_hear_that_it_shall_end() {
    require!("namespace");
    for role in ROLES {
        for (signal, code) in
            [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129), (Signal::SIGQUIT, 131)]
        {
            let tree = role.spawn(&["--", "sleep", "1000"]);
            let (init, child) = role.pids(&tree);
            if role == Role::Pid1 {
                send(init, Signal::SIGTSTP);
            } else {
                // TSTP would stop this one too.
                send(child, Signal::SIGSTOP);
            }
            wait_until(SOON, "the child stopped", || is(child, 'T'));
            send(init, signal);
            assert_code(&tree.finish(SOON), code);
        }
    }
}

#[test]
fn a_child_that_stops_after_it_was_asked_to_end_is_continued() {
    require!("namespace");
    let script =
        "trap 'echo asked; kill -STOP $$; echo on; exit 4' TERM; echo up; while :; do sleep 0.01; done";
    let tree = Role::Pid1.spawn(&["--", "sh", "-c", script]);
    tree.wait_for("up");
    let (init, _) = Role::Pid1.pids(&tree);
    send(init, Signal::SIGTERM);
    let output = tree.finish(SOON);
    assert_code(&output, 4);
    assert_eq!(text(&output.stdout), "up\nasked\non\n");
}

#[test]
fn a_key_that_suspends_makes_no_container_deaf() {
    require!("namespace", "setsid", "python3");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    // One process: a shell whose child is stopped between vfork and exec cannot be stopped itself, and nobody is told. It waits
    // for the signal itself: a handler would not run if the signal came just before the call that is to be interrupted.
    let script = "import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
with open(sys.argv[1], 'a') as log:
    print('up', file=log, flush=True)
    while signal.sigwait([signal.SIGCONT]): print('resumed', file=log, flush=True)";
    let (python, path) = (python(), file.to_string_lossy());
    let (terminal, tree) = on_terminal(Role::Pid1, &[BIN, "--", &python, "-c", script, &path]);
    wait_until(SOON, "the child up", || read(&file) == "up\n");
    for presses in 1..3 {
        terminal.type_in("\x1a");
        wait_until(SOON, "resumed", || read(&file).lines().count() > presses);
    }
    terminal.type_in("\x03");
    assert_code(&tree.finish(SOON), 130);
}

/// Makes its parent its tracer, and goes on only if that lets it.
const TRACED: &str = "import ctypes, os, signal, sys, time
if len(sys.argv) > 1:
    parent = os.getppid()
    if os.fork(): os._exit(0)
    while os.getppid() == parent: time.sleep(0.001)
    time.sleep(0.05)
    if os.fork(): time.sleep(1000)
ctypes.CDLL(None).ptrace(0, 0, 0, 0)
os.kill(os.getpid(), signal.SIGCONT)
print('on', flush=True)
time.sleep(1000)";

#[test]
fn a_child_that_has_itself_traced_goes_on() {
    require!("namespace", "python3");
    for role in ROLES {
        let tree = role.spawn(&["--", &python(), "-c", TRACED]);
        tree.wait_for("on\n");
        let (init, _) = role.pids(&tree);
        send(init, Signal::SIGTERM);
        assert_code(&tree.finish(SOON), 143);
    }
}

#[test]
fn a_traced_program_starts() {
    require!("namespace", "python3");
    // The exec of one who is traced is a stop by SIGTRAP, which would kill it.
    let script = "import ctypes, os
ctypes.CDLL(None).ptrace(0, 0, 0, 0)
os.execvp('sh', ['sh', '-c', 'exit 5'])";
    for role in ROLES {
        assert_code(&role.spawn(&["--", &python(), "-c", script]).finish(SOON), 5);
    }
}

/// Executes what follows with these system calls denied by a seccomp filter: EPERM.
fn denied(calls: &[nix::libc::c_long], before: &str) -> String {
    format!(
        "import ctypes, os, struct, sys
os.system({before:?})
calls = {calls:?}
rules = [(0x20, 0, 0, 0)]
for call in calls:
    rules += [(0x15, 0, 1, call), (0x06, 0, 0, 0x00050001)]
rules.append((0x06, 0, 0, 0x7fff0000))
code = b''.join(struct.pack('HBBI', *rule) for rule in rules)
code = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
program = Program(len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])"
    )
}

#[test]
fn a_refusal_of_ours_is_not_blamed_on_the_command() {
    use nix::libc::{SYS_clone, SYS_clone3, SYS_close_range, SYS_setpgid, SYS_signalfd4};
    require!("namespace", "root", "python3");
    let no_proc = "mount -t tmpfs none /proc";
    let rows: [(&[_], &str, i32, &str); 5] = [
        (
            &[SYS_setpgid],
            "true",
            71,
            "cannot start a process for sh: setpgid: Operation not permitted (os error 1)",
        ),
        (
            &[SYS_clone, SYS_clone3],
            "true",
            71,
            "cannot start a process for sh: fork: Operation not permitted (os error 1)",
        ),
        (&[SYS_signalfd4], "true", 6, ""),
        (&[SYS_close_range], "true", 6, ""),
        (
            &[SYS_close_range],
            no_proc,
            6,
            "stays open, for the child too: close_range: No such file or directory",
        ),
    ];
    let python = python();
    for (calls, before, code, said) in rows {
        let script = denied(calls, before);
        let argv = [&python, "-c", &script, BIN, "--", "sh", "-c", "exit 6"];
        let output = Tree::spawn(&mut in_pid_namespace(&argv)).finish(SOON);
        assert_code(&output, code);
        assert!(text(&output.stderr).contains(said), "{calls:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).is_empty(), said.is_empty(), "{}", text(&output.stderr));
    }
}

#[test]
fn as_pid_1_nothing_is_lost_before_it_listens() {
    require!("namespace", "root");
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The first look of the hardening at /proc waits for a writer: the moments before init listens, as long as we like.
    let script = "mount --bind \"$1\" /proc/1/oom_score_adj && exec \"$0\" -- sleep 1000";
    let argv = ["sh", "-c", script, BIN, &fifo.to_string_lossy()];
    let tree = Tree::spawn(in_pid_namespace(&argv).stdin(Stdio::null()));
    let init = || children(tree.pid()).first().copied().unwrap_or_default();
    let binary = fs::canonicalize(BIN).unwrap();
    let mut writer = None;
    wait_until(SOON, "the binary waiting for the fifo", || {
        let is_ours = fs::read_link(format!("/proc/{}/exe", init())).is_ok_and(|exe| exe == binary);
        // ENXIO until somebody reads.
        let open = || fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo).ok();
        writer = if is_ours { open() } else { None };
        writer.is_some()
    });
    let init = init();
    send(init, Signal::SIGTERM);
    drop(writer);
    let output = tree.finish(SOON);
    assert_code(&output, 143);
    assert!(text(&output.stderr).contains("child was killed by SIGTERM (15)"), "{}", text(&output.stderr));
}

#[test]
fn a_separator_with_nothing_behind_it_starts_no_runner() {
    for arguments in [vec!["--"], vec!["-g", "--"], vec!["-e", "3", "--"]] {
        let output = Command::new(BIN).args(&arguments).output().unwrap();
        assert_code(&output, 64);
        assert_eq!(text(&output.stderr), "runner-init: no command to run: expected one after --\n");
    }
}

#[test]
fn who_was_brought_in_from_outside_is_asked_before_it_is_killed() {
    require!("namespace", "root", "nsenter");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let tree = Role::Pid1.spawn(&["--", "sleep", "1000"]);
    let (init, _) = Role::Pid1.pids(&tree);
    // As `docker exec` does: no child of init's, nor of anybody's in there.
    let script = "trap 'echo asked >> \"$0\"; exit 5' TERM; echo up > \"$0\"; while :; do sleep 0.01; done";
    let pid = init.to_string();
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid, "--pid", "--", "sh", "-c", script, &file.to_string_lossy()]);
    let guest = Tree::spawn(command.stdin(Stdio::null()));
    wait_until(SOON, "the guest up", || read(&file) == "up\n");
    send(init, Signal::SIGTERM);
    assert_code(&tree.finish(SOON), 143);
    assert_code(&guest.finish(SOON), 5);
    assert_eq!(read(&file), "up\nasked\n");
}

#[test]
fn nobody_waits_for_those_who_cannot_be_told() {
    require!("namespace", "root", "setpriv");
    let stranger =
        "(setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'echo up $$; exec sleep 1000' &)
        until grep -q up \"$0\"; do sleep 0.01; done; echo going; exit 3";
    for role in ROLES {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("said");
        let said = File::create(&file).unwrap();
        let path = file.to_string_lossy();
        let weak =
            ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill", BIN, "--", "sh", "-c", stranger, &path];
        let mut command = match role {
            Role::Pid1 => in_pid_namespace(&weak),
            Role::Subreaper => Command::new(weak[0]),
        };
        if role == Role::Subreaper {
            command.args(&weak[1..]);
        }
        // Not its output: a subreaper leaves the stranger behind with it.
        let out = said.try_clone().unwrap();
        let tree = Tree::spawn_silent(command.stdin(Stdio::null()).stdout(out).stderr(said));
        wait_until(SOON, "the exit ahead", || read(&file).contains("going"));
        let begin = Instant::now();
        let output = tree.finish(SOON);
        let took = begin.elapsed();
        if role == Role::Subreaper {
            let stranger = read(&file).lines().next().unwrap().replace("up ", "").parse().unwrap();
            send(stranger, Signal::SIGKILL);
        }
        assert_code(&output, 3);
        assert!(took < Duration::from_millis(1900), "waited out the grace: {took:?}");
        assert!(read(&file).contains("some did not end"), "{}", read(&file));
    }
}

#[test]
fn with_g_a_child_that_has_left_its_group_still_hears() {
    require!("python3");
    let script = "import os, time
os.setpgid(0, os.getpgid(os.getppid()))
print('ready', flush=True)
time.sleep(1000)";
    let tree = Role::Subreaper.spawn(&["-g", "--", &python(), "-c", script]);
    tree.wait_for("ready");
    let (init, _) = Role::Subreaper.pids(&tree);
    send(init, Signal::SIGTERM);
    let output = tree.finish(SOON);
    assert_code(&output, 143);
    assert!(!text(&output.stderr).contains("cannot pass"), "{}", text(&output.stderr));
}

#[test]
fn the_c_library_s_own_signals_are_passed_on_too() {
    require!("namespace");
    for role in ROLES {
        for signal in [32, 33] {
            let tree = role.spawn(&["--", "sleep", "1000"]);
            let (init, _) = role.pids(&tree);
            let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {init}")]).status().unwrap();
            assert!(sent.success());
            assert_code(&tree.finish(SOON), 128 + signal);
        }
    }
}

#[test]
fn five_descriptors_are_enough() {
    let script = "ulimit -n 5; exec \"$0\" -- sh -c 'exit 7'";
    assert_code(&Command::new("sh").args(["-c", script, BIN]).output().unwrap(), 7);
}

#[test]
fn what_told_of_descriptors_goes_with_them() {
    let script = "echo ${LISTEN_FDS-none} ${LISTEN_PID-none} ${LISTEN_FDNAMES-none} ${KEPT-none}";
    let mut command = Command::new(BIN);
    command.args(["--", "sh", "-c", script]);
    command.envs([("LISTEN_FDS", "1"), ("LISTEN_PID", "1"), ("LISTEN_FDNAMES", "web"), ("KEPT", "kept")]);
    assert_eq!(text(&command.output().unwrap().stdout), "none none none kept\n");
}

#[test]
fn signals_are_rewritten_and_dropped() {
    require!("namespace", "python3");
    for role in ROLES {
        let tree = role.spawn(&["-r", "HUP:QUIT", "-r", "10:0", "-rUSR2:64", "--", &python(), "-c", SIGNALS]);
        tree.wait_for("ready\n");
        let (init, _) = role.pids(&tree);
        let mut expected = "ready\n".to_owned();
        for (heard, sent) in [(1, "3\n"), (10, ""), (12, "64\n"), (2, "2\n"), (15, "15\n")] {
            send(init, Signal::try_from(heard).unwrap());
            expected.push_str(sent);
            wait_until(SOON, &format!("{heard} as {sent}"), || tree.stdout() == expected);
        }
        assert_code(&tree.finish(SOON), 0);
    }
}

#[test]
fn codes_can_count_as_success() {
    require!("namespace");
    for role in ROLES {
        for (script, code) in [("exit 3", 0), ("kill -TERM $$", 0), ("exit 4", 4), ("exit 0", 0)] {
            let output = role.spawn(&["-e", "3", "-e143", "sh", "-c", script]).finish(SOON);
            assert_code(&output, code);
        }
    }
    assert_code(&Command::new(BIN).args(["-e", "126", "no-such-program"]).output().unwrap(), 127);
    assert_code(&Command::new(BIN).args(["-e", "256", "true"]).output().unwrap(), 64);
}

#[test]
fn w_tells_of_each_orphan() {
    require!("namespace");
    for role in ROLES {
        let script = "(sh -c 'exit 9' &); (sh -c 'kill -KILL $$' &); exec sleep 1000";
        let tree = role.spawn(&["-w", "--", "sh", "-c", script]);
        let (init, _) = role.pids(&tree);
        let ends = [": code 9\n", ": killed by SIGKILL (9)\n"];
        wait_until(SOON, "both told", || ends.iter().all(|end| tree.stderr().contains(end)));
        send(init, Signal::SIGTERM);
        let said = text(&tree.finish(SOON).stderr);
        assert_eq!(
            said.lines().filter(|line| line.starts_with("runner-init: reaped orphan ")).count(),
            2,
            "{said}"
        );
    }
}

#[test]
fn p_ends_with_the_parent() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let child = "trap 'echo told >> \"$0\"; exit' TERM; echo up > \"$0\"; while :; do sleep 0.01; done";
    let parent =
        "\"$0\" -p TERM -- sh -c \"$1\" \"$2\" & until [ -s \"$2\" ]; do sleep 0.01; done; kill -9 $$";
    let mut command = Command::new("sh");
    command.args(["-c", parent, BIN, child, &file.to_string_lossy()]);
    let tree = Tree::spawn_silent(command.stdin(Stdio::null()));
    wait_until(SOON, "the child told", || read(&file) == "up\ntold\n");
    let _ = tree.finish(SOON);
}

#[test]
fn others_agree_where_they_can() {
    // Codes that tini and dumb-init give too, with a standard error nobody reads.
    for other in ["tini", "dumb-init"] {
        require!("namespace", other);
        let path = ns::program(other).unwrap().to_string_lossy().into_owned();
        for (script, code) in [("kill -9 $$", 137), ("exit 3", 3), ("(sleep 1000 &); exit 3", 3)] {
            for program in [&*path, BIN] {
                let (_reader, writer) = full_pipe();
                let argv = [program, "--", "sh", "-c", script];
                let mut command = in_pid_namespace(&argv);
                let tree = Tree::spawn_but_stderr(command.stdin(Stdio::null()).stderr(writer));
                assert_code(&tree.finish(SOON), code);
            }
        }
    }
}
