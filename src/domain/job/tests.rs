//! One rule each; time and evidence are arguments.

use super::*;
use crate::domain::event::{GhostCause, Stream};
use crate::domain::parse::parse;

const TS: &str = "2026-08-17 13:15:44Z";

pub(super) fn now(millis: u64) -> Now {
    let utc = DateTime::from_timestamp(1_786_972_544, 0).expect("in range");
    Now { up: Duration::from_millis(millis), utc: utc + Duration::from_millis(millis) }
}

pub(super) fn reading(line: &str) -> ParsedLine {
    parse(Stream::Stdout, line.as_bytes()).unwrap_or_else(|| panic!("a sentence: {line}"))
}

/// A tracker and what it did: `+name` began, `-status name` ended, `?doubt`, `!dropped`.
#[derive(Default)]
struct Heard(JobTracker, Vec<String>);

impl Heard {
    /// Without a time stamp of its own the line gets one.
    fn line(mut self, millis: u64, worker: WorkerState, line: &str) -> Heard {
        let changes = self.0.hear(&reading(&line.replace("TS", TS)), worker, now(millis));
        self.note(&changes);
        self
    }

    /// Somebody has looked, and looks again for what comes to light.
    fn look(mut self, millis: u64, workers: &[WorkerState]) -> Heard {
        for worker in workers {
            let changes = self.0.look(*worker, now(millis));
            self.note(&changes);
        }
        self
    }

    fn exit(mut self, millis: u64) -> Heard {
        let changes = self.0.listener_exited(now(millis));
        self.note(&changes);
        self
    }

    fn note(&mut self, changes: &[JobChange]) {
        self.1.extend(changes.iter().map(|change| match change {
            JobChange::Started(row) => format!("+{}", row.job_name.as_deref().unwrap()),
            JobChange::Finished(row) => {
                let RowStatus::Finished(status) = row.status else { panic!("a final row") };
                let seconds = row.duration.map_or("?".into(), |d| format!("{:.1}", d.as_secs_f64()));
                format!("-{} {} {seconds}", status.as_str(), row.job_name.as_deref().unwrap())
            }
            JobChange::Doubted(doubt) => format!("?{}", doubt.as_str()),
            JobChange::Dropped(why) => format!("!{}", why.as_str()),
        }));
    }

    fn did(self, expected: &[&str]) {
        assert_eq!(self.1, expected);
    }
}

fn running(name: &str) -> Heard {
    Heard::default().line(0, WorkerState::Unknown, &format!("TS: Running job: {name}"))
}

#[test]
fn a_completion_is_believed_by_its_evidence() {
    let at = |millis, worker| running("a").line(millis, worker, "TS: Job a completed with result: Failed");
    at(499, WorkerState::NotSeen).did(&["+a", "?name_continues"]);
    at(500, WorkerState::NotSeen).did(&["+a", "-failed a 0.5"]); // `_diag` was emptied, or the worker's log is not there
    at(0, WorkerState::Gone).did(&["+a", "-failed a 0.0"]);
    at(0, WorkerState::Unknown).did(&["+a", "-failed a 0.0"]);
    at(0, WorkerState::Alive).did(&["+a", "?worker_alive"]);
    at(3_600_000, WorkerState::Alive).did(&["+a", "?worker_alive"]);
}

#[test]
fn a_start_ends_the_job_that_was_forgotten_and_a_session_does_too() {
    for (line, began) in [("TS: Running job: b", true), ("TS: Listening for Jobs", false)] {
        for (worker, believed) in [
            (WorkerState::Alive, false),
            (WorkerState::NotSeen, true),
            (WorkerState::Gone, true),
            (WorkerState::Unknown, true),
        ] {
            let heard = running("a").line(60_000, worker, line);
            assert_eq!(
                heard.0.open().map(|job| job.name.as_str()) != Some("a"),
                believed,
                "{line} {worker:?}"
            );
            assert_eq!(heard.1.contains(&"-abandoned a ?".to_owned()), believed);
            let claims = heard.0.subject().is_some_and(|job| job.name == "b");
            assert_eq!(claims, believed && began, "a claim at first");
            assert_eq!(heard.1.contains(&"+b".to_owned()), began && worker == WorkerState::Unknown);
        }
    }
    // A session renewed while the job runs is news of the session only.
    running("a").line(60_000, WorkerState::Alive, "TS: Listening for Jobs").did(&["+a"]);
}

#[test]
fn two_jobs_of_one_name_are_two_jobs() {
    running("a")
        .line(9_000, WorkerState::Gone, "TS: Job a completed with result: Succeeded")
        .line(9_000, WorkerState::Unknown, "2026-08-17 13:15:53Z: Running job: a")
        .line(19_000, WorkerState::Gone, "TS: Job a completed with result: Failed")
        .did(&["+a", "-success a 9.0", "+a", "-failed a 10.0"]);
}

#[test]
fn a_name_that_begins_like_another_is_another() {
    for (open, said) in [("a", "a b"), ("a b", "a"), ("", "a"), ("a", "")] {
        running(open)
            .line(9_000, WorkerState::Gone, &format!("TS: Job {said}"))
            .line(9_000, WorkerState::Gone, "last line completed with result: Failed")
            .line(9_000, WorkerState::Gone, &format!("TS: Job {open} completed with result: Succeeded"))
            .did(&[&format!("+{open}"), &format!("-success {open} 9.0")]);
    }
}

#[test]
fn a_completion_in_several_lines_begins_and_ends_once() {
    let first = "TS: Job a";
    let last = "z completed with result: Failed";
    let heard = running("a").line(9_000, WorkerState::Gone, first).line(9_000, WorkerState::Gone, last);
    heard.line(9_000, WorkerState::Gone, last).did(&["+a", "-failed a 9.0"]);
    running("a").line(9_000, WorkerState::Gone, last).did(&["+a"]);
    running("a").line(9_000, WorkerState::Alive, first).line(9_000, WorkerState::Gone, last).did(&["+a"]);
    // Once the first line was believed, the next job's worker may be there.
    running("a")
        .line(9_000, WorkerState::Gone, first)
        .line(9_000, WorkerState::Alive, last)
        .did(&["+a", "-failed a 9.0"]);
}

#[test]
fn lines_of_the_name_are_known_when_they_come_again() {
    let lines = ["x completed with result: Skipped", "TS: Job a completed with result: Failed", "TS: Job a"];
    let mut heard = running("a");
    for line in lines {
        heard = heard.line(0, WorkerState::NotSeen, line);
    }
    heard = heard.line(9_000, WorkerState::Gone, "TS: Job a");
    for line in lines {
        heard = heard.line(9_000, WorkerState::Gone, line);
        assert!(heard.0.open().is_some(), "ended by {line}");
    }
    heard = heard.line(9_000, WorkerState::Gone, "TS: Running job: a completed with result: Succeeded");
    assert_eq!(heard.1.last().map(String::as_str), Some("-success a 9.0"));
    assert!(heard.0.open().is_none());
}

#[test]
fn a_start_that_the_name_did_not_say_is_the_next_job() {
    running("a")
        .line(9_000, WorkerState::Gone, "TS: Job a")
        .line(9_000, WorkerState::Gone, "TS: Running job: b")
        .look(9_020, &[WorkerState::Alive])
        .did(&["+a", "-abandoned a ?", "+b"]);
}

#[test]
fn a_name_is_no_news_of_the_session() {
    for line in [
        "TS: Runner reconnected.",
        "Current runner version: '9.9.9'",
        "√ Removed .runner",
        "Runner update in progress, do not shutdown runner.",
        "[RUNNER TS ERR  MessageListener] Registration 0f was not found",
        "[RUNNER TS ERR  Terminal] WRITE ERROR: The runner no longer exists on the server.",
    ] {
        running("a").line(0, WorkerState::NotSeen, line).did(&["+a", "?name_continues"]);
        running("a")
            .line(0, WorkerState::NotSeen, line)
            .line(9_000, WorkerState::Gone, "TS: Job a")
            .line(9_000, WorkerState::Gone, line)
            .did(&["+a", "?name_continues", "?name_continues"]);
    }
    running("a")
        .line(9_000, WorkerState::Alive, "Current runner version: '9.9.9'")
        .did(&["+a", "?worker_alive"]);
    let gone = parse(Stream::Stderr, b"The runner no longer exists on the server.").expect("a sentence");
    assert_eq!(gone.event, RunnerEvent::Ghost(GhostCause::NotOnServer));
    let Heard(mut tracker, _) = running("a");
    assert_eq!(tracker.hear(&gone, WorkerState::NotSeen, now(0)), [], "no name comes on stderr");
}

#[test]
fn a_late_line_is_proven_by_the_next_whole_completion() {
    let late = || {
        running("a").line(9_000, WorkerState::Alive, "TS: Job a completed with result: Failed").line(
            9_200,
            WorkerState::Alive,
            "TS: Running job: b",
        )
    };
    late().line(20_000, WorkerState::Gone, "TS: Job b completed with result: Succeeded").did(&[
        "+a",
        "?worker_alive",
        "?worker_alive",
        "-failed a 9.0",
        "+b",
        "-success b 10.8",
    ]);
    // Not by another name, and not if the name has newlines: then it was the name that said so.
    late().line(20_000, WorkerState::Gone, "TS: Job c completed with result: Succeeded").did(&[
        "+a",
        "?worker_alive",
        "?worker_alive",
        "?other_name",
    ]);
    let split = late().line(20_000, WorkerState::Gone, "TS: Job a");
    split.line(20_000, WorkerState::Gone, "z completed with result: Canceled").did(&[
        "+a",
        "?worker_alive",
        "?worker_alive",
        "-cancelled a 20.0",
    ]);
}

#[test]
fn while_the_trace_is_printed_a_late_line_proves_nothing() {
    // A step's output can stand bare on stdout then, if the lines of a record are not marked.
    running("a")
        .line(1_000, WorkerState::Alive, "[RUNNER TS INFO Terminal] WRITE LINE: Exiting...")
        .line(9_000, WorkerState::Alive, "TS: Job a completed with result: Failed")
        .line(9_000, WorkerState::Alive, "2026-08-17 13:15:53Z: Running job: a")
        .line(20_000, WorkerState::Gone, "TS: Job a completed with result: Succeeded")
        .did(&["+a", "?worker_alive", "?worker_alive", "-success a 20.0"]);
}

#[test]
fn a_claim_is_a_job_once_its_worker_is_seen() {
    let claim = || Heard::default().line(0, WorkerState::NotSeen, "TS: Running job: a");
    for worker in [WorkerState::Alive, WorkerState::Gone, WorkerState::Unknown] {
        claim().look(15, &[WorkerState::NotSeen, worker]).did(&["+a"]);
        let line = claim().line(2_000, worker, "TS: Job a completed with result: Failed");
        assert_eq!(line.1[0], "+a", "the line comes with evidence");
    }
    let pending = claim().look(29_999, &[WorkerState::NotSeen]);
    assert!(pending.0.open().is_none() && pending.0.subject().is_some(), "never busy");
    pending.look(30_000, &[WorkerState::NotSeen]).did(&["!no_worker"]);
    claim()
        .line(600, WorkerState::NotSeen, "TS: Running job: b")
        .look(700, &[WorkerState::Alive])
        .did(&["!superseded", "+b"]);
    claim().line(600, WorkerState::NotSeen, "TS: Listening for Jobs").did(&["!superseded"]);
    claim()
        .line(600, WorkerState::NotSeen, "TS: Job a completed with result: Succeeded")
        .did(&["!completed"]);
    claim().exit(600).did(&["!listener_exit"]);
    // The first renewal can take minutes.
    let late = claim()
        .look(30_000, &[WorkerState::NotSeen])
        .look(45_000, &[WorkerState::NotSeen, WorkerState::Alive]);
    late.line(90_000, WorkerState::Gone, "TS: Job a completed with result: Succeeded").did(&[
        "!no_worker",
        "+a",
        "-success a 90.0",
    ]);
    let next = claim().look(30_000, &[WorkerState::NotSeen]).line(
        31_000,
        WorkerState::NotSeen,
        "TS: Running job: b",
    );
    next.look(31_010, &[WorkerState::Alive]).did(&["!no_worker", "+b"]);
}

#[test]
fn a_job_without_a_worker_and_the_next_one_at_once_are_one_job() {
    // The second line might be the first one's name, until a job of that name ends whole.
    Heard::default()
        .line(0, WorkerState::NotSeen, "TS: Running job: a")
        .line(90, WorkerState::NotSeen, "TS: Running job: b")
        .look(110, &[WorkerState::Alive])
        .line(9_000, WorkerState::Gone, "TS: Job b completed with result: Succeeded")
        .did(&["?name_continues", "+a", "-abandoned a ?", "+b", "-success b 8.9"]);
}

#[test]
fn a_doubted_line_is_judged_again_by_the_workers_exit_and_by_the_next_worker() {
    let doubted = || {
        let ended = running("a").line(9_000, WorkerState::Alive, "TS: Job a completed with result: Failed");
        ended.line(9_010, WorkerState::Alive, "TS: Running job: b")
    };
    let did = ["+a", "?worker_alive", "?worker_alive", "-failed a 9.0", "+b"];
    // First of `a`'s worker, which is gone or succeeded, then of `b`'s.
    doubted()
        .look(9_300, &[WorkerState::Alive, WorkerState::Gone, WorkerState::NotSeen, WorkerState::Alive])
        .did(&did);
    let all = doubted().line(12_000, WorkerState::Alive, "TS: Job b completed with result: Succeeded");
    all.look(12_300, &[WorkerState::Gone, WorkerState::Gone]).did(&[
        "+a",
        "?worker_alive",
        "?worker_alive",
        "?worker_alive",
        "-failed a 9.0",
        "+b",
        "-success b 3.0",
    ]);
    doubted().look(9_300, &[WorkerState::Gone]).exit(9_400).did(&[
        "+a",
        "?worker_alive",
        "?worker_alive",
        "-failed a 9.0",
        "!listener_exit",
    ]);
    doubted().exit(9_400).did(&["+a", "?worker_alive", "?worker_alive", "-failed a 9.0", "!listener_exit"]);
}

#[test]
fn a_name_that_forged_its_end_is_not_believed_when_the_worker_exits() {
    running("a")
        .line(200, WorkerState::Alive, "TS: Job a completed with result: Succeeded")
        .look(9_000, &[WorkerState::Gone])
        .line(9_010, WorkerState::Gone, "TS: Job a")
        .line(9_010, WorkerState::Gone, "TS: Job a completed with result: Succeeded")
        .line(9_010, WorkerState::Gone, "z completed with result: Failed")
        .did(&["+a", "?worker_alive", "?name_continues", "-failed a 9.0"]);
}

#[test]
fn time_alone_settles_nothing_for_a_minute_and_everything_in_the_end() {
    let undying = || running("a").line(9_000, WorkerState::Alive, "TS: Job a completed with result: Failed");
    undying().look(68_999, &[WorkerState::Alive]).did(&["+a", "?worker_alive"]);
    undying().look(69_000, &[WorkerState::Alive]).did(&["+a", "?worker_alive", "-failed a 9.0"]);
    // A completion can come 52 s after its worker is gone.
    let silent = || running("a").look(9_000, &[WorkerState::Gone]);
    silent()
        .look(128_999, &[WorkerState::Gone])
        .line(129_000, WorkerState::Gone, "TS: Job a completed with result: Failed")
        .did(&["+a", "-failed a 129.0"]);
    silent().look(129_000, &[WorkerState::Gone]).did(&["+a", "-abandoned a ?"]);
}

#[test]
fn it_is_only_looked_for_what_is_not_known() {
    let due = |heard: &Heard| heard.0.next_look().map(|at| at.as_millis());
    assert_eq!(due(&Heard::default()), None);
    let claim = Heard::default().line(0, WorkerState::NotSeen, "TS: Running job: a");
    assert_eq!(due(&claim), Some(4));
    let claim = claim.look(400, &[WorkerState::NotSeen]);
    assert_eq!(due(&claim), Some(500));
    let open = claim.look(500, &[WorkerState::Alive]);
    assert_eq!(due(&open), None, "nothing polls while a job runs");
    let doubted = open
        .line(9_000, WorkerState::Alive, "TS: Job a completed with result: Failed")
        .look(9_000, &[WorkerState::Alive]);
    assert_eq!(due(&doubted), Some(9_050));
    assert_eq!(due(&doubted.look(40_000, &[WorkerState::Alive])), Some(45_000));
}

#[test]
fn jobs_of_one_millisecond_have_ids_of_their_own() {
    let Heard(mut tracker, _) = running("0");
    let mut ids = vec![tracker.open().map(|job| job.started.utc)];
    for _ in 0..20 {
        tracker.hear(&reading("2026-08-17 13:15:44Z: Running job: next"), WorkerState::Gone, now(0));
        let line = format!("{TS}: Running job: {}", ids.len());
        tracker.hear(&reading(&line), WorkerState::Gone, now(0));
        ids.push(tracker.subject().map(|job| job.started.utc));
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn the_worker_is_looked_for_since_the_runners_own_time() {
    let since = |tracker: &JobTracker| tracker.subject().map(|job| job.worker_since);
    let at = |millis| Some(now(millis).utc);
    let line = |stamp: &str, name: &str| reading(&format!("{stamp}: Running job: {name}"));
    let mut tracker = JobTracker::default();
    tracker.hear(&line("2026-08-17 13:15:46Z", "late"), WorkerState::Unknown, now(5_300));
    assert_eq!(since(&tracker), at(2_000), "the line was read 3.3 s late");
    assert_eq!(tracker.subject().map(OpenJob::worker_since_up), Some(Duration::from_secs(2)));
    let end = reading("2026-08-17 13:15:50Z: Job late completed with result: Failed");
    tracker.hear(&end, WorkerState::Gone, now(6_700));
    tracker.hear(&line("2030-01-01 00:00:00Z", "ahead"), WorkerState::Gone, now(9_000));
    assert_eq!(since(&tracker), at(9_000), "a clock that is ahead hides nothing");
    tracker.hear(&line("2026-99-99 99:99:99Z", "no time"), WorkerState::Gone, now(11_000));
    assert_eq!(since(&tracker), at(11_000));
}

#[test]
fn the_last_claims_are_kept() {
    let mut heard = running("0");
    for index in 1..100 {
        let at = 9_000 + index;
        heard = heard.line(
            at,
            WorkerState::Alive,
            &format!("TS: Job {} completed with result: Failed", index - 1),
        );
        heard = heard.line(at, WorkerState::Alive, &format!("TS: Running job: {index}"));
    }
    let heard = heard.line(20_000, WorkerState::Gone, "TS: Job 99 completed with result: Succeeded");
    assert_eq!(heard.1.last().map(String::as_str), Some("-success 99 10.9"));
    assert_eq!(
        heard.1.iter().filter(|did| did.starts_with("-failed")).count(),
        7,
        "of the sixteen lines before it"
    );
}

#[test]
fn what_is_remembered_of_a_job_is_bounded() {
    let mut heard = running("a");
    for index in 0..1_000 {
        let line = format!("{TS}: Running job: {index}");
        heard.0.hear(&reading(&line), WorkerState::NotSeen, now(0));
        heard.0.hear(
            &reading(&format!("{index} completed with result: Failed")),
            WorkerState::NotSeen,
            now(0),
        );
    }
    let job = heard.0.open().expect("still the first");
    assert_eq!(job.told, {
        let mut told = SeenLines::default();
        for index in 0..128 {
            told.keep(&reading(&format!("{TS}: Running job: {index}")));
            told.keep(&reading(&format!("{index} completed with result: Failed")));
        }
        told
    });
    assert_eq!(job.claims.len(), 16);
}
