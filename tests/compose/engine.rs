//! The compose files on a real engine, with the simulated runner in the images.

use crate::docker;
use crate::docker::{command, docker};
use crate::image::standard;
use crate::ns::wait_until;
use crate::project::{Container, LONG, Project};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn script(text: &str) -> Value {
    json!([{ "job": { "name": "script", "steps": [{ "run": text }] } }])
}

/// What the job left in its workspace.
#[track_caller]
fn left(container: &Container, name: &str) -> String {
    container.exec(&["cat", &format!("/home/runner/_work/widgets/widgets/{name}")])
}

/// The value of a label in the page's first series.
fn label(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Every series of ours, without its value.
fn series(page: &str) -> BTreeSet<String> {
    let ours = page.lines().filter(|line| line.starts_with("github_runner_"));
    ours.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn five_by_scale_are_five_distinct_runners() {
    docker!("compose", "buildx", "engine");
    let project = Project::new(&["all", "scale"]).up(&["--scale", "standard=5", "standard"]);
    let runners = project.all("standard");
    assert_eq!(runners.len(), 5);
    runners.iter().for_each(Container::until_job_done);
    let pages: Vec<String> = runners.iter().map(Container::metrics).collect();
    let names: BTreeSet<String> = pages.iter().map(|page| label(page, "runner_name")).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("docker-runner-")), "{names:?}");
    let each: Vec<usize> = pages.iter().map(|page| series(page).len()).collect();
    let together: BTreeSet<String> = pages.iter().flat_map(|page| series(page)).collect();
    assert!(each[0] > 50, "{each:?}");
    assert_eq!(together.len(), each.iter().sum::<usize>(), "no series is two runners'");
    let states: BTreeSet<String> = runners
        .iter()
        .flat_map(|runner| runner.inspect()["Mounts"].as_array().unwrap().clone())
        .filter(|mount| mount["Destination"] != "/home/runner/.cache")
        .map(|mount| mount["Name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states.len(), 10, "each has a state and a work volume of its own");
}

/// Fewer of them: each that goes ends its job and takes its registration with it; what it leaves is its two volumes.
#[test]
fn who_is_scaled_away_ends_its_job_and_leaves_no_registration() {
    docker!("compose", "buildx", "engine");
    let job = json!([{ "job": { "name": "long", "ms": 8000 } }]);
    let project = Project::new(&["all", "scale"]).env("RUNNER_STOP_GRACE", "90s").playing(&job);
    let project = project.up(&["--scale", "standard=3", "standard"]);
    let runners = project.all("standard");
    // Their logs go with them: somebody reads along.
    let follow = |runner: &Container| {
        let mut command = command();
        command.args(["logs", "--follow", &runner.0]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let logs: Vec<_> = runners.iter().map(|runner| (runner.0.clone(), follow(runner))).collect();
    let volumes = |runner: &Container| -> Vec<String> {
        let mounts = runner.inspect()["Mounts"].as_array().unwrap().clone();
        let own = mounts
            .iter()
            .filter(|mount| mount["Type"] == "volume" && mount["Destination"] != "/home/runner/.cache");
        own.map(|mount| mount["Name"].as_str().unwrap().to_owned()).collect()
    };
    let before: BTreeMap<String, Vec<String>> =
        runners.iter().map(|runner| (runner.0.clone(), volumes(runner))).collect();
    for runner in &runners {
        runner.until_metric("github_runner_state", "state=\"busy\"", "1");
    }
    project.compose(&["up", "--detach", "--no-recreate", "--scale", "standard=1", "standard"]);
    let rest = project.containers("standard");
    assert_eq!(rest.len(), 1);
    project.container("standard").until_job_done();
    project.compose(&["stop"]);
    for (id, log) in logs {
        let output = log.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains("Job long completed with result: Succeeded"), "{id}: {said}");
        assert!(said.contains("event=deregistered how=config.sh"), "{id}: {said}");
        assert!(!said.contains("registration_left_behind"), "{id}: {said}");
    }
    // docs/COMPOSE.md says so, and what takes them.
    let gone = before.iter().filter(|(id, _)| !rest.contains(*id));
    let left: Vec<&String> = gone.flat_map(|(_, volumes)| volumes).collect();
    assert_eq!(left.len(), 4, "{before:?}");
    for volume in left {
        docker(&["volume", "rm", volume]);
    }
}

#[test]
fn the_three_types_answer_with_their_type_and_are_healthy() {
    docker!("compose", "buildx", "engine");
    let project = Project::new(&["all"]).up(&["--wait"]);
    let mut ports = BTreeSet::new();
    for kind in ["standard", "chrome", "chrome-go"] {
        let runner = project.container(kind);
        runner.until_job_done();
        let page = runner.metrics();
        assert_eq!(label(&page, "runner_type"), kind);
        assert!(label(&page, "runner_name").starts_with(if kind == "standard" {
            "docker-runner-"
        } else {
            "chrome-runner-"
        }));
        assert_eq!(runner.inspect()["State"]["Health"]["Status"], "healthy");
        let address = runner.address().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        ports.insert(address);
        assert!(runner.said().contains("Runner successfully added"), "{}", runner.said());
    }
    assert_eq!(ports.len(), 3);
}

#[test]
fn a_stop_while_busy_lets_the_job_end() {
    docker!("compose", "buildx", "engine");
    let job = json!([{ "job": { "name": "long", "ms": 5000 } }]);
    let project = Project::new(&["standard"]).env("RUNNER_STOP_GRACE", "90s").playing(&job).up(&[]);
    let runner = project.container("standard");
    runner.until_metric("github_runner_state", "state=\"busy\"", "1");
    let asked = Instant::now();
    project.compose(&["stop"]);
    assert!(asked.elapsed() < Duration::from_secs(60), "docker's patience was not needed");
    let said = runner.said();
    assert!(said.contains("Job long completed with result: Succeeded"), "{said}");
    assert_eq!(runner.exit_code(), 0, "{said}");
    assert_eq!(runner.inspect()["State"]["OOMKilled"], false);
    // What was counted is on the volume.
    project.compose(&["start"]);
    runner.until_metric("github_runner_jobs_total", "status=\"success\"", "1");
}

#[test]
fn the_token_s_file_is_read_by_the_supervisor_and_by_no_job() {
    docker!("compose", "buildx", "engine");
    let look = "id -u > uid; cat /run/secrets/github_token > token 2>&1 || true; env > env
        cat /proc/1/environ > environ 2>&1 || true";
    let mut project = Project::new(&["all", "token-file"]).playing(&script(look));
    let file = project.dir.path().join("token");
    std::fs::write(&file, "ghp_s3cr3t\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
    // Its registration is not what is looked at: that would take a GitHub.
    let skip = json!({ "environment": { "RUNNER_SKIP_REGISTRATION": "true" }, "entrypoint": ["/usr/bin/bash", "-c",
        "cd /actions-runner && echo '{\"agentId\":1,\"workFolder\":\"/home/runner/_work\"}' > .runner && echo '{}' > .credentials \
         && exec /usr/local/bin/runner-init"] });
    project = project
        .env("GITHUB_TOKEN_FILE", file.to_str().unwrap())
        .env("RUNNER_TOKEN", "")
        .with(&skip)
        .up(&["standard"]);
    let runner = project.container("standard");
    runner.until_job_done();
    assert_eq!(left(&runner, "uid"), "1001");
    assert!(left(&runner, "token").contains("Permission denied"));
    assert!(left(&runner, "environ").contains("Permission denied"));
    assert!(!left(&runner, "env").contains("TOKEN"), "{}", left(&runner, "env"));
    let check = runner.exec(&["runner-init", "check"]);
    assert!(
        check.lines().any(|line| line.contains("GITHUB_TOKEN") && line.contains("GITHUB_TOKEN_FILE")),
        "{check}"
    );
    let told = docker(&["inspect", &runner.0]) + &check + &runner.said();
    assert!(!told.contains("ghp_s3cr3t"));
}

#[test]
fn an_ephemeral_container_has_one_job_and_is_refused_when_it_is_started_again() {
    docker!("compose", "buildx", "engine");
    let job = json!([{ "job": { "name": "only", "ms": 100 } }]);
    let project = Project::new(&["all", "ephemeral"]).env("METRICS_LINGER_SECONDS", "1").playing(&job);
    let project = project.up(&["standard"]);
    let ends = |code: i64, says: &str| {
        let runner = project.container("standard");
        runner.until_status("exited");
        assert_eq!(runner.exit_code(), code, "{}", runner.said());
        assert!(runner.said().contains(says), "{}", runner.said());
        runner.0.clone()
    };
    let used = ends(0, "Job only completed with result: Succeeded");
    docker(&["start", &used]);
    ends(64, "RUNNER_EPHEMERAL: expected a fresh container, but an earlier job has left /");
    // As the loop of the file does it.
    project.compose(&["up", "-d", "--force-recreate", "--renew-anon-volumes", "standard"]);
    let fresh = ends(0, "Job only completed with result: Succeeded");
    assert_ne!(fresh, used);
}

#[test]
fn a_read_only_root_does() {
    docker!("compose", "buildx", "engine");
    let look = "touch /x 2> root || true; touch /actions-runner/x /home/runner/x /tmp/x && echo yes > rest";
    let project = Project::new(&["all", "read-only"]).playing(&script(look)).up(&["--wait", "standard"]);
    let runner = project.container("standard");
    runner.until_job_done();
    assert!(left(&runner, "root").contains("Read-only file system"));
    assert_eq!(left(&runner, "rest"), "yes");
    assert_eq!(runner.inspect()["HostConfig"]["ReadonlyRootfs"], true);
    project.compose(&["stop"]);
    assert_eq!(runner.exit_code(), 0, "{}", runner.said());
}

#[test]
fn the_socket_is_usable_by_a_job_and_left_as_it_is() {
    docker!("compose", "buildx", "engine");
    let look = "test -w /var/run/docker.sock && echo yes > usable; id -G > groups";
    let project = Project::new(&["all", "docker-socket"]).playing(&script(look));
    let path = project.dir.path().join("docker.sock");
    let _socket = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::chown(&path, Some(0), Some(4321)).expect("root may");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o660)).unwrap();
    let project =
        project.env("DOCKER_SOCKET", path.to_str().unwrap()).env("DOCKER_GID", "4321").up(&["standard"]);
    let runner = project.container("standard");
    runner.until_job_done();
    assert_eq!(
        (left(&runner, "usable"), left(&runner, "groups")),
        ("yes".to_owned(), "1001 4321".to_owned())
    );
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
}

/// It ends with this code and one line that says all of this.
#[track_caller]
fn refuses(project: Project, code: i64, says: &[&str]) {
    let project = project.env("RESTART_POLICY", "no").up(&[]);
    let runner = project.container("standard");
    runner.until_status("exited");
    let said = runner.said();
    assert_eq!(runner.exit_code(), code, "{said}");
    let clear = said.lines().filter(|line| says.iter().all(|text| line.contains(text)));
    assert_eq!(clear.count(), 1, "one line with {says:?} was expected in: {said}");
    assert!(!said.contains("event=listener_started"), "{said}");
}

#[test]
fn what_is_wrong_is_said_in_a_line_with_its_exit_code() {
    docker!("compose", "buildx", "engine");
    let standard = || Project::new(&["standard"]);
    refuses(standard().env("RUNNER_TOKEN", ""), 64, &["GITHUB_TOKEN", "APP_ID"]);
    refuses(
        standard().env("GITHUB_REPOSITORY", "https://owner"),
        64,
        &["GITHUB_REPOSITORY", "OWNER/REPOSITORY"],
    );
    let project = standard();
    let work = project.dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let mount = json!({ "volumes": [format!("{}:/home/runner/_work", work.display())] });
    refuses(
        project.with(&mount),
        64,
        &["RUNNER_WORK_DIR", "uid 1001 cannot write", "chown -R 1001:1001 /home/runner/_work"],
    );
}

#[test]
fn a_port_that_is_taken_in_the_container_s_network_is_named() {
    docker!("compose", "buildx", "engine");
    let project = Project::new(&["standard"]).up(&[]);
    let holder = project.container("standard");
    holder.until_job_done();
    let network = format!("container:{}", holder.0);
    let secret = ["-e", "RUNNER_TOKEN=A", "-e", "GITHUB_REPOSITORY=owner/repository"];
    let image = standard();
    let args = [&["run", "--rm", "--network", &network][..], &secret, &[&image]].concat();
    let out = command().args(args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(71), "{said}");
    assert!(said.contains("cannot listen on 0.0.0.0:9091 (METRICS_BIND, METRICS_PORT)"), "{said}");
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn a_state_volume_that_cannot_be_written_costs_the_history_and_no_job() {
    docker!("compose", "buildx", "engine");
    let fix = "which belongs to 0:0 (mode 755): chown -R 1001:1001 /var/lib/runner-init";
    for (why, mode) in [(fix, ""), ("the file system is read-only, mount a volume there", ":ro")] {
        let project = Project::new(&["standard"]);
        let state = project.dir.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let mount = format!("{}:/var/lib/runner-init{mode}", state.display());
        let project = project.with(&json!({ "volumes": [mount] })).up(&["--wait"]);
        let runner = project.container("standard");
        runner.until_job_done();
        let said = runner.said();
        let clear =
            said.lines().filter(|line| line.contains("level=error event=journal_fault kind=unusable"));
        let clear: Vec<&str> = clear.collect();
        assert_eq!(clear.len(), 1, "{said}");
        assert!(
            clear[0].contains("/var/lib/runner-init/jobs.log") && clear[0].contains(why),
            "{why}: {said}"
        );
        assert!(
            runner
                .metrics()
                .lines()
                .any(|line| line.starts_with("github_runner_journal_faults_total{") && !line.ends_with(" 0"))
        );
    }
}

#[test]
fn a_fault_that_stays_is_no_restart_storm() {
    docker!("compose", "buildx", "engine");
    let faulty = || Project::new(&["standard"]).env("RUNNER_TOKEN", "");
    let restarts = |runner: &Container| runner.inspect()["RestartCount"].as_u64().unwrap();
    let start = Instant::now();
    let project = faulty().up(&[]);
    let runner = project.container("standard");
    wait_until(LONG, "seven restarts", || restarts(&runner) >= 7);
    // Counted before the pause: six of them are over, 100 ms and doubled each time. A slow start only adds to them.
    assert!(start.elapsed() >= Duration::from_millis(6300), "the pauses do not grow: {:?}", start.elapsed());
    let project = faulty().env("RESTART_POLICY", "on-failure:2").up(&[]);
    let runner = project.container("standard");
    wait_until(LONG, "two restarts", || restarts(&runner) == 2);
    runner.until_status("exited");
    assert_eq!((runner.exit_code(), restarts(&runner)), (64, 2));
}

#[test]
fn a_second_runner_on_the_same_state_is_refused_before_it_works_in_the_same_place() {
    docker!("compose", "buildx", "engine");
    let short = Project::new(&["standard"]).env("RESTART_POLICY", "no").env("RUNNER_STOP_GRACE", "10s");
    let project = short.up(&["--scale", "standard=2"]);
    let both = project.all("standard");
    let has_ended = |runner: &&Container| runner.inspect()["State"]["Status"] == "exited";
    wait_until(LONG, "one of them leaves", || both.iter().any(|runner| has_ended(&runner)));
    let (refused, accepted): (Vec<&Container>, Vec<&Container>) = both.iter().partition(has_ended);
    assert_eq!((refused.len(), refused[0].exit_code()), (1, 64));
    let said = refused[0].said();
    assert!(
        said.contains("JOBS_LOG: job log /var/lib/runner-init/jobs.log is in use by another supervisor"),
        "{said}"
    );
    accepted[0].until_job_done();
}
