//! Durations and sizes as people read them: in the units that matter, and no more digits than that.

use std::time::Duration;

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// `3.2 s`, `12 s`, `4 min 05 s`, `1 h 02 min`, `3 d 04 h`: rounded below a minute, then cut.
pub fn span(duration: Duration) -> String {
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
pub fn whole(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min {:02} s", seconds / MINUTE, seconds % MINUTE),
        HOUR..DAY => format!("{} h {:02} min", seconds / HOUR, seconds % HOUR / MINUTE),
        _ => format!("{} d {:02} h", seconds / DAY, seconds % DAY / HOUR),
    }
}

/// `812 B`, `3.8 GiB`, `12 MiB`: two digits at least, rounded.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut units = UNITS.iter();
    let mut unit = "B";
    // What is rounded up to the next unit is told in that.
    while tenths >= 10_235 {
        let Some(next) = units.next() else { break };
        (tenths, unit) = ((tenths + 512) / 1024, next);
    }
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (tenths + 5) / 10)
    }
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
    fn sizes_in_the_unit_that_matters() {
        for (bytes, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (4 * (1 << 30) - 1, "4.0 GiB"),
            (1500 << 20, "1.5 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), want, "{bytes}");
        }
    }
}
