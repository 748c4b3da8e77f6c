//! Charts of the status page. Durations drawn: each job a stroke, each bucket a bar; what a picture shows its text
//! alternative says.

use super::time::bound;
use crate::domain::in_words::{DAY, HOUR, MINUTE, span};
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::totals::Buckets;
use maud::{Markup, html};
use std::fmt::Write as _;
use std::time::Duration;

/// Units of the drawing: a stroke's place, and the height of the longest.
const STEP: usize = 10;
const PLACES: usize = 50;
const HEIGHT: u32 = 100;
/// A histogram's row, and the longest bar.
const ROW: usize = 15;
const LABEL: usize = 104;
const BAR: u64 = 180;

/// How long the last jobs took, one by one and how often; nothing if that is not known of any.
pub(super) fn durations(recent: &[JobRecord], bounds: &[f64]) -> Markup {
    let known: Vec<(JobStatus, Duration)> = recent.iter().filter_map(ended).collect();
    let mut sorted: Vec<Duration> = known.iter().map(|(_, duration)| *duration).collect();
    sorted.sort_unstable();
    let (Some(shortest), Some(longest)) = (sorted.first(), sorted.last()) else { return html! {} };
    html! {
        section #durations aria-labelledby="durations-are" {
            h2 #durations-are { "Durations of the last jobs" }
            figure {
                @let top = top(quantile(&sorted, 90), *longest);
                (strokes(&known, top))
                figcaption {
                    "Oldest to newest. Shortest " (span(*shortest)) ", median " (span(quantile(&sorted, 50)))
                    ", 90 % within " (span(quantile(&sorted, 90))) ", longest " (span(*longest)) "."
                    @if *longest > top { " What is longer than the scale is cut, with a notch." }
                }
            }
            figure {
                (histogram(&sorted, bounds))
                figcaption { "Each job counts in one bucket." }
            }
        }
    }
}

fn ended(row: &JobRecord) -> Option<(JobStatus, Duration)> {
    match row.status {
        RowStatus::Running => None,
        RowStatus::Finished(status) => row.duration.map(|duration| (status, duration)),
    }
}

/// Nearest rank; `sorted` is not empty.
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// Where the scale ends: a time that halves well, above the longest, or above most where a few would flatten all others.
fn top(most: Duration, longest: Duration) -> Duration {
    const ROUND: [u64; 22] = [
        1,
        2,
        4,
        6,
        10,
        20,
        30,
        40,
        MINUTE,
        2 * MINUTE,
        4 * MINUTE,
        6 * MINUTE,
        10 * MINUTE,
        20 * MINUTE,
        30 * MINUTE,
        40 * MINUTE,
        HOUR,
        2 * HOUR,
        4 * HOUR,
        8 * HOUR,
        12 * HOUR,
        DAY,
    ];
    let shown = if longest > most * 3 && !most.is_zero() { most } else { longest };
    let round = ROUND.into_iter().map(Duration::from_secs).find(|round| *round >= shown);
    round.unwrap_or_else(|| Duration::from_secs(shown.as_secs().div_ceil(2 * DAY) * 2 * DAY))
}

fn strokes(known: &[(JobStatus, Duration)], top: Duration) -> Markup {
    let shown = &known[known.len().saturating_sub(PLACES)..];
    let placed = || (PLACES - shown.len()..).map(|place| place * STEP + STEP / 2).zip(shown);
    let path = |wanted: JobStatus| {
        let mut path = String::new();
        for (x, (_, duration)) in placed().filter(|(_, (status, _))| *status == wanted) {
            let _ = write!(path, "M{x} {HEIGHT}v-{}", height(*duration, top));
        }
        path
    };
    let paths = JobStatus::ALL.map(|status| (status, path(status)));
    let mut notches = String::new();
    for (x, _) in placed().filter(|(_, (_, duration))| *duration > top) {
        let _ = write!(notches, "M{} 9l8-4", x - 4);
    }
    let half = HEIGHT / 2;
    let [most, middle] = [top, top / 2].map(|at| bound(at.as_secs_f64()));
    let label = format!("Bars: the durations of the last {} jobs, on a scale up to {most}", shown.len());
    html! {
        div.bars {
            ul.scale aria-hidden="true" { li { (most) } li { (middle) } li { "0" } }
            svg.strokes viewBox={ "0 0 " (PLACES * STEP) " " (HEIGHT + 2) } preserveAspectRatio="none" role="img" aria-label=(label) {
                path.base d={ "M0 1H" (PLACES * STEP) "M0 " (half) "H" (PLACES * STEP) "M0 " (HEIGHT + 1) "H" (PLACES * STEP) } {}
                @for (status, path) in paths.iter().filter(|(_, path)| !path.is_empty()) {
                    path class=(status.as_str()) d=(path) {}
                }
                @if !notches.is_empty() { path.notch d=(notches) {} }
            }
        }
        ul.legend aria-label="Colours" {
            @for (status, _) in paths.iter().filter(|(_, path)| !path.is_empty()) {
                li { span.mark.(status.as_str()) {} " " (status.as_str()) }
            }
        }
    }
}

/// At least a trace: a short job is a job.
fn height(duration: Duration, top: Duration) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to HEIGHT")]
    let height = (duration.as_secs_f64() / top.as_secs_f64() * f64::from(HEIGHT)).round() as u32;
    height.clamp(2, HEIGHT)
}

fn histogram(durations: &[Duration], bounds: &[f64]) -> Markup {
    let mut buckets = Buckets::new(bounds.to_vec());
    for duration in durations {
        buckets.observe(*duration);
    }
    let last = buckets.bounds.last().map(|last| format!("> {}", bound(*last))).unwrap_or_default();
    let labels = buckets.bounds.iter().map(|upper| format!("≤ {}", bound(*upper))).chain([last]);
    let mut rows: Vec<(String, u64)> = labels.zip(buckets.cells.iter().map(|cell| cell.count)).collect();
    // Those beyond the shortest and the longest say nothing.
    let is_used = |(_, count): &(String, u64)| *count > 0;
    rows.truncate(rows.iter().rposition(is_used).map_or(0, |last| last + 1));
    rows.drain(..rows.iter().position(is_used).unwrap_or(0));
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let counted =
        rows.iter().filter(|(_, count)| *count > 0).map(|(label, count)| format!("{label}: {count}"));
    let alternative = counted.collect::<Vec<_>>().join(", ");
    html! {
        svg.histogram viewBox={ "0 0 " (LABEL + 220) " " (rows.len() * ROW) } role="img"
            aria-label={ "Jobs by duration: " (alternative) } {
            @for (at, (label, count)) in rows.iter().enumerate() {
                @let width = (count * BAR).div_ceil(most);
                text x=(LABEL - 8) y=(at * ROW + 11) text-anchor="end" { (label) }
                rect x=(LABEL) y=(at * ROW + 2) width=(width.max(1)) height=(ROW - 4) {}
                @if *count > 0 {
                    text.count x=(LABEL as u64 + width + 6) y=(at * ROW + 11) { (count) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: JobStatus, seconds: Option<u64>) -> JobRecord {
        JobRecord {
            status: RowStatus::Finished(status),
            duration: seconds.map(Duration::from_secs),
            ..JobRecord::blank()
        }
    }

    #[test]
    fn a_duration_on_a_bound_is_in_its_bucket_and_the_last_is_open() {
        let durations = [9, 10, 11, 60, 61].map(Duration::from_secs);
        let drawn = histogram(&durations, &[10.0, 60.0]).into_string();
        assert!(
            drawn.contains("aria-label=\"Jobs by duration: ≤ 10 s: 2, ≤ 1 min: 2, &gt; 1 min: 1\""),
            "{drawn}"
        );
        assert_eq!(drawn.matches("<rect").count(), 3);
        assert!(drawn.contains("width=\"180\"") && drawn.contains("width=\"90\""), "{drawn}");
    }

    #[test]
    fn an_empty_bucket_between_others_is_a_line_without_a_number() {
        let durations = [11, 3601].map(Duration::from_secs);
        let drawn = histogram(&durations, &[10.0, 60.0, 600.0, 3600.0, 7200.0, 14_400.0]).into_string();
        assert_eq!((drawn.matches("width=\"1\"").count(), drawn.matches("class=\"count\"").count()), (2, 2));
        assert!(!drawn.contains("≤ 10 s") && !drawn.contains("≤ 4 h"), "nothing beyond the two: {drawn}");
    }

    #[test]
    fn strokes_stand_at_the_right_and_keep_their_status() {
        let known = [(JobStatus::Success, Duration::from_secs(50)), (JobStatus::Failed, Duration::ZERO)];
        let drawn = strokes(&known, Duration::from_secs(50)).into_string();
        assert!(drawn.contains("class=\"success\" d=\"M485 100v-100\""), "{drawn}");
        assert!(drawn.contains("class=\"failed\" d=\"M495 100v-2\""), "{drawn}");
        assert!(!drawn.contains("skipped") && !drawn.contains("notch"));
        assert_eq!(height(Duration::ZERO, Duration::from_secs(1)), 2);
    }

    #[test]
    fn one_that_takes_for_ever_flattens_no_other() {
        let scale = |most, longest| top(Duration::from_secs(most), Duration::from_secs(longest)).as_secs();
        assert_eq!([scale(200, 500), scale(200, 700), scale(0, 3), scale(0, 0)], [600, 240, 4, 1]);
        assert_eq!([scale(90_000, 90_000), scale(200_000, 200_000)], [2 * DAY, 4 * DAY]);
        let known = [60, 120, 36_000].map(|seconds| (JobStatus::Success, Duration::from_secs(seconds)));
        let drawn = strokes(&known, Duration::from_secs(240)).into_string();
        assert!(drawn.contains("M475 100v-25M485 100v-50M495 100v-100"), "{drawn}");
        assert!(drawn.contains("class=\"notch\" d=\"M491 9l8-4\""), "{drawn}");
        assert!(drawn.contains("<li>4 min</li><li>2 min</li><li>0</li>"), "{drawn}");
    }

    #[test]
    fn what_is_not_known_is_not_drawn() {
        assert_eq!(durations(&[row(JobStatus::Abandoned, None)], &[10.0]).into_string(), "");
        let one = durations(&[row(JobStatus::Success, Some(60)), row(JobStatus::Abandoned, None)], &[10.0]);
        assert!(one.into_string().contains("last 1 jobs"));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let sorted: Vec<Duration> = (1..=10).map(Duration::from_secs).collect();
        assert_eq!([0, 50, 90, 100].map(|p| quantile(&sorted, p).as_secs()), [1, 5, 9, 10]);
        assert_eq!(quantile(&sorted[..1], 90).as_secs(), 1);
    }
}
