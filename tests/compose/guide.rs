//! The set-up guide is followed word for word: every command of `docs/SETUP.md`, in its order, in a clean container
//! that has what the guide asks for and nothing else, and each does what the guide promises. Then the demo of
//! `docs/QUICKSTART.md` in the same way.
//!
//! It is one test, since both use the ports that the documents name. What cannot be had without a registry or GitHub is in
//! [`REPLACED`].

use crate::docker;
use crate::docker::{command, docker, repository, succeeded};
use crate::image::{self, libraries};
use crate::servers;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is not done as it is written, what is done instead, and why.
const REPLACED: [(&str, &str, &str); 4] = [
    (
        "docker buildx bake ",
        "the same with --print",
        "its base images are in a registry: tests/images/build builds the same targets from local ones, here they are only resolved",
    ),
    (
        "${EDITOR:-vi}",
        "EDITOR is a script",
        "it fills in a repository, and RUNNER_TOKEN for GITHUB_TOKEN since there is no GitHub to ask",
    ),
    (
        "images",
        "STANDARD_IMAGE, DEMO_IMAGE, PROMETHEUS_IMAGE, ALERTMANAGER_IMAGE, GRAFANA_IMAGE",
        "the stand-ins of these tests: no registry",
    ),
    (
        "interval: 5m",
        "interval: 1m in recording.yml",
        "the rules of the DORA keys would be waited for up to five minutes",
    ),
];
/// As a user would; what is not in it stays as the example has it.
const EDITOR: &str = r#"#!/usr/bin/env bash
sed -i -e 's|^GITHUB_REPOSITORY=.*|GITHUB_REPOSITORY=owner/repository|' -e 's|^GITHUB_TOKEN=.*|RUNNER_TOKEN=AREGISTRATIONTOKEN|' "$1"
"#;
/// What every Linux has, and curl. The script that checks the endpoint uses most of them.
const PROGRAMS: [&str; 23] = [
    "awk", "bash", "cat", "cp", "curl", "cut", "date", "env", "grep", "head", "mktemp", "paste", "rm", "sed",
    "sleep", "sort", "tail", "test", "touch", "tr", "uname", "uniq", "wc",
];
const PORTS: [u16; 6] = [9090, 9091, 9092, 9093, 9094, 3000];
const PROJECTS: [&str; 3] = ["runner-init", "runner-init-monitoring", "runner-init-demo"];
/// For what the guide says will come; a rule is evaluated once a minute.
const SOON: Duration = Duration::from_secs(150);
const MINUTE: Duration = Duration::from_secs(60);

/// What the output of a command must be, by a part of the command.
type Promise = (&'static str, fn(&str) -> bool);

const SETUP: [Promise; 9] = [
    ("docker version", |said| said.contains("Server:")),
    ("bake", |said| said.contains("runner-init/standard:")),
    ("standard check", |said| said.contains("owner/repository") && !said.contains("AREGISTRATIONTOKEN")),
    ("/readyz", |said| said.starts_with("idle")),
    ("/metrics", |said| said.lines().count() == 1 && said.trim_end().ends_with(" 1")),
    ("/targets", |said| said.lines().count() == 1 && said.contains("\"health\":\"up\"")),
    ("/rules", |said| said.lines().count() == 1 && said.contains("\"health\":\"ok\"")),
    ("test-metrics-endpoint.sh", |said| said.trim_end().ends_with(" 0 failed")),
    ("env.example", str::is_empty),
];
const BEFORE: [Promise; 1] = [("query=count", |said| said.contains(",\"3\"]}"))];
const DEMO: [Promise; 1] = [("query=count", |said| said.contains(",\"2\"]}"))];

/// The lines of the `sh` blocks.
fn commands(markdown: &str) -> Vec<String> {
    let blocks = markdown.split("```sh\n").skip(1).map(|rest| rest.split_once("\n```").expect("its end").0);
    let lines: Vec<String> = blocks.flat_map(str::lines).map(str::to_owned).collect();
    assert!(lines.iter().all(|line| !line.ends_with('\\')), "a command is a line: {lines:?}");
    lines
}

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

/// Whose time a command takes.
fn whose(line: &str) -> &'static str {
    if line.starts_with("docker ") {
        "Docker's"
    } else if line.contains(":9090/") {
        "Prometheus'"
    } else {
        "ours"
    }
}

/// A machine of its own: these programs, the docker client, a clone, and the host's network and engine.
struct Clean {
    id: String,
    clone: TempDir,
    steps: Vec<(String, Duration)>,
}

impl Clean {
    fn start() -> Clean {
        let clone = TempDir::new().unwrap();
        fs::set_permissions(clone.path(), PermissionsExt::from_mode(0o755)).unwrap();
        copy_to(clone.path());
        // The engine resolves what compose mounts: the path is the same inside and outside.
        let at = clone.path().to_str().unwrap();
        let mut arguments = vec![format!("--volume={at}:{at}"), format!("--workdir={at}")];
        arguments.push(format!("--volume={}:/usr/bin/docker:ro", client().display()));
        for (name, path) in plugins() {
            arguments.push(format!("--volume={path}:/usr/libexec/docker/cli-plugins/docker-{name}:ro"));
        }
        let socket =
            std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        if let Some(path) = socket.strip_prefix("unix://") {
            arguments.push(format!("--volume={path}:{path}"));
        }
        let set = [
            ("DOCKER_HOST", socket.clone()),
            ("EDITOR", format!("{at}/editor")),
            ("HOME", "/tmp".to_owned()),
            ("STANDARD_IMAGE", image::standard()),
            ("DEMO_IMAGE", servers::demo()),
            ("PROMETHEUS_IMAGE", servers::prometheus()),
            ("ALERTMANAGER_IMAGE", servers::alertmanager()),
            ("GRAFANA_IMAGE", servers::grafana()),
        ];
        arguments.extend(set.map(|(name, value)| format!("--env={name}={value}")));
        let mut run = command();
        run.args(["run", "--detach", "--network=host"]).args(arguments);
        let id = succeeded(run.args([&host(), "sleep", "infinity"]), "the clean container");
        Clean { id, clone, steps: Vec::new() }
    }

    /// As typed in, until it says what was promised; notes the time.
    #[track_caller]
    fn follow(&mut self, typed: &str, promises: &[Promise]) {
        let line = typed.replace(REPLACED[0].0, "docker buildx bake --print ");
        let holds = promises.iter().find(|(part, _)| typed.contains(part)).map(|(_, holds)| holds);
        let begin = Instant::now();
        loop {
            let (succeeds, said) = self.run(&line);
            if succeeds && holds.is_none_or(|holds| holds(&said)) {
                break;
            }
            // Docker's commands wait by themselves.
            let is_over = whose(typed) == "Docker's" || begin.elapsed() > SOON;
            assert!(!is_over, "`{typed}` has not done what the guide says: {said}");
            std::thread::sleep(Duration::from_millis(500));
        }
        eprintln!("$ {typed}");
        self.steps.push((typed.to_owned(), begin.elapsed()));
    }

    fn run(&self, line: &str) -> (bool, String) {
        let mut exec = command();
        exec.args(["exec", &self.id, "bash", "-euo", "pipefail", "-c", &format!("exec 2>&1; {line}")]);
        let out = exec.stdin(Stdio::null()).output().expect("docker starts");
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Prints the steps; the whole, and what of it is ours.
    fn table(&mut self, title: &str) -> (Duration, Duration) {
        eprintln!("\n{title}\n{:>7}  {:11}  step", "seconds", "whose");
        let mut sums = (Duration::ZERO, Duration::ZERO);
        for (step, took) in self.steps.drain(..) {
            eprintln!("{:7.1}  {:11}  {step}", took.as_secs_f64(), whose(&step));
            sums.0 += took;
            sums.1 += if whose(&step) == "ours" { took } else { Duration::ZERO };
        }
        eprintln!("{:7.1}  in all, of which ours {:.1}\n", sums.0.as_secs_f64(), sums.1.as_secs_f64());
        sums
    }
}

impl Drop for Clean {
    fn drop(&mut self) {
        for file in ["standard", "monitoring", "demo"] {
            let down = format!("docker compose -f compose/{file}.yml down --volumes --timeout 0");
            let (_, said) = self.run(&down);
            if std::thread::panicking() {
                eprintln!("{said}");
            }
        }
        // What was written as root.
        let _ = self.run("rm -f compose/.env");
        let _ = command().args(["rm", "--force", &self.id]).output();
    }
}

/// The working tree as git would clone it, with the changes that are replaced.
fn copy_to(clone: &Path) {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(repository(""));
    for file in succeeded(&mut git, "git ls-files").split_terminator('\0') {
        let to = clone.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // One that was deleted and not yet committed is not copied.
        let _ = fs::copy(repository(file), to);
    }
    let rules = clone.join("dashboards/prometheus/rules/recording.yml");
    let text = fs::read_to_string(&rules).unwrap();
    assert!(text.contains(REPLACED[3].0), "nothing to replace");
    fs::write(rules, text.replace(REPLACED[3].0, "interval: 1m")).unwrap();
    fs::write(clone.join("editor"), EDITOR).unwrap();
    fs::set_permissions(clone.join("editor"), PermissionsExt::from_mode(0o755)).unwrap();
}

fn client() -> PathBuf {
    crate::ns::program("docker").expect("was asked for")
}

/// Name and path of the client's plugins that the guide asks for.
fn plugins() -> Vec<(String, String)> {
    let told = docker(&["info", "--format", "{{json .ClientInfo.Plugins}}"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let text = |plugin: &serde_json::Value, key: &str| plugin[key].as_str().unwrap().to_owned();
    let plugins = told.as_array().unwrap().iter().map(|plugin| (text(plugin, "Name"), text(plugin, "Path")));
    plugins.filter(|(name, _)| ["compose", "buildx"].contains(&name.as_str())).collect()
}

/// The image of the clean container: this machine's own programs and their libraries.
fn host() -> String {
    let recipe = format!("# {PROGRAMS:?}\nFROM scratch\nCOPY system /\nENV PATH=/usr/bin\n");
    image::cached("guide", &recipe, |dir| {
        let root = dir.join("system");
        for made in ["usr/bin", "tmp", "etc"] {
            fs::create_dir_all(root.join(made)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/tmp:/bin/bash\n").unwrap();
        for link in [("usr/bin", "bin"), ("bash", "usr/bin/sh")] {
            std::os::unix::fs::symlink(link.0, root.join(link.1)).unwrap();
        }
        for name in PROGRAMS {
            let program = crate::ns::program(name).unwrap_or_else(|| panic!("there is no {name}"));
            fs::copy(&program, root.join("usr/bin").join(name)).unwrap();
            libraries(&program, &root);
        }
        libraries(&client(), &root);
        for (_, path) in plugins() {
            libraries(Path::new(&path), &root);
        }
    })
}

/// Why the documents cannot be followed here without taking something from somebody.
fn in_the_way() -> Option<String> {
    let taken = PORTS.iter().find(|port| TcpListener::bind(("127.0.0.1", **port)).is_err());
    let taken = taken.map(|port| format!("port {port}, which the guide names, is taken"));
    taken.or_else(|| {
        let theirs = PROJECTS.iter().find(|project| !left(project).is_empty());
        theirs.map(|project| format!("there is a project {project} already, and it is not ours to remove"))
    })
}

/// The containers and the volumes of a project.
fn left(project: &str) -> Vec<String> {
    let of_it = format!("label=com.docker.compose.project={project}");
    [containers(project), docker(&["volume", "ls", "--quiet", "--filter", &of_it])]
        .iter()
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn containers(project: &str) -> String {
    docker(&["ps", "--all", "--quiet", "--filter", &format!("label=com.docker.compose.project={project}")])
}

#[test]
fn the_guide_followed_word_for_word_does_what_it_says() {
    docker!("compose", "buildx", "engine", "servers");
    if let Some(why) = in_the_way() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
        return;
    }
    let (setup, quick) = (commands(&read("docs/SETUP.md")), commands(&read("docs/QUICKSTART.md")));
    let (demo, own): (Vec<String>, Vec<String>) =
        quick.into_iter().partition(|line| line.contains("demo.yml") || line.contains("query=count"));
    assert!(
        own.iter().all(|line| setup.contains(line)),
        "the guide has every line of the five minutes: {own:?}"
    );
    for (part, _) in SETUP {
        assert!(setup.iter().any(|line| line.contains(part)), "the guide has no `{part}` any more");
    }

    let mut host = Clean::start();
    for line in &setup {
        host.follow(line, &SETUP);
    }
    for project in PROJECTS {
        assert_eq!(containers(project), "", "{project} is undone");
    }
    assert_eq!(left("runner-init-monitoring").len(), 3, "the volumes stay");
    let (all, ours) = host.table("docs/SETUP.md");
    assert!(all < 15 * MINUTE && ours < 2 * MINUTE, "{all:?}, ours {ours:?}");

    let [up, stop, count, down] = &demo[..] else { panic!("four commands: {demo:?}") };
    host.follow(up, &DEMO);
    host.follow(count, &BEFORE);
    for line in [stop, count, down] {
        host.follow(line, &DEMO);
    }
    assert_eq!(left("runner-init-demo"), Vec::<String>::new(), "the demo leaves nothing behind");
    let (all, _) = host.table("docs/QUICKSTART.md, the demo");
    assert!(all < 5 * MINUTE, "{all:?}");
    for (what, instead, why) in REPLACED {
        eprintln!("replaced: {what} by {instead}: {why}");
    }
    assert!(host.clone.path().join("compose/.env").is_file(), "the editor was used");
}
