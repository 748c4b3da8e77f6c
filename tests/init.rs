//! The role of PID 1, row by row, on the real binary: in a PID namespace, and as a subreaper outside of one.
#![allow(clippy::disallowed_methods, reason = "a test starts processes and looks at the clock")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "init/faults.rs"]
mod faults;
#[path = "support/ns.rs"]
mod ns;
#[path = "init/peers.rs"]
mod peers;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use ns::{SOON, Tree, children, descriptors, in_pid_namespace, read, send, stat, wait_until, zombies};
use runner_init::child_setup::{self, ProcessGroup};
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BIN: &str = env!("CARGO_BIN_EXE_runner-init");

/// Prints `ready` and then the number of each signal it gets; ends with SIGTERM. It can be stopped by nothing.
const SIGNALS: &str = "import signal
every = set(range(1, 65)) - {9, 19, 32, 33}
signal.pthread_sigmask(signal.SIG_BLOCK, every)
print('ready', flush=True)
heard = 0
while heard != 15:
    heard = signal.sigwait(every)
    print(int(heard), flush=True)";

/// A thousand double-forked processes that end at once.
const ORPHANS: &str = "i=0; while [ $i -lt 1000 ]; do (true &); i=$((i+1)); done; echo done";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Pid1,
    Subreaper,
}

const ROLES: [Role; 2] = [Role::Pid1, Role::Subreaper];

impl Role {
    /// The binary with these arguments, in this role.
    fn command(self, arguments: &[&str]) -> Command {
        let argv: Vec<&str> = [BIN].iter().chain(arguments).copied().collect();
        if self == Role::Pid1 {
            return in_pid_namespace(&argv);
        }
        let mut command = Command::new(BIN);
        command.args(arguments);
        command
    }

    fn spawn(self, arguments: &[&str]) -> Tree {
        Tree::spawn(self.command(arguments).stdin(Stdio::null()))
    }

    /// The pid of init, as seen from here, once its child is there too.
    fn init(self, tree: &Tree) -> i32 {
        let init =
            || if self == Role::Pid1 { children(tree.pid()).first().copied() } else { Some(tree.pid()) };
        wait_until(SOON, "a child of init", || init().is_some_and(|pid| !children(pid).is_empty()));
        init().expect("just seen")
    }

    /// The pids of init and its child, as seen from here, once the child has been executed.
    fn pids(self, tree: &Tree) -> (i32, i32) {
        let init = self.init(tree);
        let child = children(init)[0];
        let exe = |pid: i32| fs::read_link(format!("/proc/{pid}/exe")).ok();
        wait_until(SOON, "the child executed", || exe(child).is_some() && exe(child) != exe(init));
        (init, child)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn python() -> String {
    ns::program("python3").expect("was required").to_string_lossy().into_owned()
}

fn is(pid: i32, state: char) -> bool {
    stat(pid).is_some_and(|stat| stat.state == state)
}

#[test]
fn every_exit_code_passes() {
    for code in 0..=255 {
        let output = Command::new(BIN).args(["--", "sh", "-c", &format!("exit {code}")]).output().unwrap();
        assert_code(&output, code);
        assert_eq!(text(&output.stderr), "", "init is silent when all is well");
    }
}

#[test]
fn exit_codes_pass_as_pid_1() {
    require!("namespace");
    for code in [0, 1, 2, 32, 64, 127, 254, 255] {
        let tree = Role::Pid1.spawn(&["--", "sh", "-c", &format!("[ $PPID = 1 ] && exit {code}")]);
        let output = tree.finish(SOON);
        assert_code(&output, code);
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn death_by_signal_is_128_plus_n_and_is_said() {
    require!("namespace");
    for role in ROLES {
        for (signal, label) in
            [(15, "SIGTERM (15)"), (9, "SIGKILL (9)"), (11, "SIGSEGV (11)"), (40, "signal 40")]
        {
            let output = role.spawn(&["--", "sh", "-c", &format!("kill -{signal} $$")]).finish(SOON);
            assert_code(&output, 128 + signal);
            assert_eq!(text(&output.stderr), format!("runner-init: child was killed by {label}\n"));
        }
    }
}

#[test]
fn what_cannot_be_run_is_126_or_127_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: u32| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.to_string_lossy().into_owned()
    };
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let hidden = dir.path().join("hidden");
    fs::create_dir(&hidden).unwrap();
    fs::set_permissions(&hidden, Permissions::from_mode(0o000)).unwrap();
    let rows = [
        ("no-such-program", 127, "expected a program in PATH"),
        ("", 127, "expected a program in PATH"),
        ("/no/such/path", 127, "expected a program in PATH"),
        (&file("lost", "#!/no/such/interpreter\n", 0o755), 127, "expected a program in PATH"),
        ("plain", 126, "expected an executable file"),
        (&plain, 126, "expected an executable file"),
        (&dir.path().to_string_lossy(), 126, "expected an executable file"),
        ("red\u{1b}[31m\nherring", 127, "cannot run red\\u{1b}[31m\\nherring: "),
    ];
    for (program, code, reason) in rows {
        // A directory that may not be searched (by root it may) does not make a missing program an unexecutable one.
        let path = [&hidden, dir.path(), Path::new("/bin")];
        let mut command = Command::new(BIN);
        command.env("PATH", std::env::join_paths(path).unwrap());
        let output = command.args(["--", program]).output().unwrap();
        assert_code(&output, code);
        let said = text(&output.stderr);
        assert!(said.starts_with("runner-init: cannot run ") && said.contains(reason), "{program}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // glibc's execvp gives a file of no format to sh, where this one ends with 0.
    let output = Command::new(BIN).args(["--", &file("formless", ":\n", 0o755)]).output().unwrap();
    assert_code(&output, if cfg!(target_env = "musl") { 126 } else { 0 });
    assert_code(&Command::new(BIN).arg("--").output().unwrap(), 64);
}

#[test]
fn every_signal_is_forwarded_exactly_once() {
    require!("namespace", "python3");
    let last = 15;
    let ordinary = (1..32).filter(|n| ![9, 17, 19, last].contains(n));
    let signals: Vec<i32> = ordinary.chain(34..=64).collect();
    for role in ROLES {
        let tree = role.spawn(&["--", &python(), "-c", SIGNALS]);
        tree.wait_for("ready\n");
        let (init, _) = role.pids(&tree);
        let mut expected = "ready\n".to_owned();
        for signal in signals.iter().chain([&17, &last]) {
            // The C library's kill for numbers that nix has no name for.
            let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {init}")]).status().unwrap();
            assert!(sent.success());
            if *signal != 17 {
                writeln!(expected, "{signal}").unwrap();
                wait_until(SOON, &format!("{signal} at the child"), || tree.stdout().len() >= expected.len());
            }
        }
        let output = tree.finish(SOON);
        assert_eq!(text(&output.stdout), expected, "{role:?}");
        assert_code(&output, 0);
    }
}

#[test]
fn g_reaches_a_grandchild_when_the_child_ignores_the_signal() {
    require!("namespace");
    let script = "(trap 'echo grandchild' USR1; trap 'exit 0' TERM; echo one; while :; do sleep 0.01; done) &
        trap '' USR1; trap 'exit 4' TERM; echo two; while :; do sleep 0.01; done";
    for role in ROLES {
        for group in [true, false] {
            let arguments = ["-g", "--", "sh", "-c", script];
            let tree = role.spawn(&arguments[usize::from(!group)..]);
            tree.wait_for("one");
            tree.wait_for("two");
            let (init, _) = role.pids(&tree);
            send(init, Signal::SIGUSR1);
            if group {
                tree.wait_for("grandchild");
            }
            send(init, Signal::SIGTERM);
            let output = tree.finish(SOON);
            assert_code(&output, 4);
            assert_eq!(text(&output.stdout).contains("grandchild"), group, "{role:?}");
        }
    }
}

#[test]
fn the_child_starts_with_default_signals_whatever_was_inherited() {
    require!("namespace", "python3");
    let inherit = "import os, signal, sys
for n in ('INT', 'QUIT', 'CHLD', 'TTOU', 'PIPE', 'SEGV'):
    signal.signal(getattr(signal, 'SIG' + n), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {15, 64})
os.execv(sys.argv[1], sys.argv[1:])";
    let python = python();
    let under = |argv: &[&str]| {
        Tree::spawn(&mut in_pid_namespace(&[&[&python, "-c", inherit], argv].concat())).finish(SOON)
    };
    let masks = |argv: &[&str]| -> Vec<(String, String)> {
        let output = under(argv);
        assert_code(&output, 0);
        let status = text(&output.stdout);
        let lines = status.lines().filter_map(|line| line.split_once(":\t"));
        let lines = lines.filter(|(name, _)| ["SigBlk", "SigIgn", "SigCgt"].contains(name));
        lines.map(|(name, mask)| (name.to_owned(), mask.to_owned())).collect()
    };
    let cat = ns::program("cat").expect("is everywhere");
    let show = [&*cat.to_string_lossy(), "/proc/self/status"];
    let clean = masks(&[&[BIN, "--"], &show[..]].concat());
    assert_eq!(clean.len(), 3);
    assert!(clean.iter().all(|(_, mask)| mask.trim_matches('0').is_empty()), "{clean:?}");
    // And the check can fail: without init the same child sees what was inherited.
    let bare = masks(&show);
    assert_eq!(bare.iter().filter(|(_, mask)| !mask.trim_matches('0').is_empty()).count(), 2, "{bare:?}");
    // Nor does an ignored SIGCHLD cost us the code.
    assert_code(&under(&[BIN, "--", "sh", "-c", "(true &); exit 7"]), 7);
}

/// A descriptor that would be inherited, as number `at_least` or above.
fn inheritable(at_least: i32) -> i32 {
    let file = File::open("/etc/passwd").unwrap();
    fcntl(&file, FcntlArg::F_DUPFD(at_least)).unwrap()
}

#[test]
fn no_descriptor_leaks_into_the_child_and_init_keeps_none() {
    // Nobody but root looks into a non-dumpable process.
    require!("namespace", "root");
    let (low, high) = (inheritable(3), inheritable(400));
    let bare = Tree::spawn(Command::new("sleep").arg("1000"));
    wait_until(SOON, "the program executed", || {
        stat(bare.pid()).is_some() && descriptors(bare.pid()).len() >= 5
    });
    let open: Vec<i32> = descriptors(bare.pid()).into_iter().map(|(number, _)| number).collect();
    assert!(open.contains(&low) && open.contains(&high), "the check can fail: {open:?}");
    for role in ROLES {
        let tree = role.spawn(&["--", "sleep", "1000"]);
        let (init, child) = role.pids(&tree);
        let numbers = |pid| descriptors(pid).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        // For a moment the child's loader has a library open, and std in init its socket to the child.
        wait_until(SOON, "three descriptors in the child", || numbers(child) == [0, 1, 2]);
        wait_until(SOON, "three descriptors in init", || numbers(init) == [0, 1, 2]);
    }
    for fd in [low, high] {
        nix::unistd::close(fd).unwrap();
    }
}

#[test]
fn fresh_by_itself_clears_and_groups_a_child() {
    // As the supervisor uses it, with descriptors of its own open, and not through init, which closes them first.
    let extra = inheritable(300);
    for (group, own) in
        [(ProcessGroup::Same, false), (ProcessGroup::Own, true), (ProcessGroup::Foreground, true)]
    {
        let mut command = Command::new("sleep");
        command.arg("1000");
        child_setup::reset(&mut command, group);
        let tree = Tree::spawn(&mut command);
        let numbers = || descriptors(tree.pid()).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        wait_until(SOON, "three descriptors in the child", || numbers() == [0, 1, 2]);
        assert_eq!(stat(tree.pid()).unwrap().group == tree.pid(), own, "{group:?}");
    }
    nix::unistd::close(extra).unwrap();
}

#[test]
fn closed_standard_descriptors_become_dev_null() {
    // Nobody but root looks into a non-dumpable process.
    require!("namespace", "root");
    for role in ROLES {
        let script = "exec \"$0\" -- sh -c 'echo lost; echo lost >&2; exec sleep 1000' <&- >&- 2>&-";
        let mut command = match role {
            Role::Pid1 => in_pid_namespace(&["sh", "-c", script, BIN]),
            Role::Subreaper => Command::new("sh"),
        };
        if role == Role::Subreaper {
            command.args(["-c", script, BIN]);
        }
        let tree = Tree::spawn(&mut command);
        let (init, child) = role.pids(&tree);
        let null = PathBuf::from("/dev/null");
        let expected = [(0, null.clone()), (1, null.clone()), (2, null)];
        wait_until(SOON, "three times /dev/null in the child", || descriptors(child) == expected);
        wait_until(SOON, "three times /dev/null in init", || descriptors(init) == expected);
        send(init, Signal::SIGTERM);
        let output = tree.finish(SOON);
        assert_code(&output, 143);
    }
}

#[test]
fn the_child_keeps_the_directory_and_init_sits_in_the_root_before_it_runs() {
    // Nobody but root looks into a non-dumpable process.
    require!("namespace", "root");
    let dir = tempfile::tempdir().unwrap();
    let look = "readlink /proc/$PPID/cwd; readlink /proc/$$/cwd";
    let told = format!("/\n{}\n", dir.path().canonicalize().unwrap().display());
    for role in ROLES {
        // Whoever goes later is seen at the first or second look.
        for _ in 0..20 {
            let mut command = role.command(&["--", "sh", "-c", look]);
            let output = command.current_dir(dir.path()).output().unwrap();
            assert_eq!(text(&output.stdout), told, "{role:?}");
        }
        // Without a descriptor to spare init goes later.
        let few = ["-c", "ulimit -n 5; exec \"$@\"", "sh", BIN, "--", "sh", "-c", "readlink /proc/$$/cwd"];
        let output = Command::new("sh").args(few).current_dir(dir.path()).output().unwrap();
        assert_eq!(text(&output.stdout), told[2..]);
    }
}

#[test]
fn a_program_is_looked_for_where_init_was_called() {
    require!("namespace");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    for (name, mode) in [("bin/runs", 0o755), ("bin/does-not", 0o644)] {
        fs::write(dir.path().join(name), "#!/bin/sh\nexit 7\n").unwrap();
        fs::set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
    }
    for role in ROLES {
        // The last is found by looking again, after the start was refused.
        for (program, code) in
            [("bin/runs", 7), ("bin/none", 127), ("bin/does-not", 126), ("runs", 7), ("does-not", 126)]
        {
            let mut command = role.command(&["--", program]);
            let path = format!("bin:{}", std::env::var("PATH").unwrap());
            let output = command.current_dir(dir.path()).env("PATH", path).output().unwrap();
            assert_code(&output, code);
        }
    }
}

#[test]
fn who_may_not_enter_its_directory_stays_there() {
    require!("root", "setpriv");
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--clear-groups", BIN, "--", "sh", "-c", "readlink /proc/$$/cwd; exit 7"]);
    let output = command.current_dir(dir.path()).output().unwrap();
    assert_code(&output, 7);
    assert_eq!(text(&output.stdout), format!("{}\n", dir.path().canonicalize().unwrap().display()));
}

#[test]
fn a_thousand_orphans_leave_no_zombie() {
    require!("namespace");
    for role in ROLES {
        let tree = role.spawn(&["--", "sh", "-c", &format!("{ORPHANS}; exec sleep 1000")]);
        let init = role.init(&tree);
        tree.wait_for("done");
        // The main child still lives: it is init that reaped, not init's end.
        wait_until(SOON, "no zombie", || children(init).len() == 1 && zombies(init) == 0);
        send(init, Signal::SIGTERM);
        let output = tree.finish(SOON);
        assert_code(&output, 143);
        assert!(
            text(&output.stderr).ends_with("runner-init: reaped 1000 orphans\n"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn without_reaping_the_same_orphans_are_zombies() {
    require!("namespace");
    // PID 1 is a sleep, which waits for nobody.
    let script = format!("({ORPHANS}) & exec sleep 1000");
    let tree = Tree::spawn(&mut in_pid_namespace(&["sh", "-c", &script]));
    tree.wait_for("done");
    assert!(zombies(children(tree.pid())[0]) >= 1000);
}

#[test]
fn exits_behind_one_coalesced_sigchld_are_all_taken() {
    require!("namespace");
    let script = "for i in 1 2 3 4 5; do (sleep 1000 &); done; echo ready; exec sleep 1000";
    for role in ROLES {
        let tree = role.spawn(&["--", "sh", "-c", script]);
        tree.wait_for("ready");
        let (init, child) = role.pids(&tree);
        wait_until(SOON, "five orphans", || children(init).len() == 6);
        let orphans: Vec<i32> = children(init).into_iter().filter(|pid| *pid != child).collect();
        let stopped = |on: bool| {
            send(init, if on { Signal::SIGSTOP } else { Signal::SIGCONT });
            wait_until(SOON, "init stopped or continued", || is(init, 'T') == on);
        };
        stopped(true);
        orphans[..4].iter().for_each(|pid| send(*pid, Signal::SIGKILL));
        wait_until(SOON, "four zombies", || zombies(init) == 4);
        stopped(false);
        wait_until(SOON, "no zombie", || zombies(init) == 0);
        // The child's own exit among them: its code is the one that counts.
        stopped(true);
        send(orphans[4], Signal::SIGKILL);
        send(child, Signal::SIGTERM);
        wait_until(SOON, "two zombies", || zombies(init) == 2);
        stopped(false);
        let output = tree.finish(SOON);
        assert_code(&output, 143);
        assert!(
            text(&output.stderr).ends_with("runner-init: reaped 5 orphans\n"),
            "{}",
            text(&output.stderr)
        );
    }
}

/// A child that starts `orphan` (a shell's commands, which create the file `$1`), waits for the file and exits with 3.
fn outlived(role: Role, orphan: &str, file: &Path) -> Tree {
    outlived_after(role, orphan, "", file)
}

/// The same, with something to do before the exit; `$!` is the orphan.
fn outlived_after(role: Role, orphan: &str, deed: &str, file: &Path) -> Tree {
    let script = format!("({orphan}) & while [ ! -e \"$1\" ]; do sleep 0.01; done; {deed} exit 3");
    role.spawn(&["--", "sh", "-c", &script, "sh", &file.to_string_lossy()])
}

fn stubborn_orphan_is_killed_after_the_grace(role: Role) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let stubborn = "trap '' TERM; : > \"$1\"; exec sleep 1000";
    // After it one that is not: it need not wait for the other's end to be asked.
    let polite = "(trap 'echo swept >> \"$1\"; exit' TERM; echo up >> \"$1\"; while :; do sleep 0.01; done) &
        until [ -s \"$1\" ]; do sleep 0.01; done;";
    let tree = outlived_after(role, stubborn, polite, &file);
    let init = role.init(&tree);
    let begin = Instant::now();
    let output = tree.finish(SOON);
    assert_code(&output, 3);
    assert_eq!(read(&file), "up\nswept\n");
    // Before it may come the shell's own word on a sleep of its.
    let said = text(&output.stderr);
    assert!(
        said.ends_with("runner-init: reaped 2 orphans, 1 outlived the child, 1 had to be killed\n"),
        "{said}"
    );
    assert!(begin.elapsed() >= Duration::from_millis(1900), "cut off after {:?}", begin.elapsed());
    assert_eq!(stat(init), None);
}

#[test]
fn a_stubborn_orphan_is_killed_after_the_grace_by_pid_1() {
    require!("namespace");
    stubborn_orphan_is_killed_after_the_grace(Role::Pid1);
}

#[test]
fn a_stubborn_orphan_is_killed_after_the_grace_by_a_subreaper() {
    require!("namespace");
    stubborn_orphan_is_killed_after_the_grace(Role::Subreaper);
}

#[test]
fn another_term_cuts_the_grace_short() {
    require!("namespace");
    let dir = tempfile::tempdir().unwrap();
    for role in ROLES {
        let file = dir.path().join(format!("{role:?}"));
        let mut tree = outlived(role, "trap '' TERM; : > \"$1\"; exec sleep 1000", &file);
        let init = role.init(&tree);
        wait_until(SOON, "the file", || file.exists());
        wait_until(SOON, "only the orphan left", || {
            let left = children(init);
            left.len() == 1
                && fs::read(format!("/proc/{}/comm", left[0])).is_ok_and(|name| name == b"sleep\n")
        });
        // More than one: the first may still find init dropping what was meant for the child.
        wait_until(Duration::from_millis(1900), "the end, before the grace is over", || {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), Signal::SIGTERM);
            tree.try_wait().is_some()
        });
        let output = tree.finish(SOON);
        assert_code(&output, 3);
        assert_eq!(text(&output.stderr), "runner-init: reaped 1 orphan, 1 had to be killed\n", "{role:?}");
    }
}

#[test]
fn what_was_meant_for_the_child_does_not_cut_the_grace_short() {
    require!("namespace");
    let dir = tempfile::tempdir().unwrap();
    for role in ROLES {
        let file = dir.path().join(format!("{role:?}"));
        let orphan = "trap 'sleep 0.1; echo swept >> \"$1\"; exit' TERM; echo up > \"$1\"; while :; do sleep 0.01; done";
        let tree = outlived_after(role, orphan, "echo ready; exec sleep 1000;", &file);
        tree.wait_for("ready");
        let (init, _) = role.pids(&tree);
        let child = children(init)[0];
        // Two of them wait for init, and the child is gone, when it looks.
        send(init, Signal::SIGSTOP);
        wait_until(SOON, "init stopped", || is(init, 'T'));
        send(init, Signal::SIGINT);
        send(init, Signal::SIGTERM);
        send(child, Signal::SIGKILL);
        wait_until(SOON, "the child ended", || is(child, 'Z'));
        send(init, Signal::SIGCONT);
        assert_code(&tree.finish(SOON), 137);
        assert_eq!(read(&file), "up\nswept\n", "{role:?}");
    }
}

#[test]
fn an_orphan_gets_to_run_its_trap_even_if_stopped() {
    require!("namespace");
    let dir = tempfile::tempdir().unwrap();
    for role in ROLES {
        for stop in ["", "kill -STOP $!; until grep -q '^State:.T' /proc/$!/status; do :; done;"] {
            let file = dir.path().join(format!("{role:?}{}", stop.len()));
            let trap = "trap 'echo swept >> \"$1\"; exit' TERM; echo up > \"$1\"";
            let tree = outlived_after(role, &format!("{trap}; while :; do sleep 0.01; done"), stop, &file);
            let output = tree.finish(SOON);
            assert_code(&output, 3);
            assert_eq!(read(&file), "up\nswept\n", "{role:?} {}", text(&output.stderr));
            assert!(!text(&output.stderr).contains("killed"), "{}", text(&output.stderr));
        }
    }
}

#[test]
fn a_subreaper_sweeps_what_its_orphans_leave() {
    // Three generations; each outlives its parent, and the innermost traps TERM.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let inner = "trap 'echo swept >> \"$1\"; exit' TERM; echo up > \"$1\"; while :; do sleep 0.01; done";
    let tree = outlived(Role::Subreaper, &format!("( ({inner}) & wait ) & wait"), &file);
    let output = tree.finish(SOON);
    assert_code(&output, 3);
    assert_eq!(read(&file), "up\nswept\n", "{}", text(&output.stderr));
}

#[test]
fn pid_1_cannot_be_killed_or_stopped_from_inside() {
    require!("namespace");
    let output =
        Role::Pid1.spawn(&["--", "sh", "-c", "kill -9 1; kill -STOP 1; echo alive; exit 6"]).finish(SOON);
    assert_code(&output, 6);
    assert_eq!(text(&output.stdout), "alive\n");
}

#[test]
fn a_storm_of_terms_neither_hangs_nor_changes_the_code() {
    require!("namespace");
    for role in ROLES {
        let tree = role.spawn(&["--", "sh", "-c", "trap '' TERM; echo ready; sleep 0.3; exit 9"]);
        tree.wait_for("ready");
        let (init, _) = role.pids(&tree);
        let storm = || {
            let script = format!("while kill -TERM {init} 2>/dev/null; do n=$((n+1)); done; echo $n");
            Tree::spawn(Command::new("sh").args(["-c", &script]))
        };
        let storms = [storm(), storm()];
        assert_code(&tree.finish(SOON), 9);
        for storm in storms {
            let sent: u32 = text(&storm.finish(SOON).stdout).trim().parse().unwrap();
            assert!(sent > 1000, "{sent} is no storm");
        }
    }
}

#[test]
fn a_complaint_to_a_closed_standard_error_is_not_a_signal_for_the_child() {
    // Each orphan is a complaint, and that a SIGPIPE, and so on for ever.
    let script = "(true &); (true &); echo ready; exec sleep 1000";
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Role::Subreaper.command(&["-w", "--", "sh", "-c", script]);
    let tree = Tree::spawn_but_stderr(command.stderr(writer));
    tree.wait_for("ready");
    let (init, child) = Role::Subreaper.pids(&tree);
    wait_until(SOON, "both reaped", || children(init) == [child]);
    // In such a loop it sleeps too, now and then; but not every time one looks.
    let mut in_a_row = 0;
    wait_until(SOON, "nothing pending and init asleep", || {
        let status = read(Path::new(&format!("/proc/{init}/status")));
        let signs = ["SigPnd:\t0000000000000000", "ShdPnd:\t0000000000000000", "State:\tS"];
        in_a_row = if signs.iter().all(|sign| status.contains(sign)) { in_a_row + 1 } else { 0 };
        in_a_row == 25
    });
    send(child, Signal::SIGKILL);
    assert_code(&tree.finish(SOON), 137);
}

#[test]
fn an_unprivileged_user_may_use_it_and_not_look_into_it() {
    require!("namespace", "root", "setpriv");
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("runner-init");
    fs::copy(BIN, &copy).unwrap();
    let copy = copy.to_string_lossy();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", &copy];
    let script = "id -u; (sleep 1000 &); read x; exit 7";
    for role in ROLES {
        let argv = [&nobody[..], &["--", "sh", "-c", script]].concat();
        let mut command = match role {
            Role::Pid1 => in_pid_namespace(&argv),
            Role::Subreaper => Command::new(argv[0]),
        };
        if role == Role::Subreaper {
            command.args(&argv[1..]);
        }
        let (hold, input) = std::io::pipe().map(|(read, write)| (write, read)).unwrap();
        let tree = Tree::spawn(command.current_dir("/").stdin(input));
        // The command holds its copy of the pipe's end.
        drop(command);
        tree.wait_for("65534\n");
        let (init, child) = role.pids(&tree);
        let owner = |pid: i32| fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
        assert_eq!((owner(init), owner(child)), (0, 65534), "non-dumpable is root's");
        drop(hold);
        let output = tree.finish(SOON);
        assert_code(&output, 7);
        assert_eq!(text(&output.stderr), "runner-init: reaped 1 orphan, 1 outlived the child\n");
    }
}

#[test]
fn stop_signals_stop_the_child_and_cont_resumes_it() {
    require!("namespace");
    for role in ROLES {
        for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
            let tree = role.spawn(&["--", "sleep", "1000"]);
            let (init, child) = role.pids(&tree);
            send(init, signal);
            wait_until(SOON, "the child stopped", || is(child, 'T'));
            if role == Role::Subreaper {
                wait_until(SOON, "init stopped as well", || is(init, 'T'));
            }
            send(init, Signal::SIGCONT);
            wait_until(SOON, "both continued", || is(child, 'S') && is(init, 'S'));
            send(init, Signal::SIGTERM);
            assert_code(&tree.finish(SOON), 143);
        }
    }
}

#[test]
fn a_stop_nobody_asked_init_for_leaves_init_awake() {
    require!("namespace");
    for role in ROLES {
        let tree = role.spawn(&["--", "sleep", "1000"]);
        let (init, child) = role.pids(&tree);
        send(child, Signal::SIGSTOP);
        wait_until(SOON, "the child stopped", || is(child, 'T'));
        send(init, Signal::SIGCONT);
        wait_until(SOON, "init passed the signal on", || is(child, 'S'));
        send(init, Signal::SIGTERM);
        assert_code(&tree.finish(SOON), 143);
    }
}

/// `argv` as leader of a session with a new terminal.
fn on_terminal(role: Role, argv: &[&str]) -> (ns::Terminal, Tree) {
    let argv = [&["setsid", "--ctty"], argv].concat();
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]);
    if role == Role::Pid1 {
        command = in_pid_namespace(&argv);
    }
    let (terminal, mut command) = ns::Terminal::new(command);
    let tree = Tree::spawn_silent(&mut command);
    (terminal, tree)
}

#[test]
fn on_a_terminal_the_child_has_the_foreground_and_gets_each_key_once() {
    require!("namespace", "setsid", "python3");
    let dir = tempfile::tempdir().unwrap();
    for role in ROLES {
        let file = dir.path().join(format!("{role:?}"));
        let (python, path) = (python(), file.to_string_lossy());
        let script = "exec \"$1\" -c \"$2\" > \"$3\"";
        let (terminal, tree) =
            on_terminal(role, &[BIN, "--", "sh", "-c", script, "sh", &python, SIGNALS, &path]);
        wait_until(SOON, "a child listening", || read(&file) == "ready\n");
        let (init, child) = role.pids(&tree);
        assert_eq!(terminal.foreground(), Ok(child));
        assert_ne!(stat(init).unwrap().group, child);
        terminal.type_in("\x03");
        wait_until(SOON, "the interrupt", || read(&file) == "ready\n2\n");
        terminal.type_in("\x1c");
        wait_until(SOON, "the quit", || read(&file) == "ready\n2\n3\n");
        send(init, Signal::SIGTERM);
        assert_code(&tree.finish(SOON), 0);
        assert_eq!(read(&file), "ready\n2\n3\n15\n", "{role:?}");
    }
}

#[test]
fn a_shell_suspends_resumes_and_interrupts_it_as_one_job() {
    require!("setsid");
    let (terminal, shell) = on_terminal(Role::Subreaper, &["sh", "-i"]);
    terminal.type_in(&format!("{BIN} -- sh -c 'sleep 1000; exit 5'\n"));
    wait_until(SOON, "init, its child and its grandchild", || ns::descendants(shell.pid()).len() == 3);
    let init = children(shell.pid())[0];
    let child = children(init)[0];
    let grandchild = children(child)[0];
    // A shell that waits in vfork for the exec of its child cannot be stopped.
    wait_until(SOON, "the grandchild executed", || {
        read(Path::new(&format!("/proc/{grandchild}/comm"))) == "sleep\n"
    });
    let in_foreground = |pid: i32| terminal.foreground() == Ok(pid);
    wait_until(SOON, "the child in the foreground", || in_foreground(child));
    for _ in 0..2 {
        terminal.type_in("\x1a");
        wait_until(SOON, "all stopped", || [init, child, grandchild].iter().all(|pid| is(*pid, 'T')));
        wait_until(SOON, "the shell in the foreground", || in_foreground(shell.pid()));
        terminal.type_in("fg\n");
        wait_until(SOON, "all continued", || [init, child, grandchild].iter().all(|pid| is(*pid, 'S')));
        wait_until(SOON, "the child in the foreground again", || in_foreground(child));
    }
    terminal.type_in("\x03");
    wait_until(SOON, "the end of all", || ns::descendants(shell.pid()).is_empty());
    terminal.type_in("echo code=$?\n");
    wait_until(SOON, "its code at the shell", || terminal.text().contains("code=130"));
}

#[test]
fn in_the_background_it_does_not_take_the_terminal() {
    require!("setsid");
    let (terminal, shell) = on_terminal(Role::Subreaper, &["sh", "-i"]);
    terminal.type_in(&format!("{BIN} -- sleep 1000 &\n"));
    wait_until(SOON, "init and its child", || ns::descendants(shell.pid()).len() == 2);
    let init = children(shell.pid())[0];
    let child = children(init)[0];
    wait_until(SOON, "the child executed", || read(Path::new(&format!("/proc/{child}/comm"))) == "sleep\n");
    assert_eq!(terminal.foreground(), Ok(shell.pid()));
    terminal.type_in("fg\n");
    wait_until(SOON, "the child in the foreground", || terminal.foreground() == Ok(child));
    terminal.type_in("\x03");
    wait_until(SOON, "the end of both", || ns::descendants(shell.pid()).is_empty());
}

#[test]
fn whoever_started_it_can_read_from_the_terminal_afterwards() {
    require!("setsid");
    for program in ["true", "no-such-program"] {
        let script = format!("{BIN} -- {program}; read -r line; echo \"<$line>\"");
        let (terminal, tree) = on_terminal(Role::Subreaper, &["sh", "-c", &script]);
        terminal.type_in("hello\n");
        wait_until(SOON, "the line read", || terminal.text().contains("<hello>"));
        assert_code(&tree.finish(SOON), 0);
    }
}

#[test]
fn a_bare_word_is_a_command_as_in_docker_run_image_bash() {
    for arguments in [vec!["sh", "-c", "exit 42"], vec!["-g", "sh", "-c", "exit 42"]] {
        let status = Command::new(env!("CARGO_BIN_EXE_runner-init")).args(&arguments).status();
        assert_eq!(status.expect("it starts").code(), Some(42), "{arguments:?}");
    }
    let unknown = Command::new(env!("CARGO_BIN_EXE_runner-init")).arg("no-such-command-of-ours").output();
    let unknown = unknown.expect("it starts");
    assert_eq!(unknown.status.code(), Some(127));
    assert!(
        text(&unknown.stderr).contains("or a command of runner-init, see --help"),
        "{}",
        text(&unknown.stderr)
    );
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no-such-command-of-ours"));
}

#[test]
fn help_and_version_are_words_too() {
    let said = |word: &str| {
        let output = Command::new(BIN).arg(word).output().unwrap();
        assert_code(&output, 0);
        text(&output.stdout)
    };
    assert_eq!(said("help"), said("-h"));
    assert_eq!(said("version"), said("--version"));
    assert!(
        said("help")
            .contains("Usage: runner-init [COMMAND]\n       runner-init [OPTIONS] [--] CMD [ARGS]...\n")
    );
}
