//! In a script the tools speak for themselves; each has a reader of its own, which is told of the lines that begin like its
//! sentences and answers with what they say was requested.

mod apt;
pub(super) mod buildkit;
mod ccache;
mod go;
pub(super) mod npm;
mod pip;
mod pnpm;
mod replay;
mod sccache;
mod sums;
pub(super) mod turbo;
mod uv;
mod words;

use super::marks::{self, Marks};
use super::{CacheEvent, CacheType, Tally};
use replay::Replay;
use std::borrow::Cow;
use std::fmt::Debug;

/// What is kept of a line with colours.
const COLOURED: usize = 4096;

/// Reads what one tool prints; pure, bounded, and in the same words in every version it knows.
trait Reader: Debug + Send {
    /// A line, without colours, that begins like one of its sentences.
    fn hear(&mut self, text: &[u8]) -> Tally;

    /// It has begun a report, and waits for what may follow.
    fn goes_on(&self) -> bool {
        false
    }

    /// The step is over. What is a sum over a job is kept.
    fn end_step(&mut self) -> Tally {
        Tally::default()
    }
}

/// A row of the table.
struct Tool {
    kind: CacheType,
    /// First bytes of the sentences that may come at any time.
    opens: &'static [[u8; 4]],
    /// First bytes of those that mean something only once it goes on.
    follows: &'static [[u8; 4]],
    reader: fn() -> Box<dyn Reader>,
}

/// Every tool there is. `BuildKit`'s lines begin with the number of a vertex instead.
static TOOLS: [Tool; 10] = [
    Tool {
        kind: CacheType::Buildkit,
        opens: &[],
        follows: &[],
        reader: || Box::<buildkit::Buildkit>::default(),
    },
    Tool {
        kind: CacheType::Apt,
        opens: apt::OPENS,
        follows: apt::FOLLOWS,
        reader: || Box::<apt::Apt>::default(),
    },
    Tool {
        kind: CacheType::Npm,
        opens: npm::OPENS,
        follows: npm::FOLLOWS,
        reader: || Box::<npm::Npm>::default(),
    },
    Tool { kind: CacheType::Pnpm, opens: pnpm::OPENS, follows: &[], reader: || Box::<pnpm::Pnpm>::default() },
    Tool { kind: CacheType::Uv, opens: uv::OPENS, follows: &[], reader: || Box::<uv::Uv>::default() },
    Tool { kind: CacheType::Pip, opens: pip::OPENS, follows: &[], reader: || Box::<pip::Pip>::default() },
    Tool {
        kind: CacheType::Sccache,
        opens: sccache::OPENS,
        follows: &[],
        reader: || Box::<sccache::Sccache>::default(),
    },
    Tool {
        kind: CacheType::Ccache,
        opens: ccache::OPENS,
        follows: ccache::FOLLOWS,
        reader: || Box::<ccache::Ccache>::default(),
    },
    Tool { kind: CacheType::Go, opens: go::OPENS, follows: &[], reader: || Box::<go::Go>::default() },
    Tool {
        kind: CacheType::Turbo,
        opens: turbo::OPENS,
        follows: &[],
        reader: || Box::<turbo::Turbo>::default(),
    },
];
const BUILDKIT: usize = 0;
const TURBO: usize = 9;
/// Where the output of an earlier run begins and ends.
const REPLAY: u16 = 1 << 14;

/// The tools' openings, added to `marks`.
pub(super) const fn openings(mut marks: Marks) -> Marks {
    let mut at = 0;
    while at < TOOLS.len() {
        marks = marks.with(TOOLS[at].opens, 1 << at);
        at += 1;
    }
    marks.with(replay::OPENS, REPLAY)
}

/// What may follow them, added to `marks`.
pub(super) const fn follow_ups(mut marks: Marks) -> Marks {
    let mut at = 0;
    while at < TOOLS.len() {
        marks = marks.with(TOOLS[at].follows, 1 << at);
        at += 1;
    }
    marks
}

/// The tools of a job; a reader is made when its tool is first heard.
#[derive(Debug, Default)]
pub(super) struct Tools {
    readers: [Option<Box<dyn Reader>>; TOOLS.len()],
    replay: Replay,
    goes_on: bool,
}

impl Tools {
    /// Some report has been begun.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// What a task says may have its name before it.
    pub(super) fn hears_tasks(&self) -> bool {
        self.replay.hears_tasks()
    }

    /// A line of a script.
    pub(super) fn hear(&mut self, text: &[u8], events: &mut Vec<CacheEvent>) {
        let text = &*without_colours(text);
        if self.replay.hear(text) {
            return;
        }
        if matches!(text, [b'#', b'0'..=b'9', ..]) {
            return self.tell(BUILDKIT, text, events);
        }
        if let Some(says) = turbo::without_name(text).filter(|_| self.replay.hears_tasks()) {
            return self.tell(TURBO, says, events);
        }
        let Some(head) = text.first_chunk() else { return };
        let meant = marks::GOING_ON.readers(*head);
        for at in (0..TOOLS.len()).filter(|at| meant >> at & 1 == 1) {
            self.tell(at, text, events);
        }
    }

    /// A line of an action that builds an image.
    pub(super) fn hear_build(&mut self, text: &[u8], events: &mut Vec<CacheEvent>) {
        if text.starts_with(b"#") {
            self.tell(BUILDKIT, text, events);
        }
    }

    fn tell(&mut self, at: usize, text: &[u8], events: &mut Vec<CacheEvent>) {
        let reader = self.readers[at].get_or_insert_with(TOOLS[at].reader);
        let tally = reader.hear(text);
        self.goes_on = self.readers.iter().flatten().any(|reader| reader.goes_on());
        push(at, tally, events);
    }

    /// The step is over.
    pub(super) fn end_step(&mut self, events: &mut Vec<CacheEvent>) {
        for (at, reader) in self.readers.iter_mut().enumerate() {
            if let Some(reader) = reader {
                push(at, reader.end_step(), events);
            }
        }
        self.replay = Replay::default();
        self.goes_on = false;
    }
}

fn push(at: usize, tally: Tally, events: &mut Vec<CacheEvent>) {
    if tally.total() > 0 {
        events.push(CacheEvent { kind: TOOLS[at].kind.clone(), tally });
    }
}

/// Without `ESC [ … m`.
fn without_colours(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\x1b', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::new();
    let mut rest = &text[..text.len().min(COLOURED)];
    while let Some(at) = memchr::memchr(b'\x1b', rest) {
        plain.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.starts_with(b"[").then(|| memchr::memchr(b'm', after)).flatten();
        rest = end.map_or(after, |end| &after[end + 1..]);
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}
