//! Each snippet of `docs/OTHER_IMAGES.md`, word for word, on a stand-in with the same layout, users and variables, runs a job.

use crate::docker;
use crate::docker::{command, docker, repository, succeeded};
use crate::image::{RUNNER, User, binary, build};
use crate::project::Container;

/// `runner` in `/home/runner`, as the official image has it; with its variables.
const OFFICIAL: &str = "
COPY --chown=1001:123 runner /home/runner
COPY --chown=1001:1001 empty /home/runner/_diag
ENV RUNNER_MANUALLY_TRAP_SIG=1 ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT=1 ImageOS=ubuntu24
WORKDIR /home/runner
USER 1001
CMD [\"/bin/bash\"]
";

/// Root and an entry script that must never run; a start command that must be gone.
const MYOUNG34: &str = "
COPY --chown=1001:121 runner /actions-runner
COPY --chown=1001:121 empty /home/runner
COPY --chown=1001:0 empty /_work
COPY --chown=1001:0 empty /opt/hostedtoolcache
ENV AGENT_TOOLSDIRECTORY=/opt/hostedtoolcache
WORKDIR /actions-runner
ENTRYPOINT [\"/usr/bin/bash\", \"-c\", \"exit 99\"]
CMD [\"./bin/Runner.Listener\", \"run\", \"--startuptype\", \"service\"]
";

/// Some user of one's own.
const DEBIAN: &str = "
COPY --chown=1500:1500 runner /opt/runner
WORKDIR /opt/runner
USER builder
CMD [\"bash\"]
";

/// The snippet that begins with an image of this name.
fn snippet(image: &str) -> String {
    let text = std::fs::read_to_string(repository("docs/OTHER_IMAGES.md")).unwrap();
    let mut snippets =
        text.split("```dockerfile\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    snippets.find(|snippet| snippet.starts_with(&format!("FROM {image}"))).expect(image)
}

/// Builds the snippet on the stand-in, runs it with these variables until its first job is done, stops it, and gives all it said.
fn run(image: &str, stand_in: &str, variables: &[&str], check: impl FnOnce(&Container)) {
    let snippet = snippet(image);
    let words: Vec<&str> = snippet.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["FROM", "COPY", "ENV", "ENTRYPOINT"]);
    let from = snippet.lines().next().unwrap().strip_prefix("FROM ").unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), &snippet).unwrap();
    let copied_from = format!("localhost/runner-init/binary:{}", env!("CARGO_PKG_VERSION"));
    assert!(snippet.contains(&format!("--from={copied_from} ")), "{snippet}");
    let contexts =
        [format!("{from}=docker-image://{stand_in}"), format!("{copied_from}=docker-image://{}", binary())];
    let mut command = command();
    command.args(["build", "--quiet", "--build-context", &contexts[0], "--build-context", &contexts[1]]);
    let built = Image(succeeded(command.arg(dir.path()), image));
    let mut args = vec![
        "run",
        "--detach",
        "--publish",
        "127.0.0.1::9091",
        "--stop-timeout",
        "30",
        "-e",
        "RUNNER_STOP_GRACE=30s",
    ];
    for variable in variables {
        args.extend(["-e", variable]);
    }
    args.push(&built.0);
    let running = Running(Container(docker(&args)));
    let container = &running.0;
    container.until_job_done();
    assert_eq!(container.exec(&["/usr/local/bin/runner-init", "health"]).lines().count(), 1);
    let first = container.exec(&["bash", "-c", "echo $(< /proc/1/comm)"]);
    assert_eq!(first, "runner-init");
    check(container);
    docker(&["stop", &container.0]);
    assert_eq!(container.exit_code(), 0, "{}", container.said());
    assert!(container.said().contains("Runner removed successfully"), "{}", container.said());
}

/// An image that goes when it was looked at.
struct Image(String);

impl Drop for Image {
    fn drop(&mut self) {
        let _ = command().args(["image", "rm", "--force", &self.0]).output();
    }
}

/// A container that goes when it was looked at; before its image.
struct Running(Container);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.said());
        }
        let _ = command().args(["rm", "--force", "--volumes", &self.0.0]).output();
    }
}

/// Whose a file in it is, and the user whose processes run.
fn owner(container: &Container, path: &str) -> String {
    container
        .exec(&["bash", "-c", &format!("ls -nd {path}")])
        .split_whitespace()
        .skip(2)
        .take(2)
        .collect::<Vec<_>>()
        .join(":")
}

#[test]
fn the_official_image() {
    docker!("buildx", "engine");
    let stand_in = build("official", RUNNER, OFFICIAL);
    let variables = ["RUNNER_TOKEN=A", "GITHUB_REPOSITORY=owner/repository"];
    run("actions/actions-runner", &stand_in, &variables, |container| {
        assert_eq!(owner(container, "/home/runner/_work/widgets"), "1001:1001");
        assert_eq!(
            owner(container, "/home/runner/.runner-init/jobs.log"),
            "1001:1001",
            "{}",
            container.said()
        );
        let said = container.said();
        assert_eq!(said.matches("Running job: build").count(), 1, "every line once: {said}");
        assert!(!said.contains("level=error") && !said.contains("level=warn"), "{said}");
    });
}

#[test]
fn myoung34_s_with_its_own_variables() {
    docker!("buildx", "engine");
    let stand_in = build("myoung34", User { gid: 121, ..RUNNER }, MYOUNG34);
    let variables = [
        "REPO_URL=https://github.com/owner/repository",
        "RUNNER_TOKEN=A",
        "RUNNER_SCOPE=repo",
        "RUNNER_NAME_PREFIX=github-runner",
        "RANDOM_RUNNER_SUFFIX=true",
        "LABELS=linux,x64",
        "RUNNER_GROUP=Default",
        "RUNNER_WORKDIR=/tmp/runner/_work",
        "EPHEMERAL=0",
        "DISABLE_AUTO_UPDATE=true",
        "RUN_AS_ROOT=false",
    ];
    run("myoung34/github-runner", &stand_in, &variables, |container| {
        assert_eq!(owner(container, "/tmp/runner/_work/widgets"), "1001:121");
        assert_eq!(owner(container, "/actions-runner/.runner"), "1001:121");
        assert_eq!(owner(container, "/var/lib/runner-init/jobs.log"), "0:0");
        let page = container.metrics();
        let (_, name) = page.split_once("runner_name=\"").unwrap();
        let name = name.split('"').next().unwrap();
        assert!(name.starts_with("github-runner-") && name.len() == "github-runner-".len() + 13, "{name}");
        let warned = |variable: &str| {
            container.said().lines().any(|line| line.contains("level=warn") && line.contains(variable))
        };
        assert!(warned("RUN_AS_ROOT"), "{}", container.said());
    });
}

#[test]
fn an_unpacked_runner_on_a_bare_debian() {
    docker!("buildx", "engine");
    let user = User { name: "builder", uid: 1500, gid: 1500 };
    let stand_in = build("debian", user, DEBIAN);
    let variables = ["RUNNER_TOKEN=A", "ORG_NAME=owner"];
    run("your/debian-with-a-runner", &stand_in, &variables, |container| {
        assert_eq!(owner(container, "/opt/runner/_work/widgets"), "1500:1500");
        assert_eq!(owner(container, "/opt/runner/.runner-init/jobs.log"), "1500:1500");
        assert!(!container.said().contains("level=error"), "{}", container.said());
    });
}
