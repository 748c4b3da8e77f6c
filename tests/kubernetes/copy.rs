//! `copy-self`: our program in a directory that another container mounts.

use crate::{ns, require};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

const BIN: &str = env!("CARGO_BIN_EXE_runner-init");

fn copy(program: &Path, dir: &Path) -> Output {
    Command::new(program).arg("copy-self").arg(dir).output().unwrap()
}

#[test]
fn a_copy_runs_cannot_be_read_by_others_and_takes_the_place_of_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let done = copy(BIN.as_ref(), dir.path());
    let path = dir.path().join("runner-init");
    assert_eq!(String::from_utf8(done.stdout).unwrap(), format!("{}\n", path.display()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o711);
    let said = Command::new(&path).arg("--version").output().unwrap();
    assert!(said.status.success() && said.stdout.starts_with(b"runner-init "), "{said:?}");
    // A file that is executed cannot be written, only replaced.
    let mut runs = Command::new(&path).args(["sleep", "600"]).spawn().unwrap();
    ns::wait_until(std::time::Duration::from_secs(30), "it runs", || {
        !ns::children(runs.id().cast_signed()).is_empty()
    });
    let before = fs::metadata(&path).unwrap().ino();
    let again = copy(BIN.as_ref(), dir.path());
    // It passes it on.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(runs.id().cast_signed()), nix::sys::signal::SIGTERM)
        .unwrap();
    runs.wait().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["runner-init"], "nothing half done is left");
}

#[test]
fn what_cannot_be_copied_is_said_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let done = copy(BIN.as_ref(), &nowhere);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(71), "{said}");
    assert!(said.contains("cannot copy the program to ") && said.contains("nowhere"), "{said}");
    assert_eq!(Command::new(BIN).arg("copy-self").output().unwrap().status.code(), Some(64));
}

#[test]
fn whoever_may_only_run_it_is_told_that_it_takes_root() {
    require!("root", "setpriv");
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("program");
    fs::copy(BIN, &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o711)).unwrap();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "1001", "--regid", "1001", "--clear-groups", "--"]);
    let done = command.arg(&program).arg("copy-self").arg(&open).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(71), "{said}");
    assert!(said.contains("run this as root"), "{said}");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
}

/// In exec mode a first word that is a command of ours is ours: a name that somebody has a program of would be lost to him.
#[test]
fn programs_that_copy_are_still_run_through_us() {
    require!("install", "cp");
    for program in ["install", "cp"] {
        let done = Command::new(BIN).args([program, "--version"]).output().unwrap();
        assert!(done.status.success() && done.stdout.starts_with(program.as_bytes()), "{done:?}");
    }
    assert_eq!(ns::program("copy-self"), None, "somebody has such a program");
}
