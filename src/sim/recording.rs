//! What the real runner was seen to do, event by event, as a laboratory wrote it down.
//!
//! A recording is one JSON value a line. The first is an object that says what was asked; each of the others is an
//! array: seconds since the listener was started, a word, and what the word needs. Negative times are before the start.

pub mod made;
pub mod trace;
pub mod work;

use serde_json::Value;
use std::io;

/// One run of the real runner.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// What was tried.
    pub scenario: String,
    /// The runner's version.
    pub runner: String,
    /// The question it answers.
    pub asks: String,
    /// What happened, in the order it was seen.
    pub events: Vec<Event>,
}

/// One happening.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds since the listener was started.
    pub at: f64,
    /// What happened.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// One write of the listener, as it was.
    Wrote {
        /// To stderr instead of stdout.
        stderr: bool,
        /// What was written.
        text: String,
    },
    /// A Worker was seen.
    WorkerStarted,
    /// It was seen no more.
    WorkerExited,
    /// The listener left with this code; below zero it is a signal's number.
    Exited(i32),
    /// The laboratory sent a signal.
    Signalled {
        /// Its name.
        signal: String,
        /// To whom.
        to: Target,
    },
    /// A file or directory below the runner's root appeared.
    Created(String),
    /// It went.
    Deleted(String),
    /// A file was closed after writing.
    Closed(String),
    /// A file was renamed to this.
    Moved(String),
    /// What the service did, or knew.
    Service {
        /// Which thing.
        thing: String,
        /// What is known of it; empty for nothing.
        says: String,
    },
}

/// Whom the laboratory signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The listener alone.
    Listener,
    /// The listener's process group.
    Group,
    /// The Worker alone.
    Worker,
    /// Everything below the Worker.
    Steps,
}

impl Recording {
    /// Reads one.
    ///
    /// # Errors
    /// If the text is no recording; the number of the first line that is none is in the message.
    pub fn parse(text: &str) -> io::Result<Recording> {
        let mut lines = text.lines();
        let head: Value = serde_json::from_str(lines.next().unwrap_or_default())?;
        let said = |key: &str| head[key].as_str().unwrap_or_default().to_owned();
        let event = |(index, line): (usize, &str)| {
            let parts: Vec<Value> = serde_json::from_str(line)?;
            let event = event(&parts);
            event.ok_or_else(|| io::Error::other(format!("line {} is no event: {line}", index + 2)))
        };
        let events = lines.enumerate().map(event).collect::<io::Result<_>>()?;
        Ok(Recording { scenario: said("scenario"), runner: said("runner"), asks: said("asks"), events })
    }

    /// The events of each of its listeners: what comes after an exit belongs to the next one.
    pub fn launches(&self) -> Vec<&[Event]> {
        let is_exit = |event: &Event| matches!(event.what, What::Exited(_));
        let mut launches: Vec<&[Event]> = self.events.split_inclusive(is_exit).collect();
        if launches.last().is_some_and(|last| !last.iter().any(is_exit)) {
            launches.pop();
        }
        launches
    }
}

fn event(parts: &[Value]) -> Option<Event> {
    let text = |index: usize| parts.get(index).and_then(Value::as_str).map(str::to_owned);
    let what = match parts.get(1)?.as_str()? {
        "stdout" => What::Wrote { stderr: false, text: text(2)? },
        "stderr" => What::Wrote { stderr: true, text: text(2)? },
        "worker_start" => What::WorkerStarted,
        "worker_exit" => What::WorkerExited,
        "exit" => What::Exited(parts.get(2)?.as_i64()?.try_into().ok()?),
        "signal" => What::Signalled { signal: text(2)?, to: target(&text(3)?)? },
        "create" => What::Created(text(2)?),
        "delete" => What::Deleted(text(2)?),
        "close_write" => What::Closed(text(2)?),
        "moved_to" => What::Moved(text(2)?),
        "service" => What::Service { thing: text(2)?, says: text(3).unwrap_or_default() },
        _ => return None,
    };
    Some(Event { at: parts.first()?.as_f64()?, what })
}

fn target(word: &str) -> Option<Target> {
    Some(match word {
        "listener" => Target::Listener,
        "group" => Target::Group,
        "worker" => Target::Worker,
        "steps" => Target::Steps,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"scenario": "s", "runner": "2.336.0", "asks": "why"}
[-0.1, "service", "start", null]
[0.5, "stdout", "√ "]
[1, "signal", "SIGHUP", "listener"]
[1.5, "exit", -1]
[2.0, "worker_start"]
[3.0, "exit", 0]
[4.0, "service", "stop", null]"#;

    #[test]
    fn a_line_is_an_event_and_an_exit_ends_a_launch() {
        let recording = Recording::parse(TEXT).unwrap();
        assert_eq!((recording.runner.as_str(), recording.events.len()), ("2.336.0", 7));
        let launches = recording.launches();
        assert_eq!(launches.iter().map(|events| events.len()).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(launches[0][3].what, What::Exited(-1));
        let signalled = What::Signalled { signal: "SIGHUP".into(), to: Target::Listener };
        assert_eq!(launches[0][2], Event { at: 1.0, what: signalled });
    }

    #[test]
    fn what_is_no_event_is_an_error_with_its_line() {
        let error = Recording::parse("{}\n[1, \"exit\", 0]\n[1, \"dance\"]").unwrap_err();
        assert_eq!(error.to_string(), "line 3 is no event: [1, \"dance\"]");
    }
}
