//! The pod of `compose/kubernetes/base` as `podman kube play` runs it: the same user, rights, name and volumes, on a real runtime.
//!
//! What podman reads otherwise is left out or put in its place: probes would be curl in the container, the Secret is podman's own, the
//! port wants a network, and of the two graces it heeds neither. The claim is a volume of podman's.

use crate::docker;
use crate::docker::{command, repository, succeeded};
use crate::image::standard;
use crate::ns::wait_until;
use crate::project::LONG;
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// More than the machine of a test may give is asked for by default.
const CONFIG: &str = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
    [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";

/// A podman with a store of its own, of which nothing is left.
struct Podman(TempDir);

impl Podman {
    fn new() -> Podman {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("containers.conf"), CONFIG).unwrap();
        Podman(dir)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut podman = Command::new("podman");
        let at = |name: &str| self.0.path().join(name);
        podman.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path());
        podman.env("CONTAINERS_CONF", at("containers.conf"));
        podman
            .arg("--root")
            .arg(at("root"))
            .arg("--runroot")
            .arg(at("run"))
            .args(["--storage-driver", "vfs"])
            .args(args);
        podman
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        succeeded(&mut self.command(args), &args.join(" "))
    }

    /// What the runner has said.
    fn said(&self) -> String {
        let out = self.command(&["logs", "runner-0-runner"]).output().unwrap();
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    }

    /// What this prints in the runner's container, as a job would see it.
    fn sees(&self, script: &str) -> String {
        let out = self.command(&["exec", "runner-0-runner", "bash", "-c", script]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
        for args in [
            &["pod", "rm", "--force", "--all"][..],
            &["volume", "rm", "--force", "--all"],
            &["image", "rm", "--force", "--all"],
        ] {
            let _ = self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

/// The pod that the `StatefulSet` makes first, and the map that Kustomize makes.
fn documents(image: &str) -> String {
    let text = fs::read_to_string(repository("compose/kubernetes/base/statefulset.yaml")).unwrap();
    let set: Value = serde_yaml_ng::from_str(&text).unwrap();
    let mut spec = set["spec"]["template"]["spec"].clone();
    let claim = &set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"];
    let volume = json!({ "name": claim, "persistentVolumeClaim": { "claimName": "state-runner-0" } });
    spec["volumes"].as_array_mut().unwrap().push(volume);
    let runner = spec["containers"][0].as_object_mut().unwrap();
    for name in ["startupProbe", "livenessProbe", "readinessProbe", "resources", "ports"] {
        runner.remove(name).unwrap();
    }
    runner.extend([("image".into(), json!(image)), ("imagePullPolicy".into(), json!("Never"))]);
    let env = runner["env"].as_array_mut().unwrap();
    let at = |name: &str| env.iter().position(|var| var["name"] == name).unwrap();
    let (token, grace) = (at("GITHUB_TOKEN"), at("RUNNER_STOP_GRACE"));
    // Nobody but `config.sh` is spoken to.
    env[token]["name"] = json!("RUNNER_TOKEN");
    env[grace]["value"] = json!("60");
    let metadata = json!({ "name": "runner-0", "labels": set["spec"]["template"]["metadata"]["labels"] });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "runner" },
        "data": { "GITHUB_REPOSITORY": "owner/repository", "RUNNER_LABELS": "standard" } });
    format!("{map}\n---\n{pod}\n")
}

#[test]
fn the_pod_of_the_base_runs_with_no_rights_and_keeps_its_name_and_state() {
    docker!("buildx", "engine", "podman");
    let podman = Podman::new();
    let at = |name: &str| podman.0.path().join(name).to_str().unwrap().to_owned();
    let image = standard();
    succeeded(command().args(["save", "--output", &at("image.tar"), &image]), "save");
    podman.run(&["load", "--quiet", "--input", &at("image.tar")]);
    // {"token": base64 of AREGISTRATIONTOKEN}
    fs::write(at("secret"), r#"{"token":"QVJFR0lTVFJBVElPTlRPS0VO"}"#).unwrap();
    podman.run(&["secret", "create", "github-runner", &at("secret")]);
    fs::write(at("pod.yaml"), documents(&format!("docker.io/{image}"))).unwrap();
    podman.run(&["kube", "play", "--network", "none", &at("pod.yaml")]);
    wait_until(LONG, "its job has ended", || podman.said().contains("event=job_finished status=success"));
    assert_eq!(podman.sees("/usr/local/bin/runner-init health --ready"), "idle: the session is live");
    let rights = "id -u; id -g; while read -r line; do case $line in CapBnd*|NoNewPrivs*) echo $line;; esac; done < /proc/self/status";
    assert_eq!(podman.sees(rights), "1001\n1001\nCapBnd: 0000000000000000\nNoNewPrivs: 1");
    assert_eq!(
        podman.sees("test -r /proc/1/environ && cat /proc/1/environ || echo closed"),
        "closed",
        "the token"
    );
    let registered = podman.sees("cat /actions-runner/.runner");
    assert!(registered.contains("\"runner-0\""), "{registered}");

    podman.run(&["stop", "--time", "60", "runner-0-runner"]);
    let state = podman.run(&["inspect", "--format", "{{.State.ExitCode}}", "runner-0-runner"]);
    assert_eq!(state, "0", "{}", podman.said());
    assert!(podman.said().contains("event=deregistered"), "{}", podman.said());
    // As an update makes it: another pod of the same name, over the same claim.
    podman.run(&["kube", "down", &at("pod.yaml")]);
    podman.run(&["kube", "play", "--network", "none", &at("pod.yaml")]);
    wait_until(LONG, "it goes on", || podman.said().contains("event=session_created"));
    let said = podman.said();
    let opened = said.lines().find(|line| line.contains("event=journal_opened")).unwrap();
    assert!(!opened.contains("rows=0 "), "its counters begin anew: {opened}");
}
