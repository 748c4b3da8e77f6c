//! Durations are told in the two units that matter, times as they were and how long ago that is.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `3.2 s`, `12 s`, `4 min 05 s`, `1 h 02 min`, `3 d 04 h`: rounded below a minute, then cut.
pub(super) fn span(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 100 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    if duration < Duration::from_millis(59_500) {
        return format!("{} s", (duration.as_millis() + 500) / 1000);
    }
    whole(duration.max(Duration::from_secs(MINUTE)))
}

/// The same in whole seconds, cut: for what goes on.
pub(super) fn whole(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min {:02} s", seconds / MINUTE, seconds % MINUTE),
        HOUR..DAY => format!("{} h {:02} min", seconds / HOUR, seconds % HOUR / MINUTE),
        _ => format!("{} d {:02} h", seconds / DAY, seconds % DAY / HOUR),
    }
}

/// A bucket's bound: `10 s`, `5 min`, `1 h`; the full form if it is no round number of these.
pub(super) fn bound(seconds: f64) -> String {
    let Ok(duration) = Duration::try_from_secs_f64(seconds) else { return format!("{seconds} s") };
    let whole_seconds = duration.as_secs();
    match whole_seconds {
        _ if duration.subsec_nanos() > 0 => format!("{seconds} s"),
        DAY.. if whole_seconds.is_multiple_of(DAY) => format!("{} d", whole_seconds / DAY),
        HOUR.. if whole_seconds.is_multiple_of(HOUR) => format!("{} h", whole_seconds / HOUR),
        MINUTE.. if whole_seconds.is_multiple_of(MINUTE) => format!("{} min", whole_seconds / MINUTE),
        _ => whole(duration),
    }
}

/// From `then` to `now`; nothing if a clock went backwards.
pub(super) fn between(then: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - then).to_std().unwrap_or_default()
}

/// `12 min 03 s ago`, `in 30 s`.
pub(super) fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at > now {
        format!("in {}", whole(between(now, at)))
    } else {
        format!("{} ago", whole(between(at, now)))
    }
}

/// Day and time with the zone: `2026-11-23 02:51:13 UTC`.
pub(super) fn stamp(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(machine(at)) { (at.format("%Y-%m-%d %H:%M:%S")) " UTC" } }
}

/// The same and how far from now.
pub(super) fn stamp_and_distance(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { (stamp(at)) " (" (relative(at, now)) ")" }
}

pub(super) fn machine(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_two_units() {
        for (millis, want) in [
            (0, "0.0 s"),
            (49, "0.0 s"),
            (50, "0.1 s"),
            (9_949, "9.9 s"),
            (9_950, "10 s"),
            (59_499, "59 s"),
            (59_500, "1 min 00 s"),
            (60_000, "1 min 00 s"),
            (245_000, "4 min 05 s"),
            (3_599_999, "59 min 59 s"),
            (3_600_000, "1 h 00 min"),
            (3_720_000, "1 h 02 min"),
            (86_399_000, "23 h 59 min"),
            (86_400_000, "1 d 00 h"),
            (273_600_000, "3 d 04 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), want, "{millis} ms");
        }
        assert_eq!(whole(Duration::from_millis(999)), "0 s");
        assert_eq!(whole(Duration::MAX), "213503982334601 d 07 h");
    }

    #[test]
    fn bounds_are_round_where_they_can_be() {
        for (seconds, want) in [
            (0.5, "0.5 s"),
            (10.0, "10 s"),
            (60.0, "1 min"),
            (90.0, "1 min 30 s"),
            (1800.0, "30 min"),
            (5400.0, "90 min"),
            (14_400.0, "4 h"),
            (172_800.0, "2 d"),
            (1e300, &format!("{} s", 1e300)),
        ] {
            assert_eq!(bound(seconds), want);
        }
    }

    #[test]
    fn distances_have_a_direction() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range");
        assert_eq!(relative(at(0), at(75)), "1 min 15 s ago");
        assert_eq!(relative(at(30), at(0)), "in 30 s");
        assert_eq!(relative(at(0), at(0)), "0 s ago");
        assert_eq!(between(at(5), at(0)), Duration::ZERO);
        assert_eq!(
            stamp(at(0)).into_string(),
            "<time datetime=\"2027-01-15T08:00:00Z\">2027-01-15 08:00:00 UTC</time>"
        );
    }
}
