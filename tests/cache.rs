//! Job logs in the runner's words, one per producer and way, with the requests that are in them in a golden file beside it.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

use runner_init::domain::cache::{CacheEvent, JobLog};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn read(bytes: &[u8], piece: usize) -> Vec<CacheEvent> {
    let (mut log, mut events) = (JobLog::default(), Vec::new());
    // A byte order mark comes in one piece: the runner's first write is 4 KiB or the whole file.
    let (head, rest) = bytes.split_at(3);
    log.turn();
    log.feed(head, &mut events);
    rest.chunks(piece).for_each(|piece| log.feed(piece, &mut events));
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
        for CacheEvent { kind, result } in &events {
            writeln!(said, "{} {}", kind.as_str(), result.as_str()).expect("a text");
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
        assert_eq!(events, whole, "the page ends after line {turn}");
    }
}
