//! The jobs section of the status page. What the runner has done: how much of it succeeded, what its caches had, and
//! the last jobs one by one.

use super::job::path;
use super::sanitize::{NAME, OTHER, unknown, untrusted};
use super::section;
use super::state::moment;
use super::timeline::{longest, timeline};
use crate::domain::in_words::span;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::status::Status;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use std::time::Duration;

/// Steps of the newest job that are shown among the jobs.
const STEPS: usize = 12;

/// Ratios, each with the numbers it is made of; what has none is absent, and all of it if there is none.
pub(super) fn numbers(status: &Status) -> Markup {
    let recent = JobStatus::ALL.map(|wanted| {
        status.recent.iter().filter(|row| row.status == RowStatus::Finished(wanted)).count() as u64
    });
    let [succeeded, failed, ..] = status.finished;
    if succeeded + failed == 0 && status.caches.is_empty() {
        return html! {};
    }
    html! {
        section #numbers aria-labelledby="numbers-are" {
            h2 #numbers-are { "Success and caches" }
            ul.numbers {
                (success(&format!("of the last {} jobs", status.recent.len()), recent))
                (success("of all in the job log", status.finished))
                @for cache in status.caches.iter() {
                    li {
                        span.what { "cache " (cache.kind.as_str()) }
                        b { (percent(cache.hits.into(), cache.requests.into())) }
                        span.of {
                            (cache.hits) (if cache.hits == 1 { "\u{a0}hit" } else { "\u{a0}hits" }) ", last\u{a0}"
                            (cache.requests) (if cache.requests == 1 { " request" } else { " requests" })
                        }
                    }
                }
            }
        }
    }
}

/// Only a success or a failure says anything of success, as in the dashboards.
fn success(of: &str, [success, failed, rest @ ..]: [u64; 5]) -> Markup {
    let others = JobStatus::ALL.into_iter().skip(2).zip(rest).filter(|(_, count)| *count > 0);
    html! {
        @if success + failed > 0 {
            li {
                span.what { "success " (of) }
                b { (percent(success, success + failed)) }
                span.of {
                    (success) "\u{a0}success, " (failed) "\u{a0}failed"
                    @for (status, count) in others { ", " (count) "\u{a0}" (status.as_str()) }
                }
            }
        }
    }
}

/// Rounded, but 100 % and 0 % mean all and none.
fn percent(part: u64, whole: u64) -> String {
    let rounded = (part * 100 + whole / 2) / whole;
    let honest = match rounded {
        100 if part < whole => 99,
        0 if part > 0 => 1,
        other => other,
    };
    format!("{honest} %")
}

/// The last finished jobs, newest first.
pub(super) fn table(recent: &[JobRecord], now: DateTime<Utc>) -> Markup {
    let nothing = recent.is_empty().then_some("No job has ended yet.");
    let names = ["Status", "Job", "Workflow", "Repository", "Duration", "Queued", "Finished"];
    let rows = recent.iter().rev().map(|job| row(job, now));
    section("jobs", "Last jobs", nothing, &super::table(&names, rows))
}

/// The newest job's steps, folded; nothing if nobody knows them.
pub(super) fn last_steps(status: &Status) -> Markup {
    let last = status.recent.last();
    let known = last.and_then(|job| Some((job, status.steps.of(job)?)));
    html! {
        @if let Some((job, known)) = known {
            @if let Some(longest) = longest(known) {
                section #last aria-labelledby="last-is" {
                    h2 #last-is { "Steps of the last job" }
                    details #last-steps {
                        summary { (named(job.job_name.as_deref(), NAME)) ": " (known.steps.len()) " steps, the longest " (longest) }
                        (timeline(known, STEPS, OTHER))
                        p { a href={ "jobs/" (path(job)) } { "All of this job" } }
                    }
                }
            }
        }
    }
}

fn row(job: &JobRecord, now: DateTime<Utc>) -> Markup {
    html! {
        tr {
            td { (status(job.status)) }
            th scope="row" { a href={ "jobs/" (path(job)) } { (named(job.job_name.as_deref(), NAME)) } }
            td { (named(job.context.workflow.as_deref(), OTHER)) }
            td { (named(job.context.repository.as_deref(), OTHER)) }
            td { (length(job.duration)) }
            td { (length(job.queue_time)) }
            td { (moment(job.timestamp, now)) }
        }
    }
}

fn named(text: Option<&str>, limit: usize) -> Markup {
    untrusted(text.unwrap_or_default(), limit)
}

fn length(duration: Option<Duration>) -> Markup {
    html! { @match duration { Some(duration) => (span(duration)), None => (unknown()) } }
}

/// A colour, an icon and the word.
pub(super) fn status(status: RowStatus) -> Markup {
    let (icon, word) = match status {
        RowStatus::Running => ("…", "running"),
        RowStatus::Finished(status) => (glyph(status), status.as_str()),
    };
    html! { span.mark.(word) aria-hidden="true" { (icon) } " " (word) }
}

fn glyph(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Success => "✓",
        JobStatus::Failed => "✗",
        JobStatus::Cancelled => "⊘",
        JobStatus::Skipped => "»",
        JobStatus::Abandoned => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_none_are_not_rounded_to() {
        for (part, whole, want) in [
            (0, 1, "0 %"),
            (1, 1, "100 %"),
            (1, 2, "50 %"),
            (2, 3, "67 %"),
            (999, 1000, "99 %"),
            (1, 1000, "1 %"),
        ] {
            assert_eq!(percent(part, whole), want);
        }
    }

    #[test]
    fn without_a_success_or_a_failure_there_is_no_ratio() {
        assert_eq!(success("of all", [0, 0, 3, 1, 1]).into_string(), "");
        let shown = success("of all", [3, 1, 0, 0, 2]).into_string();
        assert!(
            shown.contains("<b>75 %</b>")
                && shown.contains("3\u{a0}success, 1\u{a0}failed, 2\u{a0}abandoned"),
            "{shown}"
        );
    }
}
