//! What users copy from us keeps a job out of our program's place: whole paths, mode 0711, a registry in every name.

use crate::markdown::{ours, root};
use regex::Regex;
use std::path::Path;

type Rule = (&'static str, Box<dyn Fn(&str) -> bool>);

/// What is wrong with a line that somebody may copy or run.
fn faults(path: &str, text: &str) -> Vec<String> {
    let regex = |text: &str| Regex::new(text).unwrap();
    let runs = regex(r"HEALTHCHECK|ENTRYPOINT|\[CMD|docker exec|compose exec");
    let by_name = regex(r#"(^|[\s"\[,'(=])runner-init(["\],'\s]|$)"#);
    let copies = regex(r"COPY .*runner-init \S*runner-init|COPY .*/runner-init ");
    let nameless = regex(r"(^|[^\w./}-])runner-init/(binary|standard|chrome|chrome-go|demo)\b");
    let path_of = regex(r"ENV PATH=(\S*)");
    let rules: [Rule; 5] = [
        ("found by its name", Box::new(move |line| runs.is_match(line) && by_name.is_match(line))),
        ("not of mode 0711", Box::new(move |line| copies.is_match(line) && !line.contains("--chmod=0711"))),
        ("an image of no registry", Box::new(move |line| nameless.is_match(line))),
        (
            "scripts of packages run",
            Box::new(move |line| line.contains("npm ci") && !line.contains("--ignore-scripts")),
        ),
        (
            "a directory of jobs comes first",
            Box::new(move |line| {
                let order = path_of.captures(line).map(|found| found[1].to_owned()).unwrap_or_default();
                let before = order.split("$PATH").next().unwrap_or_default();
                before.split(':').any(|dir| dir.starts_with("/home/") || dir.starts_with("/tmp"))
            }),
        ),
    ];
    let at = |line: &str| {
        rules.iter().find(|(_, breaks)| breaks(line)).map(|(what, _)| format!("{path}: {what}: {line}"))
    };
    text.lines().filter_map(at).collect()
}

#[test]
fn what_is_copied_from_us_is_safe_to_copy() {
    let files = ours(&[".md", "Dockerfile", ".yml", ".hcl"]);
    let is_history = |path: &&std::path::PathBuf| {
        let path = path.to_string_lossy();
        path.contains("CHANGELOG") || path.contains("releases/") || path.contains("render/")
    };
    let files: Vec<_> = files.iter().filter(|path| !is_history(path)).collect();
    assert!(files.len() > 30 && files.iter().any(|path| path.ends_with("standard/Dockerfile")));
    let read = |path: &Path| std::fs::read_to_string(root().join(path)).unwrap();
    let found: Vec<String> =
        files.iter().flat_map(|path| faults(&path.to_string_lossy(), &read(path))).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_is_not_is_found() {
    for planted in [
        r#"HEALTHCHECK --interval=30s CMD ["runner-init", "health"]"#,
        "    test: [CMD, runner-init, health]",
        r#"ENTRYPOINT ["runner-init"]"#,
        "docker exec $C runner-init health --ready",
        "COPY --from=localhost/runner-init/binary:1 /runner-init /usr/local/bin/runner-init",
        "COPY runner-init /usr/local/bin/runner-init",
        "FROM runner-init/standard:2.3.0",
        "| `runner-init/standard` |",
        "    npm ci --prefix /opt",
        "ENV PATH=/usr/local/go/bin:/home/runner/go/bin:$PATH \\",
    ] {
        assert_eq!(faults("planted", planted).len(), 1, "{planted}");
    }
}
