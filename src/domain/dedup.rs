//! Deduplication of lines. A sentence that the runner prints twice is heard once.
//!
//! With its trace on stdout every terminal line comes twice: `[RUNNER … Terminal] WRITE LINE: X`, then X bare, and the two may
//! swap places between the pipes. Either alone is enough: the bare one can be glued behind another record's head.

use super::event::RunnerEvent;
use super::parse::ParsedLine;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a sentence waits for its twin; they are printed back to back.
const TWIN: Duration = Duration::from_secs(5);
const MOST: usize = 32;

/// Remembers what was heard through one voice until the other has said it too.
#[derive(Debug, Default)]
pub struct DedupFilter {
    waiting: VecDeque<(Duration, ParsedLine)>,
}

impl DedupFilter {
    /// `Some` the first time a sentence is heard, `None` for its echo. `up` is monotonic time.
    pub fn hear(&mut self, reading: ParsedLine, up: Duration) -> Option<ParsedLine> {
        // Half a sentence says nothing twice; which half counts is the tracker's to tell.
        if matches!(
            reading.event,
            RunnerEvent::CompletionHead { .. }
                | RunnerEvent::CompletionTail { .. }
                | RunnerEvent::NameLine(_)
        ) {
            return Some(reading);
        }
        self.waiting.retain(|(since, _)| up.saturating_sub(*since) < TWIN);
        let twin = self.waiting.iter().position(|(_, w)| {
            w.traced != reading.traced && w.stamp == reading.stamp && w.event == reading.event
        });
        if let Some(at) = twin {
            self.waiting.remove(at);
            return None;
        }
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back((up, reading.clone()));
        Some(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Stream;
    use crate::domain::parse::parse;

    fn heard(lines: &[(u64, &str)]) -> usize {
        let mut filter = DedupFilter::default();
        lines
            .iter()
            .filter_map(|(at, line)| {
                let reading = parse(Stream::Stdout, line.as_bytes()).expect("a sentence");
                filter.hear(reading, Duration::from_secs(*at))
            })
            .count()
    }

    const BARE: &str = "2026-08-17 13:15:44Z: Running job: build";
    const TRACED: &str =
        "[RUNNER 2026-08-17 13:15:44Z INFO Terminal] WRITE LINE: 2026-08-17 13:15:44Z: Running job: build";

    #[test]
    fn a_pair_counts_once_in_either_order_and_each_alone_counts() {
        assert_eq!(heard(&[(0, TRACED), (0, BARE)]), 1);
        assert_eq!(heard(&[(0, BARE), (0, TRACED)]), 1);
        assert_eq!(heard(&[(0, TRACED)]), 1);
        assert_eq!(heard(&[(0, BARE)]), 1);
        assert_eq!(heard(&[(0, TRACED), (0, BARE), (1, TRACED), (1, BARE)]), 2);
    }

    #[test]
    fn two_bare_lines_are_two_happenings_and_a_late_twin_is_none() {
        assert_eq!(heard(&[(0, BARE), (0, BARE)]), 2);
        assert_eq!(heard(&[(0, TRACED), (60, BARE)]), 2);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut filter = DedupFilter::default();
        for i in 0..10_000 {
            let line = format!("2026-08-17 13:15:44Z: Running job: {i}");
            let reading = parse(Stream::Stdout, line.as_bytes()).expect("a sentence");
            filter.hear(reading, Duration::ZERO);
        }
        assert_eq!(filter.waiting.len(), MOST);
    }
}
