//! A line belongs to the step whose header the runner printed last, and only that step is asked what it means.
//!
//! Two kinds of steps are believed: actions that ask GitHub's cache ([`Lookup`]), and scripts and build actions, whose tools
//! say themselves what they had ([`Tools`]). A header is believed if it has the runner's shape to its end ([`Header`]). The
//! log offers nothing better: what a step prints stands in it as the runner's own lines do. So a step that prints a whole
//! header, `with:` block and end included, is taken at its word, once per header; one that shows a bare header line, or the
//! sentences of another step, is not. After `Post job cleanup.` and under an unknown action nobody is believed.
//!
//! Most lines are passed over at the first two bytes of their text, so that reading costs little more than finding line ends.

use super::CacheEvent;
use super::header::{Header, Reading};
use super::lookup::Lookup;
use super::shell::Tools;
use memchr::{memchr, memchr_iter};

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
    /// A script, or an action that builds an image.
    Tools(Box<Tools>),
}

impl Step {
    /// First bytes of a text worth a look; `None`: all.
    fn marks(&self) -> Option<&'static [bool; 256]> {
        const NOBODY: [bool; 256] = marks(b"#P");
        const TOOLS: [bool; 256] = marks(b"#PNGFn\x1b");
        match self {
            Step::Nobody => Some(&NOBODY),
            Step::Lookup(_) => None,
            Step::Tools(_) => Some(&TOOLS),
        }
    }

    fn hear(&mut self, text: &[u8]) -> Option<CacheEvent> {
        match self {
            Step::Nobody => None,
            Step::Lookup(lookup) => lookup.hear(text),
            Step::Tools(tools) => tools.hear(text),
        }
    }
}

const fn marks(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// Reads one job's log, in pieces of any size. Holds at most some 6 KiB, whatever the log holds.
#[derive(Debug, Default)]
pub struct JobLog {
    /// The beginning of a line whose end has not come yet.
    torn: Vec<u8>,
    /// The page has been begun.
    begun: bool,
    step: Step,
    header: Option<Header>,
}

impl JobLog {
    /// A new page begins. The runner ends pages between lines: a torn line is that of a worker that was killed.
    pub fn turn(&mut self) {
        self.torn.clear();
        self.begun = false;
    }

    /// Takes the next bytes of the page; what they tell is added to `events`, at most one event per line.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<CacheEvent>) {
        let bytes = if self.begun { bytes } else { bytes.strip_prefix(BOM).unwrap_or(bytes) };
        self.begun = true;
        let mut start = 0;
        if !self.torn.is_empty() {
            let Some(end) = memchr(b'\n', bytes) else { return self.hold(bytes) };
            self.hold(&bytes[..end]);
            let mut line = std::mem::take(&mut self.torn);
            self.line(&line, events);
            line.clear();
            self.torn = line;
            start = end + 1;
        }
        let rest = &bytes[start..];
        let (mut start, mut marks) = (0, self.marks());
        for end in memchr_iter(b'\n', rest) {
            let line = &rest[start..end];
            start = end + 1;
            let Some([first, second, ..]) = line.get(TEXT_AT..) else { continue };
            if marks.is_none_or(|marks| marks[usize::from(*first)] && goes_on(*first, *second)) {
                self.line(line, events);
                marks = self.marks();
            }
        }
        self.hold(&rest[start..]);
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

    fn marks(&self) -> Option<&'static [bool; 256]> {
        if self.header.is_some() { None } else { self.step.marks() }
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<CacheEvent>) {
        // Later lines of a message, such as the value of an input, have no time: they say nothing.
        let Some(text) = text(line).filter(|text| text.len() > 1) else { return };
        match self.header.as_mut().map(|header| header.read(text)) {
            Some(Reading::On) => return,
            Some(Reading::End(step)) => {
                self.step = step;
                self.header = None;
                return;
            }
            Some(Reading::NoHeader) => self.header = None,
            None => {}
        }
        match text {
            [b'#', b'#', b'[', b'g', ..] if text.starts_with(b"##[group]Run ") => {
                self.header = Some(Header::of(&text[b"##[group]Run ".len()..]));
            }
            b"Post job cleanup." => self.step = Step::Nobody,
            _ => events.extend(self.step.hear(text)),
        }
    }
}

/// Whether a marked byte is followed as in one of our sentences: `##[…`, `#7 …`, `Post`, `Need`, `Get:`, `Fetched`, `npm`.
fn goes_on(first: u8, second: u8) -> bool {
    match first {
        b'#' => second == b'#' || second.is_ascii_digit(),
        b'P' => second == b'o',
        b'n' => second == b'p',
        b'\x1b' => second == b'[',
        _ => second == b'e',
    }
}

/// What stands after the time; `None` if there is no time.
fn text(line: &[u8]) -> Option<&[u8]> {
    let (time, text) = line.split_at_checked(TEXT_AT)?;
    let is_time = time[0].is_ascii_digit() && time[4] == b'-' && time[10] == b'T' && time[27..] == *b"Z ";
    is_time.then_some(text)
}
