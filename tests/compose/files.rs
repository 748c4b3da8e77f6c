//! What the files say, as compose resolves them, without an engine.

use crate::docker;
use crate::docker::{command, repository, succeeded};
use runner_init::config::{Config, MapLookup, describe, vars};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Each that stands by itself, and its services with their host ports.
const FILES: [(&str, &[(&str, &str)]); 4] = [
    ("standard", &[("standard", "9091")]),
    ("chrome", &[("chrome", "9092")]),
    ("chrome-go", &[("chrome-go", "9093")]),
    ("all", &[("standard", "9091"), ("chrome", "9092"), ("chrome-go", "9093")]),
];
/// What goes on top of `all.yml`, and what it demands.
const OVERLAYS: [(&str, &[(&str, &str)]); 7] = [
    ("docker-socket", &[("DOCKER_GID", "999")]),
    ("scale", &[]),
    ("token-file", &[("GITHUB_TOKEN_FILE", "/etc/hostname")]),
    ("read-only", &[]),
    ("ephemeral", &[]),
    ("container-jobs", &[]),
    ("certificates", &[("CA_FILE", "/etc/hostname")]),
];
/// What the files do not hand through from the shell, and why.
const NOT_HANDED_THROUGH: [(&str, &str); 19] = [
    ("ACTIONS_RUNNER_INPUT_JITCONFIG", "good for one job of one runner, and these come back"),
    (
        "OTEL_RESOURCE_ATTRIBUTES",
        "the Docker CLI writes its own into it: RUNNER_RESOURCE_ATTRIBUTES is handed through as it",
    ),
    ("RUNNER_DIR", "the image's"),
    ("RUNNER_WORK_DIR", "a volume is there"),
    ("RUNNER_STATE_DIR", "a volume is there"),
    ("JOBS_LOG", "it is in RUNNER_STATE_DIR"),
    ("RUNNER_RUN_DIR", "the health check looks there too"),
    ("COLLECT_LABELS", "a collector's: collect.yml"),
    ("COLLECT_MAX_LABEL_SETS", "a collector's: collect.yml"),
    ("COLLECT_TOKEN", "a collector's: collect.yml"),
    ("METRICS_ENABLED", "it is what is published"),
    ("METRICS_PORT", "it is what is published"),
    ("METRICS_BIND", "it is what is published"),
    ("RUNNER_TYPE", "the image's"),
    ("RUNNER_NAME", "each type has its own variable for it"),
    ("RUNNER_LABELS", "each type has its own variable for them"),
    ("RUNNER_SKIP_REGISTRATION", "an image that is registered already has no need of these files"),
    ("RUNNER_USER", "the image's; token-file.yml sets it"),
    ("RUNNER_ALLOW_RUNASROOT", "they do not run as root"),
];
/// Other names of these that the files do not hand through, and why.
const OTHER_NAMES_LEFT_OUT: [(&str, &str); 6] = [
    ("LABELS", "in the place of TYPE_LABELS"),
    ("RUNNER_WORKDIR", "as RUNNER_WORK_DIR"),
    ("RUNNER_WORK_DIRECTORY", "as RUNNER_WORK_DIR"),
    ("ACTIONS_RUNNER_INPUT_PAT", "the runner's own argument, not what an image calls it"),
    ("ACTIONS_RUNNER_INPUT_TOKEN", "the runner's own argument, not what an image calls it"),
    ("METRICS_PUSH_URL", "another name of our own"),
];
/// What the runner and we read besides, handed through as well.
const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
/// And what an overlay sets.
const CERTIFICATES: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"];

fn compose(name: &str) -> PathBuf {
    repository("compose").join(name)
}

/// The project as compose resolves it.
#[track_caller]
fn resolve(arguments: &[&str], env: &[(&str, &str)]) -> Value {
    let mut command = command();
    command.arg("compose").args(arguments).args(["config", "--format", "json"]).envs(env.iter().copied());
    serde_json::from_str(&succeeded(&mut command, &arguments.join(" "))).unwrap()
}

#[track_caller]
fn resolve_file(file: &str, env: &[(&str, &str)]) -> Value {
    resolve(&["-f", compose(&format!("{file}.yml")).to_str().unwrap()], env)
}

#[track_caller]
fn resolve_overlay(overlay: &str, env: &[(&str, &str)]) -> Value {
    let (all, over) = (compose("all.yml"), compose(&format!("{overlay}.yml")));
    resolve(&["-f", all.to_str().unwrap(), "-f", over.to_str().unwrap()], env)
}

fn services(project: &Value) -> impl Iterator<Item = (&str, &Value)> {
    project["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service))
}

/// Every service of every file, with these variables set.
#[track_caller]
fn each(env: &[(&str, &str)], check: impl Fn(&str, &Value)) {
    for (file, expected) in FILES {
        let project = resolve_file(file, env);
        let mut expected: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        expected.sort_unstable();
        assert_eq!(services(&project).map(|(name, _)| name).collect::<Vec<_>>(), expected);
        services(&project).for_each(|(name, service)| check(name, service));
    }
}

/// Names that a container could be given and nothing would read.
fn unread<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let known: BTreeSet<String> = describe()
        .iter()
        .flat_map(|variable| variable.names().map(move |name| (name, variable.secret)))
        .flat_map(|(name, secret)| [Some(name.to_owned()), secret.then(|| format!("{name}_FILE"))])
        .flatten()
        .collect();
    let is_known =
        |name: &str| known.contains(name) || PROXIES.contains(&name) || CERTIFICATES.contains(&name);
    names.into_iter().filter(|name| !is_known(name)).collect()
}

fn environment(service: &Value) -> Vec<&str> {
    service["environment"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// `NAME` of each `${NAME…}`.
fn interpolated(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
    text.split("${").skip(1).map(name).collect()
}

/// Every file of the directory that ends so, with its text.
fn texts(end: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(repository("compose")).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let files = entries.filter(|path| name(path).ends_with(end));
    files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

/// What an env example sets, and what it shows behind a `#`.
fn assignments(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.filter(|(name, _)| !name.contains(' '))
}

#[test]
fn every_file_resolves_with_every_env_example_and_every_overlay_with_what_it_demands() {
    docker!("compose");
    let examples = texts(".env.example");
    assert_eq!(examples.len(), FILES.len(), "{:?}", examples.keys());
    for (file, _) in FILES {
        for example in examples.keys() {
            let (env, file) = (compose(example), compose(&format!("{file}.yml")));
            let project = resolve(&["--env-file", env.to_str().unwrap(), "-f", file.to_str().unwrap()], &[]);
            for (name, service) in services(&project) {
                let given = |name: &str| service["environment"][name].as_str();
                assert_eq!(given("GITHUB_REPOSITORY"), Some("owner/repository"), "{name}, {example}");
            }
        }
    }
    // And base.yml, collect.yml, the four of `monitoring`, and the two of `swarm`.
    let known = FILES.len() + OVERLAYS.len() + 8;
    assert_eq!(texts(".yml").len(), known, "a file that no test knows: {:?}", texts(".yml").keys());
    for (overlay, demanded) in OVERLAYS {
        assert_eq!(services(&resolve_overlay(overlay, demanded)).count(), 3, "{overlay}");
    }
}

#[test]
fn what_an_env_example_shows_is_the_default() {
    docker!("compose");
    for (example, text) in texts(".env.example") {
        let file = example.strip_suffix(".env.example").unwrap();
        let shown: Vec<(&str, &str)> = assignments(&text)
            .filter(|(name, value)| !name.starts_with("GITHUB_") && !value.is_empty())
            .collect();
        assert!(shown.len() > 4, "{example}: {shown:?}");
        let described =
            |name: &str| describe().iter().any(|v| v.name == name && v.name != vars::RUNNER_STOP_GRACE.name);
        let set: Vec<(&str, &str)> = shown.into_iter().filter(|(name, _)| !described(name)).collect();
        assert_eq!(resolve_file(file, &set), resolve_file(file, &[]), "{example}");
    }
}

#[test]
fn every_variable_in_the_files_is_one_the_binary_reads() {
    docker!("compose");
    each(&[], |name, service| assert_eq!(unread(environment(service)), [""; 0], "{name}"));
    for (overlay, demanded) in OVERLAYS {
        for (name, service) in services(&resolve_overlay(overlay, demanded)) {
            assert_eq!(unread(environment(service)), [""; 0], "{name} with {overlay}");
        }
    }
    let own: BTreeSet<String> = texts(".yml").values().flat_map(|text| interpolated(text)).collect();
    for (example, text) in texts(".env.example") {
        let all: Vec<&str> = assignments(&text).map(|(name, _)| name).collect();
        assert!(all.contains(&"GITHUB_REPOSITORY") && all.contains(&"GITHUB_TOKEN"), "{example}");
        let read_by_nobody: Vec<&str> = unread(all).into_iter().filter(|name| !own.contains(*name)).collect();
        assert_eq!(read_by_nobody, [""; 0], "{example}");
    }
}

#[test]
fn a_variable_that_nothing_reads_would_be_found() {
    assert_eq!(unread(["GITHUB_TOKEN", "GITHUB_TOKEN_FILE", "ACCESS_TOKEN_FILE"]), [""; 0]);
    assert_eq!(
        unread(["RUNNER_LABLES", "RUNNER_TYPE_FILE", "github_token"]),
        ["RUNNER_LABLES", "RUNNER_TYPE_FILE", "github_token"]
    );
}

#[test]
fn the_shell_s_variables_reach_the_runner_unless_there_is_a_reason() {
    docker!("compose");
    let left_out: BTreeSet<&str> = NOT_HANDED_THROUGH.iter().map(|(name, _)| *name).collect();
    let set: Vec<(&str, &str)> = describe()
        .iter()
        .filter(|variable| variable.name != vars::RUNNER_STOP_GRACE.name)
        .map(|variable| (variable.name, "handed-through"))
        .collect();
    each(&set, |name, service| {
        for (variable, value) in &set {
            let arrives = service["environment"][variable].as_str() == Some(value);
            assert_eq!(arrives, !left_out.contains(variable), "{variable} at {name}");
        }
    });
    let others = describe().iter().flat_map(|variable| variable.aliases).map(|alias| alias.name);
    let left_out: BTreeSet<&str> = OTHER_NAMES_LEFT_OUT.iter().map(|(name, _)| *name).collect();
    let others: BTreeSet<&str> = others.chain(PROXIES).collect();
    let set: Vec<(&str, &str)> = others.into_iter().map(|name| (name, "handed-through")).collect();
    each(&set, |name, service| {
        for (variable, value) in &set {
            let arrives = service["environment"][variable].as_str() == Some(value);
            assert_eq!(arrives, !left_out.contains(variable), "{variable} at {name}");
        }
        assert_eq!(service["environment"]["RUNNER_LABELS"], "handed-through", "LABELS at {name}");
    });
    each(&[("RUNNER_RESOURCE_ATTRIBUTES", "site=one")], |name, service| {
        assert_eq!(service["environment"]["OTEL_RESOURCE_ATTRIBUTES"], "site=one", "{name}");
    });
    each(&[], |name, service| {
        for (variable, value) in service["environment"].as_object().unwrap() {
            let has_a_value = value.as_str().is_some_and(|value| !value.is_empty());
            let always = ["RUNNER_STOP_GRACE", "RUNNER_TYPE", "RUNNER_LABELS"].contains(&variable.as_str());
            assert_eq!(has_a_value, always, "{variable} at {name}");
        }
    });
}

/// What the supervisor makes of this text.
fn grace(text: &str) -> Duration {
    let vars = [(vars::RUNNER_SKIP_REGISTRATION.name, "true"), (vars::RUNNER_STOP_GRACE.name, text)];
    let lookup = MapLookup::new(vars).with_hostname("box");
    Config::from_lookup(&lookup).unwrap().config.lifecycle.budget.total()
}

#[test]
fn docker_waits_as_long_as_the_runner_is_told_it_will() {
    docker!("compose");
    for set in [&[][..], &[("RUNNER_STOP_GRACE", "1h30m")], &[("RUNNER_STOP_GRACE", "75s")]] {
        each(set, |name, service| {
            let docker_s = service["stop_grace_period"].as_str().unwrap();
            let ours = service["environment"]["RUNNER_STOP_GRACE"].as_str().unwrap();
            assert_eq!(grace(docker_s), grace(ours), "{name}: {docker_s} and {ours}");
            assert!(set.is_empty() || ours == set[0].1);
        });
    }
}

#[test]
fn metrics_are_published_on_the_loopback_unless_told_otherwise() {
    docker!("compose");
    let moved = [
        ("METRICS_PUBLISH", "192.0.2.1"),
        ("STANDARD_PORT", "19091"),
        ("CHROME_PORT", "19092"),
        ("CHROME_GO_PORT", "19093"),
    ];
    for (file, services) in FILES {
        let (plain, moved) = (resolve_file(file, &[]), resolve_file(file, &moved));
        for (name, port) in services {
            let published = |project: &Value| {
                let ports = &project["services"][name]["ports"];
                assert_eq!(ports.as_array().unwrap().len(), 1, "{ports}");
                assert_eq!(ports[0]["target"], 9091);
                let text = |key: &str| ports[0][key].as_str().unwrap().to_owned();
                (text("host_ip"), text("published"))
            };
            assert_eq!(published(&plain), ("127.0.0.1".to_owned(), (*port).to_owned()));
            assert_eq!(published(&moved), ("192.0.2.1".to_owned(), format!("1{port}")));
        }
    }
}

#[test]
fn a_runner_may_no_more_than_it_needs_and_take_no_more_than_its_share() {
    docker!("compose");
    each(&[], |name, service| {
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        for absent in [
            "container_name",
            "privileged",
            "cap_add",
            "user",
            "group_add",
            "devices",
            "network_mode",
            "pid",
            "ipc",
        ] {
            assert_eq!(service[absent], Value::Null, "{name}: {absent}");
        }
        let binds = service["volumes"].as_array().unwrap().iter().filter(|volume| volume["type"] != "volume");
        assert_eq!(binds.count(), 0, "{name} has nothing of the host's");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert_eq!(service["pids_limit"], 4096, "{name}");
        assert_eq!(service["mem_limit"], (8_u64 << 30).to_string(), "{name}");
        assert_eq!(service["logging"]["driver"], "json-file", "{name}");
        assert_eq!(service["logging"]["options"]["max-size"], "10m", "{name}");
        assert_eq!(service["logging"]["options"]["max-file"], "5", "{name}");
        assert_eq!(service["healthcheck"], Value::Null, "{name} has its image's");
        let shm = name.starts_with("chrome").then(|| (1_u64 << 30).to_string());
        assert_eq!(service["shm_size"].as_str(), shm.as_deref(), "{name}");
    });
    for (overlay, demanded) in OVERLAYS {
        let project = resolve_overlay(overlay, demanded);
        for (name, service) in services(&project) {
            assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name} with {overlay}");
            assert_eq!(
                service["security_opt"],
                serde_json::json!(["no-new-privileges:true"]),
                "{name} with {overlay}"
            );
        }
    }
}

#[test]
fn limits_and_policies_are_variables() {
    docker!("compose");
    let set = [
        ("LIMIT_PIDS", "100"),
        ("LIMIT_MEMORY", "1g"),
        ("LIMIT_CPUS", "1.5"),
        ("RESTART_POLICY", "on-failure:5"),
        ("IMAGE_PULL_POLICY", "missing"),
    ];
    each(&set, |name, service| {
        assert_eq!(service["pids_limit"], 100, "{name}");
        assert_eq!(service["mem_limit"], (1_u64 << 30).to_string(), "{name}");
        assert_eq!(service["cpus"].as_f64(), Some(1.5), "{name}");
        assert_eq!(service["restart"], "on-failure:5", "{name}");
        assert_eq!(service["pull_policy"], "missing", "{name}");
    });
}

/// Where what is mounted; `None` is a volume without a name.
fn mounts(service: &Value) -> BTreeMap<&str, Option<&str>> {
    let volumes = service["volumes"].as_array().unwrap().iter();
    volumes.map(|volume| (volume["target"].as_str().unwrap(), volume["source"].as_str())).collect()
}

#[test]
fn each_type_has_volumes_of_its_own_by_name_and_each_of_many_has_its_own_state_and_work() {
    docker!("compose");
    each(&[], |name, service| {
        let named = |what: &str| format!("{name}-{what}");
        let (state, work, cache) = (named("state"), named("work"), named("cache"));
        let expected = [
            ("/home/runner/.cache", Some(cache.as_str())),
            ("/home/runner/_work", Some(work.as_str())),
            ("/var/lib/runner-init", Some(state.as_str())),
        ];
        assert_eq!(mounts(service), BTreeMap::from(expected));
    });
    for (name, service) in services(&resolve_overlay("scale", &[])) {
        let mounts = mounts(service);
        assert_eq!(mounts["/home/runner/_work"], None, "{name}");
        assert_eq!(mounts["/var/lib/runner-init"], None, "{name}");
        assert!(mounts["/home/runner/.cache"].is_some(), "{name}");
    }
}

#[test]
fn images_are_this_version_s_and_nobody_else_s_are_pulled_for_them() {
    docker!("compose");
    each(&[], |name, service| {
        assert_eq!(service["image"], format!("localhost/runner-init/{name}:{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(service["pull_policy"], "never", "{name}");
        assert_eq!(service["environment"]["RUNNER_TYPE"], name);
        assert_eq!(service["environment"]["RUNNER_LABELS"], name);
    });
    for (name, service) in services(&resolve_file("all", &[("REGISTRY", "ghcr.example/me")])) {
        let image = format!("ghcr.example/me/runner-init/{name}:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(service["image"], image);
    }
    let set = [("STANDARD_IMAGE", "a"), ("CHROME_IMAGE", "b"), ("CHROME_GO_IMAGE", "c")];
    let project = resolve_file("all", &set);
    let images = services(&project).map(|(_, service)| service["image"].as_str().unwrap());
    assert_eq!(images.collect::<Vec<_>>(), ["b", "c", "a"]);
}

#[test]
fn all_are_on_one_network_by_its_name() {
    docker!("compose");
    for (file, _) in FILES {
        let project = resolve_file(file, &[]);
        assert_eq!(project["networks"]["default"]["name"], "runner-init", "{file}");
        assert_eq!(project["name"], "runner-init", "{file}");
    }
}

#[test]
fn the_socket_is_given_to_a_group_and_the_token_to_root() {
    docker!("compose");
    for (name, service) in services(&resolve_overlay("docker-socket", OVERLAYS[0].1)) {
        assert_eq!(service["group_add"], serde_json::json!(["999"]), "{name}");
        assert_eq!(mounts(service)["/var/run/docker.sock"], Some("/var/run/docker.sock"), "{name}");
    }
    let env = [OVERLAYS[2].1, &[("GITHUB_TOKEN", "in the shell")]].concat();
    let project = resolve_overlay("token-file", &env);
    for (name, service) in services(&project) {
        assert_eq!(service["environment"]["GITHUB_TOKEN"], "", "both would be a fault: {name}");
        assert_eq!(service["environment"]["GITHUB_TOKEN_FILE"], "/run/secrets/github_token", "{name}");
        assert_eq!(
            (&service["user"], &service["environment"]["RUNNER_USER"]),
            (&"root".into(), &"runner".into())
        );
    }
    assert_eq!(project["secrets"]["github_token"]["file"], "/etc/hostname");
    let mut command = command();
    command.arg("compose").arg("-f").arg(compose("all.yml")).arg("-f").arg(compose("docker-socket.yml"));
    let says = String::from_utf8(command.args(["config", "-q"]).output().unwrap().stderr).unwrap();
    assert!(says.contains("required variable DOCKER_GID is missing a value: the "), "{says}");
}

#[test]
fn a_job_s_containers_find_its_files_where_the_runner_has_them() {
    docker!("compose");
    let [socket, jobs] = ["docker-socket", "container-jobs"].map(|file| compose(&format!("{file}.yml")));
    let all = compose("all.yml");
    let files = ["-f", all.to_str().unwrap(), "-f", socket.to_str().unwrap(), "-f", jobs.to_str().unwrap()];
    let project = resolve(&files, &[("DOCKER_GID", "999"), ("HOST_WORK_DIR", "/ci")]);
    for (name, service) in services(&project) {
        let work = format!("/ci/{name}");
        assert_eq!(service["environment"]["RUNNER_WORK_DIR"], work.as_str(), "{name}");
        let mounts = mounts(service);
        assert_eq!(mounts[work.as_str()], Some(work.as_str()), "{name}");
        assert_eq!(mounts["/actions-runner/externals"], Some("externals"), "{name}");
        assert_eq!(mounts["/var/run/docker.sock"], Some("/var/run/docker.sock"), "{name}");
        assert_eq!(
            (&service["cgroup"], &service["group_add"]),
            (&"private".into(), &serde_json::json!(["999"]))
        );
    }
    let device = &project["volumes"]["externals"]["driver_opts"]["device"];
    assert_eq!(device, "/actions-runner/externals", "the host's path is the runner's");
}

#[test]
fn an_authority_is_trusted_by_whoever_asks() {
    docker!("compose");
    for (name, service) in services(&resolve_overlay("certificates", &[("CA_FILE", "/etc/hostname")])) {
        let file = "/etc/runner-init/ca.pem";
        assert_eq!(mounts(service)[file], Some("/etc/hostname"), "{name}");
        let values = CERTIFICATES.map(|variable| service["environment"][variable].as_str());
        assert_eq!(values, [Some(file), Some("/etc/ssl/certs"), Some(file)], "{name}");
    }
}

#[test]
fn each_secret_may_come_by_a_file_and_one_that_does_not_is_not_named() {
    docker!("compose");
    let secrets = ["GITHUB_TOKEN", "APP_PRIVATE_KEY", "METRICS_AUTH_TOKEN"];
    for given in secrets {
        let by_file = format!("{given}_FILE");
        let project = resolve_overlay("token-file", &[(&by_file, "/etc/hostname"), (given, "")]);
        for (name, service) in services(&project) {
            for secret in secrets {
                let path = format!("/run/secrets/{}", secret.to_lowercase());
                let expected = if secret == given { path.as_str() } else { "" };
                assert_eq!(service["environment"][format!("{secret}_FILE")], expected, "{name}");
            }
            assert_eq!(service["environment"][given].as_str().unwrap_or_default(), "", "{name}");
        }
        assert_eq!(project["secrets"][given.to_lowercase()]["file"], "/etc/hostname");
    }
}

#[test]
fn an_ephemeral_runner_finds_nothing_of_another_and_does_not_come_back() {
    docker!("compose");
    for (name, service) in services(&resolve_overlay("ephemeral", &[])) {
        assert_eq!(
            (&service["restart"], &service["environment"]["RUNNER_EPHEMERAL"]),
            (&"no".into(), &"true".into())
        );
        let mounts = mounts(service);
        assert_eq!(mounts.len(), 3, "{name}: {mounts:?}");
        assert!(mounts.values().all(Option::is_none), "{name} keeps a volume by its name: {mounts:?}");
    }
}

#[test]
fn a_stack_is_of_this_version_and_says_nothing_that_nobody_reads() {
    let text = std::fs::read_to_string(compose("swarm.yml")).unwrap();
    let image =
        format!("image: ${{STANDARD_IMAGE:-localhost/runner-init/standard:{}}}", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&image), "{text}");
    docker!("compose");
    let files = ["swarm", "swarm-ephemeral"].map(|file| compose(&format!("{file}.yml")));
    let [plain, over] = files.each_ref().map(|file| file.to_str().unwrap());
    for files in [&["-f", plain][..], &["-f", plain, "-f", over]] {
        let project = resolve(files, &[("RUNNER_STOP_GRACE", "90s")]);
        let service = &project["services"]["standard"];
        assert_eq!(unread(environment(service)), [""; 0]);
        assert_eq!(service["stop_grace_period"], "1m30s");
        assert_eq!(service["environment"]["RUNNER_STOP_GRACE"], "90s");
        assert_eq!(service["deploy"]["update_config"]["order"], "stop-first");
        let mounts = mounts(service);
        assert_eq!(mounts["/var/lib/runner-init-root"], Some("state"));
        assert_eq!(mounts["/home/runner/_work"], (files.len() == 2).then_some("work"));
    }
}

#[test]
fn the_documentation_has_every_variable_and_every_file() {
    let text = std::fs::read_to_string(repository("docs/COMPOSE.md")).unwrap();
    let own = texts(".yml").into_values().flat_map(|text| interpolated(&text)).collect::<BTreeSet<_>>();
    assert!(own.len() > 15, "{own:?}");
    for word in own.iter().map(String::as_str).chain(texts(".yml").keys().map(String::as_str)) {
        assert!(text.contains(&format!("`{word}`")), "docs/COMPOSE.md says nothing of {word}");
    }
    for (name, _) in NOT_HANDED_THROUGH {
        assert!(describe().iter().any(|variable| variable.name == name), "{name}");
    }
}
