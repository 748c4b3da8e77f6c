//! What jobs leave on a real Docker Engine, black box: containers and networks made as the real worker makes them go with the
//! job, and nobody else's do.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supervised::{Plan, Supervised, runner};

/// Beyond what a busy engine takes.
const LONG: Duration = Duration::from_secs(60);

/// The calls of the worker of `actions/runner` 2.336.0 for a job with `container:` and a service, with its labels and names
/// (recorded), and a step in the container. One line for each thing that it makes.
const WORKER: &str = r#"
    made() { echo "$1 $2" >> ROOT/made; }
    hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
    label=$(LC_ALL=C sed '1s/^\xef\xbb\xbf//' ROOT/.runner | tr A-Z a-z | sha256sum | cut -c1-6)
    echo "$label" > ROOT/label
    network=github_network_$(hex 16)
    docker network create --label "$label" "$network"
    made network "$network"
    job=$(docker create --name "$(hex 16)_bb_$(hex 3)" --label "$label" --workdir / --network "$network" \
        -e GITHUB_ACTIONS=true -e CI=true -v NAMED:/named -v /anonymous --entrypoint /busybox IMAGE tail -f /dev/null)
    made container "$job"
    made volume "$(docker inspect --format '{{range .Mounts}}{{if ne .Destination "/named"}}{{.Name}}{{end}}{{end}}' "$job")"
    docker start "$job"
    service=$(docker create --name "$(hex 16)_bb_$(hex 3)" --label "$label" --network "$network" --network-alias svc \
        -e GITHUB_ACTIONS=true -e CI=true --entrypoint /busybox IMAGE sleep 601)
    made container "$service"
    docker start "$service"
    docker exec -i "$job" /busybox sleep 602
"#;

fn docker(args: &[&str]) -> Option<String> {
    let out = Command::new("docker").args(args).stdin(Stdio::null()).output().expect("docker starts");
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim_end().to_owned())
}

/// An image with one program, and a volume with a name; removed when this is dropped.
struct Bench {
    image: String,
    volume: String,
}

impl Bench {
    fn new(test: &str) -> Bench {
        let name = format!("runner-init-engine-{test}-{}", std::process::id());
        let mut tar = Command::new("tar");
        let tar = tar.args(["--create", "--directory", "/bin", "busybox"]).output().expect("tar starts");
        let mut import = Command::new("docker");
        let import = import.args(["import", "-", &name]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut import = import.spawn().expect("docker starts");
        import.stdin.take().expect("piped").write_all(&tar.stdout).expect("it reads");
        assert!(import.wait().expect("our child").success());
        docker(&["volume", "create", &name]).expect("a volume");
        Bench { image: name.clone(), volume: name }
    }

    fn script(&self) -> String {
        WORKER.replace("IMAGE", &self.image).replace("NAMED", &self.volume)
    }

    /// A runner whose registration has this number, with one such job.
    fn runner(&self, number: u32) -> Plan {
        let script = self.script().replace("ROOT", "\"$RUNNER_TEMP/../..\"");
        let job = json!({ "job": { "name": "containers", "spawn_ms": 0, "steps": [{ "run": script }] } });
        // No drain, and room for a machine that has other work.
        let plan = plan(&[job]).env("RUNNER_STOP_GRACE", "30s").env("RUNNER_DRAIN_TIMEOUT", "0s");
        plan.after(&registration(number))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let left =
            docker(&["ps", "-aq", "--filter", &format!("ancestor={}", self.image)]).unwrap_or_default();
        let networks = left.lines().filter_map(|id| {
            docker(&[
                "inspect",
                "--format",
                "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
                id,
            ])
        });
        let networks: Vec<String> = networks.collect();
        left.lines().for_each(|id| drop(docker(&["rm", "--force", "--volumes", id])));
        let networks = networks.iter().flat_map(|names| names.split_whitespace());
        networks
            .filter(|name| name.starts_with("github_network_"))
            .for_each(|name| drop(docker(&["network", "rm", name])));
        docker(&["volume", "rm", "--force", &self.volume]);
        docker(&["rmi", "--force", &self.image]);
    }
}

fn plan(steps: &[Value]) -> Plan {
    let own = ["DOCKER_HOST", "DOCKER_CONFIG"].map(|name| (name, std::env::var(name)));
    own.iter().fold(runner(steps), |plan, (name, value)| match value {
        Ok(value) => plan.env(name, value),
        Err(_) => plan,
    })
}

/// As `config.sh` leaves it: a byte order mark, no line end after the last line.
fn registration(number: u32) -> String {
    let unique = u64::from(std::process::id()) * 100 + u64::from(number);
    format!(
        "printf '\\357\\273\\277{{\\n  \"agentId\": {unique},\\n  \"agentName\": \"Test\",\\n  \"workFolder\": \"_work\"\\n}}' > \"$RUNNER_DIR/.runner\""
    )
}

/// What the job has made: kind and name.
fn made(s: &Supervised) -> Vec<(String, String)> {
    let text = ns::read(&s.path("runner/made"));
    text.lines().filter_map(|line| line.split_once(' ')).map(|(k, n)| (k.to_owned(), n.to_owned())).collect()
}

fn exists((kind, name): &(String, String)) -> bool {
    docker(&[kind, "inspect", name]).is_some()
}

/// What is still there of it.
fn left(all: &[(String, String)]) -> Vec<&(String, String)> {
    all.iter().filter(|one| exists(one)).collect()
}

/// Waits until the step runs in the container; what the job has made: a network, two containers, a volume without a name.
fn until_inside(s: &mut Supervised) -> Vec<(String, String)> {
    let is_inside = |s: &mut Supervised| {
        let all = made(s);
        all.len() == 4 && docker(&["top", &all[1].1]).is_some_and(|list| list.contains("sleep 602"))
    };
    let deadline = Instant::now() + LONG;
    while !is_inside(s) {
        assert!(Instant::now() < deadline, "no step in a container; its log:\n{}", s.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let all = made(s);
    assert_eq!(left(&all).len(), 4);
    all
}

fn until_gone(s: &Supervised, all: &[(String, String)]) {
    let deadline = Instant::now() + LONG;
    while !left(all).is_empty() {
        assert!(Instant::now() < deadline, "{:?} is left; its log:\n{}", left(all), s.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn swept(s: &Supervised) -> (Option<f64>, Option<f64>) {
    let count = |kind| s.metric(&format!("github_runner_swept_engine_objects_total{{kind=\"{kind}\"}}"));
    (count("container"), count("network"))
}

#[test]
fn a_stop_takes_them_along_within_the_grace() {
    require!("namespace", "engine", "busybox");
    let bench = Bench::new("stop");
    let mut s = bench.runner(1).start();
    let all = until_inside(&mut s);
    let asked = Instant::now();
    s.stop();
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!(left(&all), [] as [&(String, String); 0], "{}", s.log());
    let log = s.log();
    assert_eq!(log.matches("event=engine_swept kind=container").count(), 2, "{log}");
    assert_eq!(log.matches("event=engine_swept kind=network").count(), 1, "{log}");
    assert!(exists(&("volume".into(), bench.volume.clone())), "a volume with a name is kept");
    assert!(!s.path("state/jobs.log.engine").exists(), "nothing is left to do");
}

#[test]
fn a_killed_workers_go_and_the_runner_goes_on() {
    require!("namespace", "engine", "busybox");
    let bench = Bench::new("worker");
    let mut s = bench.runner(1).start();
    let all = until_inside(&mut s);
    assert_eq!(swept(&s), (None, None));
    let worker = s.until_process("Runner.Worker");
    kill(Pid::from_raw(worker), Signal::SIGKILL).expect("it lives");
    until_gone(&s, &all);
    s.until("they are counted", |s| swept(s) == (Some(2.0), Some(1.0)));
    assert!(exists(&("volume".into(), bench.volume.clone())), "a volume with a name is kept");
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_killed_listeners_go_with_its_group() {
    require!("namespace", "engine", "busybox");
    let bench = Bench::new("listener");
    let mut s = bench.runner(1).start();
    let all = until_inside(&mut s);
    let listener = s.until_process("Runner.Listener");
    kill(Pid::from_raw(listener), Signal::SIGKILL).expect("it lives");
    until_gone(&s, &all);
    s.until("they are counted", |s| swept(s) == (Some(2.0), Some(1.0)));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_start_finds_what_its_killed_predecessor_had_made_under_another_registration() {
    require!("namespace", "engine", "busybox");
    let bench = Bench::new("successor");
    let mut s = bench.runner(1).start();
    let all = until_inside(&mut s);
    s.signal(Signal::SIGKILL);
    s.exit_code();
    assert_eq!(left(&all).len(), 4, "nobody was there to remove them");
    let mut next = plan(&[]).after(&registration(2)).in_dir_of(&s).start();
    until_gone(&next, &all);
    next.until("they are counted", |s| swept(s) == (Some(2.0), Some(1.0)));
    assert!(!next.path("state/jobs.log.engine").exists());
    assert!(exists(&("volume".into(), bench.volume.clone())), "a volume with a name is kept");
    assert_eq!(next.stop(), 0);
}

#[test]
fn of_two_runners_on_one_engine_each_sweeps_its_own_and_nothing_older() {
    require!("namespace", "engine", "busybox");
    let bench = Bench::new("two");
    let (mut one, mut other) = (bench.runner(1).start(), bench.runner(2).start());
    let (ones, others) = (until_inside(&mut one), until_inside(&mut other));
    one.stop();
    assert_eq!(left(&ones), [] as [&(String, String); 0], "{}", one.log());
    assert_eq!(left(&others).len(), 4);
    assert!(docker(&["top", &others[1].1]).is_some_and(|list| list.contains("sleep 602")), "untouched");
    // Somebody's with the same label, from before the job.
    let label = ns::read(&one.path("runner/label"));
    let args = ["create", "--label", label.trim(), "--entrypoint", "/busybox", &bench.image, "true"];
    let older = ("container".to_owned(), docker(&args).expect("a container"));
    std::fs::remove_file(one.path("runner/made")).expect("the job's");
    // The engine tells an age in whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let mut again = bench.runner(1).in_dir_of(&one).start();
    let ones = until_inside(&mut again);
    again.stop();
    assert_eq!(left(&ones), [] as [&(String, String); 0], "{}", again.log());
    assert!(exists(&older), "it was there before the job");
    other.stop();
    assert_eq!(left(&others), [] as [&(String, String); 0], "{}", other.log());
}

#[test]
fn asked_not_to_it_leaves_them() {
    require!("namespace", "engine", "busybox");
    let bench = Bench::new("kept");
    let mut s = bench.runner(1).env("RUNNER_SWEEP", "false").start();
    let all = until_inside(&mut s);
    s.stop();
    assert_eq!(left(&all).len(), 4, "{}", s.log());
    let names: Vec<&str> =
        all.iter().filter(|(kind, _)| kind == "network").map(|(_, name)| name.as_str()).collect();
    all.iter().filter(|(kind, _)| kind == "container").for_each(|(_, id)| drop(docker(&["rm", "-fv", id])));
    docker(&["network", "rm", names[0]]).expect("its containers are gone");
}

#[test]
fn an_engine_that_hangs_costs_no_more_than_the_grace_has() {
    require!("namespace");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("docker.sock");
    // Connections are taken by the system and never answered.
    let _silent = UnixListener::bind(&path).expect("a socket");
    let job = json!({ "job": { "name": "plain", "spawn_ms": 0, "steps": [{ "run": "echo x > \"$RUNNER_TEMP/../../made\"; sleep 603" }] } });
    let host = format!("unix://{}", path.display());
    let mut s = runner(&[job])
        .env("DOCKER_HOST", &host)
        .env("RUNNER_STOP_GRACE", "30s")
        .env("RUNNER_DRAIN_TIMEOUT", "0s")
        .start();
    s.until("the step runs", |s| s.path("runner/made").exists());
    let asked = Instant::now();
    s.stop();
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert!(s.log().contains("event=engine_unusable"), "{}", s.log());
    assert!(s.path("state/jobs.log.engine").exists(), "the next start goes on");
}
