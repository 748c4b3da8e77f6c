//! Spans as values, and how a word of GitHub's becomes a status: nothing here knows how they are sent.

use super::ids::{SpanId, TraceId};
use chrono::{DateTime, Utc};

/// What an attribute can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Any number.
    Float(f64),
}

impl SpanValue {
    /// For people.
    pub fn shown(&self) -> String {
        match self {
            SpanValue::Text(text) => text.clone(),
            SpanValue::Int(number) => number.to_string(),
            SpanValue::Float(number) => number.to_string(),
        }
    }
}

/// Keys and values; no key twice.
pub(super) type Attributes = Vec<(&'static str, SpanValue)>;

/// How what a span stands for went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanStatus {
    /// Neither, or not known.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// Not well.
    Error,
}

/// Something at one moment of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What.
    pub name: &'static str,
    /// When.
    pub at: DateTime<Utc>,
    /// What else is known of it.
    pub attributes: Attributes,
}

/// One span, of the kind internal.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// What it is a part of.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start: DateTime<Utc>,
    /// When it ended; never before it began.
    pub end: DateTime<Utc>,
    /// How it went.
    pub status: SpanStatus,
    /// GitHub's word for that.
    pub message: String,
    /// What else is known of it.
    pub attributes: Attributes,
    /// What happened meanwhile.
    pub events: Vec<SpanEvent>,
}

/// A part of a trace: the spans of one job, the job's first.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Whose part it is.
    pub id: TraceId,
    /// Each after its parent, if that is among them.
    pub spans: Vec<Span>,
}

impl Span {
    /// One of which nothing but its place and time is known. An end before its start is its start.
    pub fn new(
        id: SpanId,
        parent: Option<SpanId>,
        name: String,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> Span {
        Span {
            id,
            parent,
            name,
            start,
            end: end.max(start),
            status: SpanStatus::Unset,
            message: String::new(),
            attributes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A text that is known and not empty.
    pub fn text(&mut self, key: &'static str, value: Option<impl Into<String>>) {
        let value = value.map(Into::into).filter(|text| !text.is_empty());
        self.attributes.extend(value.map(|text| (key, SpanValue::Text(text))));
    }

    /// A whole number that is known.
    pub fn int(&mut self, key: &'static str, value: Option<impl TryInto<i64>>) {
        let value = value.and_then(|number| number.try_into().ok());
        self.attributes.extend(value.map(|number| (key, SpanValue::Int(number))));
    }

    /// How it went, in GitHub's word; `None` is an end that nobody has seen.
    pub fn concluded(&mut self, word: Option<&str>, error: Option<&str>) {
        self.status = match word {
            Some("success") => SpanStatus::Ok,
            Some("failure") | None => SpanStatus::Error,
            Some(_) => SpanStatus::Unset,
        };
        word.unwrap_or("abandoned").clone_into(&mut self.message);
        let result = result(word);
        self.text("cicd.pipeline.task.run.result", Some(result));
        // The receiver's name for the same.
        self.text("cicd.pipeline.run.task.status", Some(result));
        let error = match word {
            Some("failure") => Some(error.unwrap_or("failed")),
            Some("timed_out") => Some("timed_out"),
            None => Some(error.unwrap_or("abandoned")),
            Some(_) => None,
        };
        self.text("error.type", error);
    }
}

/// GitHub's word in that of the conventions.
fn result(word: Option<&str>) -> &'static str {
    match word {
        Some("success") => "success",
        Some("failure") => "failure",
        Some("cancelled") => "cancellation",
        Some("skipped") => "skip",
        Some("timed_out") => "timeout",
        Some(_) | None => "error",
    }
}
