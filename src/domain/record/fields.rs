//! One field of a row, written and read: what cannot be read is `None`, never a guess.

use super::row::MAX_TEXT;
use super::{JobStatus, RowStatus};
use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Timelike, Utc};
use std::borrow::Cow;
use std::time::Duration;

/// Longest duration of a row: no job takes ten years, more than that is a broken clock.
pub const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn boolean(field: &[u8]) -> Option<bool> {
    match field {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

pub(super) fn status(field: &[u8]) -> Option<RowStatus> {
    const WORDS: [(&str, RowStatus); 12] = [
        ("success", RowStatus::Finished(JobStatus::Success)),
        ("running", RowStatus::Running),
        ("failed", RowStatus::Finished(JobStatus::Failed)),
        ("cancelled", RowStatus::Finished(JobStatus::Cancelled)),
        ("skipped", RowStatus::Finished(JobStatus::Skipped)),
        ("abandoned", RowStatus::Finished(JobStatus::Abandoned)),
        ("succeeded", RowStatus::Finished(JobStatus::Success)),
        ("completed", RowStatus::Finished(JobStatus::Success)),
        ("failure", RowStatus::Finished(JobStatus::Failed)),
        ("canceled", RowStatus::Finished(JobStatus::Cancelled)),
        ("started", RowStatus::Running),
        ("in_progress", RowStatus::Running),
    ];
    WORDS.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(field)).map(|(_, status)| *status)
}

/// A decimal number of bytes that an `i64` holds.
pub(super) fn bytes(field: &[u8]) -> Option<u64> {
    let digits = field.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(field).ok().filter(|_| digits)?.parse().ok().filter(|n| i64::try_from(*n).is_ok())
}

/// Decimal seconds without sign or exponent, cut to milliseconds.
pub(super) fn duration(field: &[u8]) -> Option<Duration> {
    let (whole, fraction) = match memchr::memchr(b'.', field) {
        Some(dot) => (&field[..dot], &field[dot + 1..]),
        None => (field, &b"0"[..]),
    };
    let seconds = digits(whole)?;
    let nanos =
        digits(fraction.get(..9).unwrap_or(fraction))? * 10_u64.pow(9_u32.saturating_sub(length(fraction)));
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Duration::from_millis(seconds.checked_mul(1000)? + nanos / 1_000_000)).filter(|d| *d <= LONGEST)
}

fn length(fraction: &[u8]) -> u32 {
    u32::try_from(fraction.len()).unwrap_or(u32::MAX)
}

/// One to ten digits, so that nothing overflows.
fn digits(field: &[u8]) -> Option<u64> {
    if field.is_empty() || field.len() > 10 {
        return None;
    }
    field.iter().try_fold(0_u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

pub(super) fn instant(field: &[u8]) -> Option<DateTime<Utc>> {
    own_instant(field).or_else(|| any_instant(field))
}

/// As we write it, `2026-11-22T20:18:00.123Z`: nearly every time there is.
fn own_instant(field: &[u8]) -> Option<DateTime<Utc>> {
    let field: &[u8; 24] = field.try_into().ok()?;
    let marks = [4, 7, 10, 13, 16, 19, 23].map(|at| field[at]);
    let number = |from: usize, to: usize| u32::try_from(digits(&field[from..to])?).ok();
    let date = NaiveDate::from_ymd_opt(number(0, 4)?.cast_signed(), number(5, 7)?, number(8, 10)?)?;
    let time = date.and_hms_milli_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?)?;
    (marks == *b"--T::.Z").then_some(time.and_utc())
}

/// As RFC 3339 has it.
fn any_instant(field: &[u8]) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(std::str::from_utf8(field).ok()?).ok()?.to_utc();
    in_range(time).then(|| cut_to_millis(time))
}

/// The predecessor's times: RFC 3339, the same without an offset, or seconds since the epoch.
pub(super) fn old_instant(field: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(field).ok()?;
    let time = instant(field)
        .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|t| t.and_utc()))
        .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok().map(|t| t.and_utc()))
        .or_else(|| DateTime::from_timestamp(i64::try_from(digits(field)?).ok()?, 0))?;
    in_range(time).then(|| cut_to_millis(time))
}

/// RFC 3339 has four digits for the year.
fn in_range(time: DateTime<Utc>) -> bool {
    /// Of the first and the last second of them, in those of Unix.
    const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
    YEARS.contains(&time.timestamp())
}

fn cut_to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    if time.timestamp_subsec_nanos().is_multiple_of(1_000_000) {
        return time;
    }
    time.with_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000).unwrap_or(time)
}

pub(super) fn instant_as_written(time: DateTime<Utc>) -> DateTime<Utc> {
    if in_range(time) { cut_to_millis(time) } else { DateTime::UNIX_EPOCH }
}

pub(super) fn instant_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn duration_as_written(duration: Option<Duration>) -> Option<Duration> {
    let cut = |d: Duration| Duration::new(d.as_secs(), d.subsec_millis() * 1_000_000);
    duration.map(cut).filter(|d| *d <= LONGEST)
}

pub(super) fn duration_text(duration: Option<Duration>) -> String {
    duration.map(|d| format!("{}.{:03}", d.as_secs(), d.subsec_millis())).unwrap_or_default()
}

/// Control characters become spaces, so a row stays one line; what is too long is cut.
pub(super) fn text_as_written(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT && !has_control(text) {
        return Cow::Borrowed(text);
    }
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What a spreadsheet would take for the beginning of a formula, full-width forms included.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Whether there is a formula behind any number of apostrophes.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// The text as its cell has it: an apostrophe before what a spreadsheet would run, and before what looks as if it had one.
pub(super) fn inert(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// `None` if the field is not UTF-8 or holds control characters: our own rows never do.
pub(super) fn text(field: &[u8]) -> Option<&str> {
    let read = std::str::from_utf8(field).ok().filter(|t| !has_control(t))?;
    let read = read.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(read);
    // As many bytes are at most as many characters.
    let cut = if read.len() > MAX_TEXT { read.char_indices().nth(MAX_TEXT) } else { None };
    Some(&read[..cut.map_or(read.len(), |(at, _)| at)])
}

/// Nearly every text is printable ASCII, which is quick to see.
fn has_control(text: &str) -> bool {
    !is_printable(text.as_bytes()) && text.chars().any(char::is_control)
}

/// Whether all bytes are from ` ` to `~`, eight at a time.
fn is_printable(bytes: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let (words, rest) = bytes.as_chunks();
    // The highest bit of a byte shows what is not ASCII, what is below the blank, and what is above `~`; the lowest byte that is
    // none of these borrows and carries nothing.
    let is_plain = |word: u64| {
        let odd = word | word.wrapping_sub(EACH * u64::from(b' ')) | word.wrapping_add(EACH);
        odd & (EACH << 7) == 0
    };
    words.iter().all(|word| is_plain(u64::from_ne_bytes(*word)))
        && rest.iter().all(|byte| (b' '..=b'~').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_quick_looks_see_what_the_slow_ones_see(text in "[ -~]{0,20}[\u{0}-\u{1f} ~\u{7f}é]{0,2}[ -~]{0,20}", at in 0_usize..24, byte: u8, day in 0_u32..2_000_000) {
            prop_assert_eq!(has_control(&text), text.chars().any(char::is_control));
            let time = instant_text(DateTime::UNIX_EPOCH + Duration::from_millis(u64::from(day) * 86_399_999));
            let mut time = time.into_bytes();
            for _ in 0..2 {
                let (quick, slow) = (own_instant(&time), any_instant(&time));
                prop_assert!(quick == slow || quick.is_none(), "{}", String::from_utf8_lossy(&time));
                time[at] = byte;
            }
        }
    }

    #[test]
    fn our_own_times_are_read_quickly() {
        for text in ["2026-11-22T20:18:00.123Z", "0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(own_instant(text.as_bytes()).map(instant_text).as_deref(), Some(text));
        }
        let edges = ["0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"];
        for (edge, beyond) in edges.into_iter().zip([-1, 1]) {
            let time = own_instant(edge.as_bytes()).expect("a time");
            assert!(in_range(time) && !in_range(time + chrono::TimeDelta::milliseconds(beyond)), "{edge}");
        }
        for text in ["2026-02-30T20:18:00.123Z", "2026-11-22 20:18:00.123Z", "+026-11-22T20:18:00.123Z"] {
            assert_eq!(own_instant(text.as_bytes()), None, "{text}");
        }
    }
}
