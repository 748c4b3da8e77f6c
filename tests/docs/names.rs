//! Names in documents and names in the code are the same: variables, metrics, paths, exit codes, commands and flags.

use crate::markdown::{Document, documents, ours, root};
use crate::words;
use runner_init::cli;
use runner_init::config::{Variable, describe};
use runner_init::exit_code;
use runner_init::telemetry::catalog;
use std::collections::BTreeSet;

/// A set of names.
type Names = BTreeSet<String>;

/// Variables that are other people's, and who has them.
const FOREIGN: &[(&str, &str)] = &[
    ("BUILDKIT_PROGRESS", "docker's: how a build tells of itself"),
    ("CAP_PERFMON", "the kernel: a capability"),
    ("CAP_SYS_PTRACE", "the kernel: a capability"),
    ("RUNID_JOBKEY", "the shape of a file's name"),
];

/// Exit codes that are spoken of and are not ours: 1 says no, the listener's, a shell's of signals.
const OTHERS_CODES: &[u32] = &[1, 2, 3, 4, 5, 7, 129, 130, 137, 143];

/// `name in document` for each that is mentioned and is not known.
fn unknown(
    documents: &[Document],
    mentions: impl Fn(&Document) -> Vec<String>,
    known: impl Fn(&str) -> bool,
) -> Vec<String> {
    let of = |document: &Document| -> Vec<String> {
        let names: Names = mentions(document).into_iter().filter(|name| !known(name)).collect();
        names.into_iter().map(|name| format!("{name} in {}", document.path)).collect()
    };
    documents.iter().flat_map(of).collect()
}

/// Each that exists and is mentioned nowhere.
fn unmentioned(
    documents: &[Document],
    mentions: impl Fn(&Document) -> Vec<String>,
    existing: &Names,
) -> Names {
    let said: Names = documents.iter().flat_map(mentions).collect();
    existing.difference(&said).cloned().collect()
}

fn in_code(words: fn(&str) -> Vec<String>) -> impl Fn(&Document) -> Vec<String> {
    move |document| document.code.iter().flat_map(|code| words(code)).collect()
}

/// Without history, which speaks of what was, and without the pages for those who come from elsewhere, which speak of what others have.
fn present() -> Vec<Document> {
    let elsewhere = ["CHANGELOG.md", "docs/MIGRATING.md", "docs/OTHER_INITS.md"];
    documents().into_iter().filter(|document| !elsewhere.contains(&document.path.as_str())).collect()
}

/// Every name a variable of the configuration can have.
fn configurable() -> Names {
    let files = |variable: &Variable| variable.names().map(|name| format!("{name}_FILE")).collect::<Vec<_>>();
    let mut names: Names = describe().iter().flat_map(Variable::names).map(str::to_owned).collect();
    names.extend(describe().iter().filter(|variable| variable.secret).flat_map(files));
    names.insert("METRICS_AUTH_TOKEN_FILE".into());
    names
}

/// The code besides the table of variables: compose files, images, workflows, scripts, sources.
fn elsewhere() -> Vec<u8> {
    let mut all = Vec::new();
    for path in ours(&[""]) {
        let place = path.to_string_lossy();
        // Tests misspell names on purpose; only what they ask the caller for counts.
        let rust_test = place.starts_with("tests") && place.ends_with(".rs");
        let skipped = [".md", ".lock", ".png"].iter().any(|end| place.ends_with(end));
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        if skipped || place.contains("golden") || place.contains("corpus") {
            continue;
        }
        for line in text.lines().filter(|line| !rust_test || line.contains("env::var")) {
            all.extend([line.as_bytes(), b"\n"].concat());
        }
    }
    all
}

/// The text has it as a whole word.
fn has_word(text: &[u8], word: &str) -> bool {
    let part = |at: Option<usize>| {
        at.and_then(|at| text.get(at)).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_')
    };
    memchr::memmem::find_iter(text, word).any(|at| !part(at.checked_sub(1)) && !part(Some(at + word.len())))
}

#[test]
fn variables_that_are_mentioned_exist() {
    let (configurable, elsewhere) = (configurable(), elsewhere());
    let foreign = |name: &str| FOREIGN.iter().any(|(known, _)| *known == name);
    let known = |name: &str| configurable.contains(name) || has_word(&elsewhere, name) || foreign(name);
    assert_eq!(unknown(&present(), in_code(words::variables), known), [""; 0]);
    let planted = [Document::new("d.md", "`RUNNER_NAME` and `RUNNER_NAMES`")];
    assert_eq!(unknown(&planted, in_code(words::variables), known), ["RUNNER_NAMES in d.md"]);
    let said: Names = present().iter().flat_map(in_code(words::variables)).collect();
    let idle: Vec<_> = FOREIGN.iter().filter(|(name, _)| !said.contains(*name)).collect();
    assert!(idle.is_empty(), "nobody mentions {idle:?}");
}

#[test]
fn variables_that_exist_are_mentioned() {
    let own: Names = describe().iter().flat_map(Variable::names).map(str::to_owned).collect();
    assert!(own.len() > 60, "{}", own.len());
    // A name of one word has no shape of its own: it stands alone in its code.
    let mentions = |document: &Document| {
        let whole = document.code.iter().filter(|code| own.contains(*code)).cloned();
        whole.chain(in_code(words::variables)(document)).collect()
    };
    assert_eq!(unmentioned(&present(), mentions, &own), Names::new());
    assert_eq!(unmentioned(&[], mentions, &own), own);
}

/// A metric's own name, without what a histogram adds.
fn family(name: &str) -> &str {
    let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
    base.filter(|base| {
        catalog::everywhere().any(|m| m.name == *base && m.kind == catalog::MetricKind::Histogram)
    })
    .unwrap_or(name)
}

/// Series that the rules record.
fn recorded() -> Names {
    let rules = ours(&[".yml"]).into_iter().filter(|path| path.starts_with("dashboards/prometheus/rules"));
    let texts = rules.map(|path| std::fs::read_to_string(root().join(path)).unwrap());
    texts
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| line.trim_start().split_once("record: "))
                .map(|(_, name)| name.to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Of the supervisor's own process: from a library, declared by its name alone.
const PROCESS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
];

#[test]
fn metrics_that_are_mentioned_exist_and_the_other_way_round() {
    let recorded = recorded();
    let known = |name: &str| {
        catalog::everywhere().any(|metric| metric.name == family(name))
            || name == catalog::JOB_ENDED
            || PROCESS.contains(&name)
            || recorded.contains(name)
    };
    let mentions = |document: &Document| words::metrics(&document.text.replace("\\_", "_"));
    assert_eq!(unknown(&present(), mentions, known), [""; 0]);
    let planted = [Document::new(
        "d.md",
        "github_runner_jobs_totals, github_runner_job_duration_seconds_bucket, github_runner_status_sum",
    )];
    assert_eq!(
        unknown(&planted, mentions, known),
        ["github_runner_jobs_totals in d.md", "github_runner_status_sum in d.md"]
    );
    let existing: Names = catalog::everywhere().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(unmentioned(&present(), mentions, &existing), Names::new());
}

fn routes() -> Names {
    let source = concat!(include_str!("../../src/http.rs"), include_str!("../../src/collect/router.rs"));
    let routes = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    routes.map(str::to_owned).collect()
}

#[test]
fn paths_that_are_mentioned_are_served_and_the_other_way_round() {
    let routes = routes();
    assert!(routes.len() >= 6, "{routes:?}");
    // An Enterprise Server's API, and what is asked of Prometheus.
    let foreign = [
        "/api/v3",
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/rules",
        "/api/v1/targets",
        "/api/v1/alerts",
        "/api/v1/otlp",
        "/api/v1/import",
    ];
    let known = |path: &str| routes.contains(path) || foreign.contains(&path);
    assert_eq!(unknown(&present(), in_code(words::paths), known), [""; 0]);
    let planted = [Document::new("d.md", "`GET /api/v1/job` `/metrics` `/readyz`")];
    assert_eq!(unknown(&planted, in_code(words::paths), known), ["/api/v1/job in d.md"]);
    let (root, named): (Names, Names) =
        routes.into_iter().partition(|route| route == "/" || route.contains('{'));
    assert_eq!(unmentioned(&present(), in_code(words::paths), &named), Names::new());
    let whole = |document: &Document| document.code.clone();
    assert_eq!(unmentioned(&present(), whole, &root), Names::new());
}

#[test]
fn exit_codes_that_are_mentioned_exist_and_the_other_way_round() {
    let own: Vec<u32> = exit_code::table().iter().filter_map(|(code, _)| code.parse().ok()).collect();
    let known = |code: &str| {
        let code = code.parse().expect("a number");
        own.contains(&code) || OTHERS_CODES.contains(&code)
    };
    let mentions =
        |document: &Document| words::exit_codes(&document.text).iter().map(u32::to_string).collect();
    assert_eq!(unknown(&present(), mentions, known), [""; 0]);
    let planted = [Document::new("d.md", "It exits with 64, or exits with 65.")];
    assert_eq!(unknown(&planted, mentions, known), ["65 in d.md"]);
    // Each stands in the one list.
    let architecture =
        present().into_iter().find(|document| document.path == "docs/PROMETHEUS_ARCHITECTURE.md").unwrap();
    let list =
        architecture.text.split("## Exit codes").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for row in exit_code::table().iter().map(|(code, meaning)| format!("{code} {meaning}")) {
        assert!(list.contains(&row), "{row}");
    }
}

/// What is wrong with one call of ours in a document; `None` if it would be understood.
fn misunderstood(call: &[String]) -> Option<String> {
    let command = cli::command();
    let named = call.iter().find_map(|word| command.find_subcommand(word));
    let flags = |command: &clap::Command| -> Names {
        let of = |argument: &clap::Arg| {
            [argument.get_long().map(|l| format!("--{l}")), argument.get_short().map(|s| format!("-{s}"))]
        };
        command.get_arguments().flat_map(of).flatten().chain(["--help".into(), "-h".into()]).collect()
    };
    let mut known = flags(named.unwrap_or(&command));
    known.extend(["--version".into(), "-V".into(), "-g".into()]);
    let bad =
        call.iter().find(|word| word.starts_with('-') && !known.contains(word.split('=').next().unwrap()))?;
    Some(format!("runner-init {}: {bad}", call.join(" ")))
}

/// A call without the brackets and bars that say what may be left out or chosen.
fn plain(call: &[String]) -> Vec<String> {
    call.iter()
        .map(|word| word.trim_matches(['[', ']', '…', '.']).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn calls_that_are_mentioned_are_understood_and_every_command_and_flag_is_mentioned() {
    let documents = present();
    let calls: Vec<(String, Vec<String>)> = documents
        .iter()
        .flat_map(|document| {
            document
                .code
                .iter()
                .flat_map(|code| words::calls(code))
                .map(|call| (document.path.clone(), plain(&call)))
        })
        .collect();
    assert!(calls.len() > 20, "{}", calls.len());
    let faults: Vec<String> =
        calls.iter().filter_map(|(path, call)| Some(format!("{path}: {}", misunderstood(call)?))).collect();
    assert_eq!(faults, [""; 0]);
    let planted: Vec<String> = "health --nowhere".split(' ').map(str::to_owned).collect();
    assert_eq!(misunderstood(&planted).as_deref(), Some("runner-init health --nowhere: --nowhere"));
    let said: Names = calls.iter().flat_map(|(_, call)| call.clone()).collect();
    let command = cli::command();
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "run") {
        assert!(said.contains(sub.get_name()), "no document has a call of {}", sub.get_name());
        for long in sub.get_arguments().filter_map(clap::Arg::get_long).filter(|long| *long != "help") {
            assert!(said.contains(&format!("--{long}")), "no document has {} --{long}", sub.get_name());
        }
    }
}

/// What cargo takes for a test: a file in `tests`, or a directory with a `main.rs`.
fn suites() -> Names {
    let entries = std::fs::read_dir(root().join("tests")).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let suites =
        paths.filter(|path| path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file());
    suites.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

#[test]
fn every_suite_is_explained() {
    let readme = documents().into_iter().find(|document| document.path == "tests/README.md");
    let named: Names = readme.expect("it is there").code.into_iter().collect();
    let suites = suites();
    assert!(suites.len() > 20 && !named.contains("no-such-suite"), "{suites:?}");
    assert_eq!(suites.difference(&named).collect::<Vec<_>>(), [""; 0]);
}
