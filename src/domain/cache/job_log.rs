//! The reader of a job's log. A line belongs to the step whose header the runner printed last, and only that step is
//! asked what it means.
//!
//! Two kinds of steps are believed: actions that ask GitHub's cache ([`Lookup`]), and scripts and build actions, whose tools
//! say themselves what they had ([`Tools`]). A header is believed if it has the runner's shape to its end ([`Header`]). The
//! log offers nothing better: what a step prints stands in it as the runner's own lines do. So a step that prints a whole
//! header, `with:` block and end included, is taken at its word, once per header; one that shows a bare header line, or the
//! sentences of another step, is not. After `Post job cleanup.` and under an unknown action nobody is believed.
//!
//! Most lines are passed over at the first bytes of their text, so that reading costs little more than finding line ends.

use super::CacheEvent;
use super::header::{Header, Reading};
use super::lookup::Lookup;
use super::marks::{self, Marks};
use super::tools::{Tools, buildkit, npm, turbo};
use crate::domain::byte_search::blocks;
use memchr::memchr;

/// `2026-08-17T13:15:44.1234567Z `, .NET's round-trip format.
const TEXT_AT: usize = 29;
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Of a line that is cut in two by our reading no more than this is kept; every sentence is shorter.
const CAP: usize = 4096;

/// The steps a line can belong to.
#[derive(Debug, Default)]
pub(super) enum Step {
    /// Not known, not believed, or over.
    #[default]
    Nobody,
    /// An action that asks GitHub's cache.
    Lookup(Lookup),
    /// A script, in which all tools are heard.
    Script,
    /// An action that builds an image.
    Build,
}

/// Which lines are worth a closer look: those whose first bytes are marked, and for some steps a few that tell it elsewhere.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    marks: &'static Marks,
    /// A build's own lines, but not what its commands print.
    builds: bool,
    coloured: bool,
    /// A task runner's lines, whatever their task's name.
    tasks: bool,
}

impl Wanted {
    const fn only(marks: &'static Marks) -> Wanted {
        Wanted { marks, builds: false, coloured: false, tasks: false }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as good as nothing else is done with most lines")]
    fn wants(self, line: &[u8]) -> bool {
        let Some(text) = line.get(TEXT_AT..) else { return false };
        let Some(head) = text.first_chunk() else { return self.marks.is_all() && text.len() > 1 };
        let marked = self.marks.readers(*head) != 0;
        let is_special = matches!(head[0], b'#' | b'\x1b') || self.tasks;
        (marked || is_special) && self.looks_closer(text, *head, marked)
    }

    fn looks_closer(self, text: &[u8], head: [u8; 4], marked: bool) -> bool {
        match head {
            _ if self.marks.is_all() => true,
            [b'#', b'0'..=b'9', ..] => self.builds && buildkit::may_tell(text),
            [b'\x1b', ..] => {
                self.coloured && marks::head(text).is_some_and(|head| self.marks.readers(head) != 0)
            }
            _ if marked => !npm::is_idle(text),
            _ => self.tasks && turbo::may_be_task(text),
        }
    }
}

/// Reads one job's log, in pieces of any size. What it keeps is bounded: some hundred kilobytes, whatever the log holds.
#[derive(Debug, Default)]
pub struct JobLog {
    /// The beginning of a line whose end has not come yet.
    torn: Vec<u8>,
    /// Bytes of a byte order mark that the page has begun with so far; all of them where it goes on.
    mark: usize,
    step: Step,
    header: Option<Header>,
    tools: Tools,
}

impl JobLog {
    /// A new page begins. The runner ends pages between lines: a torn line is that of a worker that was killed.
    pub fn turn(&mut self) {
        self.torn.clear();
        self.mark = 0;
    }

    /// Takes the next bytes of the page; what they tell is added to `events`.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<CacheEvent>) {
        let bytes = self.skip_mark(bytes);
        let mut start = 0;
        if !self.torn.is_empty() {
            let Some(end) = memchr(b'\n', bytes) else { return self.hold(bytes) };
            self.hold(&bytes[..end]);
            let mut line = std::mem::take(&mut self.torn);
            if self.wanted().wants(&line) {
                self.line(&line, events);
            }
            line.clear();
            self.torn = line;
            start = end + 1;
        }
        let rest = &bytes[start..];
        let (mut start, mut wanted) = (0, self.wanted());
        for (base, mut feeds) in blocks::<b'\n'>(rest) {
            while feeds != 0 {
                let line = &rest[start..base + feeds.trailing_zeros() as usize];
                start += line.len() + 1;
                feeds &= feeds - 1;
                if wanted.wants(line) {
                    self.line(line, events);
                    wanted = self.wanted();
                }
            }
        }
        self.hold(&rest[start..]);
    }

    /// What follows the byte order mark, which may come in pieces, or the line where there is none.
    fn skip_mark<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let (Some(next), Some((first, rest))) = (BOM.get(self.mark), bytes.split_first()) {
            if first != next {
                self.hold(&BOM[..self.mark]);
                self.mark = BOM.len();
                break;
            }
            (self.mark, bytes) = (self.mark + 1, rest);
        }
        bytes
    }

    /// The job is over: what its last step has left open is decided.
    pub fn end(&mut self, events: &mut Vec<CacheEvent>) {
        self.go_to(Step::Nobody, events);
    }

    /// Bytes reserved for a torn line.
    #[cfg(test)]
    pub(super) fn torn_capacity(&self) -> usize {
        self.torn.capacity()
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = CAP - self.torn.len();
        self.torn.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn wanted(&self) -> Wanted {
        let script = |marks| {
            let tasks = self.tools.hears_tasks();
            Wanted { marks, builds: true, coloured: true, tasks }
        };
        match &self.step {
            _ if self.header.is_some() => Wanted::only(&marks::ALL),
            Step::Nobody => Wanted::only(&marks::NOBODY),
            Step::Build => Wanted { builds: true, ..Wanted::only(&marks::NOBODY) },
            Step::Lookup(_) => Wanted::only(&marks::ALL),
            Step::Script if self.tools.goes_on() => script(&marks::GOING_ON),
            Step::Script => script(&marks::OPEN),
        }
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<CacheEvent>) {
        // Later lines of a message, such as the value of an input, have no time: they say nothing.
        let Some(text) = text(line).filter(|text| text.len() > 1) else { return };
        match self.header.as_mut().map(|header| header.read(text)) {
            Some(Reading::On) => return,
            Some(Reading::End(step)) => {
                self.header = None;
                return self.go_to(step, events);
            }
            Some(Reading::NoHeader) => self.header = None,
            None => {}
        }
        match text {
            [b'#', b'#', b'[', b'g', ..] if text.starts_with(b"##[group]Run ") => {
                self.header = Some(Header::of(&text[b"##[group]Run ".len()..]));
                self.hear(text, events);
            }
            b"Post job cleanup." => self.go_to(Step::Nobody, events),
            _ => self.hear(text, events),
        }
    }

    fn hear(&mut self, text: &[u8], events: &mut Vec<CacheEvent>) {
        match &mut self.step {
            Step::Nobody => {}
            Step::Lookup(lookup) => events.extend(lookup.hear(text)),
            Step::Script => self.tools.hear(text, events),
            Step::Build => self.tools.hear_build(text, events),
        }
    }

    /// The next step begins, or none: what the one before has left open is decided.
    fn go_to(&mut self, step: Step, events: &mut Vec<CacheEvent>) {
        match std::mem::replace(&mut self.step, step) {
            Step::Nobody => {}
            Step::Lookup(mut lookup) => events.extend(lookup.end()),
            Step::Script | Step::Build => self.tools.end_step(events),
        }
    }
}

/// What stands after the time; `None` if there is no time.
fn text(line: &[u8]) -> Option<&[u8]> {
    let (time, text) = line.split_at_checked(TEXT_AT)?;
    let is_time = time[0].is_ascii_digit() && time[4] == b'-' && time[10] == b'T' && time[27..] == *b"Z ";
    is_time.then_some(text)
}
