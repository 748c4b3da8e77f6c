//! Transcripts in the runner's words, one scenario per file, with what comes of it in a golden file beside it.
//!
//! A line that begins with `#! ` is not printed but says what happens at that point:
//! `stdout`, `stderr` (who speaks from here on) · `worker not_seen|alive|gone|unknown` (the evidence from here on) · `after TIME` ·
//! `chop` (the line before has no line end) · `fill N C` (N times the character C, no line end) · `exit CODE [unconfigured]` ·
//! `relaunch` · `stop` · `deadline` · `updated`.

use super::stage::Stage;
use runner_init::domain::event::{Exit, StopRequest, Stream, WorkerState};
use runner_init::domain::lifecycle::Input;
use std::path::{Path, PathBuf};

const SPLITS: [usize; 4] = [1, 7, 256, usize::MAX];

fn play(script: &[u8], split: usize) -> String {
    let mut stage = Stage::new(split);
    let mut stream = Stream::Stdout;
    let mut text = Vec::new();
    for line in script.split_inclusive(|byte| *byte == b'\n') {
        let Some(direction) = line.strip_prefix(b"#! ") else {
            text.extend_from_slice(line);
            continue;
        };
        let direction = std::str::from_utf8(direction).expect("directions are plain").trim_end();
        if direction == "chop" {
            assert_eq!(text.pop(), Some(b'\n'), "a line before it");
        }
        stage.print(stream, &std::mem::take(&mut text));
        let words: Vec<&str> = direction.split(' ').collect();
        match words[..] {
            ["stdout"] => stream = Stream::Stdout,
            ["stderr"] => stream = Stream::Stderr,
            ["fill", count, what] => text = what.repeat(count.parse().expect("a count")).into_bytes(),
            _ => direct(&mut stage, &words),
        }
    }
    stage.print(stream, &text);
    let shown = stage.life.status(stage.now).state.as_str();
    stage.note(&format!("state {shown}"));
    stage.log
}

fn direct(stage: &mut Stage, words: &[&str]) {
    match *words {
        ["chop"] => {}
        ["worker", evidence] => {
            stage.see(match evidence {
                "not_seen" => WorkerState::NotSeen,
                "alive" => WorkerState::Alive,
                "gone" => WorkerState::Gone,
                "unknown" => WorkerState::Unknown,
                other => panic!("no such evidence: {other}"),
            });
        }
        ["after", time] => stage.after(humantime::parse_duration(time).expect("a time")),
        ["exit", code] => stage.exit(Exit::Code(code.parse().expect("a code")), true),
        ["exit", code, "unconfigured"] => stage.exit(Exit::Code(code.parse().expect("a code")), false),
        ["relaunch"] => stage.launch(),
        ["stop"] => stage.give(Input::Stop(StopRequest::Graceful)),
        ["deadline"] => stage.give(Input::Deadline),
        ["updated"] => stage.give(Input::UpdateFinished),
        _ => panic!("no such direction: {words:?}"),
    }
}

fn check(file: &Path) {
    let script = std::fs::read(file).expect("readable");
    let told = play(&script, SPLITS[0]);
    for split in &SPLITS[1..] {
        let again = play(&script, *split);
        assert_eq!(told, again, "{}: writes of {split} bytes tell another story", file.display());
    }
    let golden_file = file.with_extension("golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden_file, &told).expect("the corpus is writable");
    }
    let golden = std::fs::read_to_string(&golden_file).unwrap_or_default();
    assert_eq!(told, golden, "differs from {}", golden_file.display());
}

#[test]
fn every_transcript_tells_its_story_however_it_is_written() {
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/corpus"].iter().collect();
    let entries = std::fs::read_dir(dir).expect("the corpus is there");
    let files = entries.map(|entry| entry.expect("readable").path());
    let files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|e| e == "txt")).collect();
    assert!(files.len() >= 20, "only {} transcripts", files.len());
    for file in &files {
        check(file);
    }
}
