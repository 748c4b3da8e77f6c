//! A trace for people: one line a span, below its parent, with when it began after the job was queued, how long it took, and a bar.

use super::span::{Span, SpanStatus, SpanValue, Trace};
use crate::domain::text::{escape, spelt};
use std::fmt::Write as _;
use std::time::Duration;

/// Cells of a bar.
const BAR: u128 = 24;
const BAR_END: usize = 23;
/// Longer names are cut.
const NAME: usize = 48;

/// The whole text; names in it are a job's.
pub fn tree(trace: &Trace) -> String {
    let mut text = format!("trace {}\n", trace.id);
    let Some(job) = trace.spans.first() else { return text };
    let names: Vec<String> = trace.spans.iter().map(|span| name(span, job)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    for (span, name) in trace.spans.iter().zip(names) {
        let since = (span.start - job.start).to_std().unwrap_or_default();
        let (since, took) = (seconds(since), seconds(took(span)));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:width$} {since:>10} {took:>10}  {}  {}", bar(span, job), word(span));
        for event in &span.events {
            let fact = |(key, value): &(&'static str, SpanValue)| {
                format!("{}={}", key.rsplit('.').next().unwrap_or(key), value.shown())
            };
            let facts: Vec<String> = event.attributes.iter().map(fact).collect();
            let _ = writeln!(text, "    {} {}", event.name, facts.join(" "));
        }
    }
    text
}

fn name(span: &Span, job: &Span) -> String {
    let indent = if span.id == job.id { "" } else { "  " };
    let cut: String = span.name.chars().take(NAME).collect();
    format!("{indent}{}", spelt(&cut, escape))
}

/// Where it stands in the whole job.
fn bar(span: &Span, job: &Span) -> String {
    let whole = took(job).as_millis().max(1);
    let cell = |at: Duration| usize::try_from(at.as_millis() * BAR / whole).unwrap_or_default().min(BAR_END);
    let begin = cell((span.start - job.start).to_std().unwrap_or_default());
    let end = cell((span.end - job.start).to_std().unwrap_or_default()).max(begin);
    (0..=BAR_END).map(|at| if (begin..=end).contains(&at) { '=' } else { '.' }).collect()
}

fn word(span: &Span) -> &str {
    match span.status {
        SpanStatus::Unset if span.message.is_empty() => "-",
        SpanStatus::Unset | SpanStatus::Ok | SpanStatus::Error => &span.message,
    }
}

fn took(span: &Span) -> Duration {
    (span.end - span.start).to_std().unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:03} s", duration.as_secs(), duration.subsec_millis())
}
