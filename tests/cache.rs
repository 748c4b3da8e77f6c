//! Job logs in the runner's words, one per producer and way, and what real tools print, each with the requests that are in
//! it in a golden file beside it.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

use runner_init::domain::cache::{CacheEvent, CacheResult, JobLog};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn read(bytes: &[u8], piece: usize) -> Vec<CacheEvent> {
    let (mut log, mut events) = (JobLog::default(), Vec::new());
    // A byte order mark comes in one piece: the runner's first write is 4 KiB or the whole file.
    let (head, rest) = bytes.split_at(3);
    log.turn();
    log.feed(head, &mut events);
    rest.chunks(piece).for_each(|piece| log.feed(piece, &mut events));
    log.end(&mut events);
    events
}

fn corpus() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/cache");
    let files = std::fs::read_dir(dir).expect("the corpus").map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|e| e == "log")).collect()
}

#[test]
fn every_log_tells_what_its_golden_file_says_however_it_is_cut() {
    let files = corpus();
    assert!(files.len() >= 18, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("a log");
        let events = read(&bytes, 64 * 1024);
        for piece in [1, 30, 4096] {
            assert_eq!(read(&bytes, piece), events, "{} in pieces of {piece}", file.display());
        }
        let mut said = String::new();
        for CacheEvent { kind, tally } in &events {
            for result in CacheResult::ALL {
                (0..tally.count(result))
                    .for_each(|_| writeln!(said, "{} {}", kind.as_str(), result.as_str()).expect("a text"));
            }
        }
        let golden = file.with_extension("golden");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said).expect("the corpus is writable");
        }
        assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), said, "{}", golden.display());
    }
}

/// What a page that ended in the middle of a line has left is not mixed with the next page's first line.
#[test]
fn pages_are_read_one_after_the_other() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/cache/buildkit_two_builds.log");
    let text = std::fs::read(file).expect("a log");
    let whole = read(&text, text.len());
    let lines: Vec<&[u8]> = text[3..].split_inclusive(|byte| *byte == b'\n').collect();
    for turn in 0..lines.len() {
        let (mut log, mut events) = (JobLog::default(), Vec::new());
        for page in [&lines[..turn], &lines[turn..]] {
            log.turn();
            log.feed(b"\xEF\xBB\xBF", &mut events);
            log.feed(&page.concat(), &mut events);
            log.feed(b"2026-08-17T13:15:44.1234567Z torn", &mut events);
        }
        log.end(&mut events);
        assert_eq!(events, whole, "the page ends after line {turn}");
    }
}

/// What cannot be read of a recorded run, and why; `docs/JOBS.md` says so.
const UNREAD: &[(&str, &str, &str)] = &[
    ("npm-10.8.2/ci_cold_then_warm", "npm miss 4", SILENT_TARBALLS),
    ("npm-10.8.2/ci_offline", "nothing", SILENT_TARBALLS),
    ("npm-10.8.2/ci_partial", "npm miss 2", SILENT_TARBALLS),
    ("npm-10.8.2/ci_warm", "nothing", SILENT_TARBALLS),
    ("npm-10.8.2/ci_warm_in_colour", "nothing", SILENT_TARBALLS),
    ("npm-10.8.2/ci_warm_verbose", "nothing", SILENT_TARBALLS),
    ("npm-10.8.2/install_fresh", "npm hit 4", SILENT_TARBALLS),
    ("npm-10.8.2/install_prefer_offline", "npm hit 4", SILENT_TARBALLS),
    ("npm-10.8.2/install_revalidated", "npm hit 4", SILENT_TARBALLS),
    ("pip-23.2.1/quiet", "nothing", QUIET),
    ("pip-26.1/quiet", "nothing", QUIET),
    ("apt-2.6.2/apt-get-quiet", "nothing", QUIET),
    ("apt-3.0.4/apt-get-quiet", "nothing", QUIET),
];
const SILENT_TARBALLS: &str = "before 10.9.1 npm says nothing of a tarball it has";
const QUIET: &str = "it says nothing at all";

/// What a tool printed, as the runner puts a script's output into the job's log: each line with its time, cut as .NET cuts
/// lines, and its commands in the runner's words.
fn page(output: &str) -> Vec<u8> {
    const TIME: &str = "2026-08-17T13:00:00.1234567Z ";
    let mut page = String::from("\u{feff}");
    let header =
        ["##[group]Run tool", "\u{1b}[36;1mtool\u{1b}[0m", "shell: /usr/bin/bash -e {0}", "##[endgroup]"];
    let output = output.replace("\r\n", "\n").replace('\r', "\n");
    let says = output.lines().filter(|line| !line.starts_with("::debug::")).map(|line| {
        let line = line.replacen("::group::", "##[group]", usize::from(line.starts_with("::group::")));
        if line == "::endgroup::" { "##[endgroup]".to_owned() } else { line }
    });
    for line in header.into_iter().map(str::to_owned).chain(says) {
        writeln!(page, "{TIME}{line}").expect("a text");
    }
    page.into_bytes()
}

/// A recorded run.
struct Run {
    /// `TOOL-VERSION/NAME`.
    name: String,
    right: Sums,
    counted: Sums,
}

/// Requests by type and result.
type Sums = BTreeMap<(String, &'static str), u64>;

fn sums(events: &[CacheEvent]) -> Sums {
    let mut sums = Sums::new();
    for (event, result) in events.iter().flat_map(|event| CacheResult::ALL.map(|result| (event, result))) {
        let count = u64::from(event.tally.count(result));
        if count > 0 {
            *sums.entry((event.kind.as_str().to_owned(), result.as_str())).or_default() += count;
        }
    }
    sums
}

fn told(sums: &Sums) -> String {
    let words: Vec<String> =
        sums.iter().map(|((kind, result), count)| format!("{kind} {result} {count}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn recorded() -> Vec<Run> {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/cache/real");
    let list = |dir: &Path| {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
            .expect("the corpus")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        paths
    };
    let mut runs = Vec::new();
    for file in
        list(&real).iter().flat_map(|dir| list(dir)).filter(|file| file.extension() == Some("txt".as_ref()))
    {
        let bytes = page(&std::fs::read_to_string(&file).expect("a text"));
        let counted = sums(&read(&bytes, 64 * 1024));
        assert_eq!(sums(&read(&bytes, 7)), counted, "{} in pieces", file.display());
        let golden = std::fs::read_to_string(file.with_extension("golden")).expect("what was in the cache");
        let right = golden.lines().map(|line| {
            let mut words = line.split(' ');
            let kind = words.next().expect("a type").to_owned();
            let result: CacheResult = words.next().expect("a result").parse().expect("a result");
            ((kind, result.as_str()), words.next().expect("a count").parse().expect("a number"))
        });
        let name = file.with_extension("").strip_prefix(&real).expect("below it").display().to_string();
        runs.push(Run { name, right: right.collect(), counted });
    }
    runs
}

#[test]
fn of_what_real_tools_print_what_was_in_their_caches_is_counted() {
    let runs = recorded();
    assert!(runs.len() > 100, "{}", runs.len());
    let mut wrong = String::new();
    for Run { name, right, counted } in &runs {
        let unread = UNREAD.iter().find(|(run, _, why)| run == name && !why.is_empty());
        let want = unread.map_or_else(|| told(right), |(_, counted, _)| (*counted).to_owned());
        if told(counted) != want {
            writeln!(wrong, "{name}: {} where {want} is right", told(counted)).expect("a text");
        }
        if unread.is_some() && counted == right {
            writeln!(wrong, "{name}: can be read after all").expect("a text");
        }
    }
    assert_eq!(wrong, "");
    for (run, _, _) in UNREAD {
        assert!(runs.iter().any(|known| known.name == *run), "{run}: no such run");
    }
}

/// A row per tool and version: how many runs, what was right and what was counted in all of them, and those that differ.
fn table(runs: &[Run]) -> String {
    let mut rows: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        rows.entry(run.name.split('/').next().expect("a directory")).or_default().push(run);
    }
    let mut table =
        String::from("| tool | runs | right | counted | differ |\n| --- | ---: | --- | --- | --- |\n");
    for (tool, runs) in rows {
        let all = |of: fn(&Run) -> &Sums| {
            let mut all = Sums::new();
            for (key, count) in runs.iter().flat_map(|run| of(run)) {
                *all.entry(key.clone()).or_default() += count;
            }
            told(&all)
        };
        let differ: Vec<&str> = runs
            .iter()
            .filter(|run| run.right != run.counted)
            .filter_map(|run| run.name.split('/').nth(1))
            .collect();
        let (right, counted) = (all(|run| &run.right), all(|run| &run.counted));
        let counted = if counted == right { "the same".to_owned() } else { counted };
        writeln!(table, "| {tool} | {} | {right} | {counted} | {} |", runs.len(), differ.join(", "))
            .expect("a text");
    }
    table
}

const BEGIN: &str = "<!-- recorded: written by tests/cache.rs -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_recorded_runs_are_in_the_documents() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/BENCHMARKS.md");
    let text = std::fs::read_to_string(&file).expect("the document");
    let (before, rest) = text.split_once(BEGIN).expect("a mark");
    let (told, after) = rest.split_once(END).expect("an end");
    let table = table(&recorded());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = format!("{before}{BEGIN}\n{table}\n{END}{after}");
        return std::fs::write(&file, text).expect("the document is writable");
    }
    assert_eq!(told.trim(), table.trim());
}
