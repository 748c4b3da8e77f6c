//! A job in a container, by the engine that the runner's own container is of: its files are there with `container-jobs.yml`, and
//! without it a start says that they would not be.

use crate::docker;
use crate::docker::command;
use crate::image;
use crate::project::Project;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// The runner's directory in the images, and so of the host's as well.
const RUNNER_DIR: &str = "/actions-runner";

/// The engine's socket, if it is one.
fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

/// The directory of this name on the host, gone when this is dropped.
struct Externals;

impl Externals {
    /// `None` where the machine has such a directory of its own.
    fn make() -> Option<Externals> {
        let (dir, externals) = (Path::new(RUNNER_DIR), Path::new(RUNNER_DIR).join("externals"));
        let ours = dir.join(".of-a-test");
        // Of a run that was killed: by its mark, or empty, as an engine makes what it is told to mount.
        if ours.exists() {
            fs::remove_dir_all(dir).expect("ours");
        }
        _ = fs::remove_dir(&externals);
        _ = fs::remove_dir(dir);
        fs::create_dir(dir).ok()?;
        fs::write(ours, "").expect("root may");
        fs::create_dir(externals).expect("root may");
        Some(Externals)
    }
}

impl Drop for Externals {
    fn drop(&mut self) {
        fs::remove_dir_all(RUNNER_DIR).expect("ours");
    }
}

/// As the worker does it for a job with `container:`: the work directory and externals of the runner, mounted by their paths.
const WORKER: &str = r#"
    work=$(cd ../.. && pwd)
    mkdir "$work/_temp" 2>/dev/null || true
    echo checked-out > source
    echo 'cat /__w/widgets/widgets/source; ls /__e' > "$work/_temp/step.sh"
    docker run --rm --entrypoint sh --volume "$work:/__w" --volume /actions-runner/externals:/__e:ro IMAGE -e /__w/_temp/step.sh > said 2>&1 || true
"#;

fn project(files: &[&str], script: &str) -> Project {
    let script = script.replace("IMAGE", &image::standard());
    let steps = json!([{ "job": { "name": "script", "steps": [{ "run": script }] } }]);
    let client = crate::ns::program("docker").expect("it answers");
    let group = socket().metadata().expect("a socket").gid().to_string();
    let client = format!("{}:/usr/bin/docker:ro", fs::canonicalize(client).expect("it is there").display());
    Project::new(files)
        .playing(&steps)
        .env("DOCKER_SOCKET", socket().to_str().expect("UTF-8"))
        .env("DOCKER_GID", &group)
        .with(&json!({ "volumes": [client] }))
}

fn warnings(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains("event=container_jobs_fail")).collect()
}

#[test]
fn a_job_in_a_container_finds_its_files_or_a_start_says_that_it_will_not() {
    docker!("compose", "buildx", "engine");
    let Some(_externals) = socket().exists().then(Externals::make).flatten() else {
        let why = "the engine has no socket here, or there is an /actions-runner on this machine";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
        return;
    };
    let one = project(&["all", "docker-socket", "container-jobs"], WORKER);
    let root = one.dir.path().join("work");
    let work = root.join("standard");
    fs::create_dir_all(&work).unwrap();
    fs::set_permissions(one.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    chown(&work, Some(1001), Some(1001)).expect("root may");
    let one = one.env("HOST_WORK_DIR", root.to_str().unwrap()).up(&["standard"]);
    let runner = one.container("standard");
    runner.until_job_done();
    let said = fs::read_to_string(work.join("widgets/widgets/said")).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), ["checked-out", "node20"], "{}", runner.said());
    assert_eq!(warnings(&runner.said()), [""; 0], "{}", runner.said());
    // It fails: nobody answers for GitHub here.
    let looked = command()
        .args(["exec", &runner.0, "/usr/local/bin/runner-init", "check", "--files"])
        .output()
        .unwrap();
    let looked = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(looked.contains("ok    container jobs: nothing is seen against them"), "{looked}");
    assert_eq!(runner.inspect()["HostConfig"]["CgroupnsMode"], Value::from("private"));

    let without = project(&["all", "docker-socket"], WORKER).up(&["standard"]);
    let runner = without.container("standard");
    runner.until_job_done();
    let said = runner.exec(&["cat", "/home/runner/_work/widgets/widgets/said"]);
    assert!(said.contains("/__w/_temp/step.sh"), "there is no such file for the daemon: {said}");
    let says = runner.said();
    let told =
        |line: &&str| line.contains("_data on the host") && line.contains("compose/container-jobs.yml");
    assert_eq!(warnings(&says).iter().filter(|line| told(line)).count(), 1, "{says}");
}

#[test]
fn the_hosts_cgroups_are_what_the_runner_refuses() {
    docker!("compose", "buildx", "engine");
    let with =
        project(&["all", "docker-socket"], "true").with(&json!({ "cgroup": "host" })).up(&["standard"]);
    let runner = with.container("standard");
    runner.until_job_done();
    // What the runner looks for; an engine with systemd's driver names its cgroups otherwise.
    let is_refused = runner.exec(&["cat", "/proc/1/cgroup"]).to_lowercase().contains(":/docker/");
    let says = runner.said();
    let found = warnings(&says).iter().any(|line| line.contains("--cgroupns=private"));
    assert_eq!(found, is_refused, "{says}");
}
