//! The reader of a worker's log: what it says of the steps, record by record, in pieces of any size and in bounded memory.
//!
//! A record begins with a time, a level and a source, and may go on for many lines. Nothing that a step prints stands in this
//! log as a record; but values do, inside others: an expression is shown with what its parts came to, the arguments of a process
//! as they are. Both may hold line ends, and behind one anything that looks like a record. So an expression is read to the end of
//! its last string, and arguments to the record that follows them. Whatever gets through all the same is up to
//! [`super::turns`], which believes no step to have run that has no page.

use super::{StepResult, clean_name};
use chrono::{DateTime, Utc};
use memchr::memchr;

/// Of a line no more than this is kept: a name, an id, a word.
const LINE: usize = 4096;
/// What a log can say of steps: a dozen words for each that is kept, and some more.
const MOST: usize = 8192;

/// Lines in which a worker says its version.
const FIRST_WORDS: u32 = 30;

/// What a step's telemetry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StepTelemetry {
    pub(super) record: String,
    pub(super) stage: String,
    /// `run`, `node20`, `composite`, `docker`; `runner` for what is its own.
    pub(super) by: String,
    pub(super) action: String,
    pub(super) result: Option<StepResult>,
    pub(super) started: Option<DateTime<Utc>>,
    pub(super) ended: Option<DateTime<Utc>>,
    /// A step inside a composite action.
    embedded: bool,
}

/// One word of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepWord {
    /// So many steps come before the post steps.
    Total(usize),
    /// This step's turn has come.
    Turn(String),
    /// Its condition holds.
    Starts,
    /// It does not.
    Skips,
    /// How it went; empty if it succeeded.
    Result(StepResult),
    /// All about a step that is over.
    Told(StepTelemetry),
    /// The turn is over.
    Over,
}

/// What the lines behind a record's first belong to.
#[derive(Debug, Default)]
enum Inside {
    /// Nothing that is wanted.
    #[default]
    Other,
    /// The job's message.
    Message,
    /// A step's telemetry.
    Telemetry(StepTelemetry),
    /// An expression, in the middle of a string.
    Text,
    /// A process's arguments.
    Arguments,
}

/// Reads one worker's log.
#[derive(Debug, Default)]
pub struct WorkerLog {
    /// The beginning of a line whose end has not come yet.
    torn: Vec<u8>,
    /// What was let go of the line has an odd number of quotes.
    odd: bool,
    inside: Inside,
    job: Option<String>,
    /// Lines in which the log that it goes on in can turn out to be another worker's.
    doubted: u32,
    anew: bool,
    pub(super) words: Vec<StepWord>,
}

impl WorkerLog {
    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.torn.is_empty() && end <= LINE {
                self.line(&bytes[..end]);
            } else {
                self.hold(&bytes[..end]);
                let mut line = std::mem::take(&mut self.torn);
                self.line(&line);
                line.clear();
                self.torn = line;
            }
            self.odd = false;
            bytes = &bytes[end + 1..];
        }
        self.hold(bytes);
    }

    /// The job's own record, once its message was read.
    pub fn job(&self) -> Option<&str> {
        self.job.as_deref()
    }

    /// It goes on in the next file, or that is another worker's.
    pub fn turn(&mut self) {
        (self.inside, self.doubted, self.odd) = (Inside::Other, FIRST_WORDS, false);
        // A record's time and source are written before its text, and a file may end between them.
        if !self.torn.ends_with(b"] ") {
            self.torn.clear();
        }
    }

    /// The next file was another worker's: nothing of it was taken.
    pub fn is_another_s(&self) -> bool {
        self.anew
    }

    /// The job's last step has been told.
    pub fn is_over(&self) -> bool {
        self.words.iter().any(|word| matches!(word, StepWord::Told(told) if told.action == "complete_job"))
    }

    fn hold(&mut self, bytes: &[u8]) {
        let (kept, rest) = bytes.split_at(bytes.len().min(LINE - self.torn.len()));
        self.torn.extend_from_slice(kept);
        self.odd = ends_in_text(rest, self.odd);
    }

    fn line(&mut self, line: &[u8]) {
        if self.anew {
            return;
        }
        self.doubted = self.doubted.saturating_sub(1);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Inside::Text = self.inside {
            if !ends_in_text(line, !self.odd) {
                self.inside = Inside::Other;
            }
            return;
        }
        match record(line) {
            Some(("ProcessInvokerWrapper", text)) if text.starts_with("  Working directory: '") => {
                self.inside = Inside::Other;
            }
            _ if matches!(self.inside, Inside::Arguments) => {}
            Some((source, text)) => self.record(source, text, line),
            None => self.goes_on(line),
        }
    }

    fn record(&mut self, source: &str, text: &str, line: &[u8]) {
        self.inside = Inside::Other;
        match source {
            "StepsRunner" | "CompositeActionHandler"
                if is_expression(text) && ends_in_text(line, self.odd) =>
            {
                self.inside = Inside::Text;
            }
            "StepsRunner" => self.step(text),
            "ProcessInvokerWrapper" if text.starts_with("  Arguments: '") => self.inside = Inside::Arguments,
            "ExecutionContext" if text == "Publish step telemetry for current step {" => {
                self.inside = Inside::Telemetry(StepTelemetry::default());
            }
            "JobRunner" => {
                let total = text.strip_prefix("Total job steps: ").and_then(|rest| rest.strip_suffix('.'));
                self.say(total.and_then(|total| total.parse().ok()).map(StepWord::Total));
            }
            "Worker" if text == "Job message:" => self.inside = Inside::Message,
            "Worker" if text.starts_with("Version: ") => self.anew |= self.doubted > 0,
            _ => {}
        }
    }

    fn step(&mut self, text: &str) {
        let name = text.strip_prefix("Processing step: DisplayName='");
        let word = match text {
            "Starting the step." => Some(StepWord::Starts),
            "Skipping step due to condition evaluation." => Some(StepWord::Skips),
            _ if text.starts_with("Current state: job state = '") => Some(StepWord::Over),
            _ => text.strip_prefix("Step result: ").and_then(result).map(StepWord::Result),
        };
        self.say(word.or_else(|| {
            name.map(|name| StepWord::Turn(clean_name(name.strip_suffix('\'').unwrap_or(name))))
        }));
    }

    /// A line of a record that has begun before.
    fn goes_on(&mut self, line: &[u8]) {
        match &mut self.inside {
            Inside::Message => {
                if let Some(("jobId", job)) = field(line) {
                    self.job.get_or_insert_with(|| job.to_owned());
                }
            }
            Inside::Telemetry(told) => {
                if line == b"}." {
                    let told = std::mem::take(told);
                    self.inside = Inside::Other;
                    self.say(Some(told).filter(|told| !told.embedded).map(StepWord::Told));
                } else if let Some((key, value)) = field(line) {
                    told.take(key, value);
                }
            }
            Inside::Other | Inside::Text | Inside::Arguments => {}
        }
    }

    fn say(&mut self, word: Option<StepWord>) {
        if self.words.len() < MOST {
            self.words.extend(word);
        }
    }
}

impl StepTelemetry {
    fn take(&mut self, key: &str, value: &str) {
        let time = || DateTime::parse_from_rfc3339(value).ok().map(|time| time.to_utc());
        match key {
            "stepId" => value.clone_into(&mut self.record),
            "stage" => value.clone_into(&mut self.stage),
            "type" => value.clone_into(&mut self.by),
            "action" => value.clone_into(&mut self.action),
            "result" => self.result = result(value),
            "startTime" => self.started = time(),
            "finishTime" => self.ended = time(),
            "isEmbedded" => self.embedded = value == "true",
            _ => {}
        }
    }
}

/// The runner's word for how a step went. It says nothing of one that has succeeded.
fn result(word: &str) -> Option<StepResult> {
    match word.trim_end() {
        "" | "Succeeded" | "succeeded" | "SucceededWithIssues" | "succeededWithIssues" => {
            Some(StepResult::Success)
        }
        "Failed" | "failed" => Some(StepResult::Failure),
        "Canceled" | "canceled" | "Abandoned" | "abandoned" => Some(StepResult::Cancelled),
        "Skipped" | "skipped" => Some(StepResult::Skipped),
        _ => None,
    }
}

/// `[2026-11-30 08:59:12Z INFO Source] text`: the source and the text. Nothing that concerns steps has another level.
fn record(line: &[u8]) -> Option<(&str, &str)> {
    let line = line.strip_prefix(b"[")?;
    let (time, rest) = line.split_at_checked(20)?;
    let is_time = time[4] == b'-' && time[10] == b' ' && time[19] == b'Z' && time[0].is_ascii_digit();
    let rest = rest.strip_prefix(b" ").filter(|_| is_time)?;
    let (level, rest) = rest.split_at_checked(5)?;
    let end = memchr(b']', rest)?;
    let source = std::str::from_utf8(&rest[..end]).ok()?;
    let text = valid(rest[end..].strip_prefix(b"] ")?);
    Some(if level == b"INFO " { (source, text) } else { ("", "") })
}

/// As far as it is text: a line may have been cut in the middle of a character.
fn valid(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

fn is_expression(text: &str) -> bool {
    ["Evaluating: ", "Expanded: ", "Result: "].into_iter().any(|word| text.starts_with(word))
}

/// Whether a string is open at the end of this line of an expression: a quote in one is written twice.
fn ends_in_text(line: &[u8], mut inside: bool) -> bool {
    line.iter().filter(|byte| **byte == b'\'').for_each(|_| inside = !inside);
    inside
}

/// `  "key": "value",` of an object's own, without what a line cut off cannot have.
fn field(line: &[u8]) -> Option<(&str, &str)> {
    let (key, value) = valid(line).strip_prefix("  \"")?.split_once("\": ")?;
    let value = value.strip_suffix(',').unwrap_or(value);
    Some((key, value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)))
}
