//! Bytes become lines here and nowhere else: whatever the writes were cut into, a line ends at `\n` and only there.

/// Longest line kept whole. Of a longer one the first `HEAD` and the last `TAIL` bytes remain, since a completion line
/// has its verdict at its end.
pub const CAP: usize = 64 * 1024;
const TAIL: usize = 4 * 1024;
const HEAD: usize = CAP - TAIL;

/// One line without its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes; not necessarily UTF-8.
    pub bytes: &'a [u8],
    /// Its middle was dropped.
    pub truncated: bool,
}

/// A push decoder: feed it what was read, it calls back once per complete line. Holds at most [`CAP`] + 8 KiB.
#[derive(Debug, Default)]
pub struct LineDecoder {
    head: Vec<u8>,
    tail: Vec<u8>,
    truncated: bool,
    started: bool,
}

impl LineDecoder {
    /// Takes the next bytes of the stream; `sink` sees every line they complete, in order.
    pub fn push(&mut self, chunk: &[u8], mut sink: impl FnMut(Line<'_>)) {
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (part, next) = (&rest[..end], &rest[end + 1..]);
            if self.head.is_empty() && part.len() <= CAP {
                sink(Line { bytes: self.trim(part), truncated: false });
            } else {
                self.hold(part);
                self.release(&mut sink);
            }
            rest = next;
        }
        self.hold(rest);
    }

    /// The stream has ended: a last line without a line end is a line too.
    pub fn finish(&mut self, mut sink: impl FnMut(Line<'_>)) {
        if !self.head.is_empty() {
            self.release(&mut sink);
        }
    }

    fn hold(&mut self, mut bytes: &[u8]) {
        if !self.truncated {
            let room = CAP - self.head.len();
            if bytes.len() <= room {
                self.head.extend_from_slice(bytes);
                return;
            }
            self.truncated = true;
            self.tail.extend_from_slice(&self.head[HEAD.min(self.head.len())..]);
            if self.head.len() < HEAD {
                let (fits, more) = bytes.split_at(HEAD - self.head.len());
                self.head.extend_from_slice(fits);
                bytes = more;
            }
            self.head.truncate(HEAD);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    fn release(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        let mut line = std::mem::take(&mut self.head);
        line.append(&mut self.tail);
        let truncated = std::mem::take(&mut self.truncated);
        sink(Line { bytes: self.trim(&line), truncated });
        line.clear();
        self.head = line;
    }

    /// Drops the CR of a CRLF, and a byte order mark at the very start of the stream.
    fn trim<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let first = !std::mem::replace(&mut self.started, true);
        if first { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Vec::new();
        let mut decoder = LineDecoder::default();
        for chunk in chunks {
            decoder.push(chunk, |l| lines.push((l.bytes.to_vec(), l.truncated)));
        }
        decoder.finish(|l| lines.push((l.bytes.to_vec(), l.truncated)));
        lines
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        decode(chunks).into_iter().map(|(l, _)| String::from_utf8_lossy(&l).into_owned()).collect()
    }

    #[test]
    fn a_line_is_what_stands_between_two_newlines_however_it_was_written() {
        assert_eq!(texts(&[b"one\ntwo\n"]), ["one", "two"]);
        assert_eq!(texts(&[b"o", b"", b"ne", b"\ntw", b"o\n"]), ["one", "two"]);
        assert_eq!(texts(&["√ ".as_bytes(), b"Connected\n"]), ["√ Connected"]);
        assert_eq!(texts(&[b"\n\n"]), ["", ""]);
    }

    #[test]
    fn crlf_bom_and_a_missing_last_newline_are_tolerated() {
        assert_eq!(texts(&[b"\xEF\xBB\xBFone\r\ntwo\r\nthr", b"ee"]), ["one", "two", "three"]);
        assert_eq!(texts(&[b"a\rb\n"]), ["a\rb"], "a lone CR is part of the line");
        assert_eq!(texts(&[b"x\n\xEF\xBB\xBFy\n"]), ["x", "\u{feff}y"], "a BOM is one only at the start");
    }

    #[test]
    fn of_a_huge_line_the_head_and_the_tail_remain() {
        let mut huge = vec![b'a'; 1024 * 1024];
        huge.extend_from_slice(b" completed with result: Failed\nnext\n");
        for step in [huge.len(), 4096, 1000, 7] {
            let chunks: Vec<&[u8]> = huge.chunks(step).collect();
            let lines = decode(&chunks);
            assert_eq!(lines.len(), 2, "chunks of {step}");
            assert!(lines[0].1 && lines[0].0.len() == CAP);
            assert!(lines[0].0.ends_with(b" completed with result: Failed"));
            assert_eq!(lines[1], (b"next".to_vec(), false));
        }
    }

    proptest! {
        #[test]
        fn the_cuts_between_writes_never_matter(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1usize..40) {
            let whole = decode(&[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(whole, decode(&pieces));
        }
    }
}
