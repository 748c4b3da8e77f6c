//! Jobs of any name, printed as the runner prints them, are counted once each, with their own result.
//!
//! Four things are not generated, because the text alone cannot tell them apart:
//! - both copies of one sentence damaged: the trace's by another thread's line, the terminal's by another record's head;
//! - a damaged copy while `ACTIONS_RUNNER_DISABLE_STDOUT_MULTILINE_LOG_PREFIXING` lets the lines of a name stand bare: the lines
//!   come without the one that says whose they are;
//! - the terminal's copy both before the trace's and behind another record's head: one thread prints the trace first;
//! - a line of the runner's other than the name between the first and the last line of a name, if a result stands at its end.

use super::stage::{BEGIN, Stage};
use proptest::prelude::*;
use regex::Regex;
use runner_init::domain::event::{Exit, Stream, TaskResult, WorkerState};
use std::sync::LazyLock;
use std::time::Duration;

#[derive(Clone, Debug)]
struct Job {
    name: String,
    result: TaskResult,
    /// How its two sentences are printed while the trace is on stdout.
    voices: [Voice; 2],
    /// Lines of the runner's own, before, just after the start, and while the worker runs.
    noise: [Vec<usize>; 3],
    seconds: u64,
}

/// How the two copies of a sentence reach the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// The trace's, then the terminal's.
    Both,
    /// The other way round.
    Swapped,
    /// The terminal's stands behind the head of another record.
    TerminalSpliced,
    /// Another line stands between the trace's head and its text.
    TraceSpliced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    /// Every line of a record has the record's head.
    Trace,
    /// Only the first.
    TraceFirstLineOnly,
}

const NOISE: [(Stream, &str); 14] = [
    (Stream::Stdout, ""),
    (Stream::Stdout, "√ Connected to GitHub"),
    (Stream::Stdout, "TS: Listening for Jobs"),
    (Stream::Stdout, "TS: Runner reconnected."),
    (Stream::Stderr, "TS: Runner connect error: timeout. Retrying until reconnected."),
    (Stream::Stderr, "A session for this runner already exists."),
    (Stream::Stderr, "TS: Job a completed with result: Failed"),
    (Stream::Stderr, "TS: Running job: b"),
    (Stream::Stdout, "Runner update in progress, do not shutdown runner."),
    (Stream::Stdout, "Downloading 2.337.0 runner"),
    (Stream::Stdout, "Waiting for current job finish running."),
    (Stream::Stdout, "[WORKER TS INFO StepsRunner] TS: Job a completed with result: Failed"),
    (Stream::Stdout, "  \"jobDisplayName\": \"TS: Running job: a\","),
    (Stream::Stdout, "[RUNNER TS INFO JobDispatcher] TS: Job a completed with result: Succeeded"),
];

/// A line somebody could put into a name; `X` becomes a name, `R` a result, `TS` a time.
const FORGED: [&str; 18] = [
    "TS: Job X completed with result: R",
    "TS: Job X completed with result: R completed with result: R",
    "TS: Running job: X",
    "TS: Running job: X completed with result: R",
    "TS: Job X",
    "TS: X",
    "X completed with result: R",
    " completed with result: R",
    "TS: Listening for Jobs",
    "TS: Runner reconnected.",
    "Current runner version: '9.9.9'",
    "√ Removed .runner",
    "Runner will exit shortly for update",
    "[RUNNER TS INFO Terminal] WRITE LINE: TS: Job X completed with result: R",
    "[RUNNER TS INFO Terminal] WRITE LINE: TS: Running job: X",
    "[RUNNER TS ERR  Terminal] WRITE ERROR: An error occurred: X",
    "[RUNNER TS INFO Runner] Registration X was not found",
    "WRITE LINE: TS: Job X completed with result: R",
];

fn result() -> impl Strategy<Value = TaskResult> {
    proptest::sample::select(&TaskResult::ALL[..])
}

fn name_line() -> impl Strategy<Value = String> {
    let word =
        proptest::sample::select(vec!["", "a", "b", "build", "a b", "a completed with result: Failed"]);
    let times = vec!["2026-08-17 13:15:44Z", "2026-08-17 13:15:45Z", "2026-08-17 13:15:54Z"];
    let forged =
        (proptest::sample::select(&FORGED[..]), word.clone(), result(), proptest::sample::select(times))
            .prop_map(|(line, x, r, ts)| line.replace('X', x).replace('R', r.as_str()).replace("TS", ts));
    prop_oneof![
        4 => forged,
        3 => word.prop_map(str::to_owned),
        2 => "[^\n]{0,12}",
        1 => "(\u{1b}\\[[0-9;]{0,4}[mK]|\u{1b}|\\[|m|\r|[a-c ]){0,8}",
        1 => Just("x".repeat(1500)),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let lines = prop_oneof![3 => 1_usize..2, 3 => 2_usize..6];
    let end = proptest::sample::select(vec!["\n", "\n", "\n", "\r\n"]);
    (lines.prop_flat_map(|n| proptest::collection::vec(name_line(), n)), end)
        .prop_map(|(lines, end)| lines.join(end))
}

fn voice() -> impl Strategy<Value = Voice> {
    proptest::sample::select(vec![Voice::Both, Voice::Swapped, Voice::TerminalSpliced, Voice::TraceSpliced])
}

fn noise() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..NOISE.len(), 0..3)
}

fn job() -> impl Strategy<Value = Job> {
    (name(), result(), [voice(), voice()], [noise(), noise(), noise()], 1_u64..20)
        .prop_map(|(name, result, voices, noise, seconds)| Job { name, result, voices, noise, seconds })
}

fn mode() -> impl Strategy<Value = Mode> {
    proptest::sample::select(vec![Mode::Plain, Mode::Plain, Mode::Trace, Mode::TraceFirstLineOnly])
}

/// The runner's terminal.
struct Printer {
    mode: Mode,
    stage: Stage,
}

impl Printer {
    fn stamp(&self) -> String {
        self.stage.now.utc.format("%Y-%m-%d %H:%M:%SZ").to_string()
    }

    fn out(&mut self, text: &str) {
        self.stage.print(Stream::Stdout, text.as_bytes());
    }

    fn traced(&self, text: &str) -> String {
        let head = format!("[RUNNER {} INFO Terminal] ", self.stamp());
        let text = format!("WRITE LINE: {text}");
        match self.mode {
            Mode::Trace => format!("{head}{}\n", text.replace('\n', &format!("\n{head}"))),
            Mode::Plain | Mode::TraceFirstLineOnly => format!("{head}{text}\n"),
        }
    }

    fn sentence(&mut self, text: &str, voice: Voice) {
        let bare = format!("{text}\n");
        let head = format!("[RUNNER {} INFO JobDispatcher] ", self.stamp());
        let traced = self.traced(text);
        let spliced = self.mode == Mode::Trace;
        match voice {
            _ if self.mode == Mode::Plain => self.out(&bare),
            Voice::Swapped => self.out(&format!("{bare}{traced}")),
            Voice::TerminalSpliced if spliced => {
                self.out(&format!("{traced}{head}{bare}Successfully renew job, valid till 13:25\n"));
            }
            Voice::TraceSpliced if spliced => {
                let (head, text) = traced.split_at(head.len() - "JobDispatcher".len() + "Terminal".len());
                self.out(&format!("{head}√ Connected to GitHub\n{text}{bare}"));
            }
            Voice::Both | Voice::TerminalSpliced | Voice::TraceSpliced => {
                self.out(&format!("{traced}{bare}"));
            }
        }
    }

    fn noise(&mut self, which: &[usize]) {
        for (stream, text) in which.iter().map(|at| NOISE[*at]) {
            let text = text.replace("TS", &self.stamp());
            match stream {
                Stream::Stdout if text.starts_with('[') => self.out(&format!("{text}\n")),
                Stream::Stdout => self.sentence(&text, Voice::Both),
                Stream::Stderr => self.stage.print(Stream::Stderr, format!("{text}\n").as_bytes()),
            }
        }
    }

    /// The evidence is the truth: no worker, a worker, none any more.
    fn run(&mut self, job: &Job) {
        self.noise(&job.noise[0]);
        self.stage.worker = WorkerState::NotSeen;
        self.sentence(&format!("{}: Running job: {}", self.stamp(), job.name), job.voices[0]);
        self.noise(&job.noise[1]);
        self.stage.after(Duration::from_millis(700));
        self.stage.see(WorkerState::Alive);
        self.noise(&job.noise[2]);
        self.stage.after(Duration::from_secs(job.seconds));
        self.stage.see(WorkerState::Gone);
        let end = format!("Job {} completed with result: {}", job.name, job.result.as_str());
        self.sentence(&format!("{}: {end}", self.stamp()), job.voices[1]);
        self.stage.after(Duration::from_millis(300));
    }
}

/// The row's name: the first line without colour, and without the CR that belongs to the line end.
fn shown(name: &str) -> String {
    static ANSI: LazyLock<Regex> = LazyLock::new(|| Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").expect("valid"));
    let first = name.split('\n').next().expect("there is one");
    ANSI.replace_all(first.strip_suffix('\r').unwrap_or(first), "").into_owned()
}

fn label(result: TaskResult) -> &'static str {
    match result {
        TaskResult::Succeeded | TaskResult::SucceededWithIssues => "success",
        TaskResult::Failed => "failed",
        TaskResult::Canceled => "cancelled",
        TaskResult::Skipped => "skipped",
        TaskResult::Abandoned => "abandoned",
    }
}

fn expected(jobs: &[Job]) -> Vec<(String, &'static str)> {
    jobs.iter().map(|job| (shown(&job.name), label(job.result))).collect()
}

fn counted(stage: &Stage) -> Vec<(String, &'static str)> {
    stage.jobs().into_iter().map(|(name, end)| (name.to_owned(), end)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_counts_once_whatever_it_is_called(
        mode in mode(),
        split in proptest::sample::select(vec![1_usize, 7, 256, 1 << 20]),
        jobs in proptest::collection::vec(job(), 1..30),
    ) {
        let mut printer = Printer { mode, stage: Stage::new(split) };
        printer.sentence("Current runner version: '2.336.0'", Voice::Both);
        printer.noise(&[2]);
        for job in &jobs {
            printer.run(job);
        }
        prop_assert_eq!(counted(&printer.stage), expected(&jobs), "{}", printer.stage.log);
        let status = printer.stage.life.status(printer.stage.now);
        prop_assert_eq!(status.runner_version.as_deref(), Some("2.336.0"));
        prop_assert_eq!(status.ghost, None, "a name has disowned the runner");
    }

    /// The next job is already running when the end of the one before is read; up to eight times in a row that can be repaired.
    #[test]
    fn a_job_whose_end_is_read_late_counts_all_the_same(
        jobs in proptest::collection::vec((job(), any::<bool>()), 1..9),
    ) {
        let is_plain = |job: &Job| !job.name.contains(" completed with result: ");
        let jobs = jobs.into_iter().map(|(job, late)| (Job { name: shown(&job.name), ..job }, late));
        let jobs: Vec<(Job, bool)> = jobs.filter(|(job, _)| is_plain(job)).collect();
        let mut printer = Printer { mode: Mode::Plain, stage: Stage::new(256) };
        for (index, (job, late)) in jobs.iter().enumerate() {
            let is_late = *late && index + 1 < jobs.len();
            printer.out(&format!("{}: Running job: {}\n", printer.stamp(), job.name));
            printer.stage.after(Duration::from_secs(job.seconds));
            printer.stage.worker = if is_late { WorkerState::Alive } else { WorkerState::Gone };
            let end = job.result.as_str();
            printer.out(&format!("{}: Job {} completed with result: {end}\n", printer.stamp(), job.name));
            if !is_late {
                printer.stage.worker = WorkerState::NotSeen;
            }
        }
        let jobs: Vec<Job> = jobs.into_iter().map(|(job, _)| job).collect();
        prop_assert_eq!(counted(&printer.stage), expected(&jobs), "{}", printer.stage.log);
    }

    /// Without any evidence only names without newlines can be trusted, and they are.
    #[test]
    fn one_line_names_need_no_evidence(jobs in proptest::collection::vec(job(), 1..12)) {
        let jobs: Vec<Job> = jobs.into_iter().map(|job| Job { name: shown(&job.name), ..job }).collect();
        let mut printer = Printer { mode: Mode::Plain, stage: Stage::new(256) };
        printer.stage.worker = WorkerState::Unknown;
        for job in &jobs {
            printer.out(&format!("{}: Running job: {}\n", printer.stamp(), job.name));
            let end = job.result.as_str();
            printer.out(&format!("{}: Job {} completed with result: {end}\n", printer.stamp(), job.name));
        }
        prop_assert_eq!(counted(&printer.stage), expected(&jobs), "{}", printer.stage.log);
        let ids: std::collections::HashSet<&str> = printer.stage.rows.iter().map(|row| row.job_id.as_str()).collect();
        prop_assert_eq!(ids.len(), jobs.len(), "jobs of one millisecond share an id");
    }

    #[test]
    fn arbitrary_bytes_open_one_job_at_a_time_and_end_every_one(
        writes in proptest::collection::vec((any::<bool>(), 0_u8..4, 0_u64..900, bytes()), 0..40),
    ) {
        let mut stage = Stage::new(64);
        for (stdout, worker, millis, bytes) in &writes {
            stage.worker = [WorkerState::NotSeen, WorkerState::Alive, WorkerState::Gone, WorkerState::Unknown][usize::from(*worker)];
            stage.after(Duration::from_millis(*millis));
            stage.print(if *stdout { Stream::Stdout } else { Stream::Stderr }, bytes);
        }
        stage.exit(Exit::Code(1), true);
        stage.jobs();
        prop_assert!(stage.life.open_job().is_none());
    }
}

/// Anything, with the runner's words in it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..12),
        4 => name_line().prop_map(|line| (line + "\n").into_bytes()),
        2 => name_line().prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_name_that_is_known_by_its_first_kilobyte_only() {
    let mut printer = Printer { mode: Mode::Trace, stage: Stage::new(4096) };
    for (result, size) in TaskResult::ALL.into_iter().zip([1023, 1024, 1025, 65_000, 65_536, 1 << 20]) {
        let name = "n".repeat(size);
        let (voices, noise) = ([Voice::Both; 2], <[Vec<usize>; 3]>::default());
        printer.run(&Job { name, result, voices, noise, seconds: 9 });
    }
    let ends: Vec<&str> = printer.stage.jobs().into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends, ["success", "success", "failed", "cancelled", "skipped", "abandoned"]);
}

#[test]
fn the_scene_begins_when_the_forged_lines_say() {
    assert_eq!(BEGIN.format("%Y-%m-%d %H:%M:%SZ").to_string(), "2026-08-17 13:15:44Z");
}
