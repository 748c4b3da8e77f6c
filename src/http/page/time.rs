//! Durations are told in the two units that matter, times as they were and how long ago that is.

use crate::domain::in_words::{DAY, HOUR, MINUTE, whole};
use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use std::time::Duration;

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
