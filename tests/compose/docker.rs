//! The docker client: what of it is there, and one call of it.

use std::path::Path;
use std::process::{Command, Output};

/// A test begins with it: ends the test loudly where docker is missing, fails it there if `CI=true`.
#[macro_export]
macro_rules! docker {
    ($($need:expr),+) => {
        if let Some(why) = $crate::docker::missing(&[$($need),+]) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
            eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
            return;
        }
    };
}

/// Why a test that needs these cannot run here: `compose`, `buildx`, `engine`, `podman`, or `servers`, the programs of the stand-ins.
pub(crate) fn missing(needs: &[&str]) -> Option<String> {
    let answers = |args: &[&str]| command().args(args).output().is_ok_and(|out| out.status.success());
    let silent =
        |need: &str, args: &[&str]| (!answers(args)).then(|| format!("docker {need} does not answer"));
    needs.iter().find_map(|need| match *need {
        "servers" => crate::ns::missing(&crate::servers::PROGRAMS),
        "podman" => crate::ns::missing(&["podman"]),
        "engine" => silent(need, &["version", "--format", "{{.Server.Version}}"]),
        plugin => silent(need, &[plugin, "version"]),
    })
}

/// The client with what it needs to be itself, and nothing of what the files would take over from the environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new("docker");
    command.env_clear();
    let own = [
        "PATH",
        "HOME",
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "DOCKER_CONTEXT",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_VERIFY",
    ];
    command.envs(own.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// What it printed; panics with what it said if it failed.
#[track_caller]
pub(crate) fn docker(args: &[&str]) -> String {
    succeeded(command().args(args), &args.join(" "))
}

/// What it printed; panics with what it said if it failed.
#[track_caller]
pub(crate) fn succeeded(command: &mut Command, what: &str) -> String {
    let Output { status, stdout, stderr } = command.output().expect("docker starts");
    assert!(status.success(), "{what}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).trim_end().to_owned()
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
