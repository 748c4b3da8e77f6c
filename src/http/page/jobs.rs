//! The jobs section of the status page. What the runner has done: how much of it succeeded, what its caches had, and
//! the last jobs one by one.

use super::job::path;
use super::sanitize::{NAME, OTHER, sanitize, unknown, untrusted};
use super::section;
use super::state::{moment, workflow_of};
use super::timeline::{longest, timeline};
use crate::domain::context::Context;
use crate::domain::in_words::span;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::status::Status;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use std::time::Duration;

/// Steps of the newest job that are shown among the jobs.
const STEPS: usize = 12;
/// Characters shown of a branch.
const BRANCH: usize = 24;
/// Digits of a commit, as git shortens it.
const SHORT_SHA: usize = 7;

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
            @if let Some(left_out) = left_out(status.finished) {
                p.of { "Success is of the jobs that ended as success or failed; " (left_out) "." }
            }
        }
    }
}

/// What a ratio of success leaves out, and why; nothing if there is none of it.
fn left_out([_, _, cancelled, skipped, abandoned]: [u64; 5]) -> Option<&'static str> {
    match (cancelled + skipped > 0, abandoned > 0) {
        (false, false) => None,
        (true, false) => Some("cancelled and skipped ones are left out"),
        (false, true) => Some("abandoned ones are left out: nobody told how they ended"),
        (true, true) => {
            Some("cancelled and skipped ones are left out, and abandoned ones: nobody told how they ended")
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

/// Where a row of the table leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<'a> {
    /// Each job has a page of ours.
    pub(super) pages: bool,
    /// Where GitHub's own pages are, if that is known.
    pub(super) server: Option<&'a str>,
}

/// The last finished jobs, newest first.
pub(super) fn table(recent: &[JobRecord], now: DateTime<Utc>, links: Links<'_>) -> Markup {
    let nothing = recent.is_empty().then_some("No job has ended yet.");
    let names = ["Status", "Job", "Workflow", "Repository", "Duration", "Queued", "Finished"];
    let rows = recent.iter().rev().map(|job| row(job, now, links));
    section("jobs", "Last jobs", nothing, &super::table(&names, rows))
}

/// The newest job, with its steps folded where they are known; nothing if none has ended.
pub(super) fn last(status: &Status, now: DateTime<Utc>) -> Markup {
    let Some(job) = status.recent.last() else { return html! {} };
    let known = status.steps.of(job).and_then(|known| Some((known, longest(known)?)));
    html! {
        section #last aria-labelledby="last-is" {
            h2 #last-is { "Last job" }
            p.name { a href={ "jobs/" (path(job)) } { (named(job.job_name.as_deref(), NAME)) } }
            p.running {
                (self::status(job.status))
                @if let Some(duration) = job.duration { " in " b { (span(duration)) } }
                ", " (moment(job.timestamp, now))
            }
            @if let Some((known, longest)) = known {
                details #last-steps {
                    summary { (known.steps.len()) " steps, the longest " (longest) }
                    (timeline(known, STEPS, OTHER))
                }
            }
        }
    }
}

fn row(job: &JobRecord, now: DateTime<Utc>, links: Links<'_>) -> Markup {
    let name = named(job.job_name.as_deref(), NAME);
    html! {
        tr {
            td { (status(job.status)) }
            th scope="row" { @if links.pages { a href={ "jobs/" (path(job)) } { (name) } } @else { (name) } }
            td { (workflow_of(&job.context, links.server)) }
            td { (named(job.context.repository.as_deref(), OTHER)) (source(&job.context)) }
            td { (length(job.duration)) }
            td { (length(job.queue_time)) }
            td { (moment(job.timestamp, now)) }
        }
    }
}

/// `main · 1f0c2d3 · octocat`: branch, commit and who asked for it, as far as they are known.
fn source(context: &Context) -> Markup {
    let branch = context.git_ref.as_deref().map(|full| sanitize(short_ref(full), BRANCH));
    let commit = context.sha.as_deref().map(|sha| sha.get(..SHORT_SHA).unwrap_or(sha).to_owned());
    let known = [branch, commit, context.actor.clone()].into_iter().flatten();
    let parts: Vec<String> = known.filter(|part| !part.trim().is_empty()).collect();
    html! { @if !parts.is_empty() { span.source { (untrusted(&parts.join(" · "), OTHER)) } } }
}

/// As GitHub's pages show it: `main`, `v1.2`, `pull/12`.
fn short_ref(full: &str) -> &str {
    let name = full.strip_prefix("refs/").unwrap_or(full);
    let name = name.strip_prefix("heads/").or_else(|| name.strip_prefix("tags/")).unwrap_or(name);
    let is_pull = name.starts_with("pull/");
    name.strip_suffix("/merge").filter(|_| is_pull).unwrap_or(name)
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
    fn a_ref_is_named_as_people_do() {
        for (full, want) in [
            ("refs/heads/feature/x", "feature/x"),
            ("refs/tags/v1.2", "v1.2"),
            ("refs/pull/12/merge", "pull/12"),
            ("refs/heads/merge", "merge"),
            ("main", "main"),
            ("", ""),
        ] {
            assert_eq!(short_ref(full), want);
        }
    }

    #[test]
    fn what_the_ratio_leaves_out_is_said_where_there_is_some() {
        assert_eq!(left_out([3, 1, 0, 0, 0]), None);
        for (counts, with, without) in
            [([0, 0, 1, 0, 0], "cancelled", "nobody"), ([0, 0, 0, 0, 1], "nobody", "cancelled")]
        {
            let said = left_out(counts).unwrap();
            assert!(said.contains(with) && !said.contains(without), "{said}");
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
