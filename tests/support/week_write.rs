//! Samples enter Prometheus as a scrape's would: in time order, stale markers included, through its remote-write door.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use super::week_board::Series;
use super::wire::Wire;
use std::collections::BTreeMap;

/// A kept connection to the receiver.
pub struct Writer(Wire);

impl Writer {
    pub fn to(address: &str) -> Writer {
        Writer(Wire::to(address).expect("Prometheus listens"))
    }

    /// Sends one request of the protocol; it is stored when this returns.
    pub fn send(&mut self, request: &[u8]) {
        let body = snappy(request);
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-protobuf\r\n\
             Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0.send(head).and_then(|()| self.0.send(body)).expect("it reads");
        // Success has no body.
        let status = self.0.answer(true).expect("an answer").status;
        assert_eq!(status, 204, "the samples were refused");
    }
}

/// `WriteRequest` of the protocol, version 1: takes the samples of these series.
pub fn request<'a>(series: impl Iterator<Item = &'a mut Series>) -> Vec<u8> {
    let mut out = Vec::new();
    for series in series.filter(|series| !series.samples.is_empty()) {
        add(&mut out, &series.labels, &series.samples);
        series.samples.clear();
    }
    out
}

/// One series more of a request.
pub fn add(out: &mut Vec<u8>, labels: &BTreeMap<String, String>, samples: &[(i64, f64)]) {
    let mut one = Vec::with_capacity(256 + 18 * samples.len());
    for (name, value) in labels {
        one.push(0x0a);
        varint(&mut one, text_len(name) + text_len(value));
        text(&mut one, 0x0a, name);
        text(&mut one, 0x12, value);
    }
    for (at, value) in samples {
        one.extend_from_slice(&sample(u64::try_from(*at).expect("after 1970"), *value));
    }
    out.push(0x0a);
    varint(out, one.len());
    out.extend_from_slice(&one);
}

/// A time between 2004 and 2109 has six bytes as a varint; millions of them are made by an unoptimised program.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn sample(at: u64, value: f64) -> [u8; 18] {
    let more = |shift: u32| (at >> shift) as u8 | 0x80;
    let mut out =
        [0x12, 16, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, more(0), more(7), more(14), more(21), more(28), 0];
    out[3..11].copy_from_slice(&value.to_le_bytes());
    out[17] = (at >> 35) as u8;
    out
}

/// Tag, length and bytes; every text here is short.
fn text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    varint(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn text_len(text: &str) -> usize {
    1 + small(&mut [0; 10], text.len() as u64).len() + text.len()
}

fn varint(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(small(&mut [0; 10], value as u64));
}

fn small(buffer: &mut [u8; 10], mut value: u64) -> &[u8] {
    let mut len = 0;
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        buffer[len] = if value > 0 { low | 0x80 } else { low };
        len += 1;
        if value == 0 {
            return &buffer[..len];
        }
    }
}

/// The block format allows one literal for everything: it asks for the container, not for the saving.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    varint(&mut out, bytes.len());
    out.push(63 << 2);
    let last = u32::try_from(bytes.len() - 1).expect("below 4 GiB and not empty");
    out.extend_from_slice(&last.to_le_bytes());
    out.extend_from_slice(bytes);
    out
}
