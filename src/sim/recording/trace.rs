//! The traces that a recorded run left in `_diag`: each record gets its place among the events.

use super::{Event, What};
use chrono::{DateTime, Utc};

/// One record of a trace: all that stands behind its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Seconds since the listener was started.
    pub at: f64,
    /// `LEVEL Source] message`, of several lines if the message has them; no line end.
    pub text: String,
}

/// How far the recording's stamps and its seconds may be apart.
const SLACK: f64 = 0.05;
/// `[2026-11-30 08:59:08Z `
const HEAD: usize = 22;

/// The records of a kept trace, placed among the events of `launch`: a line that was also printed is as old as its print,
/// the others are as old as their stamp says, to the second.
pub fn kept(log: &str, launch: &[Event]) -> Vec<Record> {
    let Some(origin) = origin(launch) else { return Vec::new() };
    let prints: Vec<(f64, &str)> = launch.iter().flat_map(printed).collect();
    let mut records: Vec<(i64, String)> = Vec::new();
    for line in log.lines() {
        match (stamp(line), records.last_mut()) {
            (Some(second), _) => records.push((second, line[HEAD..].to_owned())),
            (None, Some((_, text))) => text.extend(["\n", line]),
            (None, None) => {}
        }
    }
    let mut next = 0;
    let mut anchors: Vec<Option<f64>> = Vec::new();
    for (_, text) in &records {
        let said = text.split_once("] WRITE LINE: ").or_else(|| text.split_once("] WRITE ERROR: "));
        let found = said.filter(|(_, said)| !said.is_empty()).and_then(|(_, said)| {
            prints[next..].iter().position(|(_, print)| *print == said).map(|index| next + index)
        });
        next = found.map_or(next, |index| index + 1);
        anchors.push(found.map(|index| prints[index].0));
    }
    let mut at = f64::MIN;
    let mut placed = Vec::new();
    for (index, (second, text)) in records.into_iter().enumerate() {
        let limit = anchors[index..].iter().flatten().next().copied().unwrap_or(f64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
        let stamped = (second - origin.0) as f64 - origin.1;
        at = anchors[index].unwrap_or(stamped).max(at).min(limit);
        placed.push(Record { at, text });
    }
    placed
}

/// Whether a path is that of a trace of this kind.
pub fn is_log(path: &str, kind: &str) -> bool {
    path.strip_prefix("_diag/").is_some_and(|name| name.starts_with(kind) && name.ends_with("-utc.log"))
}

/// The whole lines of a write. A line in several writes is not among them; none that matters here was cut.
pub(super) fn printed(event: &Event) -> impl Iterator<Item = (f64, &str)> {
    let text = if let What::Wrote { text, .. } = &event.what { text.as_str() } else { "" };
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(|line| (event.at, line))
}

/// A second of the epoch, and how long after it the listener was started, as far as all stamps allow; below zero is before.
fn origin(launch: &[Event]) -> Option<(i64, f64)> {
    let mut bounds = (f64::MIN, f64::MAX);
    let mut base = None;
    for (at, line) in launch.iter().flat_map(printed) {
        let Some(second) = line.get(..20).and_then(parse_stamp) else { continue };
        let base = *base.get_or_insert(second);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
        let relative = (second - base) as f64 - at;
        bounds = (bounds.0.max(relative), bounds.1.min(relative + 1.0 + SLACK));
    }
    base.map(|base| (base, f64::midpoint(bounds.0, bounds.1)))
}

fn stamp(line: &str) -> Option<i64> {
    let text = line.strip_prefix('[')?.get(..20)?;
    (line.as_bytes().get(21) == Some(&b' ')).then(|| parse_stamp(text)).flatten()
}

fn parse_stamp(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?.replace(' ', "T");
    DateTime::parse_from_rfc3339(&format!("{text}Z")).ok().map(|time| time.with_timezone(&Utc).timestamp())
}
