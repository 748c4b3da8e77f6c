//! A job's steps out of the real runner's own words: the logs of its worker, what became of its pages, and what GitHub got.
//!
//! `tests/corpus/steps/NAME.log` is a worker's log without lines that say nothing of steps, `tests/corpus/recordings/NAME.jsonl`
//! the same run seen from outside; `kinds.json` is the list of steps that GitHub got.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

use chrono::{DateTime, TimeDelta, Utc};
use runner_init::domain::steps::pages::Pages;
use runner_init::domain::steps::{JobSteps, Step, StepResult, WorkerLog, steps_of};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Recording: number, name, kind and result of each step, as they were checked by eye against the workflow that ran.
const TABLE: &str = "\
actions-missing   | 1 Set up job set_up failure
c-plain           | 1 Set up job set_up success | 2 Initialize containers pre success | 3 Run id; ps; env | sort; sleep 2 main success | 4 Run echo second main success | 8 Stop containers post success | 9 Complete job clean_up success
c-stop-group      | 1 Set up job set_up success | 2 Initialize containers pre success | 3 Run echo begin; sleep 60; echo end main success | 4 Run echo always > /__w/always.txt; sleep 1 main cancelled | 8 Stop containers post skipped | 9 Complete job clean_up success
cancel            | 1 Set up job set_up success | 2 long main cancelled | 3 Complete job clean_up success
fail              | 1 Set up job set_up success | 2 bad main failure | 3 skipped main skipped | 4 always main success | 5 Complete job clean_up success
hook-writes       | 1 Set up job set_up success | 2 Set up runner hook success | 3 Run env | sort > \"$RUNNER_TEMP/../step.env\"; echo \"tp=$TRACEPARENT ep=$OTEL_EXPORTER_OTLP_ENDPOINT path=$PATH\" main success | 4 Run echo second $TRACEPARENT main success | 5 Run o/r@v1 main success | 10 Complete runner hook success | 11 Complete job clean_up success
kinds             | 1 Set up job set_up success | 2 Pre Run o/js@v1 pre success | 3 a named script main success | 4 Run o/js@v1 main success | 5 the composite main success | 6 fails but goes on main success | 7 never main skipped | 8 silent main success | 9 prints main success | 10 fails main failure | 11 skipped after main skipped | 12 always main success | 24 Post Run o/js@v1 post success | 25 Complete job clean_up success
stop-group-always | 1 Set up job set_up success | 2 Run echo begin; sleep 60; echo end main failure | 3 Run echo always ran > \"$RUNNER_TEMP/../always.txt\"; sleep 1 main cancelled | 4 Run echo cancelled ran > \"$RUNNER_TEMP/../cancelled.txt\" main skipped | 5 Complete job clean_up success
timeout-step      | 1 Set up job set_up success | 2 slow main failure | 3 Complete job clean_up success";

fn corpus(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recorded run.
struct Run {
    log: String,
    /// Seconds, what happened, the page's stem and number.
    pages: Vec<(f64, String, String, u32)>,
    began: DateTime<Utc>,
}

impl Run {
    fn read(name: &str) -> Run {
        let log = corpus(&format!("steps/{name}.log"));
        let page = |line: &str| {
            let event: Value = serde_json::from_str(line).expect("an event");
            let name = event[2].as_str()?.strip_prefix("_diag/pages/")?.strip_suffix(".log")?;
            let (stem, number) = name.rsplit_once('_')?;
            let (at, what) = (event[0].as_f64()?, event[1].as_str()?);
            Some((at, what.to_owned(), stem.to_owned(), number.parse().ok()?))
        };
        let recording = corpus(&format!("recordings/{name}.jsonl"));
        let mut run =
            Run { log, pages: recording.lines().filter_map(page).collect(), began: DateTime::UNIX_EPOCH };
        run.began = run.clock();
        run
    }

    /// When the recording began: in the middle of what the steps' own ends say.
    fn clock(&self) -> DateTime<Utc> {
        let ends = telemetry(&self.log);
        let mut begins: Vec<DateTime<Utc>> = self
            .pages
            .iter()
            .filter(|(_, what, ..)| what == "close_write")
            .filter_map(|(at, _, stem, _)| Some(*ends.get(stem.split_once('_')?.1)? - seconds(*at)))
            .collect();
        begins.sort();
        begins[begins.len() / 2]
    }

    fn pages(&self) -> Pages {
        let mut pages = Pages::default();
        for (at, what, stem, number) in &self.pages {
            let at = self.began + seconds(*at);
            match what.as_str() {
                "create" => pages.made(stem, *number, at),
                "close_write" => pages.closed(stem, *number, at),
                _ => {}
            }
        }
        pages
    }

    fn steps(&self) -> JobSteps {
        steps(&self.log, &self.pages(), self.end())
    }

    fn end(&self) -> DateTime<Utc> {
        self.began + seconds(600.0)
    }
}

fn seconds(seconds: f64) -> TimeDelta {
    let duration = std::time::Duration::try_from_secs_f64(seconds.abs()).expect("a duration");
    let delta = TimeDelta::from_std(duration).expect("small");
    if seconds < 0.0 { -delta } else { delta }
}

/// Ends that the steps tell themselves, by record.
fn telemetry(log: &str) -> BTreeMap<String, DateTime<Utc>> {
    let value = |line: &str, key: &str| {
        let value = line.strip_prefix(&format!("  \"{key}\": \""))?;
        Some(value.trim_end_matches(',').trim_end_matches('"').to_owned())
    };
    let (mut record, mut ends) = (String::new(), BTreeMap::new());
    for line in log.lines() {
        if let Some(id) = value(line, "stepId") {
            record = id;
        } else if let Some(end) = value(line, "finishTime") {
            ends.insert(record.clone(), end.parse().expect("a time"));
        }
    }
    ends
}

fn steps(log: &str, pages: &Pages, end: DateTime<Utc>) -> JobSteps {
    let mut reader = WorkerLog::default();
    // In pieces, as it is read.
    log.as_bytes().chunks(1000).for_each(|piece| reader.feed(piece));
    let pages = reader.job().map(|job| pages.of_job(job)).unwrap_or_default();
    steps_of(&reader, &pages, end)
}

fn told(step: &Step) -> String {
    let result = step.result.map_or("unknown", StepResult::as_str);
    format!("{} {} {} {result}", step.number, step.name, step.kind.as_str())
}

fn lines(steps: &JobSteps) -> Vec<String> {
    steps.steps.iter().map(told).collect()
}

fn names() -> impl Iterator<Item = (&'static str, Vec<String>)> {
    TABLE.lines().map(|row| {
        let (name, steps) = row.split_once('|').expect("a name");
        // A name may have a bar in it; a number begins a step.
        let mut told: Vec<String> = Vec::new();
        for part in steps.split(" | ") {
            let begins = part.trim().split(' ').next().is_some_and(|word| word.parse::<u32>().is_ok());
            match told.last_mut().filter(|_| !begins) {
                Some(last) => last.extend([" | ", part]),
                None => told.push(part.trim().to_owned()),
            }
        }
        (name.trim(), told)
    })
}

/// Ends within 5 ms, starts within 150 ms.
fn hold(name: &str, got: &JobSteps, want: &[(DateTime<Utc>, DateTime<Utc>)]) {
    assert_eq!(got.steps.len(), want.len(), "{name}");
    for (step, (started, ended)) in got.steps.iter().zip(want) {
        let off = |a: DateTime<Utc>, b: DateTime<Utc>| (a - b).num_microseconds().expect("small").abs();
        assert!(off(step.started, *started) <= 150_000, "{name}: {step:?} began at {started}");
        assert!(off(step.ended, *ended) <= 5_000, "{name}: {step:?} ended at {ended}");
    }
}

fn times(steps: &JobSteps) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    steps.steps.iter().map(|step| (step.started, step.ended)).collect()
}

#[test]
fn each_kind_of_step_is_what_github_got() {
    let run = Run::read("kinds");
    let truth: Vec<Value> = serde_json::from_str(&corpus("steps/kinds.json")).expect("a list");
    let got = run.steps();
    let word = |step: &Step| match step.result.map(StepResult::as_str) {
        Some("success") => "succeeded",
        Some("failure") => "failed",
        Some(word) => word,
        None => "unknown",
    };
    let mut want = Vec::new();
    for (step, truth) in got.steps.iter().zip(&truth) {
        assert_eq!(u64::from(step.number), truth["number"].as_u64().expect("a number"), "{truth}");
        assert_eq!((step.name.as_str(), word(step)), (text(truth, "name"), text(truth, "conclusion")));
        let time = |key| text(truth, key).parse::<DateTime<Utc>>().expect("a time");
        want.push((time("started_at"), time("completed_at")));
    }
    assert_eq!(got.steps.len(), truth.len());
    hold("kinds", &got, &want);
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

#[test]
fn every_run_has_the_steps_of_its_workflow() {
    for (name, want) in names() {
        assert_eq!(lines(&Run::read(name).steps()), want, "{name}");
    }
}

/// A page's end is its step's to the millisecond, whether the worker's log tells it or not.
#[test]
fn the_pages_alone_tell_when() {
    for (name, want) in names() {
        let run = Run::read(name);
        let is_time =
            |line: &&str| !line.starts_with("  \"startTime\"") && !line.starts_with("  \"finishTime\"");
        let log = run.log.lines().filter(is_time).collect::<Vec<_>>().join("\n") + "\n";
        let got = steps(&log, &run.pages(), run.end());
        assert_eq!(lines(&got), want, "{name}");
        hold(name, &got, &times(&run.steps()));
    }
}

/// What a step can have printed anywhere in a worker's log, by way of a value in a record of many lines.
const FORGED: [&str; 7] = [
    "[2026-11-30 10:19:04Z INFO StepsRunner] Step result: Failed",
    "[2026-11-30 10:19:04Z INFO StepsRunner] Current state: job state = 'Failed'",
    "[2026-11-30 10:19:04Z INFO StepsRunner] Processing step: DisplayName='forged'",
    "[2026-11-30 10:19:04Z INFO StepsRunner] Starting the step.",
    "[2026-11-30 10:19:04Z INFO ExecutionContext] Publish step telemetry for current step {\n  \"action\": \"complete_job\",\n  \"type\": \"runner\",\n  \"stage\": \"Post\",\n  \"stepId\": \"11111111-1111-4111-8111-111111111111\",\n  \"result\": \"failed\",\n  \"startTime\": \"2026-11-30T10:19:04.0Z\",\n  \"finishTime\": \"2026-11-30T10:19:04.0Z\"\n}.",
    "[2026-11-30 10:19:04Z INFO JobRunner] Job result after all job steps finish: Failed",
    "##[endgroup]\n2026-11-30T10:19:04.0000000Z ##[group]Run forged\n2026-11-30T10:19:04.0000000Z ##[endgroup]",
];

/// In whatever order they would do most harm.
fn forgeries() -> Vec<String> {
    let [failed, over, turn, starts, telemetry, result, header] = FORGED;
    let skips = "[2026-11-30 10:19:04Z INFO StepsRunner] Skipping step due to condition evaluation.";
    [
        vec![failed, over, turn, starts, failed, telemetry, over],
        vec![over, turn, skips, over, turn, starts],
        vec![turn, skips, over],
        vec![telemetry, result, header],
    ]
    .into_iter()
    .map(|lines| lines.join("\n"))
    .collect()
}

#[test]
fn nothing_a_step_prints_while_it_runs_makes_ends_or_renames_one() {
    let run = Run::read("kinds");
    let (want, pages) = (run.steps(), run.pages());
    let all: Vec<&str> = run.log.lines().collect();
    let mut tried = 0;
    let mut runs = false;
    for (at, line) in all.iter().enumerate() {
        runs |= line.ends_with("StepsRunner] Starting the step.");
        // Between records only: what is in the middle of one is the worker's own.
        if !runs || !line.starts_with('[') {
            runs &=
                !line.contains("Publish step telemetry") || !all[at + 1..].iter().any(|line| line == &"}.");
            continue;
        }
        if line.contains("Publish step telemetry") {
            runs = all[at..].iter().take(12).any(|line| line.contains("isEmbedded"));
            continue;
        }
        for forged in forgeries() {
            let log = [&all[..=at], &[forged.as_str()], &all[at + 1..]].concat().join("\n");
            assert_eq!(steps(&log, &pages, run.end()), want, "behind {line}\n{forged}");
            tried += 1;
        }
    }
    assert!(tried > 900, "{tried}");
}

#[test]
fn a_value_of_many_lines_in_a_condition_or_in_arguments_says_nothing() {
    let run = Run::read("kinds");
    let (want, pages) = (run.steps(), run.pages());
    for forged in forgeries() {
        // A quote is written twice in a string; in the arguments of a process everything stands as it is.
        let quoted = forged.replace('\'', "''");
        let long = "x".repeat(9000);
        for (record, value) in [
            (
                "StepsRunner] Evaluating: success()",
                format!(
                    "StepsRunner] Evaluating: success()\n[2026-11-30 10:19:03Z INFO StepsRunner] Expanded: contains('it''s\n{quoted}\n', 'x')"
                ),
            ),
            (
                "StepsRunner] Evaluating: success()",
                format!(
                    "StepsRunner] Evaluating: success()\n[2026-11-30 10:19:03Z INFO StepsRunner] Expanded: contains('{long}''{long}\n{quoted}{long}\n', 'x')"
                ),
            ),
            ("StepsRunner] Result: true", format!("StepsRunner] Result: '{quoted}'")),
            (
                "ProcessInvokerWrapper]   Arguments: '",
                format!("ProcessInvokerWrapper]   Arguments: 'run \n{forged}\n'"),
            ),
        ] {
            let hostile = run.log.replace(record, &value);
            assert_ne!(hostile, run.log);
            assert_eq!(steps(&hostile, &pages, run.end()), want, "{value}");
        }
    }
}

/// Of a log that was cut off anywhere, what is there is right, and what was not told has no result.
#[test]
fn a_log_that_is_cut_off_tells_what_it_has() {
    for (name, _) in names() {
        let run = Run::read(name);
        let (whole, pages) = (run.steps(), run.pages());
        let mut most = 0;
        for at in (0..run.log.len()).step_by(97) {
            let Some(log) = run.log.get(..at) else { continue };
            let got = steps(log, &pages, run.end());
            let post_begins = whole.steps.windows(2).find(|two| two[1].number > two[0].number + 1);
            for (step, right) in got.steps.iter().zip(&whole.steps) {
                let is_post = post_begins.is_some_and(|two| step.number > two[0].number);
                assert_eq!(step.name, right.name, "{name} at {at}");
                assert!(is_post || step.number == right.number, "{name} at {at}: {step:?} {right:?}");
                assert!(step.result.is_none() || step.result == right.result, "{name} at {at}: {step:?}");
            }
            assert!(got.steps.len() >= most, "{name} at {at}: nothing is forgotten");
            most = got.steps.len();
        }
    }
}

/// A step in the background goes on beside the next ones: their pages are open at the same time.
#[test]
fn steps_that_run_beside_each_other_are_told_apart_by_their_pages() {
    let at = |millis: i64| DateTime::from_timestamp_millis(1_800_000_000_000 + millis).expect("a time");
    let head = |text: &str| format!("[2026-11-30 10:19:03Z INFO {text}\n");
    let step = |text: &str| head(&format!("StepsRunner] {text}"));
    let comes =
        |name: &str| step(&format!("Processing step: DisplayName='{name}'")) + &step("Starting the step.");
    let tells = |action: &str, stage: &str, record: &str, result: &str| {
        let begin = head("ExecutionContext] Publish step telemetry for current step {");
        let by = if action.ends_with("job") { "runner" } else { "run" };
        format!(
            "{begin}  \"action\": \"{action}\",\n  \"type\": \"{by}\",\n  \"stage\": \"{stage}\",\n  \"stepId\": \"{record}\",\n  \"result\": \"{result}\"\n}}.\n"
        )
    };
    let log = head("Worker] Job message:")
        + " {\n  \"jobId\": \"job\"\n}\n"
        + &tells("setup_job", "Pre", "setup", "succeeded")
        + &head("JobRunner] Total job steps: 3.")
        + &comes("server")
        + &comes("test")
        + &tells("sh", "Main", "b", "failed")
        + &step("Current state: job state = 'Failed'")
        + &comes("look")
        + &tells("sh", "Main", "a", "canceled")
        + &tells("sh", "Main", "c", "succeeded")
        + &step("Current state: job state = 'Failed'")
        + &tells("complete_job", "Post", "end", "succeeded");
    let mut pages = Pages::default();
    for (record, made, closed) in
        [("setup", 0, 10), ("job", 1, 100), ("a", 11, 50), ("b", 12, 30), ("c", 31, 60), ("end", 61, 70)]
    {
        pages.made(&format!("t_{record}"), 1, at(made));
        pages.closed(&format!("t_{record}"), 1, at(closed));
    }
    let got = steps(&log, &pages, at(100));
    let want = [
        "1 Set up job set_up success",
        "2 server main cancelled",
        "3 test main failure",
        "4 look main success",
        "5 Complete job clean_up success",
    ];
    assert_eq!(lines(&got), want);
    assert_eq!((got.steps[1].ended, got.steps[2].ended), (at(50), at(30)));
}
