//! The stack of `compose/swarm.yml` on a real Swarm: updated under running jobs, refused start-first, and one job a container.

use crate::docker;
use crate::docker::{command, docker, repository, succeeded};
use crate::image::{readable, scenario, standard};
use crate::ns::wait_until;
use crate::project::{Container, LONG};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use tempfile::TempDir;

/// A manager of one node. Who made the swarm leaves it.
struct Swarm(bool);

impl Swarm {
    fn new() -> Swarm {
        let made = docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]) == "inactive";
        if made {
            docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
        }
        Swarm(made)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if self.0 {
            let _ = command().args(["swarm", "leave", "--force"]).output();
        }
    }
}

/// A stack of its own name and secret, with nothing left of it whatever happens.
struct Stack {
    name: String,
    dir: TempDir,
}

impl Stack {
    /// The file with its overlay, and with a registration token in the secret: nobody but `config.sh` is spoken to.
    fn deploy(overlays: &[&str], replicas: &str, steps: &Value) -> Stack {
        let dir = TempDir::new().unwrap();
        let name = format!("swarmtest{:08x}", crc32fast::hash(dir.path().as_os_str().as_encoded_bytes()));
        let stack = Stack { name, dir };
        let token = readable(&stack.dir, "token", "AREGISTRATIONTOKEN");
        docker(&["secret", "create", &stack.name, token.to_str().unwrap()]);
        let text = fs::read_to_string(repository("compose/swarm.yml")).unwrap();
        let other = text.replace("GITHUB_TOKEN_FILE: /run", "RUNNER_TOKEN_FILE: /run");
        assert_ne!(text, other);
        let sim = readable(&stack.dir, "sim.json", &serde_json::to_string(&scenario(steps)).unwrap());
        let top = json!({ "services": { "standard": {
            "environment": { "METRICS_UPDATE_INTERVAL": "1" },
            "volumes": [format!("{}:/actions-runner/sim.json:ro", sim.display())],
        } } });
        let mut files = vec![readable(&stack.dir, "swarm.yml", &other)];
        files.extend(overlays.iter().map(|overlay| repository("compose").join(format!("{overlay}.yml"))));
        files.push(readable(&stack.dir, "top.yml", &top.to_string()));
        let mut deploy = command();
        deploy.args(["stack", "deploy", "--detach", "--resolve-image", "never"]);
        for file in &files {
            deploy.arg("-c").arg(file);
        }
        let image = standard();
        deploy.arg(&stack.name).envs([
            ("STANDARD_IMAGE", image.as_str()),
            ("SWARM_SECRET", &stack.name),
            ("SWARM_REPLICAS", replicas),
            ("GITHUB_REPOSITORY", "owner/repository"),
            ("RUNNER_STOP_GRACE", "60s"),
            ("LIMIT_MEMORY", "512m"),
        ]);
        succeeded(&mut deploy, "stack deploy");
        stack
    }

    fn service(&self) -> String {
        format!("{}_standard", self.name)
    }

    /// Its containers in this state, or all.
    fn containers(&self, status: Option<&str>) -> Vec<Container> {
        let service = format!("label=com.docker.swarm.service.name={}", self.service());
        let status = status.map(|status| format!("status={status}"));
        let mut args = vec!["ps", "--all", "--quiet", "--no-trunc", "--filter", &service];
        if let Some(status) = &status {
            args.extend(["--filter", status]);
        }
        docker(&args).lines().map(|id| Container(id.to_owned())).collect()
    }

    fn running(&self) -> BTreeSet<String> {
        self.containers(Some("running")).into_iter().map(|container| container.0).collect()
    }

    fn update(&self, order: &str) {
        docker(&["service", "update", "--detach", "--force", "--update-order", order, &self.service()]);
    }

    /// Waits until Swarm says this of the update.
    fn until_update_is(&self, state: &str) {
        let format = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}";
        let service = self.service();
        wait_until(LONG, &format!("the update is {state}"), || {
            docker(&["service", "inspect", "--format", format, &service]) == state
        });
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let quietly = |args: &[&str]| _ = command().args(args).stderr(Stdio::null()).output();
        if std::thread::panicking() {
            for container in self.containers(None) {
                eprintln!("{}:\n{}", container.0, container.said());
            }
        }
        quietly(&["service", "scale", "--detach", &format!("{}=0", self.service())]);
        for id in self.running() {
            quietly(&["kill", &id]);
        }
        quietly(&["stack", "rm", &self.name]);
        // Removed only once nobody uses them.
        for container in self.containers(None) {
            quietly(&["rm", "--force", "--volumes", &container.0]);
        }
        quietly(&["secret", "rm", &self.name]);
        let volumes = docker(&["volume", "ls", "--quiet", "--filter", &format!("name={}_", self.name)]);
        volumes.lines().for_each(|volume| quietly(&["volume", "rm", volume]));
    }
}

/// The page as a program in the container gets it: nothing is published.
fn page(container: &Container) -> String {
    let ask = "exec 3<>/dev/tcp/127.0.0.1/9091; \
        printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let out = command().args(["exec", &container.0, "bash", "-c", ask]).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The sum of a metric's series that hold this label.
fn value(page: &str, name: &str, label: &str) -> u32 {
    let series = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
    series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u32>().unwrap()).sum()
}

const JOBS: &str = "github_runner_jobs_total{";

/// How often it said this.
fn times(container: &Container, text: &str) -> u32 {
    u32::try_from(container.said().matches(text).count()).unwrap()
}

fn slot(container: &Container) -> String {
    let task = container.inspect()["Config"]["Labels"]["com.docker.swarm.task.name"].clone();
    task.as_str().unwrap().rsplit_once('.').unwrap().0.to_owned()
}

#[test]
fn a_swarm_updates_runners_under_their_jobs_and_none_is_lost() {
    docker!("compose", "buildx", "engine");
    let _swarm = Swarm::new();
    let job = json!({ "job": { "name": "long", "ms": 4000 } });
    let stack = Stack::deploy(&[], "2", &json!([job, job]));
    wait_until(LONG, "both are busy", || {
        let runners = stack.containers(Some("running"));
        let busy = |runner: &Container| value(&page(runner), "github_runner_state{", "state=\"busy\"") == 1;
        runners.len() == 2 && runners.iter().all(busy)
    });
    let before = stack.running();
    let closed = "test -e /run/secrets/github_token && test ! -r /run/secrets/github_token && echo closed";
    let any = before.first().unwrap();
    assert_eq!(docker(&["exec", "--user", "1001", any, "bash", "-c", closed]), "closed", "to a job");
    stack.update("stop-first");
    stack.until_update_is("completed");
    let runners = stack.containers(Some("running"));
    let after = stack.running();
    assert!(after.len() == 2 && after.is_disjoint(&before), "{before:?} {after:?}");
    for old in before.iter().map(|id| Container(id.clone())) {
        assert_eq!(old.exit_code(), 0, "{}", old.said());
    }
    let ended = "Job long completed with result: Succeeded";
    for runner in &runners {
        wait_until(LONG, "both of its jobs have ended", || times(runner, ended) == 2);
        // The simulated runner's own words, of both containers of the slot, are the ledger.
        let of_slot: Vec<Container> =
            stack.containers(None).into_iter().filter(|other| slot(other) == slot(runner)).collect();
        assert_eq!(of_slot.len(), 2);
        let count = |text: &str| of_slot.iter().map(|container| times(container, text)).sum::<u32>();
        let all = count(ended);
        assert!(all >= 3, "the old one's job was lost: {all}");
        assert_eq!(count("Running job: long"), all);
        wait_until(LONG, "they are counted", || value(&page(runner), JOBS, "status=\"success\"") == all);
        let page = page(runner);
        assert_eq!(value(&page, JOBS, ""), all, "none failed, none was abandoned");
        assert!(page.contains(&format!("runner_name=\"{}\"", slot(runner))), "{page}");
        assert!(slot(runner).starts_with(&stack.service()));
    }
    // Two of one name and state: the new one waits before GitHub is asked, is not healthy meanwhile, and the old ones go on.
    stack.update("start-first");
    stack.until_update_is("paused");
    assert!(stack.running().is_superset(&after));
    let is_new = |one: &Container| !after.contains(&one.0) && !before.contains(&one.0);
    let new: Vec<String> =
        stack.containers(None).iter().filter(|one| is_new(one)).map(Container::said).collect();
    assert!(new.iter().any(|said| said.contains("event=job_log_in_use")), "{new:?}");
    assert!(!new.iter().any(|said| said.contains("event=registration_started")), "{new:?}");
    drop(stack);
    each_job_has_a_container_of_its_own();
}

/// On the same swarm.
fn each_job_has_a_container_of_its_own() {
    let job = json!([{ "job": { "name": "only", "ms": 300 } }]);
    let stack = Stack::deploy(&["swarm-ephemeral"], "1", &job);
    let used = || {
        let done = |one: &Container| times(one, "Job only completed with result: Succeeded") == 1;
        stack.containers(Some("exited")).into_iter().filter(done).collect::<Vec<_>>()
    };
    wait_until(LONG, "three had their job", || used().len() >= 3);
    let used = used();
    assert!(used.iter().all(|one| one.exit_code() == 0), "none was refused");
    assert!(used.iter().all(|one| times(one, "Running job: only") == 1));
    // Only the first found nothing that those before it have counted.
    let new = used.iter().filter(|one| one.said().contains("event=journal_opened rows=0 "));
    assert_eq!(new.count(), 1);
}
