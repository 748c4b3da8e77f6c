//! What the files of the monitoring stack say, as compose, promtool and amtool read them, without an engine.

use crate::docker;
use crate::docker::{command, repository, succeeded};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Service, port inside, user.
pub(crate) const SERVERS: [(&str, &str, &str); 3] =
    [("prometheus", "9090", "65534"), ("alertmanager", "9093", "65534"), ("grafana", "3000", "472")];
/// The services of `compose/all.yml`, which `prometheus.yml` looks for by name.
const RUNNERS: [&str; 3] = ["standard", "chrome", "chrome-go"];

/// A YAML text, read by compose: a file may have anything behind `x-`.
#[track_caller]
pub(crate) fn yaml(text: &str) -> Value {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("compose.yml");
    let inner: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    fs::write(&file, format!("name: x\nservices: {{}}\nx-text:\n{}\n", inner.join("\n"))).unwrap();
    let mut command = command();
    command.arg("compose").arg("-f").arg(&file).args(["config", "--no-interpolate", "--format", "json"]);
    serde_json::from_str::<Value>(&succeeded(&mut command, text)).unwrap()["x-text"].take()
}

#[track_caller]
fn resolve(files: &[&str], env: &[(&str, &str)]) -> Value {
    let mut command = command();
    command.arg("compose").envs(env.iter().copied());
    for file in files {
        command.arg("-f").arg(repository("compose").join(file));
    }
    let out = command.args(["config", "--format", "json"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{files:?}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// It has nothing to say against the file; what it said.
#[track_caller]
fn accepts(program: &str, arguments: &[&str], file: &Path) -> String {
    let out = Command::new(program).args(arguments).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && !said.contains("FAILED"), "{}: {said}", file.display());
    said
}

#[test]
fn prometheus_and_alertmanager_accept_their_files() {
    docker!("servers");
    for file in ["prometheus.yml", "prometheus-scrape-example.yml"] {
        let said = accepts("promtool", &["check", "config"], &repository("dashboards/prometheus").join(file));
        assert!(said.contains("rule files found"), "the rules are beside it: {said}");
    }
    accepts("amtool", &["check-config"], &repository("dashboards/prometheus/alertmanager.yml"));
}

/// The file with what is commented out put in. A sentence begins with one space behind its `#`.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') || rest.starts_with("  ") => line.replacen('#', "", 1),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn what_is_shown_in_comments_is_accepted_too() {
    docker!("servers", "compose");
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file.yml");
    let text = uncommented(&read("dashboards/prometheus/alertmanager.yml"));
    for receiver in ["nobody", "slack", "email", "webhook"] {
        fs::write(&file, text.replace("receiver: nobody", &format!("receiver: {receiver}"))).unwrap();
        let said = accepts("amtool", &["check-config"], &file);
        assert!(said.contains("4 receivers"), "{said}");
    }

    let text = uncommented(&read("dashboards/prometheus/prometheus-scrape-example.yml"));
    let jobs = yaml(&text)["scrape_configs"].take();
    let kubernetes = &jobs[2]["kubernetes_sd_configs"];
    assert_eq!(*kubernetes, json!([{ "role": "pod", "namespaces": { "names": ["github-runners"] } }]));
    // Debian's package is built without Kubernetes; everything around those three lines is checked.
    let without = text.replace(
        "    kubernetes_sd_configs:\n      - role: pod\n        namespaces: { names: [github-runners] }\n",
        "    static_configs: []\n",
    );
    assert!(!without.contains("kubernetes_sd_configs"), "{without}");
    fs::write(&file, without).unwrap();
    fs::write(dir.path().join("metrics-token"), "").unwrap();
    accepts("promtool", &["check", "config"], &file);
    // Whatever finds them, the label is one.
    assert_eq!(jobs[0]["job_name"], "github-runners");
    for job in [&jobs[1], &jobs[2]] {
        let rules = job["relabel_configs"].as_array().unwrap();
        assert!(rules.contains(&json!({ "target_label": "job", "replacement": "github-runners" })), "{job}");
    }
}

#[test]
fn the_runners_of_compose_are_looked_for_by_the_names_they_have() {
    docker!("compose");
    let config = yaml(&read("dashboards/prometheus/prometheus.yml"));
    let job = &config["scrape_configs"][0];
    assert_eq!(
        (&job["job_name"], &config["global"]["scrape_interval"]),
        (&"github-runners".into(), &"15s".into())
    );
    assert_eq!(config["scrape_configs"].as_array().unwrap().len(), 1);
    let names = texts(&job["dns_sd_configs"][0]["names"]);
    assert_eq!(names, RUNNERS.map(|name| format!("{name}.")));
    let (all, demo) = (resolve(&["all.yml"], &[]), resolve(&["demo.yml"], &[]));
    for name in RUNNERS {
        for project in [&all, &demo] {
            assert_eq!(project["services"][name]["environment"]["RUNNER_TYPE"], name);
            assert_eq!(project["services"][name]["ports"][0]["target"], 9091);
        }
    }
    assert_eq!(job["dns_sd_configs"][0]["port"], 9091);
    assert_eq!(read("dashboards/prometheus/metrics-token"), "", "no token belongs here");
    assert!(read("dashboards/prometheus/targets/elsewhere.yml").ends_with("\n[]\n"), "nobody's either");
}

#[test]
fn the_servers_are_pinned_closed_and_on_the_loopback() {
    docker!("compose");
    let moved = [("PROMETHEUS_PORT", "19090"), ("ALERTMANAGER_PORT", "19094"), ("GRAFANA_PORT", "13000")];
    for file in ["monitoring.yml", "demo.yml"] {
        let (plain, other) = (resolve(&[file], &[]), resolve(&[file], &moved));
        for ((name, inner, _), outer) in SERVERS.iter().zip(["9090", "9094", "3000"]) {
            let service = &plain["services"][name];
            let port = |project: &Value, published: &str| {
                let port = json!({ "mode": "ingress", "host_ip": "127.0.0.1", "target": inner.parse::<u16>().unwrap(),
                                   "published": published, "protocol": "tcp" });
                assert_eq!(project["services"][name]["ports"], json!([port]), "{file}");
            };
            port(&plain, outer);
            port(&other, &format!("1{outer}"));
            let (_, tag) = service["image"].as_str().unwrap().split_once(':').expect("a tag");
            assert_eq!(tag.trim_start_matches('v').split('.').count(), 3, "{tag}");
            assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
            assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
            assert_eq!(
                (&service["read_only"], &service["tmpfs"]),
                (&json!(true), &json!(["/tmp"])),
                "{name}"
            );
            assert!(service["mem_limit"].is_string() && service["pids_limit"].is_number(), "{name}");
            assert!(service["healthcheck"]["test"].is_array(), "{name}");
            for absent in ["privileged", "cap_add", "network_mode", "pid", "container_name", "user"] {
                assert_eq!(service[absent], Value::Null, "{name}: {absent}");
            }
            let mounts = service["volumes"].as_array().unwrap();
            let (named, bound): (Vec<&Value>, Vec<&Value>) =
                mounts.iter().partition(|mount| mount["type"] == "volume");
            assert_eq!(named.len(), 1, "{name}");
            assert_eq!(named[0]["source"], format!("{name}-data"));
            assert!(bound.iter().all(|mount| mount["read_only"] == true), "{name}");
            let dashboards = repository("dashboards");
            let ours =
                |mount: &&Value| mount["source"].as_str().unwrap().starts_with(dashboards.to_str().unwrap());
            assert!(bound.iter().all(ours), "nothing else of the host's: {bound:?}");
        }
    }
}

#[test]
fn nobody_knows_grafana_s_password_by_heart_and_grafana_calls_nobody() {
    docker!("compose");
    let environment =
        |env: &[(&str, &str)]| resolve(&["monitoring.yml"], env)["services"]["grafana"]["environment"].take();
    let plain = environment(&[]);
    // Compose writes a dollar twice.
    assert_eq!(plain["GF_SECURITY_ADMIN_PASSWORD"], "$$__file{/proc/sys/kernel/random/uuid}");
    let set = environment(&[("GRAFANA_ADMIN_PASSWORD", "s3cret"), ("GRAFANA_ANONYMOUS", "false")]);
    assert_eq!(set["GF_SECURITY_ADMIN_PASSWORD"], "s3cret");
    assert_eq!(
        (&plain["GF_AUTH_ANONYMOUS_ENABLED"], &set["GF_AUTH_ANONYMOUS_ENABLED"]),
        (&json!("true"), &json!("false"))
    );
    assert_eq!(plain["GF_AUTH_ANONYMOUS_ORG_ROLE"], "Viewer");
    let off = [
        "ANALYTICS_REPORTING_ENABLED",
        "ANALYTICS_CHECK_FOR_UPDATES",
        "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "NEWS_NEWS_FEED_ENABLED",
    ];
    assert!(off.iter().all(|name| plain[&format!("GF_{name}")] == "false"), "{plain}");
    assert_eq!(plain["GF_PLUGINS_PREINSTALL_DISABLED"], "true");
}

#[test]
fn what_is_kept_is_bounded_by_time_and_size() {
    docker!("compose");
    let flags = |env: &[(&str, &str)]| {
        let project = resolve(&["monitoring.yml"], env);
        let flags = texts(&project["services"]["prometheus"]["command"]).join(" ");
        (flags.contains("retention.time=30d"), flags.contains("retention.size=4GB"), flags)
    };
    let (time, size, plain) = flags(&[]);
    assert!(time && size, "{plain}");
    assert!(!plain.contains("enable-lifecycle") && !plain.contains("enable-admin-api"), "{plain}");
    let (time, size, set) = flags(&[("PROMETHEUS_RETENTION", "7d"), ("PROMETHEUS_RETENTION_SIZE", "1GB")]);
    assert!(
        !time && !size && set.contains("retention.time=7d") && set.contains("retention.size=1GB"),
        "{set}"
    );
}

#[test]
fn the_stack_is_a_project_beside_the_runners_and_the_demo_one_apart() {
    docker!("compose");
    let (monitoring, demo) = (resolve(&["monitoring.yml"], &[]), resolve(&["demo.yml"], &[]));
    assert_eq!(
        (&monitoring["name"], &demo["name"]),
        (&"runner-init-monitoring".into(), &"runner-init-demo".into())
    );
    let network = |project: &Value| project["networks"]["default"]["name"].clone();
    assert_eq!(network(&monitoring), network(&resolve(&["standard.yml"], &[])));
    assert_ne!(network(&demo), network(&monitoring), "no invented job is seen beside a real one");
    let volumes = |project: &Value| {
        let volumes = project["volumes"].as_object().unwrap().values();
        volumes.map(|volume| volume["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(volumes(&demo).is_disjoint(&volumes(&monitoring)));
    for (name, ..) in SERVERS {
        assert_eq!(demo["services"][name], monitoring["services"][name], "{name} is the same");
    }
    let seeds: BTreeSet<&str> =
        RUNNERS.iter().map(|name| texts(&demo["services"][name]["command"])[1]).collect();
    assert_eq!(seeds.len(), RUNNERS.len(), "each plays something else");
    for name in RUNNERS {
        let runner = &demo["services"][name];
        assert_eq!(runner["image"], format!("localhost/runner-init/demo:{}", env!("CARGO_PKG_VERSION")));
        assert_eq!((&runner["pull_policy"], &runner["read_only"]), (&json!("never"), &json!(true)), "{name}");
        assert_eq!(runner["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(runner["ports"][0]["host_ip"], "127.0.0.1", "{name}");
    }
    let build = |key: &str| demo["services"]["standard"]["build"][key].as_str().unwrap();
    let dockerfile = Path::new(build("context")).join(build("dockerfile"));
    let stage = format!("AS {}\n", build("target"));
    assert!(fs::read_to_string(dockerfile).unwrap().contains(&stage), "{stage}");
}

#[test]
fn the_demo_fleet_is_twenty_runners_that_prometheus_finds_by_their_types() {
    docker!("compose");
    let services = resolve(&["demo.yml", "demo-fleet.yml"], &[])["services"].take();
    let services = services.as_object().unwrap();
    let runners: Vec<(&String, &Value)> =
        services.iter().filter(|(_, service)| service["environment"]["RUNNER_NAME"].is_string()).collect();
    let distinct = |of: &dyn Fn(&Value) -> String| {
        runners.iter().map(|(_, runner)| of(runner)).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((runners.len(), services.len()), (20, 20 + SERVERS.len()));
    assert_eq!(distinct(&|runner| runner["environment"]["RUNNER_NAME"].to_string()), 20, "names");
    assert_eq!(distinct(&|runner| texts(&runner["command"])[1].to_owned()), 20, "each plays something else");
    for (service, runner) in runners {
        let kind = runner["environment"]["RUNNER_TYPE"].as_str().unwrap();
        let is_found = service == kind || texts(&runner["networks"]["default"]["aliases"]) == [kind];
        assert!(is_found && RUNNERS.contains(&kind), "{service} is no {kind}");
        let all_but_its_own = |runner: &Value| {
            [&runner["image"], &runner["healthcheck"], &runner["tmpfs"]].map(Value::to_string)
        };
        assert_eq!(all_but_its_own(runner), all_but_its_own(&services["standard"]), "{service}");
    }
}

#[test]
fn grafana_is_told_where_everything_is() {
    docker!("compose");
    let sources = yaml(&read("dashboards/grafana/provisioning/datasources/runner-init.yml"));
    let provider = yaml(&read("dashboards/grafana/provisioning/dashboards/runner-init.yml"));
    assert_eq!((&sources["apiVersion"], &provider["apiVersion"]), (&json!(1), &json!(1)));
    let services = resolve(&["monitoring.yml"], &[])["services"].take();
    for source in sources["datasources"].as_array().unwrap() {
        let (host, port) =
            source["url"].as_str().unwrap().strip_prefix("http://").unwrap().split_once(':').unwrap();
        assert_eq!(services[host]["ports"][0]["target"].to_string(), port, "{source}");
        assert_eq!(source["uid"], host);
    }
    let path = &provider["providers"][0]["options"]["path"];
    let mounted =
        services["grafana"]["volumes"].as_array().unwrap().iter().find(|mount| mount["target"] == *path);
    assert_eq!(mounted.unwrap()["source"], repository("dashboards/grafana").to_str().unwrap());
    let home =
        services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().unwrap();
    let home = home.strip_prefix(path.as_str().unwrap()).unwrap();
    assert!(repository(&format!("dashboards/grafana{home}")).is_file(), "{home}");
}
