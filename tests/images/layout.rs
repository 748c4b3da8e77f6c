//! Whole runs on the layout of the images: as any user of root's group, with a controller's configuration, and through a self-update.

use crate::docker::{Container, UPDATING, attempt, docker, job, launches};
use crate::require_engine;
use base64::Engine as _;
use serde_json::{Value, json};

const REGISTERS: [&str; 4] = ["-e", "GITHUB_REPOSITORY=o/r", "-e", "RUNNER_TOKEN=registration"];
/// As `OpenShift` starts a container: any number, and root's group.
const ANY: &str = "--user=4711:0";
/// What jobs do with their home and their workspace; nothing of the runner's or the image's is theirs to replace.
const WORK: &str = r#"
test "$(id -u)" = "$WANT"
echo mine > "$HOME/.mine" && echo mine > mine && mkdir -p ~/.cache/tool
cd /actions-runner
for at in config.sh run.sh bin externals; do
  if mv "$at" other 2>> /tmp/refused || rm -rf "$at" 2>> /tmp/refused; then exit 1; fi
done
if touch /usr/local/bin/mine /etc/mine bin/mine 2>> /tmp/refused; then exit 1; fi
"#;

fn work(uid: &str) -> Value {
    job("work", &format!("WANT={uid}\n{WORK}"))
}

/// What a controller has asked GitHub for, in the form it comes in.
fn jit() -> String {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let runner = encode(r#"{"AgentId":"7","AgentName":"test","Ephemeral":"True","WorkFolder":"_work"}"#);
    let files =
        json!({ ".runner": runner, ".credentials": encode("{}"), ".credentials_rsaparams": encode("{}") });
    encode(&files.to_string())
}

#[test]
fn any_user_of_root_s_group_registers_runs_jobs_and_goes_on() {
    require_engine!();
    let options = [&[ANY], &REGISTERS[..]].concat();
    let c =
        Container::to_register("standard", &options, &launches(&[&[work("4711")], &[job("two", "true")]]));
    c.start();
    c.until_jobs("success", 1.0);
    let (code, said, _) = attempt(&["exec", c.id(), "/usr/local/bin/runner-init", "health"]);
    assert_eq!(code, 0, "{said}");
    let look = "stat -c %u:%g /var/lib/runner-init/jobs.log /actions-runner/.runner /home/runner/.mine";
    assert_eq!(docker(&["exec", c.id(), "sh", "-c", look]), "4711:0\n4711:0\n4711:0\n", "{}", c.log());
    assert_eq!(c.stop(10).1, 0, "{}", c.log());
    for odd in ["level=warn", "level=error"] {
        assert!(!c.log().contains(odd), "{}", c.log());
    }
    c.start();
    c.until_jobs("success", 2.0);
    assert_eq!(c.stop(10).1, 0, "{}", c.log());
}

#[test]
fn a_controllers_configuration_is_good_for_one_job_of_whatever_user() {
    require_engine!();
    let jit = format!("ACTIONS_RUNNER_INPUT_JITCONFIG={}", jit());
    for (user, uid) in [(None, "1001"), (Some(ANY), "4711")] {
        let options: Vec<&str> = ["-e", &jit].into_iter().chain(user).collect();
        let c = Container::to_register("standard", &options, &launches(&[&[work(uid)]]));
        c.start();
        assert_eq!(docker(&["wait", c.id()]), "0\n", "{}", c.log());
        let log = c.log();
        assert!(log.contains("event=job_finished status=success"), "{log}");
        assert!(!log.contains(jit.as_str()) && !log.contains("level=error"), "{log}");
    }
}

/// An update, then a job on what it has brought.
fn update() -> Value {
    let update = json!({ "update": { "version": "2.337.0", "download_ms": 10 } });
    let mut scenario = launches(&[&[update], &[job("after", "true")]]);
    scenario["speed"] = json!(10);
    scenario
}

const UPDATES: [&str; 2] = ["-e", "DISABLE_AUTO_UPDATE=false"];

#[test]
fn a_runner_that_is_given_its_programs_updates_itself() {
    require_engine!();
    let of_root: &[&str] =
        &["--user=0", "-e", "RUNNER_USER=runner", "-e", "RUNNER_STATE_DIR=/var/lib/runner-init-root"];
    for (name, options, given) in [("standard", of_root, 1), (UPDATING, &[], 0)] {
        let options = [options, &UPDATES[..], &REGISTERS[..]].concat();
        let c = Container::to_register(name, &options, &update());
        c.start();
        c.until_jobs("success", 1.0);
        let log = c.log();
        assert!(!log.contains("event=updates_cannot_be_installed"), "{name}: {log}");
        assert_eq!(log.matches("event=programs_given").count(), given, "{name}: {log}");
        let look = "cd /actions-runner && readlink bin externals && stat -c %u bin config.sh bin.2.336.0 bin.2.337.0";
        assert_eq!(
            docker(&["exec", c.id(), "sh", "-c", look]),
            "bin.2.337.0\nexternals.2.337.0\n1001\n1001\n0\n1001\n",
            "{name}: {log}"
        );
        assert_eq!(c.metric("github_runner_info", "version=\"2.337.0\""), Some(1.0), "{name}: {log}");
        assert_eq!(c.stop(10).1, 0, "{name}: {}", c.log());
    }
}

#[test]
fn where_the_programs_are_root_s_an_update_fails_whole_and_it_was_said() {
    require_engine!();
    for user in ["--user=1001", ANY] {
        let options = [&[user], &UPDATES[..], &REGISTERS[..]].concat();
        let fails = json!({ "update": { "version": "2.337.0", "download_ms": 10 } });
        let c = Container::to_register("standard", &options, &launches(&[&[fails, job("after", "true")]]));
        c.start();
        c.until_jobs("success", 1.0);
        let log = c.log();
        assert!(log.contains("Runner update failed: "), "{user}: {log}");
        let told = log.lines().find(|line| line.contains("event=updates_cannot_be_installed"));
        assert!(
            told.is_some_and(|line| line.contains("RUNNER_USER=runner")
                && line.contains("/actions-runner/bin belongs to uid 0, in a sticky directory")),
            "{user}: {log}"
        );
        let bin = docker(&["exec", c.id(), "readlink", "/actions-runner/bin"]);
        assert_eq!(bin, "bin.2.336.0\n", "{user}");
        assert_eq!(c.stop(10).1, 0, "{user}: {}", c.log());
    }
}
