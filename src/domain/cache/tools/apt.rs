//! apt says what it needs before it asks, but a run counts only by what happens then: one that fetched nothing, and files
//! that lay on the disk, are no requests.
//!
//! `Need to get 79 kB/436 kB of archives.` (apt-get, and apt before 2.9), `  Download size: 79 kB / 436 kB` (apt since then):
//! what is missing, of all; `Get:1 URL SUITE/COMPONENT ARCH NAME ARCH VERSION [79 kB]` (apt `apt-private/private-install.cc`,
//! `acqprogress.cc`). A quiet run says nothing of its fetches: what it unpacks proves them.

use super::super::{CacheResult, Tally};
use super::{Reader, words};

pub(super) const OPENS: &[[u8; 4]] = &[*b"Need", *b"  Do"];
pub(super) const FOLLOWS: &[[u8; 4]] = &[
    *b"Get:", *b"Fetc", *b"Sele", *b"Prep", *b"Unpa", *b"E: F", *b"E: U", *b"E: T", *b"E: A", *b"Erro",
    *b"Do y",
];
/// A line of an archive has seven words before its size; one of `apt-get update` has five at most.
const ARCHIVE_WORDS: usize = 7;
/// What ends a run before anything was fetched, after `E: ` or apt 3's `Error: `.
const FAILED: [&[u8]; 4] =
    [b"Failed to fetch", b"Unable to fetch", b"There were unauthenticated packages", b"Aborting"];

/// A size as it was printed, and how far off it may be.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    bytes: u64,
    within: u64,
}

/// A run whose end is not known yet.
#[derive(Debug)]
struct Run {
    missing: Size,
    all: Option<Size>,
    /// Files on the disk that were named in the command.
    own: Size,
    /// Something came over the wire.
    fetched: bool,
}

/// The run at hand.
#[derive(Debug, Default)]
pub(super) struct Apt(Option<Run>);

impl Reader for Apt {
    fn hear(&mut self, text: &[u8]) -> Tally {
        if let Some((missing, all)) = needs(text) {
            let before = self.over();
            self.0 = Some(Run { missing, all, own: Size::default(), fetched: false });
            return before;
        }
        let Some(run) = &mut self.0 else { return Tally::default() };
        if text.starts_with(b"Get:") {
            run.gets(text);
            return Tally::default();
        }
        let unpacks =
            [&b"Selecting previously unselected package "[..], b"Preparing to unpack ", b"Unpacking "]
                .iter()
                .any(|start| text.starts_with(start));
        if unpacks {
            // Without a word of a fetch it was a quiet run: the archives are there, so they have come.
            run.fetched = true;
        }
        if unpacks || run.fetched && text.starts_with(b"Fetched ") {
            return self.over();
        }
        if is_refusal(text) {
            self.0 = None;
        }
        Tally::default()
    }

    fn goes_on(&self) -> bool {
        self.0.is_some()
    }

    fn end_step(&mut self) -> Tally {
        self.over()
    }
}

impl Apt {
    /// The run has ended, or another begins.
    fn over(&mut self) -> Tally {
        self.0.take().and_then(|run| run.result()).map_or(Tally::default(), Tally::one)
    }
}

impl Run {
    fn gets(&mut self, text: &[u8]) {
        let open = memchr::memrchr(b'[', text).unwrap_or(text.len());
        let mut names = text[..open].split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let is_own =
            names.clone().nth(1).is_some_and(|uri| uri.starts_with(b"/") || uri.starts_with(b"file:"));
        if is_own {
            let size =
                text[open..].strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).and_then(size);
            self.own.bytes = self.own.bytes.saturating_add(size.unwrap_or_default().bytes);
        } else if names.nth(ARCHIVE_WORDS - 1).is_some() {
            self.fetched = true;
        }
    }

    /// What lay in the archive is what was not missing, less the files that never go there.
    fn result(&self) -> Option<CacheResult> {
        let all = self.all.unwrap_or(self.missing);
        let rest = all.bytes.saturating_sub(self.missing.bytes).saturating_sub(self.own.bytes);
        let only_rounding = rest <= all.within + self.missing.within;
        let has_some = self.all.is_some() && !(self.own.bytes > 0 && only_rounding);
        match (self.missing.bytes, has_some) {
            (0, _) if self.own.bytes > 0 && only_rounding => None,
            (0, _) => Some(CacheResult::Hit),
            (_, _) if !self.fetched => None,
            (_, true) => Some(CacheResult::Partial),
            (_, false) => Some(CacheResult::Miss),
        }
    }
}

/// What is missing, and if something is there, of how much; aptitude says more on the same line.
fn needs(text: &[u8]) -> Option<(Size, Option<Size>)> {
    let sizes = if let Some(rest) = text.strip_prefix(b"Need to get ") {
        &rest[..memchr::memmem::find(rest, b" of archives.")?]
    } else {
        text.strip_prefix(b"  Download size: ")?
    };
    match memchr::memchr(b'/', sizes) {
        Some(at) => Some((size(&sizes[..at])?, Some(size(&sizes[at + 1..])?))),
        None => Some((size(sizes)?, None)),
    }
}

/// `0 B`, `78.9 kB`, `9,184 kB`, `1 234 kB`: the unit is the last word; three digits and more are printed.
fn size(text: &[u8]) -> Option<Size> {
    let text = text.trim_ascii();
    let unit_at = memchr::memrchr(b' ', text)?;
    let unit: u64 = match &text[unit_at + 1..] {
        b"B" => 1,
        b"kB" => 1_000,
        b"MB" => 1_000_000,
        b"GB" => 1_000_000_000,
        _ => return None,
    };
    let number = &text[..unit_at];
    let (whole, tenths) = match memchr::memchr(b'.', number) {
        Some(at) => {
            (&number[..at], Some(words::only_number(&number[at + 1..]).filter(|tenths| *tenths < 10)?))
        }
        None => (number, None),
    };
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let separates = |byte: &u8| matches!(byte, b',' | b'.' | b' ' | b'\'');
    if whole.is_empty() || whole.len() > 12 || !whole.iter().all(|byte| is_digit(byte) || separates(byte)) {
        return None;
    }
    let whole =
        whole.iter().filter(|byte| is_digit(byte)).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let bytes = whole * unit + u64::from(tenths.unwrap_or(0)) * unit / 10;
    let within = if tenths.is_some() { unit / 10 } else { unit };
    Some(Size { bytes, within: if unit == 1 { 0 } else { within } })
}

fn is_refusal(text: &[u8]) -> bool {
    let error = text.strip_prefix(b"E: ").or_else(|| text.strip_prefix(b"Error: "));
    error.is_some_and(|error| FAILED.iter().any(|start| error.starts_with(start)))
        || text.starts_with(b"Do you want to continue?") && text.ends_with(b" Abort.")
}
