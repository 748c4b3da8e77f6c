//! The monitoring stack on a real engine: a real Prometheus finds real containers, and its own answers say so.

use crate::docker;
use crate::docker::{docker, repository, succeeded};
use crate::image::readable;
use crate::monitoring::{SERVERS, yaml};
use crate::ns::wait_until;
use crate::project::{Container, LONG, Project};
use crate::servers;
use crate::wire;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// The file of `compose/`, with the stand-ins and on free ports.
fn stack(file: &str) -> Project {
    Project::new(&[file])
        .env("PROMETHEUS_IMAGE", &servers::prometheus())
        .env("ALERTMANAGER_IMAGE", &servers::alertmanager())
        .env("GRAFANA_IMAGE", &servers::grafana())
        .env("PROMETHEUS_PORT", "0")
        .env("ALERTMANAGER_PORT", "0")
        .env("GRAFANA_PORT", "0")
        .env("DEMO_IMAGE", &servers::demo())
        .env("METRICS_UPDATE_INTERVAL", "")
}

/// Its configuration with a second for every fifteen and for every minute of its rules; the rest is word for word.
fn hasty(project: Project) -> Project {
    let copy = project.dir.path().join("prometheus");
    fs::set_permissions(project.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    succeeded(Command::new("cp").arg("-r").arg(repository("dashboards/prometheus")).arg(&copy), "cp");
    for file in ["prometheus.yml", "rules/alerts.yml", "rules/events.yml", "rules/recording.yml"] {
        let text = fs::read_to_string(copy.join(file)).unwrap();
        let slow = ["interval: 15s", "interval: 1m", "interval: 5m"];
        let hasty = slow.iter().fold(text.clone(), |text, slow| text.replace(slow, "interval: 1s"));
        // What is told of a minute ago is told of a second ago.
        let hasty = hasty.replace("offset 1m", "offset 1s");
        assert_ne!(hasty, text, "{file}");
        fs::write(copy.join(file), hasty.replace("timeout: 10s", "timeout: 1s")).unwrap();
    }
    let mount = json!({ "type": "bind", "source": copy, "target": "/etc/prometheus", "read_only": true });
    project.over("prometheus", &json!({ "volumes": [mount] }))
}

/// The API of a server's container, as it is published now.
fn api(container: &Container, port: &str, path: &str) -> Option<Value> {
    let reply = wire::get(&container.published(port)?, path, "").ok()?;
    (reply.status == 200).then(|| reply.json())
}

fn prometheus(project: &Project, path: &str) -> Option<Value> {
    api(&project.container("prometheus"), "9090/tcp", path)
}

/// The one value of an expression, if it has one.
fn value(project: &Project, expression: &str) -> Option<f64> {
    let encoded: Vec<String> = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = prometheus(project, &format!("/api/v1/query?query={}", encoded.concat()))?;
    let [one] = &answer["data"]["result"].as_array()?[..] else { return None };
    one["value"][1].as_str()?.parse().ok()
}

#[track_caller]
fn until(project: &Project, expression: &str, holds: impl Fn(f64) -> bool) {
    wait_until(LONG, expression, || value(project, expression).is_some_and(&holds));
}

#[track_caller]
fn until_is(project: &Project, expression: &str, expected: u32) {
    until(project, expression, |value| (value - f64::from(expected)).abs() < 0.5);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Every rule of every group, evaluated.
#[track_caller]
fn rules(project: &Project) -> Vec<Value> {
    let mut rules = Vec::new();
    wait_until(LONG, "every rule is evaluated", || {
        let answer = prometheus(project, "/api/v1/rules").unwrap_or_default();
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown")
    });
    rules
}

/// It can be reached from this machine only, listens on this port only, and may nothing.
#[track_caller]
fn is_closed(container: &Container, port: &str, uid: &str) {
    let told = container.inspect();
    for (inner, bindings) in told["NetworkSettings"]["Ports"].as_object().unwrap() {
        assert_eq!(inner, &format!("{port}/tcp"));
        let addresses = bindings.as_array().unwrap().iter().map(|binding| text(&binding["HostIp"]));
        assert_eq!(addresses.collect::<Vec<_>>(), ["127.0.0.1"]);
    }
    let host = &told["HostConfig"];
    assert_eq!((&host["ReadonlyRootfs"], &host["CapDrop"]), (&json!(true), &json!(["ALL"])));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert!(host["Memory"].as_u64() > Some(0) && host["PidsLimit"].as_u64() > Some(0), "{host}");
    assert_eq!(container.exec(&["id", "-u"]), uid);
    let listens: BTreeSet<String> = container
        .exec(&["netstat", "-lntu"])
        .lines()
        .filter(|line| line.starts_with("tcp") || line.starts_with("udp"))
        .map(|line| line.split_whitespace().nth(3).unwrap().to_owned())
        // The engine's own name server.
        .filter(|address| !address.starts_with("127.0.0.11:"))
        .collect();
    assert_eq!(listens, BTreeSet::from([format!(":::{port}")]));
}

/// What Grafana will read: its addresses answer from where it is, and its directory has the four dashboards.
fn grafana_finds_everything(grafana: &Container) {
    let read = |path: &str| yaml(&grafana.exec(&["cat", path]));
    let sources = read("/etc/grafana/provisioning/datasources/runner-init.yml");
    let answers = |uid: &str, path: &str| {
        let sources = sources["datasources"].as_array().unwrap();
        let url = text(&sources.iter().find(|source| source["uid"] == uid).unwrap()["url"]);
        grafana.exec(&["wget", "-q", "-O", "-", &format!("{url}{path}")])
    };
    assert!(answers("prometheus", "/api/v1/query?query=up").contains("github-runners"));
    assert!(answers("alertmanager", "/api/v2/status").contains("inhibit_rules"));
    let provider = read("/etc/grafana/provisioning/dashboards/runner-init.yml");
    let path = text(&provider["providers"][0]["options"]["path"]);
    let there = grafana.exec(&["ls", path]);
    let dashboards = ["dora-metrics", "job-analysis", "performance-trends", "runner-overview"];
    let files: BTreeSet<String> = dashboards.iter().map(|name| format!("{name}.json")).collect();
    assert!(files.iter().all(|file| there.lines().any(|line| line == file)), "{there}");
    for file in files {
        let model: Value = serde_json::from_str(&grafana.exec(&["cat", &format!("{path}/{file}")])).unwrap();
        assert!(text(&model["uid"]).starts_with("runner-init-"), "{file}");
    }
    let environment = grafana.inspect()["Config"]["Env"].clone();
    let set = |variable: &str| environment.as_array().unwrap().iter().any(|known| known == variable);
    assert!(set("GF_SECURITY_ADMIN_PASSWORD=$__file{/proc/sys/kernel/random/uuid}"), "{environment}");
    assert!(set(&format!("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH={path}/runner-overview.json")));
}

/// One alert silences another where the file says so, and nowhere else.
fn alertmanager_silences_what_has_a_cause(alertmanager: &Container) {
    let alerts = [
        ("RunnerDown", "a", "x", false),
        ("MetricsStale", "a", "x", true),
        ("MetricsStale", "b", "x", false),
        ("NoRunnerOnline", "", "", false),
        ("NoRunnerOnline", "", "y", false),
        ("RunnerGhost", "c", "y", true),
    ];
    for (alert, name, kind, _) in alerts {
        let labels = [format!("runner_name={name}"), format!("runner_type={kind}"), "test=yes".to_owned()];
        let add = ["amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert", "add", alert];
        alertmanager.exec(&[&add[..], &labels.each_ref().map(String::as_str)].concat());
    }
    let expected: BTreeSet<_> = alerts
        .map(|(alert, name, kind, silent)| {
            [alert, name, kind, if silent { "silent" } else { "" }].map(str::to_owned)
        })
        .into();
    wait_until(LONG, "two of the six are silent", || {
        let told = api(alertmanager, "9093/tcp", "/api/v2/alerts?filter=test=yes").unwrap();
        let of = |alert: &Value, label: &str| alert["labels"][label].as_str().unwrap_or_default().to_owned();
        let silent = |alert: &Value| alert["status"]["inhibitedBy"] != json!([]);
        let told = told.as_array().unwrap().iter().map(|alert| {
            let silent = if silent(alert) { "silent" } else { "" };
            [of(alert, "alertname"), of(alert, "runner_name"), of(alert, "runner_type"), silent.to_owned()]
        });
        told.collect::<BTreeSet<_>>() == expected
    });
}

#[test]
fn the_demo_is_three_runners_on_live_dashboards_by_one_command() {
    docker!("compose", "buildx", "engine", "servers");
    let project = hasty(stack("demo"));
    let out = project.command(&["up", "--detach", "--wait"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).to_lowercase();
    assert!(out.status.success(), "{said}");
    assert!(!["warn", "error", "level=", "orphan"].iter().any(|word| said.contains(word)), "{said}");

    until_is(&project, "count(up{job=\"github-runners\"} == 1)", 3);
    let targets = prometheus(&project, "/api/v1/targets?state=active").unwrap();
    for target in targets["data"]["activeTargets"].as_array().unwrap() {
        let labels: Vec<&str> = target["labels"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(labels, ["instance", "job"]);
    }
    for kind in ["standard", "chrome", "chrome-go"] {
        let name = format!("runner_name=\"demo-{kind}\",runner_type=\"{kind}\"");
        until_is(&project, &format!("github_runner_info{{{name}}}"), 1);
    }
    until(&project, "sum(github_runner_jobs_total{status=\"success\"})", |jobs| jobs > 0.0);
    for rule in rules(&project) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    wait_until(LONG, "an Alertmanager is found", || {
        let answer = prometheus(&project, "/api/v1/alertmanagers").unwrap_or_default();
        answer["data"]["activeAlertmanagers"][0]["url"] == "http://alertmanager:9093/api/v2/alerts"
    });
    for (service, port, uid) in SERVERS {
        is_closed(&project.container(service), port, uid);
    }
    grafana_finds_everything(&project.container("grafana"));
    alertmanager_silences_what_has_a_cause(&project.container("alertmanager"));
    for kind in ["standard", "chrome", "chrome-go"] {
        let address = project.container(kind).address().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        assert_eq!(wire::get(&address, "/api/v1/status", "").unwrap().status, 200);
    }
    project.compose(&["down", "--volumes", "--timeout", "1"]);
    let of_it = format!("label=com.docker.compose.project={}", project.name());
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &of_it]), "");
}

#[test]
fn a_stack_that_was_there_first_finds_runners_as_they_come_and_go_and_keeps_what_it_saw() {
    docker!("compose", "buildx", "engine", "servers");
    let project = hasty(stack("monitoring"));
    let token = readable(&project.dir, "token", "m3tr1cs\n");
    let project = project.env("METRICS_AUTH_TOKEN_FILE", token.to_str().unwrap()).up(&["--wait"]);
    until_is(&project, "count(up) or vector(0)", 0);
    let runners = Project::new(&["all", "scale"]).beside(&project).env("METRICS_AUTH_TOKEN", "m3tr1cs");
    let runners = runners.up(&["--scale", "standard=2", "standard", "chrome"]);
    // Guarded, each by its own address, the scaled ones too.
    until_is(&project, "count(count by (runner_name) (github_runner_info))", 3);
    until_is(&project, "count(up{job=\"github-runners\"} == 1)", 3);
    until_is(&project, "count(github_runner_info{runner_type=\"standard\"})", 2);

    docker(&["stop", &runners.container("chrome").0]);
    until_is(&project, "count(up{job=\"github-runners\"} == 1)", 2);

    project.compose(&["down"]);
    project.compose(&["up", "--detach", "--wait"]);
    until_is(&project, "count(up{job=\"github-runners\"} == 1)", 2);
    until_is(&project, "count(count by (runner_type) (last_over_time(github_runner_info[10m])))", 2);
}

#[test]
fn a_stack_that_comes_later_finds_the_runners_that_are_there() {
    docker!("compose", "buildx", "engine", "servers");
    let runners = Project::new(&["standard"]).up(&[]);
    let project = hasty(stack("monitoring")).beside(&runners).up(&["--wait", "prometheus"]);
    until_is(&project, "count(up{job=\"github-runners\"} == 1)", 1);
}

/// The labels with which `promtool` would scrape, for the job of a file.
fn discovered(file: &PathBuf, job: &str) -> Vec<Value> {
    let mut command = Command::new("promtool");
    command.args(["check", "service-discovery", "--timeout=5s"]).arg(file).arg(job);
    let found: Value = serde_json::from_str(&succeeded(&mut command, "promtool")).unwrap();
    let labels = found.as_array().unwrap().iter().map(|target| target["labels"].clone());
    labels.filter(|labels| labels.as_object().is_some_and(|labels| !labels.is_empty())).collect()
}

#[test]
fn docker_discovery_by_the_example_finds_each_runner_once_and_nothing_else() {
    docker!("compose", "buildx", "engine", "servers");
    let socket = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let runners = Project::new(&["all", "scale"]).up(&["--scale", "standard=2", "standard", "chrome"]);
    let dir = tempfile::TempDir::new().unwrap();
    let example = repository("dashboards/prometheus/prometheus-scrape-example.yml");
    let name = runners.name();
    let config = fs::read_to_string(example).unwrap();
    let config = config
        .replace("unix:///var/run/docker.sock", &socket)
        .replace("project=runner-init", &format!("project={name}"))
        .replace(
            "regex: runner-init, action: keep }\n      - { target_label",
            &format!("regex: {name}, action: keep }}\n      - {{ target_label"),
        );
    assert_eq!(config.matches(name).count(), 2, "{config}");
    let file = readable(&dir, "prometheus.yml", &config);
    readable(&dir, "metrics-token", "");
    let found = discovered(&file, "github-runners-docker");
    assert_eq!(found.len(), 3, "{found:?}");
    let addresses: BTreeSet<&str> = found.iter().map(|labels| text(&labels["instance"])).collect();
    assert_eq!(addresses.len(), 3);
    assert!(found.iter().all(|labels| labels["job"] == "github-runners"), "{found:?}");
}
