//! What the documents tell an operator to look at first can be looked at, on a running container.

use crate::docker;
use crate::docker::{command, repository};
use crate::project::Project;

/// The first block of commands of a document.
fn block(path: &str) -> String {
    let text = std::fs::read_to_string(repository(path)).unwrap();
    text.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0.to_owned()
}

/// Runs each line with what it is told in place of the documents' names.
#[track_caller]
fn look(lines: &str, names: &[(&str, &str)]) {
    let docker = command();
    for line in lines.lines() {
        let line = names.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
        let mut bash = std::process::Command::new("bash");
        bash.env_clear().envs(docker.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = bash.args(["-euo", "pipefail", "-c", &line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // A healthy one has neither warned nor failed, which is grep's 1.
        let is_well = line.contains("level=") && output.status.code() == Some(1) && said.is_empty();
        assert!(is_well || output.status.success() && !output.stdout.is_empty(), "{line}: {said}");
    }
}

#[test]
fn the_first_looks_of_the_documents_show_something() {
    docker!("compose", "buildx", "engine");
    let project = Project::new(&["standard"]).up(&["--wait"]);
    let runner = project.container("standard");
    runner.until_job_done();
    let address = runner.address().unwrap();
    look(&block("docs/runbooks/alerts.md"), &[("$A", &address), ("$C", &runner.0)]);
    let image = runner.inspect()["Config"]["Image"].as_str().unwrap().to_owned();
    let variables = project.dir.path().join("runner.env");
    std::fs::write(&variables, "GITHUB_REPOSITORY=owner/repository\nRUNNER_TOKEN=AREGISTRATIONTOKEN\n")
        .unwrap();
    let names = [("runner.env", variables.to_str().unwrap()), ("IMAGE", &image), ("RUNNER", &runner.0)];
    look(&block("docs/PROMETHEUS_TROUBLESHOOTING.md"), &names);
}
