//! The table of line prefixes. Most lines are passed over at the first four bytes of their text: which reader a line
//! may be meant for is one look into a table.

use super::tools;

/// Slots of the table: a power of two.
const SLOTS: usize = 1024;
/// What no reader asks for, but [`super::job_log`] itself: a header, and the end of the last step.
const RUNNER: [[u8; 4]; 2] = [*b"##[g", *b"Post"];

/// Readers by the first four bytes of their sentences; a wrong guess costs a closer look, nothing else.
#[derive(Debug)]
pub(super) struct Marks {
    slots: [u16; SLOTS],
    all: bool,
}

/// The mark of what is not for a tool.
const RUNNERS: u16 = 1 << 15;
const NONE: Marks = Marks { slots: [0; SLOTS], all: false };
/// Where every line counts.
pub(super) static ALL: Marks = Marks { slots: [RUNNERS; SLOTS], all: true };
/// Where nobody listens.
pub(super) static NOBODY: Marks = NONE.with(&RUNNER, RUNNERS);
/// In a script: what opens a report of some tool.
pub(super) static OPEN: Marks = tools::openings(NONE.with(&RUNNER, RUNNERS));
/// In a script where a tool has begun a report: what may follow it too.
pub(super) static GOING_ON: Marks = tools::follow_ups(tools::openings(NONE.with(&RUNNER, RUNNERS)));

impl Marks {
    /// These heads are for `readers` too.
    pub(super) const fn with(mut self, heads: &[[u8; 4]], readers: u16) -> Marks {
        let mut at = 0;
        while at < heads.len() {
            self.slots[slot(heads[at])] |= readers;
            at += 1;
        }
        self
    }

    #[inline]
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    /// The readers a text that begins so may be meant for, one bit each.
    #[inline]
    pub(super) fn readers(&self, head: [u8; 4]) -> u16 {
        self.slots[slot(head)]
    }
}

const fn slot(head: [u8; 4]) -> usize {
    (u32::from_le_bytes(head).wrapping_mul(0x9E37_79B1) >> 22) as usize
}

/// The first four bytes after the colours a text begins with.
#[inline]
pub(super) fn head(text: &[u8]) -> Option<[u8; 4]> {
    match text.first_chunk() {
        // One colour of two digits, as most are.
        Some([_, b'[', _, _, b'm', a, b, c, d]) if *a != b'\x1b' => Some([*a, *b, *c, *d]),
        _ => behind(text),
    }
}

fn behind(text: &[u8]) -> Option<[u8; 4]> {
    let mut rest = text;
    while let [b'\x1b', b'[', after @ ..] = rest {
        let end = after.iter().take(16).position(|byte| *byte == b'm')?;
        rest = &after[end + 1..];
    }
    rest.first_chunk().copied()
}
