//! The walls of the house, read from its source: who may import whom, what a file must open with, how long it may be.
#![allow(clippy::disallowed_methods, reason = "a test reads the source tree")]

#[path = "support/source.rs"]
mod source;

use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One room of `src/` and what it may see.
struct Room {
    name: &'static str,
    /// Of ours: rooms, or single modules of a room. The room itself always.
    ours: &'static [&'static str],
    /// Other crates besides `std`.
    crates: &'static [&'static str],
    /// Paths it may not spell all the same.
    never: &'static [&'static str],
}

/// Rooms that touch nothing of the operating system.
const NO_OS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::process",
    "std::thread",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
    "chrono::Utc::now",
    "chrono::Local",
];
/// What is left to `domain`: not even types of the network.
const PURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
    "chrono::Utc::now",
    "chrono::Local",
];

const ROOMS: &[Room] = &[
    Room { name: "main", ours: &["cli"], crates: &[], never: &[] },
    Room { name: "exit_code", ours: &[], crates: &[], never: PURE },
    Room { name: "lib", ours: &[], crates: &[], never: &[] },
    Room { name: "build", ours: &[], crates: &[], never: &[] },
    Room {
        name: "cli",
        ours: &[
            "collect",
            "config",
            "demo",
            "domain::context",
            "domain::otlp",
            "domain::trace",
            "exit_code",
            "hook",
            "http::client",
            "http::server",
            "init",
            "run",
            "hardening",
            "supervisor",
            "sys::runner_user",
            "sys::copy_self",
            "sys::run_dir",
            "sys::journal",
            "sys::journal_writer",
            "telemetry::reference",
        ],
        crates: &["clap", "hyper", "nix", "tokio"],
        never: &[],
    },
    Room {
        name: "run",
        ours: &[
            "config",
            "domain::event",
            "domain::start_notice",
            "exit_code",
            "footprint",
            "init",
            "hardening",
            "supervisor",
            "sys::parent_env",
            "sys::startup_checks",
            "sys::runner_user",
            "sys::runtime",
            "sys::stdio",
            "sys::journal_writer",
            "telemetry::emit",
            "telemetry::exporter",
            "telemetry::log",
        ],
        crates: &[],
        never: &["std::env", "std::fs", "std::net", "std::process", "std::thread"],
    },
    Room {
        name: "collect",
        ours: &["config", "domain", "exit_code", "hardening", "http", "run", "sys", "telemetry"],
        crates: &["axum", "chrono", "ring", "serde", "serde_json", "thiserror", "tokio"],
        never: &["std::env", "std::fs", "std::process", "std::time::Instant", "std::time::SystemTime"],
    },
    Room {
        name: "hook",
        ours: &["config::Environment", "config::Lookup", "domain::context", "domain::trace"],
        crates: &["chrono", "nix"],
        never: &["std::env", "std::process", "std::thread", "std::net"],
    },
    Room {
        name: "demo",
        ours: &["config", "exit_code", "hardening", "run", "supervisor", "sys::run_dir"],
        crates: &["clap", "nix", "runner_sim", "tempfile"],
        never: &[],
    },
    Room {
        name: "init",
        ours: &["domain::text", "exit_code", "child_setup", "footprint", "hardening"],
        crates: &["nix", "signal_hook"],
        never: &[],
    },
    Room { name: "no_unwinding", ours: &[], crates: &[], never: &["std::fs", "std::env", "std::net"] },
    Room { name: "footprint", ours: &[], crates: &["nix", "rustix"], never: &["std::env"] },
    Room { name: "hardening", ours: &[], crates: &["memchr", "nix", "zeroize"], never: &["std::env"] },
    Room { name: "child_setup", ours: &["hardening"], crates: &["nix"], never: &[] },
    Room {
        name: "supervisor",
        ours: &["config", "domain", "exit_code", "github", "http", "registration", "sys", "telemetry"],
        crates: &["chrono", "fastrand", "metrics_exporter_prometheus", "thiserror", "tokio"],
        never: &["std::fs", "std::env::var"],
    },
    Room {
        name: "registration",
        ours: &["config::Secret", "domain", "github", "sys"],
        crates: &["tokio"],
        never: &["std::fs", "std::net", "std::process", "std::thread", "std::env::var"],
    },
    Room {
        name: "github",
        ours: &["config::Secret", "domain"],
        crates: &[
            "base64",
            "chrono",
            "fastrand",
            "flate2",
            "hyper_util",
            "jsonwebtoken",
            "reqwest",
            "ring",
            "rustls",
            "rustls_native_certs",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "url",
            "webpki",
            "zeroize",
        ],
        never: &["std::process", "std::thread", "std::env::var", "chrono::Utc::now"],
    },
    Room {
        name: "config",
        ours: &["domain"],
        crates: &["base64", "humantime", "serde", "serde_json", "strsim", "subtle", "url", "zeroize"],
        never: NO_OS,
    },
    Room {
        name: "domain",
        ours: &["exit_code"],
        crates: &[
            "chrono",
            "csv",
            "fastrand",
            "memchr",
            "opentelemetry_proto",
            "prost",
            "regex_lite",
            "ring",
            "serde",
            "serde_json",
            "thiserror",
        ],
        never: PURE,
    },
    Room {
        name: "http",
        ours: &["domain", "telemetry::exporter", "config::Secret", "sys::http_request", "sys::remove"],
        crates: &[
            "axum",
            "base64",
            "chrono",
            "hyper",
            "hyper_util",
            "maud",
            "ring",
            "serde",
            "thiserror",
            "tokio",
            "tower",
            "tower_http",
            "zeroize",
        ],
        never: &["std::env", "std::process", "std::thread", "chrono::Utc::now"],
    },
    Room {
        name: "telemetry",
        ours: &["config::LogFormat", "config::LogLevel", "domain"],
        crates: &[
            "chrono",
            "flate2",
            "metrics",
            "metrics_exporter_prometheus",
            "metrics_process",
            "quanta",
            "serde_json",
            "tracing",
            "tracing_subscriber",
        ],
        never: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
    },
    Room {
        name: "sys",
        ours: &["domain", "child_setup", "hardening"],
        crates: &[
            "chrono",
            "crc32fast",
            "http_body_util",
            "hyper",
            "hyper_util",
            "memchr",
            "nix",
            "procfs",
            "ring",
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "zeroize",
        ],
        never: &["std::env::var", "std::net"],
    },
    Room {
        name: DOUBLE,
        ours: &[],
        crates: &["base64", "chrono", "nix", "serde", "serde_json", "signal_hook"],
        never: &["std::net"],
    },
];

/// What a wall would forbid and is right all the same: file, path, reason.
const DOORS: &[(&str, &str, &str)] = &[
    ("config/lookup.rs", "std::env::var_os", "the one door to the process's own variables"),
    ("config/lookup.rs", "std::env::vars_os", "the one door to the process's own variables"),
    ("config/lookup.rs", "std::fs::File", "NAME_FILE names a file"),
    ("config/lookup.rs", "nix::unistd", "the hostname is the default of RUNNER_NAME"),
];

/// The room that is a package of its own.
const DOUBLE: &str = "sim";

/// Files that may be longer, and why.
const LONG: &[(&str, usize, &str)] = &[("config/vars.rs", 370, "one row each of all that can be set")];
const LIMIT: usize = 300;

/// Where unsafe code is: between fork and exec, what nix cannot say of real-time signals, the memory of the environment and
/// of the program's own file, vectors of bytes, which touch no memory but by value, and functions that are found by their names.
const UNSAFE: &[&str] = &[
    "domain/byte_search.rs",
    "init/raw.rs",
    "hardening.rs",
    "child_setup.rs",
    "footprint.rs",
    "no_unwinding.rs",
];

/// Every fault of one file, in words.
fn check(source: &Source) -> Vec<String> {
    let mut faults = imports(source);
    let mut fault = |what: String| faults.push(format!("{}: {what}", source.path));
    if !source.text.starts_with("//! ") {
        fault("does not open with its law".into());
    }
    let lines = code_lines(&source.text);
    let limit = LONG.iter().find(|(path, _, _)| *path == source.path).map_or(LIMIT, |(_, limit, _)| *limit);
    if lines > limit && !is_test(&source.path) {
        fault(format!("{lines} lines of code, at most {limit}"));
    }
    if source.tokens.iter().any(|t| t == "unsafe") && !UNSAFE.contains(&source.path.as_str()) {
        fault("unsafe code".into());
    }
    if names_a_metric(&source.text) && !source.path.starts_with("telemetry/catalog") {
        fault("a metric's name outside the catalogue".into());
    }
    for attribute in attributes(&source.tokens, &["expect", "allow"]) {
        if !attribute.iter().any(|t| t == "reason") {
            fault(format!("no reason for {}", attribute.concat()));
        }
    }
    faults
}

fn imports(source: &Source) -> Vec<String> {
    let name = source.path.split(['/', '.']).next().unwrap_or_default();
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!("{}: no such room: say in ROOMS what it may see", source.path)];
    };
    if is_test(&source.path) {
        return Vec::new();
    }
    let is_open = |path: &str| DOORS.iter().any(|(file, door, _)| *file == source.path && is_in(path, door));
    let forbidden = |path: &String| !may_see(room, path) && !is_open(path);
    source.imports().into_iter().filter(forbidden).map(|path| format!("{}: {path}", source.path)).collect()
}

fn may_see(room: &Room, path: &str) -> bool {
    // The double is a package of its own, which its own program calls by its name.
    if room.name == DOUBLE && (path.starts_with("crate::") || path.starts_with("runner_sim::")) {
        return true;
    }
    // `runner_init::` is how the binary calls the library.
    let ours = path.strip_prefix("crate::").or_else(|| path.strip_prefix("runner_init::"));
    if let Some(ours) = ours {
        return is_in(ours, room.name) || room.ours.iter().any(|open| is_in(ours, open) || is_in(open, ours));
    }
    if room.never.iter().any(|never| path.starts_with(never)) {
        return false;
    }
    let first = path.split("::").next().unwrap_or_default();
    !EXTERNAL.contains(&first) || room.crates.contains(&first)
}

/// Crates of `Cargo.toml`; what begins with another name is the file's own, or the language's.
const EXTERNAL: &[&str] = &[
    "axum",
    "base64",
    "chrono",
    "clap",
    "crc32fast",
    "csv",
    "fastrand",
    "flate2",
    "http_body_util",
    "humantime",
    "hyper",
    "hyper_util",
    "idna_adapter",
    "jsonwebtoken",
    "maud",
    "memchr",
    "metrics",
    "metrics_exporter_prometheus",
    "metrics_process",
    "nix",
    "opentelemetry_proto",
    "procfs",
    "prost",
    "quanta",
    "regex_lite",
    "reqwest",
    "ring",
    "runner_sim",
    "rustix",
    "rustls",
    "rustls_native_certs",
    "serde",
    "serde_json",
    "signal_hook",
    "strsim",
    "subtle",
    "tempfile",
    "thiserror",
    "tokio",
    "tower",
    "tower_http",
    "tracing",
    "tracing_subscriber",
    "url",
    "webpki",
    "zeroize",
];

fn is_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Lines before the tests, which stand last.
fn code_lines(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// A name in a text, not in a comment; `github_runner_` alone is a prefix and names nothing.
fn names_a_metric(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| !line.starts_with("//") && line.contains("github_runner_"))
}

/// The tokens of every attribute that begins with one of `names`.
fn attributes(tokens: &[String], names: &[&str]) -> Vec<Vec<String>> {
    let begins = |at: &usize| {
        let name = if tokens[at + 1] == "!" { at + 3 } else { at + 2 };
        tokens[*at] == "#" && tokens.get(name).is_some_and(|t| names.contains(&t.as_str()))
    };
    let take = |at: usize| {
        let mut depth = 0;
        let mut end = at;
        loop {
            match tokens[end].as_str() {
                "[" => depth += 1,
                "]" => depth -= 1,
                _ => {}
            }
            end += 1;
            if (depth == 0 && end > at + 2) || end == tokens.len() {
                return tokens[at..end].to_vec();
            }
        }
    };
    (0..tokens.len().saturating_sub(3)).filter(begins).map(take).collect()
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, below: &str, out: &mut Vec<Source>) {
        for entry in std::fs::read_dir(dir).expect("src is there") {
            let entry = entry.expect("an entry");
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), out);
            } else if entry.path().extension().is_some_and(|e| e == "rs") {
                out.push(Source::new(&name, &std::fs::read_to_string(entry.path()).expect("UTF-8")));
            }
        }
    }
    let mut out = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut out);
    out
}

#[test]
fn the_walls_stand() {
    let sources = sources();
    assert!(sources.len() > 80, "only {} files were read", sources.len());
    let faults: Vec<String> = sources.iter().flat_map(check).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Files that open others by themselves, and why what they open is not the runner's user's to choose.
const OPENS: &[(&str, &str)] = &[
    ("sys/parent_env.rs", "/proc"),
    ("sys/container_jobs.rs", "/proc"),
    ("sys/cgroup.rs", "the kernel's files"),
    ("sys/cgroup/peak.rs", "the kernel's files"),
    ("sys/door.rs", "the door itself"),
    ("sys/door/dir.rs", "the door itself"),
    ("sys/startup_checks.rs", "our own program"),
    ("sys/copy_self.rs", "our own program, and makes a new file"),
    ("sys/hooks/shims.rs", "makes new files in a directory of ours, without following"),
    ("sys/journal/files.rs", "makes new files, without following; a directory is synced"),
    ("sys/state_file.rs", "makes new files, without following"),
    ("sys/processes.rs", "/proc"),
    ("sys/job_cleanup/leftovers.rs", "directories, one below the other, by their descriptors"),
];

/// The ways to open a file.
const OPENING: &[&str] = &[
    "File::open",
    "File::create",
    "OpenOptions",
    "File::options",
    "fs::read(",
    "fs::read_to_string",
    "fs::open",
    "openat",
];

fn opens(source: &Source) -> Option<&'static str> {
    let code = source.text.lines().take_while(|line| *line != "#[cfg(test)]");
    let code: Vec<&str> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
    OPENING.iter().copied().find(|way| code.iter().any(|line| line.contains(way)))
}

#[test]
fn what_a_job_may_have_put_there_is_opened_by_the_door() {
    let hands = ["sys", "supervisor", "registration"];
    let sources = sources();
    let mut files: Vec<&Source> =
        sources.iter().filter(|s| hands.iter().any(|hand| s.path.starts_with(hand))).collect();
    files.retain(|source| !is_test(&source.path));
    let may = |source: &&&Source| OPENS.iter().any(|(path, _)| *path == source.path);
    let (known, others): (Vec<&&Source>, Vec<&&Source>) = files.iter().partition(may);
    let faults: Vec<String> =
        others.iter().filter_map(|source| Some(format!("{}: {}", source.path, opens(source)?))).collect();
    assert!(faults.is_empty(), "use sys::door: {faults:?}");
    assert_eq!(known.len(), OPENS.len(), "a file that opens nothing needs no leave");
    assert!(known.iter().all(|source| opens(source).is_some()), "a file that opens nothing needs no leave");
}

/// Types of which several rooms have one, and why each keeps its name.
const SHARED: &[(&str, &str)] = &[
    ("Connection", "the runner's to GitHub, a client's to us; neither leaves its room"),
    ("Container", "the engine's, and the one around us"),
    ("Environment", "the door to our variables, and a child's list of them"),
    ("Fault", "the configuration's, and the journal's"),
    ("Job", "the open one, and one whose log is read; neither leaves its room"),
    ("JobLog", "of one job, and of all jobs; neither leaves its room"),
    ("Lookup", "of variables, and in a cache"),
    ("Memory", "what survives a restart; neither leaves its room"),
    ("Place", "of a target, of a demo, of a deployment; none leaves its room"),
    ("Registration", "the settings, and the arguments made of them"),
    ("Runner", "the settings, and GitHub's model of one"),
    ("Task", "a task runner's, and a thread's; neither leaves its room"),
    ("Told", "what was said already; private to each"),
];

/// Each type that a file declares at its top level, and in which rooms. The double is a package of its own.
fn declared(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let room = source.path.split(['/', '.']).next().unwrap_or_default();
        let mut depth = 0_u32;
        for pair in source.tokens.windows(2) {
            match pair[0].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "struct" | "enum" | "trait" | "union" | "type"
                    if depth == 0 && room != DOUBLE && !is_test(&source.path) =>
                {
                    found.entry(&pair[1]).or_default().insert(room);
                }
                _ => {}
            }
        }
    }
    found
}

/// Types that several rooms declare and no exception names.
fn ambiguous(sources: &[Source]) -> Vec<String> {
    let several = declared(sources).into_iter().filter(|(_, rooms)| rooms.len() > 1);
    let strange = several.filter(|(name, _)| !SHARED.iter().any(|(shared, _)| shared == name));
    strange.map(|(name, rooms)| format!("{name} in {rooms:?}")).collect()
}

#[test]
fn a_types_name_is_declared_in_one_room() {
    let mut sources = sources();
    assert_eq!(ambiguous(&sources), Vec::<String>::new(), "one name, one meaning");
    let types = declared(&sources);
    for (name, _) in SHARED {
        assert!(types.get(name).is_some_and(|rooms| rooms.len() > 1), "{name} is declared in one room");
    }
    assert!(SHARED.len() * 20 <= types.len(), "{} of {} are exceptions", SHARED.len(), types.len());
    let law = "//! A law.\npub(crate) struct Lifecycle<T>(T);\n";
    let own = "impl Iterator for X { type Notice = (); }\n#[cfg(test)]\nmod tests { struct JobRecord; }\n";
    sources.push(Source::new("sys/x.rs", &format!("{law}{own}")));
    assert_eq!(ambiguous(&sources), [r#"Lifecycle in {"domain", "sys"}"#]);
}

/// Types whose inherent `impl` stands in several files, and why.
const SPREAD: &[(&str, &str)] = &[
    (
        "Lifecycle",
        "one state machine over one state: its table, and in each file beside it the rows of one concern",
    ),
    ("sim Listener", "the double is a script with one actor"),
    ("sim Player", "the double is a script with one actor"),
    ("sim WorkerRun", "the double is a script with one actor"),
];

/// In which files each type of a package has an inherent `impl`.
fn implemented(sources: &[Source]) -> BTreeMap<String, BTreeSet<&str>> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !is_test(&source.path)) {
        let is_double = source.path.starts_with(DOUBLE);
        let mut depth = 0_u32;
        for (at, token) in source.tokens.iter().enumerate() {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "impl" if depth == 0 && is_item(source.tokens[..at].last()) => {
                    if let Some(name) = inherent(&source.tokens[at + 1..]) {
                        let name = if is_double { format!("{DOUBLE} {name}") } else { name.to_owned() };
                        found.entry(name).or_default().insert(&source.path);
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Whether what follows this token is an item, not a type that a function takes or gives.
fn is_item(before: Option<&String>) -> bool {
    before.is_none_or(|token| ["}", ";", "]", "unsafe"].contains(&token.as_str()))
}

/// The type of an `impl`, unless it is one of a trait.
fn inherent(tokens: &[String]) -> Option<&str> {
    let head: Vec<&str> = tokens.iter().map(String::as_str).take_while(|token| *token != "{").collect();
    let mut depth = 0;
    let mut name = None;
    for token in head {
        match token {
            "<" => depth += 1,
            ">" => depth -= 1,
            "for" if depth == 0 => return None,
            "where" if depth == 0 => break,
            name_of if depth == 0 && name_of != "::" && name_of != "-" => name = Some(name_of),
            _ => {}
        }
    }
    name
}

/// Types that are spread over several files, of those that share a name the ones of one room.
fn spread(sources: &[Source]) -> Vec<String> {
    let room = |path: &str| path.split(['/', '.']).next().map(str::to_owned);
    let mut found = Vec::new();
    for (name, files) in implemented(sources) {
        let mut rooms: BTreeMap<Option<String>, Vec<&str>> = BTreeMap::new();
        for file in files {
            rooms.entry(room(file)).or_default().push(file);
        }
        found.extend(rooms.into_values().filter(|files| files.len() > 1).map(|f| format!("{name} in {f:?}")));
    }
    found
}

#[test]
fn a_type_is_implemented_in_one_file() {
    let mut sources = sources();
    let is_known = |found: &str, name: &str| found.starts_with(&format!("{name} in "));
    let found = spread(&sources);
    let strange: Vec<_> =
        found.iter().filter(|found| !SPREAD.iter().any(|(name, _)| is_known(found, name))).collect();
    assert!(strange.is_empty(), "a file of its own for each part with its own state: {strange:#?}");
    for (name, _) in SPREAD {
        assert!(found.iter().any(|found| is_known(found, name)), "{name} is implemented in one file");
    }
    let law = "//! A law.\n";
    let others = "impl<T: Into<u8>> From<T> for Supervisor {}\nfn f() { impl Clock {} }\n";
    sources.push(Source::new("supervisor/x.rs", &format!("{law}{others}#[cfg(test)]\nimpl Clock {{}}\n")));
    assert_eq!(spread(&sources).len(), found.len(), "neither a trait's, nor a test's");
    sources.push(Source::new("supervisor/y.rs", &format!("{law}impl<'a> super::Supervisor {{}}\n")));
    let planted: Vec<_> = spread(&sources).into_iter().filter(|now| !found.contains(now)).collect();
    assert_eq!(planted, [r#"Supervisor in ["supervisor.rs", "supervisor/y.rs"]"#]);
}

#[test]
fn the_status_page_is_a_function_of_values() {
    let drawn = |path: &str| path.starts_with("http/page/") && !is_test(path);
    let of_values = |path: &str| {
        let open = ["crate::domain", "crate::http::page", "chrono", "maud"];
        let first = path.split("::").next().unwrap_or_default();
        let is_foreign = first == "crate" || EXTERNAL.contains(&first);
        (!is_foreign || open.iter().any(|open| is_in(path, open)))
            && !PURE.iter().any(|never| path.starts_with(never))
    };
    let sources = sources();
    let files: Vec<_> = sources.iter().filter(|source| drawn(&source.path)).collect();
    assert!(files.len() >= 5, "only {} files were read", files.len());
    for source in files {
        let faults: Vec<_> = source.imports().into_iter().filter(|path| !of_values(path)).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", source.path);
    }
    assert!(!of_values("chrono::Utc::now"), "a clock is no value");
    assert!(!of_values("crate::http::View") && !of_values("axum::Json") && !of_values("std::fs::read"));
}

#[test]
fn exceptions_are_still_needed() {
    let sources = sources();
    for (file, door, _) in DOORS {
        let source = sources.iter().find(|s| s.path == *file).unwrap_or_else(|| panic!("no {file}"));
        assert!(source.imports().iter().any(|path| is_in(path, door)), "{file} does not use {door}");
    }
    for (file, _, _) in LONG {
        let source = sources.iter().find(|s| s.path == *file).unwrap_or_else(|| panic!("no {file}"));
        assert!(code_lines(&source.text) > LIMIT, "{file} is short enough");
    }
    for file in UNSAFE {
        assert!(sources.iter().any(|s| s.path == *file && s.tokens.iter().any(|t| t == "unsafe")), "{file}");
    }
    for room in ROOMS {
        let is_of = |s: &&Source| s.path.split(['/', '.']).next() == Some(room.name);
        let imports: Vec<String> = sources.iter().filter(is_of).flat_map(Source::imports).collect();
        assert!(!imports.is_empty() || room.name == "lib" || room.name == "build", "{} is empty", room.name);
        let unused: Vec<_> =
            room.crates.iter().filter(|name| !imports.iter().any(|p| is_in(p, name))).collect();
        assert!(unused.is_empty(), "{} no longer uses {unused:?}", room.name);
    }
}

#[test]
fn every_crate_is_known_here() {
    for manifest in ["Cargo.toml", "src/sim/Cargo.toml"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest))
            .expect("a manifest");
        let table =
            text.split("\n[dependencies]").nth(1).and_then(|t| t.split("\n[").next()).expect("dependencies");
        let names = table
            .lines()
            .filter_map(|line| line.split([' ', '.']).next())
            .filter(|n| !n.is_empty() && !n.starts_with('#'));
        let names: Vec<String> = names.map(|n| n.replace('-', "_")).collect();
        assert!(names.len() > 3, "{manifest}: {names:?}");
        for name in &names {
            assert!(EXTERNAL.contains(&name.as_str()), "{name} is in {manifest} and not in EXTERNAL");
        }
    }
}

#[test]
fn the_version_is_written_once() {
    let version =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("VERSION")).expect("VERSION");
    assert_eq!(version.trim_end(), env!("CARGO_PKG_VERSION"));
}

/// Each planted fault is seen, and the same thing where it belongs is not.
#[test]
fn a_breach_is_seen() {
    let law = "//! A law.\n";
    let bad = [
        ("domain/x.rs", "use tokio::time;", "tokio::time"),
        ("domain/x.rs", "use std::{fmt, fs};", "std::fs"),
        ("domain/x.rs", "use super::super::sys::child;", "crate::sys::child"),
        ("domain/x/y.rs", "use crate::{domain::event, http::View};", "crate::http::View"),
        ("domain/x.rs", "use chrono::Utc;\nfn f() { let _ = Utc::now(); }", "chrono::Utc::now"),
        (
            "domain/x.rs",
            "use std::time;\nfn f() { let _ = time::Instant::now(); }",
            "std::time::Instant::now",
        ),
        ("domain/x.rs", "fn f() { std::thread::yield_now(); }", "std::thread::yield_now"),
        ("domain/x.rs", "pub use metrics::counter as c;", "metrics::counter"),
        ("domain/x.rs", "fn f() -> impl Fn() + use<> { std::fs::read }", "std::fs::read"),
        ("config/x.rs", "use crate::sys::journal;", "crate::sys::journal"),
        ("config/x.rs", "fn f() { std::env::var(\"X\"); }", "std::env::var"),
        ("http/x.rs", "use crate::telemetry::emit::Telemetry;", "crate::telemetry::emit::Telemetry"),
        ("http/x.rs", "use crate::config::Config;", "crate::config::Config"),
        ("telemetry/x.rs", "use crate::http::View;", "crate::http::View"),
        ("sys/x.rs", "use crate::telemetry::catalog;", "crate::telemetry::catalog"),
        ("init/x.rs", "use tokio::runtime;", "tokio::runtime"),
        ("init/x.rs", "use crate::domain::event;", "crate::domain::event"),
        ("sim/x.rs", "use runner_init::domain::parse;", "runner_init::domain::parse"),
        ("sim/x/y.rs", "use super::super::clock; use tokio::time;", "tokio::time"),
        ("supervisor/x.rs", "use runner_sim::Scenario;", "runner_sim::Scenario"),
        ("supervisor/x.rs", "fn f() { tracing::info!(event = \"x\"); }", "tracing::info"),
        ("run/x.rs", "use tracing::warn;", "tracing::warn"),
        ("cellar/x.rs", "", "no such room"),
        ("sys/x.rs", "fn f() { unsafe { g() } }", "unsafe code"),
        ("sys/x.rs", "const N: &str = \"github_runner_x\";", "a metric's name"),
        ("sys/x.rs", "#[expect(dead_code)]\nfn f() {}", "no reason"),
        ("sys/x.rs", "#![allow(clippy::disallowed_methods)]", "no reason"),
    ];
    for (path, text, want) in bad {
        let faults = check(&Source::new(path, &format!("{law}{text}\n")));
        assert!(faults.len() == 1 && faults[0].contains(want), "{path}: {text}\n{faults:?}");
    }
    let faults = check(&Source::new("sys/x.rs", "fn f() {}\n"));
    assert_eq!(faults, ["sys/x.rs: does not open with its law"]);
    let long = format!("{law}{}#[cfg(test)]\nmod tests {{}}\n", "fn f() {}\n".repeat(LIMIT));
    assert_eq!(check(&Source::new("sys/x.rs", &long)), ["sys/x.rs: 301 lines of code, at most 300"]);
    let good = [
        ("sim/x/y.rs", "use super::super::clock; use crate::scenario::Job;"),
        ("demo/x.rs", "use runner_sim::Scenario;"),
        ("sys/x.rs", "use tokio::process;\n#[expect(dead_code, reason = \"] x\")]\nfn f() {}"),
        ("domain/x.rs", "// use tokio::time; unsafe github_runner_x\nconst S: &str = \"std::fs::read\";"),
        (
            "domain/x.rs",
            "const S: &str = r#\"\"std::fs::read\"#; const C: char = '\"'; fn f<'a>(_: &'a str) {}",
        ),
        ("domain/x.rs", "/* /* std::fs::read */ tokio::x */ use super::event::Exit;"),
        ("domain/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n fn g() { unsafe { h() } }\n}"),
        ("domain/x.rs", "enum fs { A }\nfn f() { let _ = fs::A; }"),
    ];
    for (path, text) in good {
        assert_eq!(check(&Source::new(path, &format!("{law}{text}\n"))), Vec::<String>::new(), "{text}");
    }
}
