//! The runner's output passes through us unchanged, and nobody who reads it, or does not, can stop a job.

use crate::supervised::{Supervised, job, runner};
use crate::{ns, require};
use serde_json::{Value, json};
use std::fmt::Write;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(all, part).is_some()
}

/// Nothing a terminal, a parser or a decoder would expect: invalid UTF-8, NUL, CR, escapes, no line end for a long time.
fn junk() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    bytes.extend([0xf0, 0x9f, 0x98, b'\r', b'\n', b'\r', 0, 0x1b, b'[', b'3', b'1', b'm', b'\n', b'\n']);
    bytes.extend(vec![0xfe; 200_000]);
    bytes.push(b'\n');
    bytes
}

#[test]
fn both_streams_come_out_byte_for_byte() {
    require!("namespace");
    let out = json!({ "bytes": { "hex": hex(&junk()), "split": [1, 2, 300, 5, 70_000], "gap_ms": 20 } });
    let err = json!({ "bytes": { "hex": hex(&junk()), "stderr": true } });
    // A prompt without a line end has to appear as well, while the process lives.
    let prompt = json!({ "stdout": "no line end" });
    let mut s = runner(&[out, err, prompt]).start();
    s.until("the prompt", |s| s.out().ends_with(b"no line end"));
    let before = s.out();
    let head = b"Listening for Jobs\n";
    let at = memchr::memmem::find(&before, head).expect("it listens") + head.len();
    assert!(
        before[at..] == [junk(), b"no line end".to_vec()].concat(),
        "nothing added, nothing taken, in order"
    );
    s.until("stderr too", |s| contains(&s.err(), &junk()));
    assert_eq!(s.stop(), 0);
    assert!(!contains(&s.out(), b"event="), "our own words are not on the runner's stdout");
}

/// A step that finds the listener and opens its stdout, as only something malicious or broken would.
fn onto_listeners_stdout(script: &str) -> Value {
    let find = "worker=$PPID; read -r _ _ _ listener _ < /proc/$worker/stat; exec > /proc/$listener/fd/1\n";
    json!({ "run": format!("{find}{script}") })
}

/// 24 MiB of numbered lines.
const FLOOD: &str = "for i in 1 2 3 4 5 6 7 8; do x=${x}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done\nseq -f \"n %08.0f $x\" 1 24000";

fn numbers(out: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(out).into_owned();
    let number = |line: &str| line.strip_prefix("n ")?.split(' ').next()?.parse().ok();
    text.lines().filter_map(number).collect()
}

fn dropped(s: &Supervised) -> f64 {
    s.metric("github_runner_output_dropped_lines_total{stream=\"stdout\"}").unwrap_or(0.0)
}

#[test]
fn a_consumer_that_reads_gets_a_flood_whole_and_in_order() {
    require!("namespace", "bash");
    let flood = json!({ "job": { "name": "flood", "steps": [onto_listeners_stdout(FLOOD)] } });
    let mut s = runner(&[flood]).start();
    s.until("the flood is over", |s| s.results().len() == 1);
    assert_eq!(s.results(), ["success"]);
    s.until("all is out", |s| contains(&s.out(), b"Job flood completed"));
    assert_eq!(numbers(&s.out()), (1..=24_000).collect::<Vec<_>>());
    assert!(dropped(&s).abs() < f64::EPSILON);
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_consumer_that_stands_still_stops_no_job() {
    require!("namespace", "bash");
    let flood = json!({ "job": { "name": "flood", "steps": [onto_listeners_stdout(FLOOD)] } });
    // A line now and then: where one has come through, everything before it has.
    let tick = [json!({ "idle_ms": 100 }), json!({ "stdout": "tick\n" })];
    let steps = [flood, job("next", 300)].into_iter().chain(tick.into_iter().cycle().take(2400));
    let mut s = runner(&steps.collect::<Vec<_>>()).with_stdout_unread().start();
    s.until("both jobs are over", |s| s.results() == ["success", "success"]);
    s.until("what was let go is counted", |s| dropped(s) > 1000.0);
    assert_eq!((s.state().as_str(), s.get("/livez").status), ("idle", 200));
    s.read_stdout();
    s.until("the consumer has caught up", |s| numbers(&s.out()).len() > 1000);
    let kept = numbers(&s.out());
    assert!(kept.is_sorted_by(|a, b| a < b), "in order, nothing twice");
    s.until_log("event=output_dropped stream=stdout");
    s.until("nothing waits any more", |s| s.out().ends_with(b"\ntick\n"));
    assert_eq!(s.stop(), 0);
    assert!(s.out().ends_with(b"Exiting...\n"), "what came after the gap is there");
}

#[test]
fn a_consumer_that_stands_still_stops_no_stop() {
    require!("namespace", "bash");
    let flood = json!({ "job": { "name": "flood", "steps": [onto_listeners_stdout(FLOOD)] } });
    let mut s = runner(&[flood]).with_stdout_unread().start();
    s.until("the job is over", |s| s.results() == ["success"]);
    let asked = std::time::Instant::now();
    assert_eq!(s.stop(), 0);
    assert!(asked.elapsed() < std::time::Duration::from_secs(6), "{:?}", asked.elapsed());
}

#[test]
fn a_pipe_that_outlives_the_listener_holds_nobody_up_and_is_still_read() {
    require!("namespace", "bash");
    // A daemon in a session of its own that the worker cannot find: it survives the job, the listener and its group.
    let daemon = "setsid env -u RUNNER_TRACKING_ID bash -c 'touch ready; sleep 2; echo late words; sleep 600' \
                  </dev/null 2>/dev/null &\nuntil [ -e ready ]; do sleep 0.02; done";
    let steps = [onto_listeners_stdout(daemon)];
    let left = json!({ "job": { "name": "left", "steps": steps } });
    let mut s = runner(&[left, json!({ "exit": 2 })]).start();
    s.until_log("event=listener_exited code=2");
    s.until_state("backoff");
    assert!(!contains(&s.out(), b"late words"), "it did not wait for the pipe's end");
    s.until("the late words", |s| contains(&s.out(), b"late words\n"));
    assert_eq!(s.results(), ["success"]);
    assert_eq!(s.stop(), 0);
}
