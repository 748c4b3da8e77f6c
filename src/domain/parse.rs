//! A line either is one of the runner's sentences, word for word and from its first byte, or it means nothing.
//!
//! The sentences are those of `actions/runner` (`Terminal.cs`, `Runner.cs`, `JobDispatcher.cs`, `MessageListener.cs`).

mod sentences;
#[cfg(test)]
mod tests;

use super::event::{GhostCause, RunnerEvent, Stream, TaskResult, UpdateStep};
use std::borrow::Cow;

const COMPLETED: &str = " completed with result: ";
/// What a line said, and through which of the listener's two voices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedLine {
    /// The meaning.
    pub event: RunnerEvent,
    /// The runner's own time stamp, `YYYY-MM-DD HH:MM:SSZ`, where the sentence has one.
    pub stamp: Option<String>,
    /// It stood behind `[RUNNER … Terminal] WRITE LINE: `: the same sentence also comes bare.
    pub traced: bool,
}

/// Reads one line. Never fails; `None` is a line without meaning for us.
pub fn parse(stream: Stream, line: &[u8]) -> Option<ParsedLine> {
    if !may_matter(stream, line) {
        return None;
    }
    let text = strip_ansi(String::from_utf8_lossy(line));
    match trace_message(&text) {
        Some(Trace::Terminal(origin, sentence)) => read(origin, sentence, true),
        Some(Trace::Further(line)) => {
            let reading = read(Stream::Stdout, line, true)?;
            Some(ParsedLine { event: RunnerEvent::NameLine(Box::new(reading.event)), ..reading })
        }
        Some(Trace::Other(message)) => {
            let event = closing(&text).or_else(|| ghost_in_trace(message))?;
            Some(ParsedLine { event, stamp: None, traced: false })
        }
        None => read(stream, &text, false),
    }
}

/// A cheap look at the ends of the line: all but a handful of lines stop here, so a chatty log costs next to nothing.
///
/// Colour can hide both ends, so a line with any of it goes on.
fn may_matter(stream: Stream, line: &[u8]) -> bool {
    match (stream, line) {
        (_, []) => false,
        (Stream::Stderr, [..]) => true,
        (Stream::Stdout, [first, .., last]) if has_head(*first, line) || has_result(*last, line) => true,
        (Stream::Stdout, [..]) => memchr::memchr(0x1b, line).is_some(),
    }
}

/// It begins like a sentence: with a time stamp, or with the first words of one that has none.
fn has_head(first: u8, line: &[u8]) -> bool {
    let begins = |words: &str| line.starts_with(words.as_bytes());
    match first {
        b'0'..=b'9' => line.get(19..22) == Some(b"Z: "),
        b'[' => begins("[RUNNER "),
        b'C' => begins("Current runner "),
        b'D' => begins("Downloading "),
        b'E' => begins("Exiting..."),
        b'G' => begins("Generate and "),
        b'R' => begins("Runner "),
        b'W' => begins("Waiting for "),
        _ => begins("√ Removed "),
    }
}

/// It ends like `: Succeeded`: every [`TaskResult`] ends in one of two letters.
fn has_result(last: u8, line: &[u8]) -> bool {
    /// At least as long as `: SucceededWithIssues`.
    const LONGEST: usize = 24;
    matches!(last, b'd' | b's')
        && memchr::memmem::find(&line[line.len().saturating_sub(LONGEST)..], b": ").is_some()
}

fn read(stream: Stream, sentence: &str, traced: bool) -> Option<ParsedLine> {
    let (stamp, rest) = match split_stamp(sentence) {
        Some((stamp, rest)) => (Some(stamp), rest),
        None => (None, sentence),
    };
    let event = match (stream, stamp) {
        (Stream::Stdout, Some(_)) => stamped_stdout(rest).or_else(|| closing(rest)),
        (Stream::Stdout, None) => closing(rest).or_else(|| bare_stdout(rest)),
        // Printed on stdout, where it can be a line of a name.
        (Stream::Stderr, _) if traced && split_result(rest).is_some() => closing(rest),
        (Stream::Stderr, Some(_)) => sentences::stamped(rest).or_else(|| sentences::bare(rest)),
        (Stream::Stderr, None) => sentences::bare(rest),
    }?;
    Some(ParsedLine { event, stamp: stamp.map(str::to_owned), traced })
}

fn stamped_stdout(rest: &str) -> Option<RunnerEvent> {
    if rest == "Listening for Jobs" {
        return Some(RunnerEvent::Listening);
    }
    if rest == "Runner reconnected." {
        return Some(RunnerEvent::Reconnected);
    }
    // Before the completion: a job may be called `x completed with result: Failed`.
    if let Some(name) = rest.strip_prefix("Running job: ").or_else(|| (rest == "Running job:").then_some(""))
    {
        return Some(RunnerEvent::JobStarted { name: name.to_owned() });
    }
    let job = rest.strip_prefix("Job ")?;
    match split_result(job) {
        Some((name, result)) => Some(RunnerEvent::JobCompleted { name: name.to_owned(), result }),
        None => Some(RunnerEvent::CompletionHead { name: job.to_owned() }),
    }
}

fn bare_stdout(line: &str) -> Option<RunnerEvent> {
    if let Some(version) = line.strip_prefix("Current runner version: '").and_then(|v| v.strip_suffix('\'')) {
        return is_version(version).then(|| RunnerEvent::Version(version.to_owned()));
    }
    if let Some(version) = line.strip_prefix("Downloading ").and_then(|v| v.strip_suffix(" runner")) {
        return is_version(version).then(|| RunnerEvent::Update(UpdateStep::Downloading(version.to_owned())));
    }
    let step = match line {
        "Exiting..." => return Some(RunnerEvent::Exiting),
        "√ Removed .runner" => return Some(RunnerEvent::ConfigRemoved),
        "Runner update in progress, do not shutdown runner." => UpdateStep::InProgress,
        "Waiting for current job finish running." => UpdateStep::WaitingForJob,
        "Generate and execute update script." => UpdateStep::Generating,
        "Runner update process finished." => UpdateStep::Finished,
        other if other.starts_with("Runner will exit shortly for update") => UpdateStep::ExitingSoon,
        _ => return None,
    };
    Some(RunnerEvent::Update(step))
}

/// A version becomes a label: it looks like one, or the line is not the runner's.
fn is_version(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
}

/// Whatever a line is, it can also be the last line of a name, with the result behind it.
fn closing(text: &str) -> Option<RunnerEvent> {
    let (name, result) = split_result(text)?;
    Some(RunnerEvent::CompletionTail { name: name.to_owned(), result })
}

/// `NAME completed with result: RESULT`: from the right, so the last marker wins whatever the name holds.
pub(super) fn split_result(text: &str) -> Option<(&str, TaskResult)> {
    let (name, word) = text.rsplit_once(COMPLETED)?;
    Some((name, TaskResult::parse(word)?))
}

/// `2026-08-17 13:15:44Z: rest`: the .NET `u` format, then a colon and a space.
fn split_stamp(line: &str) -> Option<(&str, &str)> {
    let stamp = line.as_bytes().get(..STAMP.len()).filter(|bytes| is_stamp(bytes))?;
    let (stamp, rest) = line.split_at(stamp.len());
    Some((stamp, rest.strip_prefix(": ")?))
}

const STAMP: &[u8; 20] = b"0000-00-00 00:00:00Z";

fn is_stamp(bytes: &[u8]) -> bool {
    bytes.iter().zip(STAMP).all(|(b, s)| if *s == b'0' { b.is_ascii_digit() } else { b == s })
}

enum Trace<'a> {
    Terminal(Stream, &'a str),
    /// Not the first line of a sentence: by its shape it can only be the rest of a name.
    Further(&'a str),
    Other(&'a str),
}

/// `[RUNNER 2026-08-17 13:15:44Z INFO Terminal] WRITE LINE: text`: what `ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT` adds.
///
/// Of a sentence of several lines each line has the head, but only the first the words `WRITE LINE: `. `[WORKER …]` lines carry
/// the job's own words and are never believed.
fn trace_message(line: &str) -> Option<Trace<'_>> {
    let (_, source, message) = trace_record(line.strip_prefix("[RUNNER ")?)?;
    if source != "Terminal" {
        return Some(Trace::Other(message));
    }
    if let Some(sentence) = message.strip_prefix("WRITE LINE: ") {
        return Some(Trace::Terminal(Stream::Stdout, sentence));
    }
    let sentence = message.strip_prefix("WRITE ERROR: ");
    Some(sentence.map_or(Trace::Further(message), |sentence| Trace::Terminal(Stream::Stderr, sentence)))
}

/// `2026-08-17 13:15:44Z INFO Source] message`: time stamp, source and message of a record.
pub(super) fn trace_record(line: &str) -> Option<(&str, &str, &str)> {
    let (head, message) = line.split_once("] ")?;
    let (stamp, rest) = head.split_at_checked(STAMP.len()).filter(|(stamp, _)| is_stamp(stamp.as_bytes()))?;
    let source = ["CRIT", "ERR ", "WARN", "INFO", "VERB"]
        .iter()
        .find_map(|level| rest.strip_prefix(' ')?.strip_prefix(level)?.strip_prefix(' '))?;
    Some((stamp, source, message))
}

/// The phrase users grep for when a runner is dead and looks alive: only the listener's own trace may say it.
fn ghost_in_trace(message: &str) -> Option<RunnerEvent> {
    let tail = message.split_once("Registration ")?.1;
    let found = tail.split_once(" was not found").is_some_and(|(id, _)| !id.is_empty() && id.len() <= 64);
    found.then_some(RunnerEvent::Ghost(GhostCause::RegistrationNotFound))
}

/// Removes `ESC [ … letter` sequences.
fn strip_ansi(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find("\x1b[") {
        let body = &rest[at + 2..];
        let len = body.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b';' | b'?')).count();
        let is_sequence = body.as_bytes().get(len).is_some_and(u8::is_ascii_alphabetic);
        let keep = if is_sequence { at } else { at + 2 };
        out.push_str(&rest[..keep]);
        rest = if is_sequence { &body[len + 1..] } else { body };
    }
    out.push_str(rest);
    Cow::Owned(out)
}
