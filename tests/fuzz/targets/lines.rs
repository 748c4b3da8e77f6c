//! Whatever a stream is cut into, its lines are the same; a line has no line end in it, is bounded, and can be read.

use runner_init::domain::event::Stream;
use runner_init::domain::line::{CAP, LineDecoder};
use runner_init::domain::parse::parse;

pub(super) fn run(bytes: &[u8]) {
    let (cut, bytes) = super::number(bytes);
    // Long lines cost a fuzzer its time: one byte stands for many.
    let stream: Vec<u8> =
        bytes.iter().flat_map(|byte| vec![*byte; if *byte == 0xfe { 30_000 } else { 1 }]).collect();
    let whole = lines(&stream, usize::MAX);
    assert_eq!(whole, lines(&stream, cut.max(1)));
    let written = stream.split_inclusive(|byte| *byte == b'\n').count();
    assert_eq!(whole.len(), written);
    for (line, truncated) in &whole {
        assert!(!line.contains(&b'\n') && line.len() <= CAP);
        // All of it, less a byte order mark and a carriage return.
        assert!(!truncated || line.len() >= CAP - 4);
        for stream in Stream::ALL {
            if let Some(read) = parse(stream, line) {
                assert!(stream == Stream::Stderr || !line.is_empty(), "{read:?}");
                assert!(read.stamp.as_ref().is_none_or(|stamp| stamp.len() == "2026-08-17 13:15:44Z".len()));
            }
        }
    }
}

fn lines(stream: &[u8], cut: usize) -> Vec<(Vec<u8>, bool)> {
    let (mut decoder, mut lines) = (LineDecoder::default(), Vec::new());
    for write in stream.chunks(cut) {
        decoder.push(write, |line| lines.push((line.bytes.to_vec(), line.truncated)));
    }
    decoder.finish(|line| lines.push((line.bytes.to_vec(), line.truncated)));
    lines
}
