//! A recording is fed to the supervisor's mind with its own times: lines, processes, traces and exits go in, what it believed, wrote
//! and did comes out. Nothing waits; an outage of twelve minutes takes a millisecond.

use chrono::{DateTime, Utc};
use runner_init::domain::budget::Budget;
use runner_init::domain::event::{Exit, Now, RunnerEvent, StopRequest, Stream, WorkerState};
use runner_init::domain::failure::cause;
use runner_init::domain::job::crew::{Crew, Id, Log, Look, Process};
use runner_init::domain::last_word::{LastWord, settle};
use runner_init::domain::lifecycle::{Action, Input, Lifecycle, Settings};
use runner_init::domain::line::LineDecoder;
use runner_init::domain::notice::Notice;
use runner_init::domain::parse::{ParsedLine, parse};
use runner_init::domain::polls;
use runner_init::domain::record::{JobRecord, RowReader, RowStatus};
use runner_sim::recording::{Event, Recording, Target, What, made, trace, work};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

/// The wall clock when the listener is started.
const BEGIN: DateTime<Utc> = DateTime::from_timestamp(1_786_972_544, 0).expect("in range");
/// Before it, so that what the service did earlier has a time too.
const LEAD: f64 = 10.0;
/// The laboratory saw a process's end this much late at most.
const SEEN_LATE: f64 = 0.05;

/// Where the recordings are.
pub fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/recordings")
}

/// The names of all recordings, sorted.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(corpus()).expect("the corpus").flatten();
    let name = |entry: std::fs::DirEntry| {
        entry.file_name().into_string().ok()?.strip_suffix(".jsonl").map(str::to_owned)
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

pub fn file(name: &str) -> PathBuf {
    corpus().join(format!("{name}.jsonl"))
}

pub fn read(name: &str) -> Recording {
    let text = std::fs::read_to_string(file(name)).expect("a recording");
    Recording::parse(&text).expect("a recording")
}

/// What was kept of a recording's traces, if anything was.
pub fn logs(name: &str) -> Option<PathBuf> {
    Some(corpus().join("logs").join(name)).filter(|dir| dir.exists())
}

/// Whether the runner is one for one job: it took its registration away.
pub fn is_ephemeral(name: &str) -> bool {
    let gone = What::Deleted(".runner".into());
    read(name).events.iter().any(|event| event.what == gone)
}

/// The jobs of a job log, as [`Outcome::rows`] tells them.
pub fn written(log: &[u8]) -> String {
    let mut reader = RowReader::new();
    let lines = log.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
    let read = |line| {
        let mut record = JobRecord::blank();
        reader.read(line, &mut record).map(|_| record).expect("a row")
    };
    let records: Vec<JobRecord> = lines.map(read).collect();
    rows(&records).join(", ")
}

/// What becomes of a recording, as the table says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// `1 idle, 5 busy`: the second in which each state began; the first is always `starting`.
    pub states: String,
    /// `failed (failure, stopped)`: each row's status, and in brackets what GitHub has and why, `-` for nothing.
    pub rows: String,
    /// `0 leaves 0`: how the listener left, and what followed.
    pub end: String,
    /// What was said besides: whatever an operator would look for.
    pub told: String,
}

/// Plays a recording.
pub fn play(name: &str) -> Outcome {
    let recording = read(name);
    let mut stage = Stage::new();
    let launches = recording.launches();
    for (index, launch) in launches.iter().enumerate() {
        if !stage.launch(launch) {
            break;
        }
        let kept = logs(name).and_then(|dir| std::fs::read_to_string(dir.join("listener.log")).ok());
        let records = match kept.filter(|_| index == 0) {
            Some(log) => trace::kept(&log, launch),
            None => made::listener(&recording, launch),
        };
        stage.trace = (Vec::new(), records.into());
        stage.words.extend(words(&recording, launch));
        stage.run(launch);
    }
    stage.outcome()
}

struct Stage {
    life: Lifecycle,
    decoders: [LineDecoder; 2],
    now: Now,
    /// What is added to a recorded second to have the stage's.
    shift: f64,
    launched: bool,
    interrupted: bool,
    crew: Crew,
    /// When each Worker of this launch lived.
    workers: Vec<(f64, f64)>,
    /// Logs of Workers that nobody has seen yet.
    logs: Vec<Log>,
    /// What each of them holds in the end.
    words: BTreeMap<String, String>,
    /// The listener's trace: what has been written, and what will be.
    trace: (Vec<trace::Record>, VecDeque<trace::Record>),
    follows: bool,
    states: Vec<String>,
    rows: Vec<JobRecord>,
    ends: Vec<String>,
    told: Vec<String>,
}

fn settings() -> Settings {
    Settings::new(Budget {
        drain: Duration::ZERO,
        stopping: Duration::from_secs(60),
        deregistration: Duration::ZERO,
        wrap_up: Duration::from_secs(1),
        sweep: Duration::from_secs(2),
        removal_ends: Duration::from_secs(60),
    })
}

impl Stage {
    fn new() -> Stage {
        let now = Now { up: Duration::ZERO, utc: BEGIN };
        let life = Lifecycle::new(settings(), now);
        let decoders = <[LineDecoder; 2]>::default();
        Stage {
            life,
            decoders,
            now,
            shift: LEAD,
            launched: false,
            interrupted: false,
            crew: Crew::default(),
            workers: Vec::new(),
            logs: Vec::new(),
            words: BTreeMap::new(),
            trace: Default::default(),
            follows: false,
            states: Vec::new(),
            rows: Vec::new(),
            ends: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Lets time pass until the listener is to be started; false if it never is.
    fn launch(&mut self, launch: &[Event]) -> bool {
        self.decoders = <[LineDecoder; 2]>::default();
        while !self.launched {
            let Some(due) = self.life.next_deadline() else { return false };
            self.until(due);
            self.give(Input::Deadline);
        }
        let first = launch.iter().map(|event| event.at).find(|at| *at >= 0.0).unwrap_or_default();
        if self.ends.is_empty() {
            self.until(Duration::from_secs_f64(LEAD));
        } else {
            self.shift = self.now.up.as_secs_f64() - first;
        }
        self.give(Input::Started { pid: 7 });
        true
    }

    fn run(&mut self, launch: &[Event]) {
        (self.workers, self.crew) = (lives(launch), Crew::default());
        for (index, event) in launch.iter().enumerate() {
            self.pass(event.at);
            if std::mem::take(&mut self.interrupted) {
                // By itself, sooner than the laboratory did: so comes the answer.
                let signal = launch[index..].iter().find(|event| is_interrupt(&event.what));
                let at = signal.map_or(event.at, |signal| signal.at);
                self.shift = self.now.up.as_secs_f64() - at;
                self.pass(event.at);
            }
            self.happen(event, launch);
            if is_interrupt(&event.what) {
                self.interrupted = false;
            }
        }
    }

    /// Lets time pass until a recorded second: what falls due before it comes first.
    fn pass(&mut self, at: f64) {
        let end = self.up(at);
        while !self.interrupted {
            let look = self.life.next_look();
            let record = self.trace.1.front().map(|record| self.up(record.at));
            let deadline = self.life.next_deadline();
            let Some(due) = [look, record, deadline].into_iter().flatten().min().filter(|due| *due <= end)
            else {
                break;
            };
            self.until(due);
            if look == Some(due) {
                self.look();
            } else if record == Some(due) {
                self.write_trace();
            } else {
                self.give(Input::Deadline);
            }
        }
        if !self.interrupted {
            self.until(end);
        }
    }

    /// A recorded second on the stage's clock.
    fn up(&self, at: f64) -> Duration {
        Duration::from_secs_f64((at + self.shift).max(0.0))
    }

    fn write_trace(&mut self) {
        let Some(record) = self.trace.1.pop_front() else { return };
        if self.follows {
            self.hear_trace(&record);
        }
        self.trace.0.push(record);
    }

    /// A record as whoever follows the trace reads it.
    fn hear_trace(&mut self, record: &trace::Record) {
        let stamp = BEGIN + self.up(record.at);
        let first = record.text.lines().next().unwrap_or_default();
        let line = format!("[{} {first}", stamp.format("%Y-%m-%d %H:%M:%SZ"));
        if let Some(word) = polls::read(line.as_bytes()) {
            self.give(Input::Traced(Some(word)));
        }
    }

    fn follow_trace(&mut self) {
        self.follows = true;
        for record in self.trace.0.clone() {
            self.hear_trace(&record);
        }
    }

    /// What the listener said, with the evidence of the moment; and again, if it has a new subject.
    fn said(&mut self, reading: ParsedLine) {
        let begins = matches!(reading.event, RunnerEvent::JobStarted { .. });
        let has_subject = self.life.subject().is_some();
        if has_subject {
            self.look();
        }
        let evidence = self.life.subject().map_or(WorkerState::NotSeen, |job| self.crew.evidence(job));
        self.give(Input::Line(reading, evidence));
        if begins || has_subject {
            self.look();
        }
    }

    /// Looks for Workers, and says what was seen, until that changes nothing more.
    fn look(&mut self) {
        let at = self.now.up.as_secs_f64() - self.shift;
        let lives = self.workers.iter().enumerate().filter(|(_, (start, end))| *start <= at && at < *end);
        let process = |(index, (start, _)): (usize, &(f64, f64))| {
            let id = Id { pid: 100 + i32::try_from(index).expect("few"), start: index as u64 };
            Process { id, age: Duration::from_secs_f64(at - start) }
        };
        let look = Look {
            processes: Some(lives.map(process).collect()),
            logs: Some(std::mem::take(&mut self.logs)),
        };
        self.crew.see(look, self.now);
        let mut before = None;
        while let Some(job) = self.life.subject() {
            let this = (job.started.utc, self.crew.evidence(job));
            if before.replace(this) == Some(this) {
                break;
            }
            self.give(Input::Looked(this.1));
        }
    }

    fn until(&mut self, up: Duration) {
        let passed = up.saturating_sub(self.now.up);
        self.now = Now { up: self.now.up + passed, utc: self.now.utc + passed };
    }

    fn happen(&mut self, event: &Event, launch: &[Event]) {
        match &event.what {
            What::Wrote { stderr, text } => {
                let stream = if *stderr { Stream::Stderr } else { Stream::Stdout };
                let mut readings = Vec::new();
                let decoder = &mut self.decoders[stream as usize];
                decoder.push(text.as_bytes(), |line| readings.extend(parse(stream, line.bytes)));
                for reading in readings {
                    self.said(reading);
                }
            }
            What::Created(path) if trace::is_log(path, "Worker") => {
                let name = path.trim_start_matches("_diag/").to_owned();
                self.logs.push(Log { name, changed: self.now.utc });
            }
            What::WorkerExited => self.look(),
            what if is_interrupt(what) => self.give(Input::Stop(StopRequest::Graceful)),
            What::Exited(code) => {
                let exit = if *code < 0 { Exit::Signal(-code) } else { Exit::Code(*code) };
                let gone = |event: &Event| event.what == What::Deleted(".runner".into());
                let configured = !launch.iter().any(gone);
                self.look();
                self.ends.push(if *code < 0 { format!("signal {}", -code) } else { code.to_string() });
                self.give(Input::Exited { exit, configured, cause: cause(exit, None, None, None) });
            }
            _ => {}
        }
    }

    fn give(&mut self, input: Input) {
        let actions = self.life.handle(input, self.now);
        for action in actions {
            match action {
                Action::Spawn => self.launched = true,
                Action::Interrupt => self.interrupted = true,
                Action::FollowTrace => self.follow_trace(),
                Action::LeaveTrace => self.follows = false,
                Action::Append(row) => {
                    let began = row.started_at.expect("a job's row");
                    let log = self.crew.log(began).and_then(|name| self.words.get(name));
                    let word = log.map(|log| LastWord::read(log.as_bytes())).unwrap_or_default();
                    self.rows.push(settle(*row, word).0);
                }
                Action::Notify(notice) => self.note(&notice),
                Action::Leave(code) => self.follow(&format!("leaves {code}")),
                _ => {}
            }
        }
        let state = self.life.status(self.now).state.as_str();
        if self.states.last().is_none_or(|last| last.split(' ').nth(1) != Some(state)) {
            self.states.push(format!("{} {state}", self.now.up.as_secs_f64() - LEAD));
        }
    }

    fn follow(&mut self, what: &str) {
        if let Some(end) = self.ends.last_mut() {
            *end = format!("{end} {what}");
        }
    }

    fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::RestartScheduled { reason, .. } => {
                self.launched = false;
                self.follow(&format!("again: {}", reason.as_str()));
            }
            Notice::UpdateAwaited { .. } => {
                self.launched = false;
                self.follow("updates");
            }
            Notice::GhostDetected { cause } => self.told.push(format!("ghost: {}", cause.as_str())),
            Notice::SessionConflicted => self.told.push("conflict".into()),
            Notice::Reconnected(how) => self.told.push(format!("reconnected: {}", how.as_str())),
            Notice::RunnerComplained { message } => {
                self.told.push(format!("says: {}", message.chars().take(40).collect::<String>().trim_end()));
            }
            Notice::ClaimDropped(why) => self.told.push(format!("dropped: {}", why.as_str())),
            Notice::LineDoubted(doubt) => self.told.push(format!("doubted: {}", doubt.as_str())),
            _ => {}
        }
    }

    fn outcome(self) -> Outcome {
        let seconds = |state: &String| {
            let (at, word) = state.split_once(' ').expect("two words");
            let at: f64 = at.parse().expect("a number");
            format!("{} {word}", at.floor())
        };
        Outcome {
            states: self.states.iter().skip(1).map(seconds).collect::<Vec<_>>().join(", "),
            rows: rows(&self.rows).join(", "),
            end: self.ends.join(", "),
            told: folded(self.told).join(", "),
        }
    }
}

/// What was said several times in a row is said once, and how often.
fn folded(told: Vec<String>) -> Vec<String> {
    let mut folded: Vec<(String, u32)> = Vec::new();
    for word in told {
        match folded.last_mut().filter(|(last, _)| *last == word) {
            Some((_, count)) => *count += 1,
            None => folded.push((word, 1)),
        }
    }
    let told = |(word, count)| if count == 1 { word } else { format!("{word} ×{count}") };
    folded.into_iter().map(told).collect()
}

/// The laboratory asks the listener to go, as we do.
fn is_interrupt(what: &What) -> bool {
    matches!(what, What::Signalled { signal, to: Target::Listener | Target::Group } if signal == "SIGINT")
}

/// The log of each Worker by its name, in the form of the real ones.
fn words(recording: &Recording, launch: &[Event]) -> Vec<(String, String)> {
    let log = |event: &Event| match &event.what {
        What::Created(path) if trace::is_log(path, "Worker") => {
            let started = launch.iter().rfind(|e| e.what == What::WorkerStarted && e.at <= event.at)?;
            let records = work::worker(recording, launch, started.at);
            let lines = records.into_iter().map(|record| format!("[2026-11-30 09:00:00Z {}\n", record.text));
            Some((path.trim_start_matches("_diag/").to_owned(), lines.collect()))
        }
        _ => None,
    };
    launch.iter().filter_map(log).collect()
}

/// When each Worker lived; an end that was seen late was before the line that tells of it.
fn lives(launch: &[Event]) -> Vec<(f64, f64)> {
    let of = |what: &What| {
        launch.iter().filter(|event| event.what == *what).map(|event| event.at).collect::<Vec<_>>()
    };
    let (starts, ends) = (of(&What::WorkerStarted), of(&What::WorkerExited));
    let ends = ends.into_iter().map(|at| at - SEEN_LATE).chain(std::iter::repeat(f64::MAX));
    starts.into_iter().zip(ends).collect()
}

/// The last row of each job that is over.
fn rows(rows: &[JobRecord]) -> Vec<String> {
    let mut last: Vec<&JobRecord> = Vec::new();
    for row in rows {
        last.retain(|earlier| earlier.started_at != row.started_at);
        last.push(row);
    }
    let told = |row: &JobRecord| {
        let status = match row.status {
            RowStatus::Running => "running",
            RowStatus::Finished(status) => status.as_str(),
        };
        let conclusion = row.conclusion.as_deref().unwrap_or("-");
        let cause = row.cause.as_ref().map(|cause| format!(", {cause}")).unwrap_or_default();
        format!("{status} ({conclusion}{cause})")
    };
    last.into_iter().map(told).collect()
}
